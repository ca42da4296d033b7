//! What goes into a deputy's session and what comes out.

use alloc::vec::Vec;

use wayfarer_proto::codec::{Frame, FrameReader};
use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{CallSeq, ChannelId, Epoch, Fd, MapId, NodeId, Tid};
use wayfarer_proto::linux::signal::SigInfo;
use wayfarer_proto::message::{
    Action, Args, BodyMessage, DeputyMessage, Envelope, FilePages, MemoryReply, Query, Refusal,
    Requirements, Ticket, Usage,
};
use wayfarer_proto::time::Instant;

/// What a body asked: the beginning of a transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Request {
    /// A system call.
    Call {
        /// Its number in the table; unchecked.
        number: u16,
        /// Its arguments.
        args: Args,
    },
    /// A synchronous signal to be judged.
    Fault(SigInfo),
    /// Nothing: the thread answers an attention.
    Null,
    /// rt_sigreturn(2): set this mask.
    SigReturn {
        /// `uc_sigmask`.
        mask: u64,
    },
    /// The thread, or all, ended. There is nothing to finish.
    Exit {
        /// The argument of the call.
        status: i32,
        /// Whether all threads end.
        group: bool,
        /// What the process has used.
        usage: Usage,
    },
}

/// Names a memory request until it is done.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MemoryOp(pub(crate) u32);

/// Names a page-in; worthless after its body froze.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PageOp {
    pub(crate) generation: u32,
    pub(crate) id: u32,
}

/// What became of a memory request at once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MemoryStart {
    /// It is done, with what came with the call.
    Ready(MemoryReply),
    /// The body is asked: [`Event::MemoryDone`] will name this.
    Asked(MemoryOp),
    /// There is no body, or no such call.
    Lost,
}

/// The body was lost, or its process ended: the handler shall end too (decision D3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BodyLost;

/// Where a body shall move.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// Home.
    Here,
    /// Another node.
    Away {
        /// Which.
        node: NodeId,
        /// The connection that will be made to it.
        channel: ChannelId,
    },
}

/// What a session is told.
#[derive(Debug)]
pub enum Input<'a> {
    /// The time of the last [`Output::Timeout`] has come.
    Timeout,
    /// The connection of [`Event::Connect`] is there.
    Connected {
        /// Which.
        channel: ChannelId,
    },
    /// Bytes came.
    Received {
        /// Where.
        channel: ChannelId,
        /// Which.
        bytes: &'a [u8],
    },
    /// A connection is gone, or could not be made.
    Broken {
        /// Which.
        channel: ChannelId,
    },
    /// The body session of this node says so.
    Here(Envelope<BodyMessage>),
    /// The body of this child called (`Purpose::ForkChild`, with the right token).
    ChildCalled {
        /// On which connection.
        channel: ChannelId,
        /// `Acceptor::into_reader`.
        reader: FrameReader,
    },
    /// The body of this child was made here, by a parent that is at home: it is called
    /// `at_home` and has adopted call 1.
    ChildHere,
    /// A body in doubt called (`Purpose::InDoubt`).
    DoubtCalled {
        /// On which connection.
        channel: ChannelId,
        /// The epoch it says it ran in.
        epoch: Epoch,
        /// `Acceptor::into_reader`.
        reader: FrameReader,
    },
    /// A handler is done.
    Finish {
        /// Whose call.
        thread: Tid,
        /// Which.
        seq: CallSeq,
        /// What it returns; may be one of the kernel-internal restart codes.
        result: Result<u64, Errno>,
        /// What the thread must do for the events since its last transaction.
        actions: Vec<Action>,
    },
    /// Lends the body room, after [`Input::Finish`] of the same call. Until the body asks for
    /// anything else its writes to `fd` come as [`Event::Post`], at most so many bytes, and must
    /// succeed.
    Lend {
        /// Whose call.
        thread: Tid,
        /// Which.
        seq: CallSeq,
        /// The descriptor.
        fd: Fd,
        /// How many bytes.
        room: usize,
    },
    /// What was lent is wanted back, by somebody who waits until [`Session::has_lent_bytes`] says
    /// that it is.
    ///
    /// [`Session::has_lent_bytes`]: crate::Session::has_lent_bytes
    WantBack,
    /// An asynchronous event waits for this thread. Say it whenever it does: if a call is open
    /// the event is taken along at its end.
    Attention {
        /// Which.
        thread: Tid,
    },
    /// The thread is no more (execve ended it, or the caller took the leader's id).
    ThreadGone {
        /// Which.
        thread: Tid,
    },
    /// The answer to [`Event::PageWanted`] and [`Event::PageGiven`].
    PageData {
        /// Which.
        op: PageOp,
        /// The pages; fewer past the end of the file, none for what was given.
        result: Result<FilePages, Errno>,
    },
    /// Asks something about the body.
    Query {
        /// A number of the caller's choice, not in use.
        id: u32,
        /// What.
        query: Query,
    },
    /// The wall clock was set.
    ClockStep {
        /// CLOCK_REALTIME less CLOCK_MONOTONIC, nanoseconds.
        realtime_offset_ns: i64,
    },
    /// The process is stopped by a signal.
    Stop,
    /// It is continued.
    Continue,
    /// The body shall move.
    Move {
        /// Where to.
        target: Target,
    },
    /// The move shall be completed: the answer to [`Event::Whole`].
    Commit,
    /// The move, if there is one, shall not be completed: [`Event::MoveFailed`] follows once the
    /// old body runs.
    CallOff(Refusal),
    /// Home can host the body ([`Event::Admit`]) and has made an arriving session for it.
    Admitted {
        /// What it gives out for the image.
        ticket: Ticket,
    },
    /// Home cannot.
    NotAdmitted(Refusal),
    /// The process has ended: the body is to be destroyed.
    End,
}

/// What a session says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// Nothing more until an input, or until this time.
    Timeout(Instant),
    /// To be sent.
    Transmit {
        /// Where.
        channel: ChannelId,
        /// What.
        frame: Frame,
    },
    /// A message for the body session of this node: the one that departs or lives here, or, while
    /// the body is away and comes home, the one that arrives.
    Here(Envelope<DeputyMessage>),
    /// Something to do.
    Event(Event),
}

/// Something the kernel shall do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// Execute a request; then `Input::Finish`, except for [`Request::Exit`].
    Execute {
        /// Whose.
        thread: Tid,
        /// Which.
        seq: CallSeq,
        /// What.
        request: Request,
    },
    /// The process has written this; there is nothing to finish.
    Post {
        /// To this descriptor.
        fd: Fd,
        /// What.
        bytes: Vec<u8>,
    },
    /// The body has read what was lent by [`Session::lend_bytes`].
    ///
    /// [`Session::lend_bytes`]: crate::Session::lend_bytes
    Took {
        /// By this descriptor.
        fd: Fd,
        /// How many bytes.
        bytes: u32,
        /// By how many calls.
        calls: u32,
    },
    /// A memory request is done.
    MemoryDone {
        /// Which.
        op: MemoryOp,
        /// What came of it.
        result: Result<MemoryReply, BodyLost>,
    },
    /// Pages of a mapped file are needed; `Input::PageData` answers.
    PageWanted {
        /// The request's name.
        op: PageOp,
        /// Which file.
        map: MapId,
        /// First page.
        page: u64,
        /// How many, at most one window.
        count: usize,
    },
    /// Pages of a mapped file come back, changed; `Input::PageData` of no bytes answers.
    PageGiven {
        /// The request's name.
        op: PageOp,
        /// Which file.
        map: MapId,
        /// First page.
        page: u64,
        /// Whole pages, at most one window.
        bytes: Vec<u8>,
    },
    /// The last region of a mapped file is gone.
    ReleaseMap {
        /// Which file.
        map: MapId,
    },
    /// The answer to `Input::Query`.
    Answer {
        /// Its number.
        id: u32,
        /// Text.
        result: Result<Vec<u8>, BodyLost>,
    },
    /// Connect to the migration port of a node.
    Connect {
        /// Under this name.
        channel: ChannelId,
        /// Which node.
        node: NodeId,
    },
    /// Send what was given and end the connection.
    Close {
        /// Which.
        channel: ChannelId,
    },
    /// Can home host the body? `Input::Admitted` or `Input::NotAdmitted`.
    Admit {
        /// What it needs.
        requirements: Requirements,
        /// The epoch it will have.
        epoch: Epoch,
    },
    /// The new body is whole: `Input::Commit` makes it the one that runs, `Input::CallOff` the old
    /// one.
    Whole,
    /// The body has moved.
    Moved {
        /// Where to.
        target: Target,
        /// Its epoch from now on.
        epoch: Epoch,
    },
    /// The body has not moved and runs where it was.
    MoveFailed {
        /// Where it should have gone.
        target: Target,
        /// Why it has not.
        refusal: Refusal,
    },
    /// The body is lost: the process ends with SIGKILL's status.
    Lost {
        /// Why.
        reason: LostReason,
    },
    /// The session is over: the body is destroyed, or will never be heard of again.
    Closed {
        /// What the process has used, if the body said so.
        usage: Option<Usage>,
    },
}

/// Why a body is lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LostReason {
    /// Its channel broke outside a move.
    Broken,
    /// Its channel broke in a move, and neither body was heard of again.
    Silent,
    /// It broke the protocol.
    Violation,
    /// A child's body never called.
    NeverCalled,
}
