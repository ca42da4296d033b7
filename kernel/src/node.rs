//! The life of a node: take the machine apart, put the kernel together, then serve for ever.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::time::Duration;

use wayfarer_machine::devices::{ConsolePort, Devices, EntropyPort, PacketPort};
use wayfarer_machine::memory::PAGE_SIZE;
use wayfarer_machine::{Clock, Machine, SharedMemory};
use wayfarer_proto::boot::{BENCH, BootWords, EXIT_ORDERLY, NO_AHEAD, NetKind, UPLINK, has_word};
use wayfarer_proto::console::{CONSOLE_VERSION, FromNode, Hello, Stage};
use wayfarer_proto::id::NodeId;
use wayfarer_proto::roam::Roam;
use wayfarer_proto::shared::PAIR_BYTES;
use wayfarer_proto::time::Instant;

use crate::console::Console;
use crate::executor::{Executor, Meter, Timers};
use crate::extensions::Extensions;
use crate::fs::share::Fetches;
use crate::kernel::{Kernel, Parts};
use crate::memory::MemorySource;
use crate::net::outside::Outside;
use crate::net::{Config, ConfigError, ListenError, Network, Port, QueueFull, SharedPort};
use crate::patience::Patience;
use crate::random::{Random, SEED_SIZE};
use crate::shares::{ShareError, Shares};
use crate::split::doors;
use crate::{files, probe, proc_source, runner, tty};

/// How long the host's entropy is waited for at boot.
const ENTROPY_LIMIT: Duration = Duration::from_millis(100);

/// How long the runner may take the last output of a node that it shuts down.
const FAREWELL_LIMIT: Duration = Duration::from_secs(2);

/// Bytes taken from the console port at once.
const CONSOLE_PIECE: usize = 16 * 1024;

/// Everything the main loop turns.
struct Node {
    kernel: Rc<Kernel>,
    executor: Executor,
    console_port: Option<ConsolePort>,
    clock: Clock,
    network: Option<Network>,
    outside: Option<Rc<Outside>>,
    patience: Patience,
    /// Whether the runner believes that bulk data is on its way from here.
    sends_bulk: bool,
    shares: Shares,
    /// Where input from the runner is put.
    piece: Vec<u8>,
    /// The host's entropy, until some has been taken.
    entropy: Option<EntropyPort>,
}

/// Boots the node and serves until the runner powers it off.
pub fn run(machine: Machine) -> ! {
    run_with(machine, Extensions::default())
}

/// As [`run`], with what an image of your own adds.
pub fn run_with(mut machine: Machine, extensions: Extensions) -> ! {
    match boot(&mut machine, extensions) {
        Ok(mut node) => node.serve(),
        Err(error) => {
            wayfarer_machine::serial::write(format_args!("boot: {error}\n"));
            wayfarer_machine::exit(wayfarer_machine::FAILURE)
        }
    }
}

/// Why a node cannot boot, for the log.
#[derive(Debug)]
enum BootError {
    /// The command line.
    Words(wayfarer_proto::boot::BadWord),
    /// The initial file system.
    Files(files::AssembleError),
    /// Not one frame is free.
    Memory,
    /// The network cards.
    Network(ConfigError),
    /// A port that others call at is taken.
    Doors(ListenError),
    /// A directory of the host.
    Share(ShareError),
}

impl core::fmt::Display for BootError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Words(error) => error.fmt(f),
            Self::Files(error) => error.fmt(f),
            Self::Memory => f.write_str("no memory"),
            Self::Network(error) => write!(f, "network: {error:?}"),
            Self::Doors(error) => write!(f, "network: {error:?}"),
            Self::Share(error) => error.fmt(f),
        }
    }
}

fn boot(machine: &mut Machine, extensions: Extensions) -> Result<Node, BootError> {
    let words: BootWords = machine.command_line.parse().map_err(BootError::Words)?;
    let mut devices = core::mem::take(&mut machine.devices);
    let clock = machine.clock;
    let meter = Rc::new(Meter::new(move || Instant(clock.now_ns())));
    let executor = Executor::with_meter(Rc::clone(&meter));
    let timers = Timers::new();
    let console = Rc::new(Console::default());
    let epoch = Duration::from_nanos(words.epoch_ns);
    let random = Rc::new(RefCell::new(Random::new(seed(&mut devices, machine.clock))));
    let vfs = files::assemble(machine, epoch, &random).map_err(BootError::Files)?;
    let fetches = Rc::<Fetches>::default();
    let ports = core::mem::take(&mut devices.shares);
    let made = (clock, &machine.frames);
    let shares = Shares::mount(machine.command_line, ports, &vfs, &fetches, made);
    let shares = shares.map_err(BootError::Share)?;
    let memory =
        MemorySource::new(&machine.frames, &machine.kernel_half).map_err(|_| BootError::Memory)?;
    // Random numbers are dear the first time: only for who needs some.
    let seed = || random.borrow_mut().next_u64();
    let now = Instant(machine.clock.now_ns());
    let outside = outside(machine, &mut devices, seed, now);
    let network = match words.net {
        NetKind::None => None,
        _ => Some(wire_up(machine, &words, devices.packets, seed(), now)?),
    };
    let kernel = Kernel::new(Parts {
        node: words.node,
        epoch,
        clock: machine.clock,
        cpu: machine.cpu,
        frames: machine.frames.clone(),
        memory,
        spawner: executor.spawner(),
        meter,
        timers,
        vfs,
        fetches,
        console,
        network: network.clone(),
        nodes: words.nodes,
        keep_alive: keep_alive(&words),
        trace: has_word(machine.command_line, "trace"),
        ahead: !has_word(machine.command_line, NO_AHEAD),
        roam: Roam::from_line(machine.command_line).map_err(BootError::Words)?,
        extensions,
        random,
    });
    open_up(&kernel, machine.command_line, outside.as_ref())?;
    kernel.init();
    if let Roam::Period(period) = kernel.roam {
        crate::split::roam::by_the_clock(&kernel, period);
    }
    let hello = Hello { version: CONSOLE_VERSION, node: words.node, nodes: words.nodes };
    kernel.console.send(&FromNode::Hello(hello));
    Ok(Node {
        kernel,
        executor,
        console_port: devices.console,
        clock: machine.clock,
        network,
        outside,
        patience: Patience::default(),
        sends_bulk: false,
        shares,
        piece: alloc::vec![0; CONSOLE_PIECE],
        entropy: devices.entropy,
    })
}

/// What others reach the kernel by: the outside, its peers, `/proc`.
fn open_up(
    kernel: &Rc<Kernel>,
    command_line: &str,
    outside: Option<&Rc<Outside>>,
) -> Result<(), BootError> {
    if let Some(outside) = outside {
        kernel.sockets.inet.set_uplink(outside.clone());
        files::add_resolver(&kernel.vfs).map_err(|errno| BootError::Files(errno.into()))?;
    }
    if let Some(network) = &kernel.network {
        doors::open(kernel, network).map_err(BootError::Doors)?;
        if has_word(command_line, BENCH) {
            probe::serve(kernel, network).map_err(BootError::Doors)?;
        }
    }
    tty::serve_pseudoterminals(kernel);
    proc_source::mount(kernel, command_line).map_err(|errno| BootError::Files(errno.into()))
}

/// The way to the outside, if the runner has added a card for it: the last one.
fn outside(
    machine: &Machine,
    devices: &mut Devices,
    seed: impl FnOnce() -> u64,
    now: Instant,
) -> Option<Rc<Outside>> {
    if !has_word(machine.command_line, UPLINK) {
        return None;
    }
    let port = Box::new(MachinePort(devices.packets.pop()?));
    Some(Outside::new(port, &machine.frames, seed(), now))
}

/// The network over the machine's packet ports, in the order the runner has wired them.
fn wire_up(
    machine: &mut Machine,
    words: &BootWords,
    ports: Vec<PacketPort>,
    seed: u64,
    now: Instant,
) -> Result<Network, BootError> {
    let ports = ports.into_iter().map(|port| Box::new(MachinePort(port)) as Box<dyn Port>);
    let ports = match machine.shared.take() {
        Some(memory) => beside_memory(words, ports.collect(), memory, seed),
        None => ports.collect(),
    };
    let memory = machine.frames.counts().total * PAGE_SIZE;
    let config = Config::from_boot(words, memory, seed);
    Network::new(config, ports, now).map_err(BootError::Network)
}

/// The ports, each with its part of the memory that the runner has shared: one for each peer, in
/// the order of the ports.
fn beside_memory(
    words: &BootWords,
    ports: Vec<Box<dyn Port>>,
    memory: SharedMemory,
    seed: u64,
) -> Vec<Box<dyn Port>> {
    let mut rest = Some(memory);
    let beside = |(port, &peer): (Box<dyn Port>, &NodeId)| {
        let enough = rest.take_if(|memory| memory.length() >= PAIR_BYTES);
        let Some((part, others)) = enough.map(|memory| memory.split_at(PAIR_BYTES)) else {
            return port;
        };
        rest = Some(others);
        Box::new(SharedPort::new(part, port, words.node, peer, seed))
    };
    ports.into_iter().zip(&words.peers).map(beside).collect()
}

/// How long a silent link is believed in. Under a debugger: for ever.
fn keep_alive(words: &BootWords) -> Duration {
    match words.keepalive_ms {
        0 => Duration::from_secs(u64::from(u32::MAX)),
        millis => Duration::from_millis(millis.into()),
    }
}

/// A packet port of the machine as the network sees it.
struct MachinePort(PacketPort);

impl Port for MachinePort {
    fn mac(&self) -> [u8; 6] {
        self.0.mac()
    }

    fn mtu(&self) -> usize {
        self.0.mtu()
    }

    fn receive(&mut self, frame: &mut dyn FnMut(&[u8])) -> bool {
        self.0.receive(|bytes| frame(bytes))
    }

    fn send(&mut self, length: usize, fill: &mut dyn FnMut(&mut [u8])) -> Result<(), QueueFull> {
        self.0.send(length, |bytes| fill(bytes)).map_err(|_| QueueFull)
    }

    fn announce(&mut self) {
        self.0.announce();
    }
}

/// A seed from the processor's generator, or from the host where it has none; never from the clock
/// alone (decision D10). Whatever the host has to give is added later ([`Node::reseed`]).
fn seed(devices: &mut Devices, clock: Clock) -> [u8; SEED_SIZE] {
    let mut seed = [0; SEED_SIZE];
    let filled = seed.chunks_exact_mut(8).try_for_each(|piece| {
        piece.copy_from_slice(&wayfarer_machine::hardware_random()?.to_le_bytes());
        Some(())
    });
    if filled.is_none()
        && let Some(port) = &mut devices.entropy
    {
        fill_from_host(port, &mut seed, clock);
    }
    seed
}

/// The host answers at once unless it has little entropy itself; it is not waited for for ever.
fn fill_from_host(port: &mut EntropyPort, seed: &mut [u8], clock: Clock) {
    let limit = clock.now_ns() + ENTROPY_LIMIT.as_nanos() as u64;
    let mut filled = 0;
    while filled < seed.len() && clock.now_ns() < limit {
        match port.fill(&mut seed[filled..]) {
            0 => clock.idle_until(Some(limit)),
            count => filled += count,
        }
    }
}

impl Node {
    fn serve(&mut self) -> ! {
        loop {
            let progress = self.turn();
            if self.kernel.shut_down.get() {
                self.say_farewell();
            }
            if !progress && !self.executor.has_ready() {
                self.reseed();
                let network = self.network.as_ref().and_then(Network::poll_at);
                let timers = self.kernel.timers.next_deadline();
                let outside = self.outside.as_ref().and_then(|outside| outside.poll_at());
                let deadline = Instant::first([network, timers, outside]);
                self.kernel.laps.mark(Stage::Resting);
                self.wait(deadline.map(|deadline| deadline.0));
                self.kernel.laps.mark(Stage::Waiting);
                self.kernel.wakes.set(self.kernel.wakes.get() + 1);
                self.kernel.end_slice();
            }
        }
    }

    /// Adds the host's entropy to the random numbers, once there is nothing else to do: not before
    /// the first rest, in which the runner is about to give the node its first program.
    fn reseed(&mut self) {
        let Some(port) = self.entropy.as_mut().filter(|_| self.kernel.wakes.get() > 0) else {
            return;
        };
        let mut fresh = [0; SEED_SIZE];
        // An interrupt tells that it has come.
        if port.fill(&mut fresh) > 0 {
            self.kernel.random.borrow_mut().stir(fresh);
            self.entropy = None;
        }
    }

    /// Waits for the deadline, an interrupt, or a frame of which none tells.
    fn wait(&self, deadline: Option<u64>) {
        if let Some(network) = &self.network {
            let frames_come = || network.has_frame();
            let now = || self.clock.now_ns();
            if network.is_busy() && self.patience.wait(now, deadline, frames_come) {
                return;
            }
            if network.rest() {
                return;
            }
        }
        self.clock.idle_until(deadline);
    }

    /// Powers the machine off once the host has taken all output.
    fn say_farewell(&mut self) -> ! {
        let limit = self.clock.now_ns() + FAREWELL_LIMIT.as_nanos() as u64;
        while self.clock.now_ns() < limit {
            self.transmit();
            let flushed = self.console_port.as_mut().is_none_or(ConsolePort::is_flushed);
            if flushed && self.kernel.console.is_idle() {
                break;
            }
            self.clock.idle_until(Some(limit));
        }
        wayfarer_machine::exit(EXIT_ORDERLY)
    }

    /// One round: time, input, tasks, output. Says whether there was input or output.
    fn turn(&mut self) -> bool {
        let now = Instant(self.clock.now_ns());
        self.kernel.timers.fire(now);
        let mut progress = self.receive() | self.shares.receive();
        if let Some(network) = &self.network {
            // Whether there is more is told by `poll_at`: a card that has nothing interrupts.
            network.receive(now);
        }
        progress |= self.poll_outside();
        self.executor.run_round();
        self.shares.announce();
        if let Some(network) = &self.network {
            let sent = network.transmit(Instant(self.clock.now_ns()));
            if sent {
                self.kernel.laps.mark(Stage::Sending);
            }
        }
        progress |= self.poll_outside();
        self.tell_of_bulk();
        self.transmit() || progress
    }

    /// Has the runner place the node as what it sends needs it.
    fn tell_of_bulk(&mut self) {
        let sends_bulk = self.network.as_ref().is_some_and(Network::sends_bulk);
        if sends_bulk != self.sends_bulk {
            self.sends_bulk = sends_bulk;
            self.kernel.console.send(&FromNode::Bulk(sends_bulk));
        }
    }

    /// Moves what goes to the outside and comes from there; whether there was something.
    fn poll_outside(&self) -> bool {
        let Some(outside) = &self.outside else { return false };
        let began = Instant(self.clock.now_ns());
        let worked = outside.poll(began);
        if worked {
            outside.rest(began, Instant(self.clock.now_ns()));
        }
        worked
    }

    fn receive(&mut self) -> bool {
        let Some(port) = &mut self.console_port else { return false };
        let length = port.receive(&mut self.piece);
        if length == 0 {
            return false;
        }
        for frame in self.kernel.console.receive(&self.piece[..length]) {
            runner::handle(&self.kernel, frame);
        }
        true
    }

    fn transmit(&mut self) -> bool {
        match &mut self.console_port {
            Some(port) => self.kernel.console.drain(|bytes| port.send(bytes)),
            None => false,
        }
    }
}
