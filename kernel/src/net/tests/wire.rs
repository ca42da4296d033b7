//! An in-memory wire, and its faults as a port around a port.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use wayfarer_proto::time::Instant;

use crate::net::port::{Port, QueueFull};

/// A hub: what one end sends, all others receive, at once. With two ends it is a cable.
#[derive(Default)]
pub(super) struct Wire {
    inboxes: RefCell<Vec<VecDeque<Vec<u8>>>>,
    /// Every frame sent, if somebody wants to look.
    pub(super) log: RefCell<Option<Vec<Vec<u8>>>>,
}

impl Wire {
    pub(super) fn end(self: &Rc<Self>) -> End {
        let mut inboxes = self.inboxes.borrow_mut();
        inboxes.push(VecDeque::new());
        End { wire: self.clone(), index: inboxes.len() - 1, mtu: 9000 }
    }

    /// Runs `f` and returns the frames sent meanwhile.
    pub(super) fn frames_during(&self, f: impl FnOnce()) -> Vec<Vec<u8>> {
        *self.log.borrow_mut() = Some(Vec::new());
        f();
        self.log.borrow_mut().take().unwrap()
    }
}

/// An end of a wire.
pub(super) struct End {
    wire: Rc<Wire>,
    index: usize,
    pub(super) mtu: usize,
}

impl Port for End {
    fn mac(&self) -> [u8; 6] {
        [2, 0, 0, 0, 0, 0]
    }

    fn mtu(&self) -> usize {
        self.mtu
    }

    fn receive(&mut self, accept: &mut dyn FnMut(&[u8])) -> bool {
        let frame = self.wire.inboxes.borrow_mut()[self.index].pop_front();
        frame.inspect(|frame| accept(frame)).is_some()
    }

    fn send(&mut self, len: usize, fill: &mut dyn FnMut(&mut [u8])) -> Result<(), QueueFull> {
        let mut frame = vec![0; len];
        fill(&mut frame);
        if let Some(log) = &mut *self.wire.log.borrow_mut() {
            log.push(frame.clone());
        }
        let mut inboxes = self.wire.inboxes.borrow_mut();
        for (index, inbox) in inboxes.iter_mut().enumerate() {
            if index != self.index {
                inbox.push_back(frame.clone());
            }
        }
        Ok(())
    }
}

/// What is wrong with every port of a world; all is well by default.
#[derive(Default)]
pub(super) struct Faults {
    pub(super) now: Cell<Instant>,
    /// Nothing is delivered and nothing kept.
    pub(super) cut: Cell<bool>,
    /// Nothing is delivered before then, but all is kept.
    pub(super) stalled_until: Cell<Instant>,
    /// How many frames of a thousand are lost.
    pub(super) loss: Cell<u64>,
    pub(super) delay: Cell<Duration>,
    /// How many sends ports take before they refuse some.
    pub(super) admissions: Cell<u32>,
    /// How many sends ports refuse then.
    pub(super) refusals: Cell<u32>,
    random: Cell<u64>,
    /// When each frame on its way arrives.
    arrivals: RefCell<Vec<Instant>>,
}

impl Faults {
    /// When the next frame arrives.
    pub(super) fn next_arrival(&self) -> Option<Instant> {
        let first = self.arrivals.borrow().iter().min().copied()?;
        Some(first.max(self.stalled_until.get()))
    }

    fn is_lost(&self) -> bool {
        let next = self.random.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        self.random.set(next);
        self.cut.get() || (next >> 33) % 1000 < self.loss.get()
    }
}

/// A port whose frames meet the faults of its world.
pub(super) struct Faulty {
    pub(super) port: End,
    pub(super) faults: Rc<Faults>,
    pub(super) held: VecDeque<(Instant, Vec<u8>)>,
}

impl Port for Faulty {
    fn mac(&self) -> [u8; 6] {
        self.port.mac()
    }

    fn mtu(&self) -> usize {
        self.port.mtu()
    }

    fn receive(&mut self, accept: &mut dyn FnMut(&[u8])) -> bool {
        let (faults, held, now) = (&self.faults, &mut self.held, self.faults.now.get());
        let take = &mut |frame: &[u8]| {
            if !faults.is_lost() {
                let arrival = now + faults.delay.get();
                faults.arrivals.borrow_mut().push(arrival);
                held.push_back((arrival, frame.to_vec()));
            }
        };
        while self.port.receive(take) {}
        if faults.stalled_until.get() > now || held.front().is_none_or(|held| held.0 > now) {
            return false;
        }
        let (arrival, frame) = held.pop_front().unwrap();
        let mut arrivals = faults.arrivals.borrow_mut();
        let place = arrivals.iter().position(|&time| time == arrival).unwrap();
        arrivals.swap_remove(place);
        if !faults.cut.get() {
            accept(&frame);
        }
        true
    }

    fn send(&mut self, len: usize, fill: &mut dyn FnMut(&mut [u8])) -> Result<(), QueueFull> {
        let (admissions, refusals) = (&self.faults.admissions, &self.faults.refusals);
        if admissions.get() > 0 {
            admissions.set(admissions.get() - 1);
        } else if refusals.get() > 0 {
            refusals.set(refusals.get() - 1);
            return Err(QueueFull);
        }
        self.port.send(len, fill)
    }
}
