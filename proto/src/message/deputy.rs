//! What a deputy says.

use alloc::vec::Vec;

use super::{MemoryRequest, Ticket};
use crate::codec::{DecodeError, Reader, Wire, wire_enum, wire_struct};
use crate::errno::Errno;
use crate::id::{Epoch, Fd, MapId, NodeId, UserAddr};
use crate::linux::signal::{SigAction, SigInfo};

wire_enum! {
    /// What a deputy says to its body.
    pub enum DeputyMessage {
        /// The end of a transaction: result, actions and terminate in one.
        1 => Reply {
            /// All three.
            reply: Reply,
        },
        /// The thread shall send a null request at its next passage to user mode. Its sequence is
        /// 0: a request that crosses it answers it (rule 4).
        2 => Attention,
        /// A memory request, within the call it serves.
        3 => Memory {
            /// Its number, to be named by the answer.
            id: u32,
            /// What is wanted.
            request: MemoryRequest,
        },
        /// After a reply, with its thread and call: so much can be written to a descriptor that no
        /// answer need be awaited (decision 0016).
        4 => Lend {
            /// The descriptor.
            fd: Fd,
            /// How many bytes.
            room: u32,
        },
        /// The end of a read(2), with what comes next of the file: reads of that need not be asked
        /// for (decision 0018).
        5 => ReplyAhead {
            /// As of [`DeputyMessage::Reply`].
            reply: Reply,
            /// What comes next.
            next: FileBytes,
        },
        /// Control: say what you need of another node.
        16 => Survey,
        /// Control: stop every thread and say Frozen.
        17 => Freeze,
        /// Control: stream your image to this node.
        18 => Depart {
            /// Which.
            node: NodeId,
            /// What it gave out for the image.
            ticket: Ticket,
        },
        /// Control: the move is off; run.
        19 => Abort {
            /// Whether the process is stopped by a signal.
            stopped: bool,
        },
        /// Control: the move is done; run.
        20 => Commit {
            /// The epoch of the body that runs from now on.
            epoch: Epoch,
            /// Whether the process is stopped by a signal.
            stopped: bool,
        },
        /// Control: pages of a mapped file; past its end there are fewer.
        21 => PageData {
            /// Number of the request.
            id: u32,
            /// The pages, or why there are none.
            result: Result<FilePages, Errno>,
        },
        /// Control: no thread may run (SIGSTOP and its kind).
        22 => Stop,
        /// Control: threads may run again.
        23 => Continue,
        /// Control: a question about the body.
        24 => Query {
            /// Its number.
            id: u32,
            /// What is asked.
            query: Query,
        },
        /// Control: the wall clock of home was set.
        25 => ClockStep {
            /// Home's CLOCK_REALTIME less CLOCK_MONOTONIC, nanoseconds.
            realtime_offset_ns: i64,
        },
        /// Control: the body is to be destroyed; the channel ends.
        26 => Bye {
            /// Why.
            reason: ByeReason,
        },
        /// Control: what was lent is wanted back. Nothing but [`Returned`] follows from it, as from
        /// all that the body hears.
        ///
        /// [`Returned`]: super::BodyMessage::Returned
        27 => Recall,
    }

    /// Something a thread must do for an asynchronous event, after the result is in place.
    pub enum Action {
        /// Run a signal handler: build its frame, in the order of the list.
        ///
        /// A call that ended with one of the kernel-internal restart codes is restarted or ends
        /// with EINTR as signal(7) says for `action.flags`; without this action it restarts.
        1 => Deliver {
            /// The signal.
            info: SigInfo,
            /// Its handler.
            action: SigAction,
            /// The mask that the frame restores.
            mask: u64,
        },
    }

    /// What can be asked about a body.
    pub enum Query {
        /// The text of `/proc/PID/maps`.
        1 => Maps,
        /// CPU time, mapped and resident pages, and which threads wait in local calls, for
        /// `/proc/PID/stat` and `/proc/PID/status`.
        2 => Status,
        /// The process ends: stop, and give back what you have of files that you may store to. The
        /// answer is empty.
        3 => Return,
        /// Each region and how much of it is used, for `/proc/PID/smaps`.
        4 => Use,
        /// Another process wants this of its memory (process_vm_readv(2)); the answer is a
        /// [`MemoryReply`](super::MemoryReply), encoded.
        5 => Memory {
            /// What is to be copied or probed.
            request: MemoryRequest,
        },
    }

    /// Why a body is destroyed.
    pub enum ByeReason {
        /// The process has ended: exit or a fatal signal.
        1 => Ended,
        /// The process lives elsewhere: it moved, or its arrival was called off.
        2 => Moved,
    }
}

wire_struct! {
    /// Pages of a mapped file, and what its process's files hold at that moment.
    pub struct FilePages {
        /// The pages' content.
        pub bytes: Vec<u8>,
        /// The content of this file and of others that the process has mapped, at most
        /// [`limits::FILE_VERSIONS`](crate::limits::FILE_VERSIONS); a file whose pages must not be
        /// kept is not among them.
        pub versions: Vec<FileVersion>,
    }

    /// A name for what a file holds now. Home never gives it to another content, of this file or
    /// of another, nor after it was booted again.
    pub struct FileVersion {
        /// Which file.
        pub map: MapId,
        /// The name: a random number.
        pub content: u64,
    }

    /// The end of a transaction.
    pub struct Reply {
        /// What the call returns. Kernel-internal restart codes may appear (see [`Action`]).
        pub result: RawResult,
        /// Memory to write first.
        pub outs: Vec<OutBytes>,
        /// What to do after the result is in place.
        pub actions: Vec<Action>,
    }

    /// Bytes of a file from where its offset is.
    pub struct FileBytes {
        /// The descriptor.
        pub fd: Fd,
        /// What is there.
        pub bytes: Vec<u8>,
        /// Whether the file ends behind them.
        pub end: bool,
    }

    /// Memory that travels with a reply.
    pub struct OutBytes {
        /// Where to.
        pub addr: UserAddr,
        /// What.
        pub bytes: Vec<u8>,
    }
}

/// A result as it stands in `rax`: one number, so that success and most errors take one byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RawResult(pub Result<u64, Errno>);

impl Wire for RawResult {
    fn encode(&self, out: &mut Vec<u8>) {
        let raw = match self.0 {
            Ok(value) => value,
            Err(errno) => errno.to_return_value(),
        };
        raw.cast_signed().encode(out);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(Errno::from_return_value(i64::decode(reader)?.cast_unsigned())))
    }
}
