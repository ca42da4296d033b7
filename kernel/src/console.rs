//! The way to the runner: typed frames over the virtio-console (decision D10).
//!
//! What is sent waits in a queue that the main loop drains into the port. Bytes of programs'
//! output wait for room, so a slow runner slows its programs; the kernel's own frames never wait.

use alloc::collections::VecDeque;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;

use wayfarer_proto::console::{Frame, FrameError, FrameReader, FromNode, ToNode};

use crate::executor::WaitQueue;

/// Bytes of output that may wait for the port before programs have to.
const HIGH_WATER: usize = 256 * 1024;

/// The console's queues.
#[derive(Default)]
pub struct Console {
    outgoing: RefCell<VecDeque<u8>>,
    drained: WaitQueue,
    reader: RefCell<FrameReader>,
}

impl Console {
    /// Sends a frame, whatever waits already.
    pub fn send(&self, frame: &FromNode) {
        let mut bytes = Vec::new();
        if frame.encode(&mut bytes).is_ok() {
            self.outgoing.borrow_mut().extend(bytes);
        }
    }

    /// Sends a line of the kernel's log.
    pub fn log(&self, line: fmt::Arguments<'_>) {
        self.send(&FromNode::Log(line.to_string()));
    }

    /// Waits until there is room for programs' output.
    pub async fn room(&self) {
        let below = || (self.outgoing.borrow().len() < HIGH_WATER).then_some(());
        self.drained.wait_until(below).await;
    }

    /// Whether there is room for programs' output now.
    pub fn has_room(&self) -> bool {
        self.outgoing.borrow().len() < HIGH_WATER
    }

    /// Woken when there is room again.
    pub fn drained(&self) -> &WaitQueue {
        &self.drained
    }

    /// Whether anything waits for the port.
    pub fn is_idle(&self) -> bool {
        self.outgoing.borrow().is_empty()
    }

    /// Hands waiting bytes to `port`, which says how many it took. Says whether it took any.
    pub fn drain(&self, mut port: impl FnMut(&[u8]) -> usize) -> bool {
        let mut outgoing = self.outgoing.borrow_mut();
        let mut any = false;
        while !outgoing.is_empty() {
            let taken = port(outgoing.as_slices().0);
            if taken == 0 {
                break;
            }
            outgoing.drain(..taken);
            any = true;
        }
        let room = outgoing.len() < HIGH_WATER;
        drop(outgoing);
        if any && room {
            self.drained.wake_all();
        }
        any
    }

    /// Takes in bytes from the port and gives the frames they complete. A frame that cannot be
    /// read is logged and passed over.
    pub fn receive(&self, bytes: &[u8]) -> Vec<ToNode> {
        let mut reader = self.reader.borrow_mut();
        reader.push(bytes);
        let mut frames = Vec::new();
        loop {
            match reader.next::<ToNode>() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => return frames,
                Err(error) => {
                    self.log(format_args!("console: {error}"));
                    if matches!(error, FrameError::TooLong { .. }) {
                        return frames;
                    }
                }
            }
        }
    }
}
