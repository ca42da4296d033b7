//! The session of a deputy: the half of a split process that stays at home and decides where the
//! other half lives (decision D6).
//!
//! One session lives as long as its process is split, whatever channel its body is at: open calls,
//! memory requests, attentions and queries carry over from one body to the next. It is sans-I/O:
//! no clock, no socket, no file. Handlers of calls are the kernel's; what they want of the body's
//! memory goes through [`Session::memory`].
//!
//! # Driving it
//!
//! One mutation, then drain:
//!
//! ```text
//! session.handle_input(now, input)        or: memory()
//! loop { match session.poll_output() {
//!     Output::Transmit { channel, frame } -> write to that connection, in order
//!     Output::Here(envelope)              -> hand to the body session of this node, if any
//!     Output::Event(event)                -> do it (below); inputs wait until the drain is over
//!     Output::Timeout(at)                 -> drained: call again with Input::Timeout at this time
//! } }
//! ```
//!
//! What the kernel does at each event:
//!
//! - `Execute`: run the handler of the call; at its end `Input::Finish` with the actions for all
//!   events that wait for the thread (no finish after `Exit`).
//! - `MemoryDone`: wake the handler that got [`MemoryStart::Asked`].
//! - `PageWanted`: read the file in a task of its own; then `Input::PageData`.
//! - `PageGiven`: write the file; then `Input::PageData` without bytes.
//! - `ReleaseMap`, `Answer`: pass on.
//! - `Connect`: dial the migration port; then `Input::Connected` or `Input::Broken`.
//! - `Close`: flush, then end the connection; nothing more will be said of it.
//! - `Admit`: home is the target: make an arriving body session and say `Input::Admitted`, or
//!   `Input::NotAdmitted`.
//! - `Whole`: `Input::Commit`, or `Input::CallOff` if what must move along does not.
//! - `Moved`, `MoveFailed`: finish the migrate() call, if there was one; log.
//! - `Lost`: end the process with SIGKILL's status.
//! - `Closed`: drop the session.
//!
//! Channels are numbered by the kernel. A connection that calls home says what it is for
//! (`handshake::Acceptor`) and is then given to the session of its process:
//! `Input::ChildCalled`, `Input::DoubtCalled`; if there is no such session the kernel refuses it
//! (`handshake::refuse` with ESRCH), which tells a body in doubt to destroy itself.
//!
//! A child's deputy may be told `Input::End` before its body is made: its session then closes at
//! once, and a body that calls later, or is being made here, finds no process and is refused.
//!
//! execve: of one process one handler at a time may ask `KillOthers`. A second that comes to it
//! meanwhile must wait: its thread is about to be ended. Once `KillOthers` is done, and not before,
//! `Input::ThreadGone` is said of the ended threads: until then their messages may still come.
//! Signals that were given to an ended thread in a reply it did not live to see die with it.
//!
//! At home and whole, a process needs no session. When it is told to move, the kernel makes this
//! session and the body's, both `at_home`, joins them by `Output::Here` and `Input::Here`, tells
//! both of the calls that are open (`adopt`), and says `Input::Move`. When it has come home the two
//! are kept, joined, until [`Session::is_quiet`].
//!
//! A handler's copy, in one place for body here or away:
//!
//! ```
//! use wayfarer_deputy::{MemoryStart, Session};
//! use wayfarer_proto::id::{CallSeq, Tid, UserAddr};
//! use wayfarer_proto::message::{MemoryReply, MemoryRequest};
//!
//! fn copy_out(session: &mut Session, thread: Tid, seq: CallSeq, addr: UserAddr, bytes: Vec<u8>) {
//!     match session.memory(thread, seq, MemoryRequest::CopyOut { addr, bytes }) {
//!         MemoryStart::Ready(MemoryReply::Count { bytes }) => { /* so many; fewer: EFAULT */ }
//!         MemoryStart::Ready(_) => { /* EFAULT */ }
//!         MemoryStart::Asked(op) => { /* drain, sleep until Event::MemoryDone names op */ }
//!         MemoryStart::Lost => { /* the handler ends */ }
//!     }
//! }
//! ```
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod ahead;
mod arrival;
mod calls;
mod control;
mod departure;
mod io;
mod link;
mod memory;
mod migration;
mod session;
mod windows;

pub use io::{
    BodyLost, Event, Input, LostReason, MemoryOp, MemoryStart, Output, PageOp, Request, Target,
};
pub use migration::MoveCost;
pub use session::Session;
