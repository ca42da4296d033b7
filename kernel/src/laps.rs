//! Where the time of a forwarded call goes: the laps of a node between the points that a call
//! passes, for the benchmark.
//!
//! A node does one thing at a time, so the time since the last point belongs to the stage that ends
//! here, whatever was done in it. Nothing is kept until the runner asks for it.

use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use wayfarer_machine::Clock;
use wayfarer_proto::console::{Lap, Stage};

/// Laps kept of each stage: what fits one frame of the console.
const MOST_LAPS: usize = 30_000;

/// The stop-watch of a node.
pub struct Laps {
    clock: Clock,
    running: Cell<bool>,
    last: Cell<u64>,
    stages: RefCell<[Vec<u64>; Stage::ALL.len()]>,
}

impl Laps {
    /// One that does not run.
    pub fn new(clock: Clock) -> Self {
        let (running, last) = (Cell::new(false), Cell::new(0));
        Self { clock, running, last, stages: RefCell::default() }
    }

    /// Runs from now on, and forgets what it has.
    pub fn start(&self) {
        self.stages.borrow_mut().iter_mut().for_each(Vec::clear);
        self.last.set(self.clock.now_ns());
        self.running.set(true);
    }

    /// Says that `stage` ends here.
    pub fn mark(&self, stage: Stage) {
        if !self.running.get() {
            return;
        }
        let now = self.clock.now_ns();
        let lap = now - self.last.replace(now);
        let laps = &mut self.stages.borrow_mut()[stage.index()];
        if laps.len() < MOST_LAPS {
            laps.push(lap);
        }
    }

    /// Stops, and gives the laps of every stage, in the order of [`Stage::ALL`].
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
