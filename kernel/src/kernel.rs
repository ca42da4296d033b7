//! What one node is made of. There is no global "current": whoever needs the kernel is given it.

use alloc::rc::{Rc, Weak};
use alloc::vec::Vec;
use core::cell::{Cell, OnceCell, RefCell};
use core::time::Duration;

use wayfarer_machine::{Clock, CpuFeatures, FramePool};
use wayfarer_proto::console::{FromNode, MissingCall};
use wayfarer_proto::id::{NodeId, Pid, ProcessKey};
use wayfarer_proto::limits;
use wayfarer_proto::linux::time::Timespec;
use wayfarer_proto::roam::Roam;
use wayfarer_proto::session::MovePhase;
use wayfarer_proto::sorted::{SortedMap, SortedSet};
use wayfarer_proto::time::Instant;

use crate::console::Console;
use crate::executor::{Meter, Spawner, Timers};
use crate::extensions::Extensions;
use crate::fs::Vfs;
use crate::fs::nameless::Nameless;
use crate::fs::share::Fetches;
use crate::futex::Futexes;
use crate::ipc::Ipc;
use crate::laps::Laps;
use crate::memory::{FileCache, MemorySource};
use crate::net::Network;
use crate::process::{Clocks, Home, ProcessTable, make_init};
use crate::random::Random;
use crate::socket::Sockets;
use crate::split::{Berths, BodyDriver, DeputyDriver, Remnants, Returns};
use crate::stdio::Stdin;

/// How long user code runs while others wait.
const SLICE: Duration = Duration::from_millis(2);

/// A node.
pub struct Kernel {
    /// Its number in the cluster.
    pub node: NodeId,
    /// Starts tasks.
    pub spawner: Spawner,
    /// Waiting for a moment.
    pub timers: Timers,
    /// Physical memory.
    pub frames: FramePool,
    /// Pages of files of other nodes.
    pub file_cache: Rc<FileCache>,
    /// What bodies have left behind that went on to other nodes.
    pub remnants: Rc<Remnants>,
    /// Threads that wait on a futex(2) word.
    pub futexes: Futexes,
    /// The processes with a half here.
    pub processes: ProcessTable,
    /// The files of this node.
    pub vfs: Rc<Vfs>,
    /// Who waits for what hosts are asked for.
    pub fetches: Rc<Fetches>,
    /// Where event descriptors and sockets live.
    pub nameless: Nameless,
    /// What the sockets of programs share.
    pub sockets: Sockets,
    /// What processes share beside files.
    pub ipc: Ipc,
    /// Frames to and from the runner.
    pub console: Rc<Console>,
    /// Input for the started program.
    pub stdin: Stdin,
    /// The started program.
    pub program: Cell<Option<Pid>>,
    /// The network; `None` for a node that is alone.
    pub network: Option<Network>,
    /// How many nodes there are.
    pub nodes: u16,
    /// How long a silent link is believed in.
    pub keep_alive: Duration,
    /// Bodies whose image is to come, by the token that announces it.
    pub(crate) arrivals: RefCell<SortedMap<u64, Rc<BodyDriver>>>,
    /// Room for the images of bodies that come.
    pub(crate) berths: Rc<Berths>,
    /// Room for bodies of this home that leave for another node.
    pub(crate) departures: Rc<Berths>,
    /// Deputies that await the body of a child, by the token it will show.
    pub(crate) children: RefCell<SortedMap<u64, Weak<DeputyDriver>>>,
    /// When processes move without being told.
    pub roam: Roam,
    /// The phase that moves are held in, for a test.
    pub hold: Cell<Option<MovePhase>>,
    /// What the image adds to this kernel.
    pub extensions: Extensions,
    /// Whether calls are traced.
    pub trace: Cell<bool>,
    /// Whether bodies away are lent room for what they write (decision 0016).
    pub ahead: bool,
    /// What was lent and is being called back.
    pub returns: Returns,
    /// The runner wants the machine off; its last output goes out first.
    pub shut_down: Cell<bool>,
    /// How often the node has rested and gone on.
    pub wakes: Cell<u64>,
    /// When the time slice of the user thread that runs ends.
    slice_end: Cell<Instant>,
    /// When the tick comes that was not seen to come.
    tick_due: Cell<Option<Instant>>,
    /// Whether the tick of an earlier slice may be pending.
    stale_tick: Cell<bool>,
    /// How long tasks hold the processor.
    pub meter: Rc<Meter>,
    /// Where the time of forwarded calls goes.
    pub laps: Laps,
    /// The node's random numbers.
    pub random: Rc<RefCell<Random>>,
    /// Calls without a row in the table that programs have made.
    pub unknown_calls: Cell<u64>,
    /// The numbers of calls without a row that were reported.
    missing_calls: RefCell<SortedSet<u64>>,
    /// What the processor can do, as user code sees it.
    pub cpu: CpuFeatures,
    clock: Clock,
    memory: MemorySource,
    init: OnceCell<Rc<Home>>,
    /// The wall clock at boot, since 1970.
    epoch: Duration,
}

/// The parts a kernel is made of.
pub struct Parts {
    /// The node's number.
    pub node: NodeId,
    /// The wall clock at boot, since 1970.
    pub epoch: Duration,
    /// The monotonic clock.
    pub clock: Clock,
    /// What the processor can do.
    pub cpu: CpuFeatures,
    /// Physical memory.
    pub frames: FramePool,
    /// What address spaces are made of.
    pub memory: MemorySource,
    /// Starts tasks.
    pub spawner: Spawner,
    /// Measures their polls.
    pub meter: Rc<Meter>,
    /// Waiting for a moment.
    pub timers: Timers,
    /// The files.
    pub vfs: Rc<Vfs>,
    /// Who waits for what hosts are asked for.
    pub fetches: Rc<Fetches>,
    /// The way to the runner.
    pub console: Rc<Console>,
    /// The network; `None` for a node that is alone.
    pub network: Option<Network>,
    /// How many nodes there are.
    pub nodes: u16,
    /// How long a silent link is believed in.
    pub keep_alive: Duration,
    /// When processes move without being told.
    pub roam: Roam,
    /// What the image adds to this kernel.
    pub extensions: Extensions,
    /// Whether calls are traced (`trace` on the command line).
    pub trace: bool,
    /// Whether bodies away are lent room (`no-ahead` on the command line forbids it).
    pub ahead: bool,
    /// Seeded from hardware.
    pub random: Rc<RefCell<Random>>,
}

impl Kernel {
    /// Puts a node together.
    pub fn new(parts: Parts) -> Rc<Self> {
        let (clock, epoch) = (parts.clock, parts.epoch);
        let wall_clock =
            move || Timespec::from_duration(epoch + Duration::from_nanos(clock.now_ns()));
        Rc::new(Self {
            node: parts.node,
            spawner: parts.spawner,
            timers: parts.timers,
            futexes: Futexes::default(),
            processes: ProcessTable::default(),
            vfs: parts.vfs,
            fetches: parts.fetches,
            sockets: Sockets::new(&parts.frames),
            file_cache: FileCache::new(&parts.frames),
            remnants: Remnants::new(&parts.frames),
            frames: parts.frames,
            nameless: Nameless::new(Rc::new(wall_clock)),
            ipc: Ipc::default(),
            console: parts.console,
            stdin: Stdin::default(),
            program: Cell::new(None),
            network: parts.network,
            nodes: parts.nodes,
            keep_alive: parts.keep_alive,
            arrivals: RefCell::default(),
            berths: Rc::default(),
            departures: Rc::default(),
            children: RefCell::default(),
            roam: parts.roam,
            hold: Cell::new(None),
            extensions: parts.extensions,
            trace: Cell::new(parts.trace),
            ahead: parts.ahead,
            returns: Returns::default(),
            shut_down: Cell::new(false),
            wakes: Cell::new(0),
            slice_end: Cell::new(Instant(0)),
            tick_due: Cell::new(None),
            stale_tick: Cell::new(false),
            meter: parts.meter,
            laps: Laps::new(parts.clock),
            random: parts.random,
            unknown_calls: Cell::new(0),
            missing_calls: RefCell::default(),
            cpu: parts.cpu,
            clock: parts.clock,
            memory: parts.memory,
            init: OnceCell::new(),
            epoch: parts.epoch,
        })
    }

    /// The clock, for what reads it where there is no kernel.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// The time since the node booted.
    pub fn now(&self) -> Instant {
        Instant(self.clock.now_ns())
    }

    /// Sees that user code which is about to run comes back before its slice has passed. Gives the
    /// time.
    pub fn arm_slice(&self) -> Instant {
        let now = self.now();
        if now >= self.slice_end.get() {
            self.slice_end.set(now + SLICE);
            let tick = self.tick_due.replace(Some(now + SLICE));
            self.stale_tick.set(tick.is_some_and(|due| due <= now));
            self.clock.set_tick(SLICE.as_nanos() as u64);
        }
        now
    }

    /// Whether user code that has just run may have met the tick of an earlier slice, which fell
    /// due while the kernel was busy: then an interrupt came before it had begun. Whoever yields to
    /// that finds the next one fallen due when it comes back, and never runs. What comes late in
    /// the slice is its own tick, after which no other would come.
    pub fn take_stale_tick(&self) -> bool {
        self.stale_tick.take() && self.now() + SLICE / 2 < self.slice_end.get()
    }

    /// User code has made a call: no tick of an earlier slice was pending.
    pub fn forget_stale_tick(&self) {
        self.stale_tick.set(false);
    }

    /// An interrupt has come, which may be the tick: the next slice begins anew.
    pub fn interrupted(&self) {
        if self.tick_due.get().is_some_and(|due| due <= self.now()) {
            self.tick_due.set(None);
        }
        self.slice_end.set(Instant(0));
    }

    /// The tick is gone because the processor was idle: the next slice begins anew.
    pub fn end_slice(&self) {
        self.tick_due.set(None);
        self.slice_end.set(Instant(0));
    }

    /// The node's wall clock.
    pub fn wall_clock(&self) -> Timespec {
        Timespec::from_duration(self.epoch + Duration::from_nanos(self.now().0))
    }

    /// The wall clock at boot, since 1970.
    pub fn epoch(&self) -> Duration {
        self.epoch
    }

    /// Fills `buffer` with random bytes.
    pub fn fill_random(&self, buffer: &mut [u8]) {
        self.random.borrow_mut().fill(buffer);
    }

    /// What address spaces are made of.
    pub fn memory(&self) -> &MemorySource {
        &self.memory
    }

    /// The kernel's own parent of the first program and of every orphan.
    pub fn init(&self) -> Rc<Home> {
        Rc::clone(self.init.get_or_init(|| make_init(self)))
    }

    /// What a process at home here reads its clocks with.
    pub fn clocks(&self) -> Clocks {
        Clocks { monotonic: 0, realtime: self.epoch }
    }

    /// Counts a call of `program` that has no row in the table, and reports the first of each
    /// number: as many numbers as a program can invent are not remembered.
    pub fn count_unknown_call(&self, number: u64, program: &str) {
        const MOST: usize = 512;
        self.unknown_calls.set(self.unknown_calls.get() + 1);
        let mut missing = self.missing_calls.borrow_mut();
        if missing.len() < MOST && missing.insert(number) {
            let call = MissingCall { program: program.into(), number };
            self.console.send(&FromNode::Missing(call));
        }
    }

    /// The processes of a group that are at home here.
    pub fn group_members(&self, group: Pid) -> Vec<Rc<Home>> {
        let mut members = self.processes.homes();
        members.retain(|home| home.group.get() == group && !home.is_zombie());
        members
    }

    /// Destroys the body of a process that is ending, wherever it is. One that is away is waited
    /// for, but not for ever: home forgets it then, and its own node will find out.
    pub async fn destroy_body(&self, home: &Home) {
        let key = ProcessKey { home: self.node, pid: home.pid };
        let Some(cell) = self.processes.remove(key) else { return };
        if let Some(deputy) = cell.away().filter(|_| !home.maps.lent().is_empty()) {
            deputy.return_files().await;
        }
        if let Some(deputy) = cell.deputy_driver() {
            deputy.input(wayfarer_deputy::Input::End);
            let closed = deputy.closed.wait_until(|| deputy.is_over().then_some(()));
            let limit = self.now() + limits::BYE + limits::BYE;
            if self.timers.timeout(Some(limit), closed).await.is_err() {
                self.console.log(format_args!("process {key}: its body did not say goodbye"));
            }
            deputy.retire();
        }
        if let Some(body) = cell.body() {
            let threads: Vec<_> = body.threads.borrow().values().cloned().collect();
            body.end();
            home.note_usage(&body.usage());
            if let Some(memory) = cell.local_memory() {
                for thread in threads {
                    memory.release_robust(&self.futexes, &thread).await;
                }
            }
            body.shed_memory().await;
        }
        cell.set_joint(None);
        home.maps.end_loans();
    }
}
