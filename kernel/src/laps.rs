//! Where the time of a forwarded call goes: the laps of a node between the points that a call
//! passes, for the benchmark.
//!
//! A node does one thing at a time, so the time since the last point belongs to the stage that ends
//! here, whatever was done in it; of a stage that a call passes twice, both. A call begins with its
//! message: where user code runs as that is packed, elsewhere as it is received. Nothing is kept
//! until the runner asks for it.

use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use wayfarer_machine::Clock;
use wayfarer_proto::console::{Lap, Stage};

/// Calls whose laps are kept: what fits one frame of the console.
const MOST_CALLS: usize = 30_000;

/// How many stages there are.
const STAGES: usize = Stage::ALL.len();

/// The stop-watch of a node.
pub struct Laps {
    clock: Clock,
    running: Cell<bool>,
    last: Cell<u64>,
    /// Whether user code runs here.
    user: Cell<bool>,
    /// The laps of the call that goes on, once one has begun.
    call: Cell<Option<[u64; STAGES]>>,
    stages: RefCell<[Vec<u64>; STAGES]>,
}

impl Laps {
    /// One that does not run.
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            running: Cell::new(false),
            last: Cell::new(0),
            user: Cell::new(false),
            call: Cell::new(None),
            stages: RefCell::default(),
        }
    }

    /// Runs from now on, and forgets what it has.
    pub fn start(&self) {
        self.stages.borrow_mut().iter_mut().for_each(Vec::clear);
        self.last.set(self.clock.now_ns());
        self.user.set(false);
        self.call.set(None);
        self.running.set(true);
    }

    /// Says that `stage` ends here.
    #[inline]
    pub fn mark(&self, stage: Stage) {
        if self.running.get() {
            self.end_lap(stage);
        }
    }

    fn end_lap(&self, stage: Stage) {
        let now = self.clock.now_ns();
        let lap = now - self.last.replace(now);
        if stage == Stage::User && !self.user.replace(true) {
            // What came before was no call of this code's.
            self.call.set(None);
        }
        let first = if self.user.get() { Stage::Packaging } else { Stage::Receiving };
        if stage == first
            && let Some(laps) = self.call.replace(Some([0; STAGES]))
        {
            self.keep(&laps);
        }
        if let Some(mut laps) = self.call.get() {
            laps[stage.index()] += lap;
            self.call.set(Some(laps));
        }
    }

    fn keep(&self, laps: &[u64; STAGES]) {
        for (kept, lap) in self.stages.borrow_mut().iter_mut().zip(laps) {
            if kept.len() < MOST_CALLS {
                kept.push(*lap);
            }
        }
    }

    /// Stops, and gives those of every stage for each call, in the order of [`Stage::ALL`].
    pub fn stop(&self) -> Vec<Lap> {
        self.running.set(false);
        let mut stages = self.stages.borrow_mut();
        let lap = |stage: &Stage| Lap {
            stage: stage.clone(),
            nanoseconds: core::mem::take(&mut stages[stage.index()]),
        };
        Stage::ALL.iter().map(lap).collect()
    }
}
