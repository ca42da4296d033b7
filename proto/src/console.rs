//! The frames that runner and node exchange over a virtio-console (decision D10).
//!
//! A frame is a 32-bit little-endian length, then that many bytes: one tag byte and the fields in
//! the order written here. Integers are little-endian; text and byte strings carry a 32-bit length.
//!
//! ```text
//! runner                                          node
//!    |<------------------------------------- Hello  |   once, when the node can serve
//!    |  Start ------------------------------------>  |
//!    |<----------------------------------- Started   |
//!    |  Stdin* StdinEof WindowSize Signal Move --->  |
//!    |<--- Stdout Stderr StdinTaken Trace Moved ...   |
//!    |<-------------------------------------- Exit   |   Start may be sent again from here
//!    |  Shutdown ---------------------------------->  |   the node leaves through isa-debug-exit
//! ```
//!
//! Standard input is paced by the node: the runner keeps at most [`STDIN_WINDOW`] bytes on the way
//! and sends more as [`FromNode::StdinTaken`] frees the window, so a program that does not read
//! never holds up the control frames behind its input.

#[macro_use]
mod define;
mod frames;
mod reader;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;
mod wire;

pub use frames::{
    Carrier, Counts, Exit, ExitStatus, FromNode, Half, Held, Hello, Lap, MissingCall, MoveOrder,
    Moved, Probe, Probed, ProgramReport, Refused, Stage, Start, Started, TestResult, ToNode, Trace,
    WindowSize,
};
pub use reader::FrameReader;
pub use wire::{Frame, FrameError};

/// The version of this protocol; a runner refuses a node whose [`Hello`] names another.
pub const CONSOLE_VERSION: u32 = 7;

/// The longest frame (tag and fields, without the length), in bytes. A receiver needs no larger
/// buffer, and refuses a longer frame before it stores any of it. Large enough for the arguments
/// and environment of an ordinary `execve(2)`.
pub const MAX_FRAME: usize = 256 * 1024;

/// The most bytes one `Stdin`, `Stdout` or `Stderr` frame should carry. A bound on how long one
/// frame occupies the console, not a rule of the format.
pub const STDIO_CHUNK: usize = 16 * 1024;

/// How many bytes of standard input the runner sends beyond those reported taken.
pub const STDIN_WINDOW: usize = 64 * 1024;

const _: () = assert!(STDIO_CHUNK < MAX_FRAME && STDIO_CHUNK <= STDIN_WINDOW);
