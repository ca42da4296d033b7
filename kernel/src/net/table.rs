//! Every connection of a node: found by its tuple, queued when it has something to send, and woken
//! by its timer. Nothing here walks over all of them, but where a node is lost or in doubt.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use wayfarer_proto::id::NodeId;
use wayfarer_proto::sorted::{SortedMap, SortedSet};
use wayfarer_proto::time::Instant;

use super::segment::Tuple;
use super::slot::Slot;

/// The place of a connection in the table. Reused after the connection is gone, so it is kept only
/// by the connection's owner.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct SlotId(usize);

struct Entry {
    slot: Slot,
    /// Whether it is in the queue.
    queued: bool,
    /// When its timer rings: at the latest when it must, perhaps earlier.
    armed: Option<Instant>,
}

#[derive(Default)]
pub(super) struct Table {
    entries: Vec<Option<Entry>>,
    free: Vec<SlotId>,
    by_tuple: SortedMap<Tuple, SlotId>,
    queue: VecDeque<SlotId>,
    timers: SortedSet<(Instant, SlotId)>,
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.by_tuple.len()
    }

    pub(super) fn find(&self, tuple: &Tuple) -> Option<SlotId> {
        self.by_tuple.get(tuple).copied()
    }

    pub(super) fn get(&self, id: SlotId) -> Option<&Slot> {
        self.entries.get(id.0)?.as_ref().map(|entry| &entry.slot)
    }

    pub(super) fn get_mut(&mut self, id: SlotId) -> Option<&mut Slot> {
        self.entries.get_mut(id.0)?.as_mut().map(|entry| &mut entry.slot)
    }

    /// The connections with a node: all are looked at.
    pub(super) fn with(&self, peer: NodeId) -> Vec<SlotId> {
        let is_with = |entry: &Option<Entry>| {
            entry.as_ref().is_some_and(|entry| entry.slot.tuple.peer == peer)
        };
        let places = self.entries.iter().enumerate().filter(|(_, entry)| is_with(entry));
        places.map(|(place, _)| SlotId(place)).collect()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.entries.iter().flatten().map(|entry| &entry.slot)
    }

    /// Adds a connection whose tuple is in no other's use.
    pub(super) fn insert(&mut self, slot: Slot) -> SlotId {
        let id = self.free.pop().unwrap_or_else(|| {
            if self.entries.len() == self.entries.capacity() {
                // Doubled it would be half empty, with thousands of connections.
                self.entries.reserve_exact(self.entries.len() / 8 + 8);
            }
            self.entries.push(None);
            SlotId(self.entries.len() - 1)
        });
        let known = self.by_tuple.insert(slot.tuple, id);
        debug_assert!(known.is_none(), "two connections with the tuple {:?}", slot.tuple);
        self.entries[id.0] = Some(Entry { slot, queued: false, armed: None });
        id
    }

    /// Gives a connection another tuple that is in no other's use.
    pub(super) fn rename(&mut self, id: SlotId, tuple: Tuple) {
        let Some(slot) = self.get_mut(id) else { return };
        let old = core::mem::replace(&mut slot.tuple, tuple);
        self.by_tuple.remove(&old);
        self.by_tuple.insert(tuple, id);
    }

    pub(super) fn remove(&mut self, id: SlotId) {
        let Some(entry) = self.entries.get_mut(id.0).and_then(Option::take) else { return };
        self.by_tuple.remove(&entry.slot.tuple);
        if let Some(armed) = entry.armed {
            self.timers.remove(&(armed, id));
        }
        if entry.queued {
            self.queue.retain(|&queued| queued != id);
        }
        self.free.push(id);
    }

    /// Queues a connection for sending, once.
    pub(super) fn enqueue(&mut self, id: SlotId) {
        if let Some(Some(entry)) = self.entries.get_mut(id.0)
            && !entry.queued
        {
            entry.queued = true;
            self.queue.push_back(id);
        }
    }

    /// The connection that has waited longest to send.
    pub(super) fn dequeue(&mut self) -> Option<SlotId> {
        let id = self.queue.pop_front()?;
        if let Some(Some(entry)) = self.entries.get_mut(id.0) {
            entry.queued = false;
        }
        Some(id)
    }

    pub(super) fn has_queued(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Makes a connection's timer ring at `when` or before. A timer that rings early is left to:
    /// moving it with every packet would cost more than the one needless ring.
    pub(super) fn arm(&mut self, id: SlotId, when: Instant) {
        let Some(Some(entry)) = self.entries.get_mut(id.0) else { return };
        match entry.armed {
            Some(armed) if armed <= when => return,
            Some(armed) => self.timers.remove(&(armed, id)),
            None => false,
        };
        entry.armed = Some(when);
        self.timers.insert((when, id));
    }

    /// When the first timer rings.
    pub(super) fn next_timer(&self) -> Option<Instant> {
        self.timers.first().map(|&(when, _)| when)
    }

    /// Queues every connection whose timer has rung.
    pub(super) fn enqueue_due(&mut self, now: Instant) {
        while let Some(&(when, id)) = self.timers.first()
            && when <= now
        {
            self.timers.pop_first();
            if let Some(Some(entry)) = self.entries.get_mut(id.0) {
                entry.armed = None;
            }
            self.enqueue(id);
        }
    }
}
