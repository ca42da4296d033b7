//! One error per operation, so that a caller matches only what can happen.

use core::fmt;

use wayfarer_proto::id::NodeId;

/// Why a connection ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// Both directions were closed in order.
    Finished,
    /// The peer reset it.
    Reset,
    /// The peer was silent for longer than the limit.
    TimedOut,
    /// This node aborted it.
    Aborted,
    /// No one listened at the other end, however often it was tried.
    Refused,
}

/// Why no connection was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConnectError {
    /// No port leads to that node (it may be this node itself).
    NoRoute(NodeId),
    /// The node answers, but does not listen on that port, or its backlog stayed full.
    Refused,
    /// The node did not answer within the limit.
    TimedOut,
    /// This node has as many connections as it may, or no memory for the buffers of one more.
    NoBuffers,
}

/// Why a port cannot be listened on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ListenError {
    /// There is a listener on the port already.
    InUse,
    /// Port 0 cannot be listened on.
    InvalidPort,
}

/// Why nothing (more) can be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReadError {
    /// The peer has closed its direction, and all it sent has been read.
    Closed,
    /// The peer has closed its direction in the middle of the bytes asked for.
    Truncated,
    /// The peer reset the connection.
    Reset,
    /// The peer was silent for longer than the limit.
    TimedOut,
    /// The connection was aborted here.
    Aborted,
}

/// Why nothing (more) can be written. What was written before may or may not have arrived.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WriteError {
    /// This direction has been closed here.
    Closed,
    /// The peer reset the connection.
    Reset,
    /// The peer was silent for longer than the limit.
    TimedOut,
    /// The connection was aborted here.
    Aborted,
}

impl From<End> for ConnectError {
    fn from(end: End) -> Self {
        match end {
            End::TimedOut => Self::TimedOut,
            End::Finished | End::Reset | End::Aborted | End::Refused => Self::Refused,
        }
    }
}

impl From<End> for ReadError {
    fn from(end: End) -> Self {
        match end {
            End::Finished => Self::Closed,
            End::Reset | End::Refused => Self::Reset,
            End::TimedOut => Self::TimedOut,
            End::Aborted => Self::Aborted,
        }
    }
}

impl From<End> for WriteError {
    fn from(end: End) -> Self {
        match end {
            End::Finished => Self::Closed,
            End::Reset | End::Refused => Self::Reset,
            End::TimedOut => Self::TimedOut,
            End::Aborted => Self::Aborted,
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRoute(node) => write!(f, "no route to node {node}"),
            Self::Refused => f.write_str("connection refused"),
            Self::TimedOut => f.write_str("no answer within the limit"),
            Self::NoBuffers => f.write_str("no buffers for another connection"),
        }
    }
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InUse => "port is in use",
            Self::InvalidPort => "invalid port",
        })
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed by the peer",
            Self::Truncated => "closed by the peer within a message",
            Self::Reset => "reset by the peer",
            Self::TimedOut => "peer silent beyond the limit",
            Self::Aborted => "aborted",
        })
    }
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed",
            Self::Reset => "reset by the peer",
            Self::TimedOut => "peer silent beyond the limit",
            Self::Aborted => "aborted",
        })
    }
}

impl core::error::Error for ConnectError {}
impl core::error::Error for ListenError {}
impl core::error::Error for ReadError {}
impl core::error::Error for WriteError {}
