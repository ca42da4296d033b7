//! Copies between the kernel and a program's memory, through the page table and never by the
//! program's own addresses.
//!
//! A copy goes as far as it can at once and says why it stopped: the caller pages in what is
//! needed and goes on from there. Nothing here waits.

use alloc::vec::Vec;

use wayfarer_machine::Frame;
use wayfarer_proto::id::UserAddr;
use wayfarer_proto::limits;

use super::address_space::AddressSpace;
use super::fault::{FaultOutcome, FaultSignal, PageRequest};
use super::page_range::{END_PAGE, PAGE, user_page};
use super::region::AccessKind;

/// How far a copy got.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub struct Progress {
    /// Bytes done.
    pub done: usize,
    /// What stands in the way of the next byte; `None` when all is done.
    pub blocked_on: Option<Blocked>,
}

impl Progress {
    /// Whether all is done.
    pub const fn is_complete(&self) -> bool {
        self.blocked_on.is_none()
    }
}

/// What stands in the way of a copy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Blocked {
    /// These pages have to be installed first.
    NeedsPage(PageRequest),
    /// The program may not access the byte: EFAULT for a system call, or this signal.
    Fault(FaultSignal),
    /// No frame is left.
    OutOfMemory,
}

/// How a string ended, or why its end was not reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum StringProgress {
    /// At its NUL.
    Complete,
    /// At the most bytes that were wanted.
    TooLong,
    /// Not yet: go on with the same buffer once this is out of the way.
    Blocked(Blocked),
}

/// One page's part of a range of bytes.
struct Piece {
    frame: Frame,
    offset: usize,
    len: usize,
}

impl AddressSpace {
    /// Copies from the program's memory.
    pub fn read(&mut self, address: UserAddr, target: &mut [u8]) -> Progress {
        self.walk(address, target.len(), AccessKind::Read, |done, piece| {
            piece.frame.read(piece.offset, &mut target[done..done + piece.len]);
        })
    }

    /// Appends `len` bytes of the program's memory to `target`.
    pub fn append(&mut self, address: UserAddr, len: usize, target: &mut Vec<u8>) -> Progress {
        self.walk(address, len, AccessKind::Read, |_, piece| {
            piece.frame.append(piece.offset, piece.len, target);
        })
    }

    /// Copies to the program's memory.
    pub fn write(&mut self, address: UserAddr, source: &[u8]) -> Progress {
        self.walk(address, source.len(), AccessKind::Write, |done, piece| {
            piece.frame.write(piece.offset, &source[done..done + piece.len]);
        })
    }

    /// Makes memory ready to be read; `done` says how much of it is.
    pub fn probe_readable(&mut self, address: UserAddr, len: usize) -> Progress {
        self.walk(address, len, AccessKind::Read, |_, _| {})
    }

    /// Makes memory ready to be written; `done` says how much of it is. A copy to what is ready
    /// takes no frame and waits for nothing, as long as nothing else happens in between.
    pub fn probe_writable(&mut self, address: UserAddr, len: usize) -> Progress {
        self.walk(address, len, AccessKind::Write, |_, _| {})
    }

    /// Reads a string that ends with NUL, appending to `text` what comes before it. `text` holds
    /// what earlier attempts found, at `address` on; no more than `max` bytes are put there.
    pub fn read_string(
        &mut self,
        address: UserAddr,
        text: &mut Vec<u8>,
        max: usize,
    ) -> StringProgress {
        let mut buffer = [0; 256];
        loop {
            let len = buffer.len().min(max.saturating_sub(text.len()));
            if len == 0 {
                return StringProgress::TooLong;
            }
            let at = address.offset(text.len() as u64);
            let progress = self.read(at, &mut buffer[..len]);
            let found = &buffer[..progress.done];
            if let Some(end) = found.iter().position(|byte| *byte == 0) {
                text.extend_from_slice(&found[..end]);
                return StringProgress::Complete;
            }
            text.extend_from_slice(found);
            if let Some(blocked) = progress.blocked_on {
                return StringProgress::Blocked(blocked);
            }
        }
    }

    /// Visits the pages of a range of bytes in order, each once it can be accessed.
    fn walk(
        &mut self,
        address: UserAddr,
        len: usize,
        kind: AccessKind,
        mut visit: impl FnMut(usize, Piece),
    ) -> Progress {
        let mut done = 0;
        while done < len {
            // Wrapping is harmless: such an address lies in no region.
            let at = address.offset(done as u64);
            match self.accessible(at, kind) {
                Ok(frame) => {
                    if kind == AccessKind::Write {
                        self.ages.forget(at.0 / PAGE);
                    }
                    let offset = (at.0 % PAGE) as usize;
                    let len = (limits::PAGE - offset).min(len - done);
                    visit(done, Piece { frame, offset, len });
                    done += len;
                }
                Err(blocked) => return Progress { done, blocked_on: Some(blocked) },
            }
        }
        Progress { done, blocked_on: None }
    }

    /// The frame behind an address, once the program itself could access it so.
    fn accessible(&mut self, address: UserAddr, kind: AccessKind) -> Result<Frame, Blocked> {
        // One fault suffices; what else changes the table runs in no other thread.
        for _ in 0..2 {
            if let Some(frame) = self.frame_at(address, kind) {
                return Ok(frame);
            }
            match self.fault(address, kind) {
                FaultOutcome::Resolved => {}
                FaultOutcome::NeedsPage(request) => return Err(Blocked::NeedsPage(request)),
                FaultOutcome::Signal(signal) => return Err(Blocked::Fault(signal)),
                FaultOutcome::OutOfMemory => return Err(Blocked::OutOfMemory),
            }
        }
        self.frame_at(address, kind).ok_or(Blocked::OutOfMemory)
    }

    /// The frame behind an address, if the table allows the access as it is.
    fn frame_at(&self, address: UserAddr, kind: AccessKind) -> Option<Frame> {
        let page = address.0 / PAGE;
        if page >= END_PAGE {
            return None;
        }
        let mapping = self.table.lookup(user_page(page))?;
        let allowed = match kind {
            AccessKind::Read => !mapping.hidden,
            AccessKind::Write => !mapping.hidden && mapping.access.write,
            AccessKind::Execute => !mapping.hidden && mapping.access.execute,
        };
        allowed.then_some(mapping.frame)
    }
}
