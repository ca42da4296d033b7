//! The life of a node: take the machine apart, put the kernel together, then serve for ever.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::time::Duration;

use wayfarer_machine::devices::{ConsolePort, Devices, EntropyPort};
use wayfarer_machine::{Clock, Machine};
use wayfarer_proto::boot::BootWords;
use wayfarer_proto::console::{CONSOLE_VERSION, FromNode, Hello};
use wayfarer_proto::time::Instant;

use crate::console::Console;
use crate::executor::{Executor, Timers};
use crate::kernel::{Kernel, Parts};
use crate::memory::MemorySource;
use crate::random::{Random, SEED_SIZE};
use crate::{files, runner};

/// Bytes taken from the console port at once.
const CONSOLE_PIECE: usize = 16 * 1024;

/// Everything the main loop turns.
struct Node {
    kernel: Rc<Kernel>,
    executor: Executor,
    console_port: Option<ConsolePort>,
    clock: Clock,
}

/// Boots the node and serves until the runner powers it off.
pub fn run(mut machine: Machine) -> ! {
    match boot(&mut machine) {
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
}

impl core::fmt::Display for BootError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Words(error) => error.fmt(f),
            Self::Files(error) => error.fmt(f),
            Self::Memory => f.write_str("no memory"),
        }
    }
}

fn boot(machine: &mut Machine) -> Result<Node, BootError> {
    let words: BootWords = machine.command_line.parse().map_err(BootError::Words)?;
    let mut devices = core::mem::take(&mut machine.devices);
    let executor = Executor::new();
    let timers = Timers::new();
    let console = Rc::new(Console::default());
    let epoch = Duration::from_nanos(words.epoch_ns);
    let random = Rc::new(RefCell::new(Random::new(seed(&mut devices))));
    let vfs = files::assemble(machine, epoch, &random).map_err(BootError::Files)?;
    let memory =
        MemorySource::new(&machine.frames, &machine.kernel_half).map_err(|_| BootError::Memory)?;
    let kernel = Kernel::new(Parts {
        node: words.node,
        epoch,
        clock: machine.clock,
        cpu: machine.cpu,
        frames: machine.frames.clone(),
        memory,
        spawner: executor.spawner(),
        timers,
        vfs,
        console,
        random,
    });
    let hello = Hello { version: CONSOLE_VERSION, node: words.node, nodes: words.nodes };
    kernel.console.send(&FromNode::Hello(hello));
    Ok(Node { kernel, executor, console_port: devices.console, clock: machine.clock })
}

/// A seed from every source there is; never from the clock alone (decision D10).
fn seed(devices: &mut Devices) -> [u8; SEED_SIZE] {
    let mut seed = [0; SEED_SIZE];
    if let Some(port) = &mut devices.entropy {
        EntropyPort::fill(port, &mut seed);
    }
    for piece in seed.chunks_exact_mut(8) {
        let hardware = wayfarer_machine::hardware_random().unwrap_or_default().to_le_bytes();
        piece.iter_mut().zip(hardware).for_each(|(byte, random)| *byte ^= random);
    }
    seed
}

impl Node {
    fn serve(&mut self) -> ! {
        loop {
            let progress = self.turn();
            if !progress && !self.executor.has_ready() {
                let deadline = self.kernel.timers.next_deadline().map(|deadline| deadline.0);
                self.clock.idle_until(deadline);
            }
        }
    }

    /// One round: time, input, tasks, output. Says whether there was input or output.
    fn turn(&mut self) -> bool {
        self.kernel.timers.fire(Instant(self.clock.now_ns()));
        let received = self.receive();
        self.executor.run_round();
        self.transmit() || received
    }

    fn receive(&mut self) -> bool {
        let Some(port) = &mut self.console_port else { return false };
        let mut piece = Vec::new();
        piece.resize(CONSOLE_PIECE, 0);
        let length = port.receive(&mut piece);
        for frame in self.kernel.console.receive(&piece[..length]) {
            runner::handle(&self.kernel, frame);
        }
        length > 0
    }

    fn transmit(&mut self) -> bool {
        match &mut self.console_port {
            Some(port) => self.kernel.console.drain(|bytes| port.send(bytes)),
            None => false,
        }
    }
}
