//! What the runner asks of a node: run a program, feed its input, move it, count, power off.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
use core::task::{Context, Poll, Waker};

use wayfarer_proto::console::{Counts, Exit, ExitStatus, FromNode, Half, Start, Started, ToNode};
use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::Pid;
use wayfarer_proto::linux::process::WaitStatus;
use wayfarer_proto::linux::signal::{SigInfo, Signal};

use crate::executor::Priority;
use crate::kernel::Kernel;
use crate::process::{Body, Home, ProcessCell};
use crate::{probe, proc_source, start, tty};

/// Serves one frame from the runner.
pub fn handle(kernel: &Rc<Kernel>, frame: ToNode) {
    match frame {
        ToNode::Start(order) => begin(kernel, order),
        ToNode::Stdin(bytes) => kernel.stdin.push(&bytes),
        ToNode::StdinEof => kernel.stdin.end(),
        ToNode::Signal(number) => signal_program(kernel, number),
        ToNode::WindowSize(size) => tty::resize(kernel, size),
        ToNode::Move(order) => {
            let kernel = Rc::clone(kernel);
            kernel.spawner.clone().spawn(Priority::Service, async move {
                // The outcome is reported by the move itself.
                let _ = kernel.order_move(order.pid, order.node).await;
            });
        }
        ToNode::QueryCounts => {
            kernel.console.send(&FromNode::Counts(counts(kernel)));
            kernel.meter.take_longest();
        }
        ToNode::QueryProcesses => {
            let cells = kernel.processes.cells();
            let homes = kernel.processes.homes().into_iter();
            let bodiless = homes.filter(|home| home.cell().is_none());
            for half in cells.iter().map(|cell| half_of(kernel, cell)) {
                kernel.console.send(&FromNode::Half(half));
            }
            for half in bodiless.map(|home| of_home(kernel, &home, None)) {
                kernel.console.send(&FromNode::Half(half));
            }
            kernel.console.send(&FromNode::Counts(counts(kernel)));
        }
        ToNode::Probe(order) => probe::measure(kernel, order),
        ToNode::StartLaps => kernel.laps.start(),
        ToNode::StopLaps => {
            for lap in kernel.laps.stop() {
                kernel.console.send(&FromNode::Lap(lap));
            }
        }
        ToNode::Hold(phase) => kernel.hold.set(Some(phase)),
        ToNode::Release => kernel.release_moves(),
        ToNode::Shutdown => kernel.shut_down.set(true),
    }
}

/// Starts a program and reports how that went, and later how the program ended.
fn begin(kernel: &Rc<Kernel>, order: Start) {
    kernel.trace.set(kernel.trace.get() || order.trace);
    let input = kernel.stdin.begin();
    let pid = kernel.processes.allocate_id().map(Pid);
    let started = {
        let kernel = Rc::clone(kernel);
        async move {
            let pid = pid?;
            let fetches = &kernel.fetches;
            fetches.settle(|| start::start(&kernel, order.clone(), pid, input)).await
        }
    };
    let mut started = Box::pin(started);
    // On the spot, so that what comes after it finds it started; only the host is waited for.
    match started.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => report_start(kernel, outcome),
        Poll::Pending => {
            let kernel = Rc::clone(kernel);
            kernel.spawner.clone().spawn(Priority::Service, async move {
                let outcome = started.await;
                report_start(&kernel, outcome);
            });
        }
    }
}

fn report_start(kernel: &Rc<Kernel>, outcome: Result<start::Program, Errno>) {
    match outcome {
        Ok(program) => {
            kernel.program.set(Some(program.home.pid));
            let started = Started { pid: program.home.pid, result: Ok(()) };
            kernel.console.send(&FromNode::Started(started));
            let kernel = Rc::clone(kernel);
            kernel.spawner.clone().spawn(Priority::Service, async move {
                program.ended().await;
                kernel.stdin.close(program.input);
                report_end(&kernel, &program.home);
            });
        }
        Err(errno) => {
            let started = Started { pid: Pid(0), result: Err(errno) };
            kernel.console.send(&FromNode::Started(started));
        }
    }
}

fn report_end(kernel: &Kernel, home: &Home) {
    let status = exit_status(home.exiting());
    kernel.console.send(&FromNode::Exit(Exit { pid: home.pid, status }));
}

/// How a process ended, in the console's terms.
pub fn exit_status(status: Option<WaitStatus>) -> ExitStatus {
    match status {
        Some(WaitStatus::Exited(status)) => ExitStatus::Exited(status),
        Some(WaitStatus::Signaled(signal) | WaitStatus::Stopped(signal)) => {
            ExitStatus::Signaled(signal)
        }
        Some(WaitStatus::Continued) | None => ExitStatus::Exited(0),
    }
}

/// Sends a signal to the started program's process group.
fn signal_program(kernel: &Kernel, number: i32) {
    let signal = u64::try_from(number).ok().and_then(Signal::new);
    let (Some(signal), Some(group)) = (signal, kernel.program.get()) else { return };
    for member in kernel.group_members(group) {
        member.post(SigInfo::kernel(signal));
    }
}

/// What the node holds now.
pub fn counts(kernel: &Kernel) -> Counts {
    let frames = kernel.frames.counts();
    Counts {
        frames_free: kernel.frames.available() as u64,
        frames_total: frames.total as u64,
        sockets: kernel.network.as_ref().map_or(0, |network| network.sockets() as u64),
        socket_buffers: kernel.network.as_ref().map_or(0, |network| network.buffers() as u64),
        tasks: kernel.spawner.tasks() as u64,
        descriptors: kernel.vfs.open_files().count() as u64,
        processes: kernel.processes.homes().len() as u64,
        longest_poll_us: kernel.meter.longest().as_micros() as u64,
        heap_used: wayfarer_machine::memory::heap::usage().0 as u64,
        heap_frames: wayfarer_machine::memory::heap::frames_taken() as u64,
        polls: kernel.meter.polls(),
        wakes: kernel.wakes.get(),
    }
}

/// What this node knows of a process.
fn half_of(kernel: &Kernel, cell: &ProcessCell) -> Half {
    match (cell.home(), cell.body()) {
        (Some(home), _) => of_home(kernel, &home, Some(cell)),
        (None, body) => of_guest(kernel, cell, body.as_deref()),
    }
}

fn of_home(kernel: &Kernel, home: &Home, cell: Option<&ProcessCell>) -> Half {
    let program = home.program.borrow();
    let arguments = String::from_utf8_lossy(&program.arguments).replace('\0', " ");
    let command = match arguments.trim_end() {
        "" => alloc::format!("[{}]", program.comm),
        words => String::from(words),
    };
    Half {
        home: kernel.node,
        pid: home.pid,
        parent: home.parent.borrow().upgrade().map_or(Pid(0), |parent| parent.pid),
        state: u8::try_from(proc_source::state(home).text().0).unwrap_or(b'?'),
        place: cell.map_or(kernel.node, ProcessCell::place),
        command,
        local: home.away.local.get(),
        remote: home.away.remote.get(),
        special: home.away.special.get(),
        cpu_us: proc_source::cpu(home).as_micros() as u64,
    }
}

fn of_guest(kernel: &Kernel, cell: &ProcessCell, body: Option<&Body>) -> Half {
    Half {
        home: cell.key.home,
        pid: cell.key.pid,
        parent: Pid(0),
        state: 0,
        place: kernel.node,
        command: body.map_or_else(String::new, |body| body.name.borrow().clone()),
        local: body.map_or(0, |body| body.local_calls.get()),
        remote: 0,
        special: 0,
        cpu_us: body.map_or(0, |body| body.cpu.get().total() / 1000),
    }
}
