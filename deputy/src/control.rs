//! The control stream: page-ins and page-outs, queries, stop and continue, timers.

use alloc::vec::Vec;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::MapId;
use wayfarer_proto::limits;
use wayfarer_proto::message::{DeputyMessage, FilePages, Query};
use wayfarer_proto::session::Mark;
use wayfarer_proto::sorted::SortedMap;
use wayfarer_proto::time::Instant;

use crate::io::{Event, LostReason, PageOp};
use crate::session::{Place, Session};

/// What the control stream remembers.
#[derive(Debug, Default)]
pub(crate) struct Control {
    /// Raised when a body freezes: what it asked before is void.
    generation: u32,
    queries: SortedMap<u32, Query>,
    /// Whether the process is stopped, and what its body was told of it.
    stopped: bool,
    told: bool,
}

impl Control {
    pub(crate) fn take_queries(&mut self) -> Vec<u32> {
        core::mem::take(&mut self.queries).into_keys().collect()
    }

    pub(crate) const fn void_pages(&mut self) {
        self.generation = self.generation.wrapping_add(1);
    }

    /// Whether the process is stopped; the message that says so is about to be sent.
    pub(crate) const fn tell_stopped(&mut self) -> bool {
        self.told = self.stopped;
        self.stopped
    }
}

impl Session {
    pub(crate) fn on_page_in(&mut self, now: Instant, id: u32, map: MapId, page: u64, count: u32) {
        let count = count as usize;
        if count == 0 || count > limits::RUN_PAGES {
            return self.violation(now, self.place);
        }
        let op = PageOp { generation: self.control.generation, id };
        self.event(Event::PageWanted { op, map, page, count });
    }

    /// Pages come back to a file. They pass the hold, as page-ins do: a body that freezes gives
    /// back what it has before it says so.
    pub(crate) fn on_page_out(
        &mut self,
        now: Instant,
        id: u32,
        map: MapId,
        page: u64,
        bytes: Vec<u8>,
    ) {
        let whole = bytes.len().is_multiple_of(limits::PAGE) && bytes.len() <= limits::WINDOW;
        if bytes.is_empty() || !whole {
            return self.violation(now, self.place);
        }
        let op = PageOp { generation: self.control.generation, id };
        self.event(Event::PageGiven { op, map, page, bytes });
    }

    /// Page-ins pass the hold: a body that freezes may need one to answer a memory request. Once
    /// it is frozen they are void, and asked again by whoever runs.
    pub(crate) fn page_data(&mut self, op: PageOp, mut result: Result<FilePages, Errno>) {
        if op.generation == self.control.generation {
            if let Ok(pages) = &mut result {
                pages.bytes.truncate(limits::WINDOW);
                pages.versions.truncate(limits::FILE_VERSIONS);
            }
            self.say(self.place, DeputyMessage::PageData { id: op.id, result });
        }
    }

    pub(crate) fn query(&mut self, id: u32, query: Query) {
        if self.is_dead() {
            return self.event(Event::Answer { id, result: Err(crate::BodyLost) });
        }
        if self.held.is_none() {
            self.say(self.place, DeputyMessage::Query { id, query: query.clone() });
        }
        self.control.queries.insert(id, query);
    }

    pub(crate) fn on_query_answer(&mut self, id: u32, bytes: Vec<u8>) {
        if self.control.queries.remove(&id).is_some() {
            self.event(Event::Answer { id, result: Ok(bytes) });
        }
    }

    pub(crate) fn set_stopped(&mut self, stopped: bool) {
        self.control.stopped = stopped;
        if self.movement.is_some() {
            self.marks.reach(Mark::StoppedDuringMove);
        }
        if self.held.is_none() {
            self.tell_stopped();
        }
    }

    fn tell_stopped(&mut self) {
        if self.control.told != self.control.stopped {
            let stopped = self.control.tell_stopped();
            let message = if stopped { DeputyMessage::Stop } else { DeputyMessage::Continue };
            self.say(self.place, message);
        }
    }

    /// After a verdict: questions that the old body did not answer, and what it was not told.
    pub(crate) fn repeat_control(&mut self) {
        self.tell_stopped();
        for (id, query) in self.control.queries.clone() {
            self.say(self.place, DeputyMessage::Query { id, query });
        }
    }

    /// When the session wants to be called next, whatever happens.
    pub(crate) fn deadline(&self) -> Instant {
        let awaited = match self.place {
            Place::Awaited { until } => until,
            _ => Instant::NEVER,
        };
        self.move_deadline().min(awaited).min(self.closing_deadline())
    }

    /// Does what passed deadlines ask for.
    pub(crate) fn expire(&mut self, now: Instant) {
        if now < self.deadline() {
            return;
        }
        self.expire_closing(now);
        self.expire_move(now);
        if matches!(self.place, Place::Awaited { until } if until <= now) {
            self.lost(now, LostReason::NeverCalled);
        }
    }
}
