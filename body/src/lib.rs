//! The session of a body: one process's user context on a node that is not its home, or at home
//! while it arrives or departs.
//!
//! The session is sans-I/O: it has no clock, no socket and no memory of the process. It turns what
//! threads ask into messages for the deputy, hands the deputy's wishes to the kernel as events, and
//! knows when the body may run ([`Session::may_run`]).
//!
//! # Driving it
//!
//! One mutation, then drain:
//!
//! ```text
//! session.handle_input(now, input)        or one of: request(), page_in()
//! loop { match session.poll_output() {
//!     Output::Transmit(frame)      -> write to the channel to the deputy, in order
//!     Output::TransmitImage(frame) -> write to the image connection, after what you wrote to it
//!     Output::Here(envelope)       -> hand to the deputy session of this same node
//!     Output::Event(event)         -> do it (below); inputs it causes wait until the drain is over
//!     Output::Timeout(at)          -> drained: call again with Input::Timeout at this time
//! } }
//! ```
//!
//! What the kernel does at each event:
//!
//! - `Reply`: write `outs`, set the result, do the actions, let the thread run.
//! - `Attention`: see that the thread comes to its next passage to user mode; there, if
//!   [`Session::attention_pending`], it sends [`Request::Null`] and awaits the reply like any
//!   other.
//! - `Memory`: do it (page-ins allowed), then `Input::MemoryDone`.
//! - `PageData`, `PageVoid`: end the page-in; a void one is asked again when the thread faults
//!   again.
//! - `Survey`: `Input::Surveyed` with the needs, or a refusal that names the object.
//! - `Freeze`: stop every thread at a trap boundary, in a local wait or awaiting a reply; then
//!   `Input::Frozen`.
//! - `Depart`: connect to the image port, say [`Purpose::Image`], stream by [`ImageWriter`]; then
//!   `Input::ImageSent` or `Input::DepartFailed`.
//! - `Thaw`, `Run`: threads run (unless `stopped`).
//! - `ImageComplete`: put together what [`Session::image_received`] gave to the [`ImageSink`]; then
//!   `Input::Installed` or `Input::ArrivalFailed`.
//! - `Reconnect`: drop the channel's connection if any, dial home's deputy port; then
//!   `Input::Connected` or `Input::Broken`.
//! - `Destroy`: drop the address space and threads; then `Input::Destroyed`.
//! - `Closed`: flush and end the connections; drop the session.
//!
//! Three things that a kernel must expect, each found by the simulator:
//! - an event of one drain may name a thread that the event before it ended (`KillOthers`, an
//!   exit of all): ignore it;
//! - `request()` gives `None` while the body freezes: the thread stays at its trap and its call is
//!   begun again after `Thaw`, or by the body that runs elsewhere;
//! - the image connection of a move that was called off may break after `Thaw`: it concerns
//!   nobody.
//!
//! A remote call, start to end (`memory` stands for the address space):
//!
//! ```
//! use wayfarer_body::{Event, Gather, Memory, Output, Request, Session, Supply};
//! use wayfarer_proto::errno::Errno;
//! use wayfarer_proto::id::Tid;
//! use wayfarer_proto::message::Args;
//! use wayfarer_proto::table::Sysno;
//!
//! fn begin_call(session: &mut Session, thread: Tid, sysno: Sysno, args: Args, memory: &[u8]) {
//!     let mut gather = Gather::new(sysno.row(), args);
//!     while let Some(wanted) = gather.wanted() {
//!         // Fault the pages in, then say what is there. Here: all of it, all zero.
//!         let len = wanted.len.min(memory.len());
//!         gather.supply(match wanted.memory {
//!             Memory::Read | Memory::Text => Supply::Read(memory[..len].to_vec()),
//!             Memory::Write => Supply::Writable(len),
//!         });
//!     }
//!     let seq = session.request(thread, Request::Call(gather.into_call()));
//!     assert!(seq.is_some(), "a frozen body begins no call");
//!     // Now drain; the thread's state is AwaitReply { seq } until Event::Reply names it.
//! }
//! ```
//!
//! [`Purpose::Image`]: wayfarer_proto::handshake::Purpose::Image
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod ahead;
mod arrival;
mod calls;
mod control;
mod departure;
mod gather;
mod io;
mod link;
mod memory;
mod session;

pub use departure::ImageWriter;
pub use gather::{Gather, Memory, Supply, Wanted};
pub use io::{DestroyReason, Event, ImageSink, Input, MemoryOp, Output, PageOp, Request};
pub use session::{Arrival, Session};
