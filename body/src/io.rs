//! What goes into a body's session and what comes out.

use alloc::vec::Vec;

use wayfarer_proto::codec::Frame;
use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{CallSeq, Epoch, MapId, NodeId, Tid};
use wayfarer_proto::image::{ContentHash, Record};
use wayfarer_proto::limits;
use wayfarer_proto::linux::signal::SigInfo;
use wayfarer_proto::message::{
    BodyMessage, ByeReason, Call, DeputyMessage, Envelope, FilePages, MemoryReply, MemoryRequest,
    Query, Refusal, Reply, Requirements, Ticket, Totals, Usage,
};
use wayfarer_proto::time::Instant;

/// How a thread begins a transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Request {
    /// A remote or special system call.
    Call(Call),
    /// A synchronous signal.
    Fault(SigInfo),
    /// The answer to an attention.
    Null,
    /// rt_sigreturn(2): the frame's mask.
    SigReturn {
        /// `uc_sigmask`.
        mask: u64,
    },
    /// exit(2) or exit_group(2): the thread is gone, no reply will come.
    Exit {
        /// The argument of the call.
        status: i32,
        /// Whether all threads end.
        group: bool,
        /// What the process has used.
        usage: Usage,
    },
}

impl Request {
    /// The message that carries it.
    pub(crate) fn into_message(self) -> BodyMessage {
        match self {
            Self::Call(call) => BodyMessage::Call { call },
            Self::Fault(info) => BodyMessage::Fault { info },
            Self::Null => BodyMessage::Null,
            Self::SigReturn { mask } => BodyMessage::SigReturn { mask },
            Self::Exit { status, group, usage } => BodyMessage::Exit { status, group, usage },
        }
    }
}

/// Names a memory request until it is answered.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MemoryOp(pub(crate) u32);

/// Names a page-in until it ends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PageOp(pub(crate) u32);

/// What a session is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input<'a> {
    /// The time of the last [`Output::Timeout`] has come.
    Timeout,
    /// The connection that was asked for ([`Session::child`](crate::Session::child),
    /// [`Event::Reconnect`]) is there.
    Connected,
    /// Bytes came from the deputy.
    Received(&'a [u8]),
    /// The channel's connection is gone, or could not be made.
    Broken,
    /// The deputy session of this node says so.
    Here(Envelope<DeputyMessage>),
    /// A thread ended without a request: killed by [`MemoryRequest::KillOthers`], or renamed.
    ThreadGone {
        /// Which.
        thread: Tid,
    },
    /// A memory request is done.
    MemoryDone {
        /// Which.
        op: MemoryOp,
        /// The answer.
        reply: MemoryReply,
    },
    /// The last region of a mapped file is gone.
    ReleaseMap {
        /// Which file.
        map: MapId,
    },
    /// The answer to [`Event::Query`].
    Answer {
        /// The query's number.
        id: u32,
        /// Text, at most one window.
        bytes: Vec<u8>,
    },
    /// The answer to [`Event::Survey`].
    Surveyed(Result<Requirements, Refusal>),
    /// Every thread has stopped: the answer to [`Event::Freeze`].
    Frozen,
    /// All but the end of the image was handed to the image connection; the session sends the end.
    ImageSent {
        /// [`ImageWriter::totals`](crate::ImageWriter::totals).
        totals: Totals,
    },
    /// The image could not be sent.
    DepartFailed {
        /// Why.
        errno: Errno,
    },
    /// The image's connection is gone.
    ImageBroken,
    /// All records are installed: the answer to [`Event::ImageComplete`].
    Installed,
    /// A record could not be installed.
    ArrivalFailed {
        /// Why.
        errno: Errno,
    },
    /// The body is destroyed: the answer to [`Event::Destroy`].
    Destroyed {
        /// What the process has used.
        usage: Usage,
    },
}

/// What a session says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// Nothing more until an input, or until this time.
    Timeout(Instant),
    /// Bytes for the deputy.
    Transmit(Frame),
    /// The last bytes of the image.
    TransmitImage(Frame),
    /// A message for the deputy session of this node.
    Here(Envelope<BodyMessage>),
    /// Something to do.
    Event(Event),
}

/// Something the kernel shall do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A transaction ended.
    Reply {
        /// Whose.
        thread: Tid,
        /// Which.
        seq: CallSeq,
        /// Memory, result and actions, to be done in this order.
        reply: Reply,
    },
    /// The thread shall send [`Request::Null`] at its next passage to user mode.
    Attention {
        /// Which.
        thread: Tid,
    },
    /// A memory request. Those of one call come one at a time.
    Memory {
        /// Its name.
        op: MemoryOp,
        /// Whose call it serves.
        thread: Tid,
        /// What is wanted.
        request: MemoryRequest,
    },
    /// A page-in or page-out ended.
    PageData {
        /// Which.
        op: PageOp,
        /// The pages; fewer than wanted past the end of the file, none of a page-out.
        result: Result<FilePages, Errno>,
    },
    /// A page-in is void because the body froze.
    PageVoid {
        /// Which.
        op: PageOp,
    },
    /// No thread may run until [`Event::Continue`].
    Stop,
    /// Threads may run.
    Continue,
    /// A question about the body.
    Query {
        /// Its number.
        id: u32,
        /// What is asked.
        query: Query,
    },
    /// The wall clock of home was set.
    ClockStep {
        /// Home's CLOCK_REALTIME less CLOCK_MONOTONIC, nanoseconds.
        realtime_offset_ns: i64,
    },
    /// Say what the body needs.
    Survey,
    /// Stop every thread.
    Freeze,
    /// Stream the image.
    Depart {
        /// To this node.
        node: NodeId,
        /// What it gave out for the image.
        ticket: Ticket,
    },
    /// The move is off: threads run.
    Thaw {
        /// Whether the process is stopped by a signal.
        stopped: bool,
    },
    /// The image came whole; the deputy hears so when the kernel has installed it.
    ImageComplete,
    /// The move is done: threads run, here, for the first time.
    Run {
        /// The body's epoch.
        epoch: Epoch,
        /// Whether the process is stopped by a signal.
        stopped: bool,
    },
    /// Dial home's deputy port.
    Reconnect,
    /// Destroy the body; it never runs again.
    Destroy {
        /// Why.
        reason: DestroyReason,
    },
    /// The session is over.
    Closed,
}

/// Why a body is destroyed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DestroyReason {
    /// The deputy said so.
    Bye(ByeReason),
    /// The channel broke outside a move.
    Lost,
    /// In doubt, and the deputy refuses to know this body.
    Refused(Refusal),
    /// In doubt, and nobody answered until the limit.
    Expired,
    /// The deputy broke the protocol.
    Violation,
}

/// Where a kernel puts an image that comes in, in the order in which it comes. Nothing of it counts
/// before [`Event::ImageComplete`].
pub trait ImageSink {
    /// A record, but the end.
    ///
    /// # Errors
    /// Why it cannot be installed: the image is given up.
    fn record(&mut self, record: Record) -> Result<(), Errno>;

    /// The content of pages from page number `first` on, last changed in epoch `changed`, to be put
    /// away and to be taken into `hash`.
    ///
    /// # Errors
    /// As [`record`](Self::record).
    fn pages(
        &mut self,
        first: u64,
        changed: Epoch,
        content: &[[u8; limits::PAGE]],
        hash: &mut ContentHash,
    ) -> Result<(), Errno>;
}
