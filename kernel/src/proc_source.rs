//! What `/proc` is told of the processes at home here, and of the node.

use alloc::format;
use alloc::rc::{Rc, Weak};
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use wayfarer_machine::CpuFeatures;
use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{Fd, NodeId, Pid};
use wayfarer_proto::image::Region;
use wayfarer_proto::linux::signal::{Signal, SignalSet};
use wayfarer_proto::linux::stat::DeviceNumber;
use wayfarer_proto::linux::time::Timespec;

use crate::executor::{LongPolls, PollKind, Priority};
use crate::fs::proc::{
    Answer, IdentityFacts, NodeFacts, ProcFs, ProcSource, ProcessFacts, ProcessState,
};
use crate::fs::{Dentry, MountKind, OpenFile, device};
use crate::kernel::Kernel;
use crate::memory::maps_text;
use crate::net::Network;
use crate::process::{Home, Ids};
use crate::runner::counts;
use crate::signal::Disposition;
use crate::stdio::NOBODY;

/// The device number of `/proc`.
const DEVICE: DeviceNumber = DeviceNumber::new(0, 4);
/// Bytes of a page.
const PAGE: u64 = 4096;
/// The features that Linux names in `cpuinfo` and programs look for: bit, in `edx` and then in
/// `ecx` of CPUID leaf 1.
const FEATURE_NAMES: [(usize, u32, &str); 14] = [
    (1, 0, "fpu"),
    (1, 4, "tsc"),
    (1, 15, "cmov"),
    (1, 23, "mmx"),
    (1, 24, "fxsr"),
    (1, 25, "sse"),
    (1, 26, "sse2"),
    (0, 0, "pni"),
    (0, 9, "ssse3"),
    (0, 19, "sse4_1"),
    (0, 20, "sse4_2"),
    (0, 26, "xsave"),
    (0, 28, "avx"),
    (0, 30, "rdrand"),
];

/// Mounts `/proc`.
///
/// # Errors
/// As [`Vfs::mount`](crate::fs::Vfs::mount): there is no such directory.
pub fn mount(kernel: &Rc<Kernel>) -> Result<(), Errno> {
    let clock = {
        let kernel = Rc::downgrade(kernel);
        let never = Timespec { seconds: 0, nanoseconds: 0 };
        Rc::new(move || kernel.upgrade().map_or(never, |kernel| kernel.wall_clock()))
    };
    let root = ProcFs::create(Rc::new(Source(Rc::downgrade(kernel))), clock, DEVICE);
    kernel.vfs.mount(b"/proc", root, MountKind::of_the_kernel("proc"), &NOBODY)
}

/// The kernel as [`ProcFs`] sees it. Weak, for the kernel owns its file systems.
struct Source(Weak<Kernel>);

impl Source {
    fn kernel(&self) -> Rc<Kernel> {
        self.0.upgrade().expect("nobody opens a file after the kernel has gone")
    }

    /// A process at home here that has not ended.
    fn living(&self, pid: Pid) -> Option<Rc<Home>> {
        self.kernel().processes.home(pid).filter(|home| !home.is_zombie())
    }
}

impl ProcSource for Source {
    fn pids(&self) -> Vec<Pid> {
        self.kernel().processes.homes().iter().map(|home| home.pid).collect()
    }

    fn process(&self, pid: Pid) -> Option<ProcessFacts> {
        let kernel = self.kernel();
        Some(facts(&kernel, &*kernel.processes.home(pid)?))
    }

    fn command_line(&self, pid: Pid) -> Vec<u8> {
        self.living(pid).map(|home| home.program.borrow().arguments.clone()).unwrap_or_default()
    }

    fn executable(&self, pid: Pid) -> Option<Vec<u8>> {
        let path = self.living(pid)?.program.borrow().path.clone();
        (!path.is_empty()).then(|| path.into_bytes())
    }

    fn directory(&self, pid: Pid) -> Option<Rc<Dentry>> {
        Some(self.living(pid)?.files.directory())
    }

    fn top_directory(&self) -> Rc<Dentry> {
        Rc::clone(self.kernel().vfs.root())
    }

    fn descriptors(&self, pid: Pid) -> Vec<(Fd, Rc<OpenFile>)> {
        let list = self.living(pid).map(|home| home.files.descriptors.list()).unwrap_or_default();
        list.into_iter().map(|(fd, descriptor)| (fd, descriptor.file)).collect()
    }

    fn place(&self, pid: Pid) -> Option<NodeId> {
        let kernel = self.kernel();
        let home = kernel.processes.home(pid)?;
        Some(home.cell().map_or(kernel.node, |cell| cell.place()))
    }

    fn maps(&self, pid: Pid, answer: Rc<Answer>) {
        let Some(home) = self.kernel().processes.home(pid) else {
            return answer.give(Err(Errno::ESRCH));
        };
        let Some(cell) = home.cell() else { return answer.give(Ok(Vec::new())) };
        let Some(deputy) = cell.away() else {
            let regions = cell
                .body()
                .map(|body| body.memory().space.borrow().image_regions().collect::<Vec<_>>());
            return answer.give(Ok(maps_of(&home, regions.unwrap_or_default())));
        };
        self.kernel().spawner.spawn(Priority::Service, async move {
            let regions = deputy.query_regions().await;
            answer.give(regions.map(|regions| maps_of(&home, regions)).ok_or(Errno::ESRCH));
        });
    }

    fn go(&self, pid: Pid, node: NodeId, answer: Rc<Answer>) {
        let kernel = self.kernel();
        kernel.spawner.clone().spawn(Priority::Service, async move {
            let outcome = kernel.order_move(pid, node).await;
            answer.give(outcome.map(|()| Vec::new()).map_err(|refusal| refusal.errno));
        });
    }

    fn node(&self) -> NodeFacts {
        let kernel = self.kernel();
        let homes = kernel.processes.homes();
        let frames = kernel.frames.counts();
        let uptime = Duration::from_nanos(kernel.now().0);
        let busy = homes.iter().map(|home| cpu(home)).sum();
        let running = homes.iter().filter(|home| state(home) == ProcessState::Running).count();
        NodeFacts {
            memory_total: frames.total as u64 * PAGE,
            memory_free: kernel.frames.available() as u64 * PAGE,
            uptime,
            idle: uptime.saturating_sub(busy),
            booted: kernel.epoch(),
            cpu_vendor: String::from("unknown"),
            cpu_model: String::from("x86-64"),
            cpu_flags: feature_names(&kernel.cpu),
            forks: homes.len() as u64,
            running,
            processes: homes.len(),
            last_pid: homes.iter().map(|home| home.pid).max().unwrap_or_default(),
            version: format!("Linux version 6.1.0-wayfarer, node {}", kernel.node),
        }
    }

    fn mounts(&self) -> String {
        self.kernel().vfs.mounts_text()
    }

    fn counts(&self) -> Vec<(&'static str, u64)> {
        let kernel = self.kernel();
        let counts = counts(&kernel);
        let network = kernel.network.as_ref().map(Network::totals).unwrap_or_default();
        let homes = kernel.processes.homes();
        Vec::from([
            ("node", kernel.node.0.into()),
            ("frames_total", counts.frames_total),
            ("frames_free", counts.frames_free),
            ("sockets", counts.sockets),
            ("tasks", counts.tasks),
            ("descriptors", counts.descriptors),
            ("processes", counts.processes),
            ("locks", kernel.vfs.open_files().locks().count() as u64),
            ("heap_bytes", counts.heap_used),
            ("heap_frames", counts.heap_frames),
            ("longest_poll_us", counts.longest_poll_us),
            ("unknown_calls", kernel.unknown_calls.get()),
            ("round_trips", homes.iter().map(|home| round_trips(home)).sum()),
            ("frames_in", network.frames_in),
            ("frames_out", network.frames_out),
            ("bytes_in", network.bytes_in),
            ("bytes_out", network.bytes_out),
            ("retransmissions", network.retransmissions),
        ])
    }

    fn long_polls(&self) -> Vec<String> {
        let long = self.kernel().meter.long_polls();
        let line = |(kind, polls): &(PollKind, LongPolls)| {
            format!("{kind} {} {}", polls.count, polls.longest.as_micros())
        };
        long.iter().map(line).collect()
    }
}

/// The text of `maps`: home knows the files.
fn maps_of(home: &Home, regions: Vec<Region>) -> Vec<u8> {
    maps_text(regions, |map| Some(home.maps.get(map)?.describe())).into_bytes()
}

fn facts(kernel: &Kernel, home: &Home) -> ProcessFacts {
    let cell = home.cell();
    let body = cell.as_ref().and_then(|cell| cell.body());
    let (virtual_bytes, resident_pages) = body.map_or((0, 0), |body| {
        let memory = body.memory();
        let space = memory.space.borrow();
        (space.mapped_pages() * PAGE, space.resident_pages() as u64)
    });
    let leader = home.thread(home.pid.leader());
    let of_leader = |of: fn(&crate::process::HomeThread) -> SignalSet| {
        leader.as_ref().map_or(SignalSet::EMPTY, |thread| of(thread))
    };
    let terminal = kernel.vfs.devices().controlling_terminal(home.session.get());
    ProcessFacts {
        comm: home.program.borrow().comm.clone(),
        state: state(home),
        parent: home.parent.borrow().upgrade().map_or(Pid(0), |parent| parent.pid),
        group: home.group.get(),
        session: home.session.get(),
        terminal: terminal
            .map(|terminal| (device::CONSOLE, terminal.foreground().unwrap_or(Pid(-1)))),
        threads: home.threads.borrow().len(),
        cpu: cpu(home),
        children_cpu: Duration::from_nanos(home.children_cpu.get()),
        started: Duration::ZERO,
        virtual_bytes,
        resident_pages,
        pending: of_leader(|thread| thread.pending.borrow().set()),
        shared_pending: home.pending.borrow().set(),
        blocked: of_leader(|thread| thread.mask.get()),
        ignored: signals_with(home, |disposition| *disposition == Disposition::Ignored),
        caught: signals_with(home, |disposition| matches!(disposition, Disposition::Caught(_))),
        umask: home.files.umask.get(),
        descriptors: home.files.descriptors.count(),
        identity: identity(home),
    }
}

fn identity(home: &Home) -> IdentityFacts {
    let credentials = home.credentials.borrow();
    let four = |ids: Ids| [ids.real, ids.effective, ids.saved, ids.files];
    let sets = credentials.capabilities;
    IdentityFacts {
        users: four(credentials.user),
        group_ids: four(credentials.group),
        groups: credentials.groups.clone(),
        capabilities: [sets.inheritable, sets.permitted, sets.effective, sets.bounding],
        no_new_privileges: credentials.no_new_privileges,
    }
}

/// Round trips that calls of a process have made.
fn round_trips(home: &Home) -> u64 {
    let deputy = home.cell().and_then(|cell| cell.deputy_driver());
    home.away.round_trips.get() + deputy.map_or(0, |deputy| deputy.round_trips.get())
}

/// CPU time, as far as it is known at home.
pub(crate) fn cpu(home: &Home) -> Duration {
    let body = home.cell().and_then(|cell| cell.body());
    Duration::from_nanos(body.map_or_else(|| home.cpu.get(), |body| body.cpu.get()))
}

/// A process whose calls are all being served at home sleeps; what its body does alone counts as
/// running.
pub(crate) fn state(home: &Home) -> ProcessState {
    if home.is_zombie() {
        return ProcessState::Zombie;
    }
    if home.stopped().is_some() {
        return ProcessState::Stopped;
    }
    let busy = home.threads.borrow().values().any(|thread| !thread.has_open_call());
    if busy && home.cell().is_some() { ProcessState::Running } else { ProcessState::Sleeping }
}

fn signals_with(home: &Home, wanted: fn(&Disposition) -> bool) -> SignalSet {
    let mut set = SignalSet::EMPTY;
    for signal in (1..=u64::from(Signal::MAX)).filter_map(Signal::new) {
        if wanted(&home.signals.disposition(signal)) {
            set.insert(signal);
        }
    }
    set
}

fn feature_names(cpu: &CpuFeatures) -> String {
    let mut names = String::new();
    for (register, bit, name) in FEATURE_NAMES {
        if cpu.basic[register] >> bit & 1 != 0 {
            names += name;
            names.push(' ');
        }
    }
    names.truncate(names.trim_end().len());
    names
}
