//! The frames themselves. Each is listed once; encoding and decoding come from the list.

use alloc::string::String;
use alloc::vec::Vec;

use super::wire::{Field, Frame, FrameError, Input};
use crate::errno::Errno;
use crate::id::{NodeId, Pid, Tid};
use crate::session::MovePhase;
use crate::table::Class;

choice! {
    /// What the runner sends to a node.
    ToNode, UnknownTag {
        /// Run a program, as the leader of a new session and process group.
        1 => Start(Start),
        /// Bytes of its standard input: pipe data, or keys typed on the terminal.
        2 => Stdin(Vec<u8>),
        /// No more standard input will come. Not sent for a terminal.
        3 => StdinEof,
        /// The terminal has this size now; the node sends SIGWINCH when it differs.
        4 => WindowSize(WindowSize),
        /// Send this signal (`signal(7)`'s number) to the program's process group.
        5 => Signal(i32),
        /// Move a process of this home, as writing to `/proc/PID/goto` does. Answered by
        /// [`FromNode::Moved`] or [`FromNode::Refused`].
        6 => Move(MoveOrder),
        /// Answer with [`FromNode::Counts`].
        7 => QueryCounts,
        /// Power off: leave through `isa-debug-exit` with [`crate::boot::EXIT_ORDERLY`].
        8 => Shutdown,
        /// Answer with a [`FromNode::Half`] for each process that has a half here, and then with
        /// [`FromNode::Counts`].
        9 => QueryProcesses,
        /// Hold every move of this home in that phase, for a test: each is answered by
        /// [`FromNode::Held`] when it is there, and whenever its peers say something then.
        10 => Hold(MovePhase),
        /// Hold moves no longer.
        11 => Release,
        /// Measure the way to another node; answered by [`FromNode::Probed`]. For nodes booted
        /// with [`crate::boot::BENCH`].
        12 => Probe(Probe),
        /// Measure from now on where the time of this node goes.
        13 => StartLaps,
        /// Measure no longer; answered by a [`FromNode::Lap`] for each [`Stage`], in their order.
        14 => StopLaps,
    }
}
direction!(ToNode);

choice! {
    /// What a node sends to the runner.
    FromNode, UnknownTag {
        /// The node can serve. Its first frame.
        1 => Hello(Hello),
        /// The program runs (or, with an errno, could not be started: no `Exit` follows).
        2 => Started(Started),
        /// Bytes the program wrote to its standard output, or to the terminal.
        3 => Stdout(Vec<u8>),
        /// Bytes the program wrote to its standard error. Unused with a terminal.
        4 => Stderr(Vec<u8>),
        /// This many more bytes of standard input left the node's buffer.
        5 => StdinTaken(u32),
        /// One system call, as `strace` would show it. Only when tracing was asked for.
        6 => Trace(Trace),
        /// A migration ended, well or badly. Sent by the process's home.
        7 => Moved(Moved),
        /// A process ended. Sent by its home, for every process that was ever away and for the
        /// started program.
        8 => Program(ProgramReport),
        /// A migration was refused before it began; the process runs on where it was.
        9 => Refused(Refused),
        /// The node's own counts.
        10 => Counts(Counts),
        /// The result of one test inside the VM.
        11 => TestResult(TestResult),
        /// One line of the kernel's log, without the line end.
        12 => Log(String),
        /// The started program ended, after all its output.
        13 => Exit(Exit),
        /// A program made a system call that this kernel does not have. Sent by each node, once
        /// for each call.
        14 => Missing(MissingCall),
        /// What a node knows of one process.
        15 => Half(Half),
        /// A move is held, as [`ToNode::Hold`] asked.
        16 => Held(Held),
        /// What a [`ToNode::Probe`] measured.
        17 => Probed(Probed),
        /// What a stage of forwarded calls took, as [`ToNode::StopLaps`] asked.
        18 => Lap(Lap),
        /// Whether much is on its way from here through a card, more than two nodes on one
        /// processor carry as fast as on two. Not at the start; told when it changes.
        19 => Bulk(bool),
    }
}
direction!(FromNode);

choice! {
    /// How a process ended (`wait(2)`).
    ExitStatus, BadChoice {
        /// It called `exit` with this status.
        0 => Exited(u8),
        /// This signal ended it.
        1 => Signaled(u8),
    }
}

impl ExitStatus {
    /// The status a shell shows: the exit status, or 128 + the signal's number.
    pub const fn shell_status(&self) -> u8 {
        match self {
            Self::Exited(status) => *status,
            Self::Signaled(signal) => signal.wrapping_add(128),
        }
    }
}

record! {
    /// A terminal's size in characters (`ioctl_tty(2)`, TIOCGWINSZ).
    WindowSize {
        /// Lines.
        rows: u16,
        /// Columns.
        cols: u16,
    }
}

record! {
    /// A program to run, as for `execve(2)`.
    Start {
        /// The executable in the node's file system.
        path: Vec<u8>,
        /// Its arguments, `argv[0]` included.
        argv: Vec<Vec<u8>>,
        /// Its environment, `NAME=value` each.
        envp: Vec<Vec<u8>>,
        /// Its working directory.
        cwd: Vec<u8>,
        /// Whether descriptors 0, 1 and 2 are the terminal `/dev/console`; otherwise they are
        /// three pipes, and stdout and stderr stay apart.
        tty: bool,
        /// The terminal's size at the start; ignored without one.
        size: WindowSize,
        /// Whether to send a [`FromNode::Trace`] for each system call.
        trace: bool,
    }
}

record! {
    /// Which process shall move where.
    MoveOrder {
        /// A process whose home is the receiving node.
        pid: Pid,
        /// Its target; the home's own id brings it home.
        node: NodeId,
    }
}

record! {
    /// The first frame of a node.
    Hello {
        /// [`super::CONSOLE_VERSION`] as the kernel was built with.
        version: u32,
        /// The node's id.
        node: NodeId,
        /// How many nodes it believes there are, itself included.
        nodes: u16,
    }
}

record! {
    /// The answer to a [`Start`].
    Started {
        /// The process id of the program.
        pid: Pid,
        /// Whether it runs; the errno is that of `execve(2)`.
        result: Result<(), Errno>,
    }
}

record! {
    /// One system call.
    Trace {
        /// Where the calling thread was.
        node: NodeId,
        /// Its process.
        pid: Pid,
        /// The thread.
        tid: Tid,
        /// `name(arguments) = result`.
        call: String,
        /// Where the call was carried out; local for a whole process.
        class: Class,
        /// From trap to return, in microseconds.
        microseconds: u64,
    }
}

record! {
    /// A system call that was answered with ENOSYS because the kernel does not have it.
    MissingCall {
        /// The program that made it first.
        program: String,
        /// Its number.
        number: u64,
    }
}

record! {
    /// What a node knows of one process: all of a whole one, the deputy's or the body's half of
    /// one that is away.
    Half {
        /// The process's home.
        home: NodeId,
        /// The process, unique at its home.
        pid: Pid,
        /// Its parent; known at home, 0 elsewhere.
        parent: Pid,
        /// The letter of its state (`/proc/PID/stat`, field 3); known at home, 0 elsewhere.
        state: u8,
        /// Where its body is, as far as this node knows.
        place: NodeId,
        /// Its command line; known at home, the program's name elsewhere.
        command: String,
        /// Calls served where the body was while it was away, as far as this node knows.
        local: u64,
        /// Calls forwarded home; known at home.
        remote: u64,
        /// Calls in which both halves took part; known at home.
        special: u64,
        /// CPU time in microseconds, known where the body is.
        cpu_us: u64,
    }
}

record! {
    /// A move that is held.
    Held {
        /// The process.
        pid: Pid,
        /// The phase it is in.
        phase: MovePhase,
        /// How often its peers have said something since.
        said: u32,
    }
}

record! {
    /// A migration that ended.
    Moved {
        /// The program's name (`/proc/PID/stat`, field 2).
        program: String,
        /// The process.
        pid: Pid,
        /// Where it was.
        from: NodeId,
        /// Where it should go.
        to: NodeId,
        /// Bytes of its image that were sent.
        bytes: u64,
        /// From the order to the first user instruction on the target, in microseconds.
        total_us: u64,
        /// How long no thread could run, in microseconds.
        frozen_us: u64,
        /// Exchanges between the nodes concerned that followed one another: answers waited for, and
        /// connections set up.
        round_trips: u32,
        /// Whether it moved; on an error it runs on where it was.
        result: Result<(), Errno>,
    }
}

record! {
    /// What a process did in its life.
    ProgramReport {
        /// The process.
        pid: Pid,
        /// The program's name.
        name: String,
        /// Calls carried out where the body was, while it was away.
        local: u64,
        /// Calls carried out at home, while it was away.
        remote: u64,
        /// Calls carried out at both, while it was away.
        special: u64,
        /// Round trips on its channels.
        round_trips: u64,
        /// Segments sent again on its channels.
        retransmissions: u64,
        /// Signals delivered to it while it was away.
        signals_away: u64,
        /// How it ended.
        status: ExitStatus,
    }
}

record! {
    /// A migration that was refused.
    Refused {
        /// The process.
        pid: Pid,
        /// The target.
        node: NodeId,
        /// What the caller of migrate() or the writer of `goto` is told.
        errno: Errno,
        /// The object and the reason, for a person.
        reason: String,
    }
}

record! {
    /// What a node holds at one instant.
    Counts {
        /// Free frames of 4096 bytes.
        frames_free: u64,
        /// All frames.
        frames_total: u64,
        /// Sockets of the network stack.
        sockets: u64,
        /// Bytes of heap that are the buffers of these sockets.
        socket_buffers: u64,
        /// Tasks of the executor.
        tasks: u64,
        /// Open file descriptions.
        descriptors: u64,
        /// Processes, zombies included.
        processes: u64,
        /// The longest poll of a task since the last answer, in microseconds.
        longest_poll_us: u64,
        /// Bytes in use on the kernel's heap.
        heap_used: u64,
        /// Frames that the kernel's heap has grown by, and keeps.
        heap_frames: u64,
        /// Polls of tasks since the start.
        polls: u64,
        /// How often the node has rested and gone on since the start.
        wakes: u64,
    }
}

choice! {
    /// What carries a [`Probe`].
    Carrier, BadChoice {
        /// Ethernet frames, sent and answered by the stack; sizes without the Ethernet header.
        0 => Frames,
        /// A TCP connection between two tasks; sizes are those of the messages.
        1 => Stream,
    }
}

choice! {
    /// What a node does for a forwarded call, by the point it ends at.
    Stage, BadChoice {
        /// User code, up to its system call.
        0 => User,
        /// What the call needs is read and its message, or the answer's, is written.
        1 => Packaging,
        /// The message becomes frames, and the card is told.
        2 => Sending,
        /// Nothing: the node is halted, or looks out for frames.
        3 => Waiting,
        /// The frame becomes a message again, and the task that awaits it is woken.
        4 => Receiving,
        /// The message is understood; with the answer to a call, its thread goes on.
        5 => Unpacking,
        /// The handler of the call runs.
        6 => Handler,
        /// What is left to do once the message is on its way, until the node halts or looks out.
        7 => Resting,
    }
}

impl Stage {
    /// All stages, in the order of their tags.
    pub const ALL: [Self; 8] = [
        Self::User,
        Self::Packaging,
        Self::Sending,
        Self::Waiting,
        Self::Receiving,
        Self::Unpacking,
        Self::Handler,
        Self::Resting,
    ];

    /// Its place in [`ALL`](Self::ALL).
    pub const fn index(&self) -> usize {
        match self {
            Self::User => 0,
            Self::Packaging => 1,
            Self::Sending => 2,
            Self::Waiting => 3,
            Self::Receiving => 4,
            Self::Unpacking => 5,
            Self::Handler => 6,
            Self::Resting => 7,
        }
    }
}

record! {
    /// How long a stage took in each call, one after another.
    Lap {
        /// The stage.
        stage: Stage,
        /// Its times.
        nanoseconds: Vec<u64>,
    }
}

record! {
    /// A question to the network: how long do so many bytes there and so many back take?
    Probe {
        /// The node asked.
        peer: NodeId,
        /// What carries it.
        carrier: Carrier,
        /// Bytes there.
        request: u32,
        /// Bytes back.
        reply: u32,
        /// How often.
        count: u32,
    }
}

record! {
    /// The answer to a [`Probe`].
    Probed {
        /// How long each round trip took, in nanoseconds; fewer than asked for when the peer
        /// answered no longer.
        round_trips: Vec<u64>,
    }
}

record! {
    /// The result of one test inside the VM.
    TestResult {
        /// The test.
        name: String,
        /// Whether it passed.
        passed: bool,
        /// Why not; empty when it passed.
        message: String,
    }
}

record! {
    /// The end of the started program.
    Exit {
        /// Its process id, as in [`Started`].
        pid: Pid,
        /// How it ended.
        status: ExitStatus,
    }
}
