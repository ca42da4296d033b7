//! The control stream: page-ins and page-outs, timers.

use alloc::vec::Vec;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::MapId;
use wayfarer_proto::limits;
use wayfarer_proto::message::{BodyMessage, FilePages};
use wayfarer_proto::session::Mark;
use wayfarer_proto::sorted::SortedSet;
use wayfarer_proto::time::Instant;

use crate::departure::Doubt;
use crate::io::{DestroyReason, Event, PageOp};
use crate::session::{Life, Session};

/// Page-ins that have not ended.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    last: u32,
    open: SortedSet<u32>,
}

impl Session {
    /// Asks for `count` pages of a mapped file from `page` on; at most one window. `None` when the
    /// body is frozen: let the thread fault again when it runs again.
    pub fn page_in(&mut self, map: MapId, page: u64, count: usize) -> Option<PageOp> {
        if !matches!(self.life, Life::Running | Life::Freezing(_)) {
            return None;
        }
        if !self.memory.is_empty() {
            self.marks.reach(Mark::PageInInsideMemory);
        }
        self.pages.last = self.pages.last.wrapping_add(1);
        let id = self.pages.last;
        self.pages.open.insert(id);
        let count = count.min(limits::RUN_PAGES) as u32;
        self.say(BodyMessage::PageIn { id, map, page, count });
        Some(PageOp(id))
    }

    /// Sends pages of a file, which the body has stored to, home; whole pages, at most one window.
    /// [`Event::PageData`] of no bytes says that the file has them. `None` when the body is frozen
    /// or lost.
    pub fn page_out(&mut self, map: MapId, page: u64, bytes: Vec<u8>) -> Option<PageOp> {
        if !matches!(self.life, Life::Running | Life::Freezing(_)) {
            return None;
        }
        self.marks.reach(Mark::PageOut);
        self.pages.last = self.pages.last.wrapping_add(1);
        let id = self.pages.last;
        self.pages.open.insert(id);
        self.say(BodyMessage::PageOut { id, map, page, bytes });
        Some(PageOp(id))
    }

    /// Whether memory requests of the deputy are being done.
    pub fn is_serving(&self) -> bool {
        !self.memory.is_empty()
    }

    /// Whether pages of a file are on their way, to the body or from it.
    pub(crate) fn awaits_pages(&self) -> bool {
        !self.pages.open.is_empty()
    }

    pub(crate) fn on_page_data(&mut self, id: u32, result: Result<FilePages, Errno>) {
        // What crossed our Frozen is void already.
        if self.pages.open.remove(&id) {
            if result.as_ref().is_ok_and(|pages| !pages.bytes.is_empty()) {
                self.marks.reach(Mark::PageIn);
            }
            self.event(Event::PageData { op: PageOp(id), result });
        }
    }

    /// Ends all page-ins: the deputy forgets them when it hears Frozen.
    pub(crate) fn void_pages(&mut self) {
        for id in core::mem::take(&mut self.pages.open) {
            self.marks.reach(Mark::PageInFrozen);
            self.event(Event::PageVoid { op: PageOp(id) });
        }
    }

    /// When the session wants to be called next, whatever happens.
    pub(crate) const fn deadline(&self) -> Instant {
        match &self.life {
            Life::Arriving(reception) => reception.deadline(),
            Life::InDoubt(Doubt::Asking { until }) => *until,
            Life::InDoubt(Doubt::Pausing { until, retry }) => {
                if until.0 < retry.0 {
                    *until
                } else {
                    *retry
                }
            }
            _ => Instant::NEVER,
        }
    }

    /// Does what a passed deadline asks for.
    pub(crate) fn expire(&mut self, now: Instant) {
        if now < self.deadline() {
            return;
        }
        match self.life {
            Life::Arriving(_) => self.image_broken(),
            Life::InDoubt(Doubt::Pausing { until, .. }) if now < until => self.dial_in_doubt(until),
            Life::InDoubt(_) => {
                self.marks.reach(Mark::DoubtExpired);
                self.die(DestroyReason::Expired, false);
            }
            _ => {}
        }
    }
}
