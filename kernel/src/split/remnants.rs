//! What bodies leave behind: their memory, so that a body that comes back brings only what has
//! changed since. A cache and no more: frames return to whoever needs them.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::ops::ControlFlow;

use wayfarer_machine::{FramePool, Spare};
use wayfarer_proto::id::{Epoch, ProcessKey};
use wayfarer_proto::sorted::SortedMap;

use crate::memory::{AddressSpace, END_PAGE};
use crate::process::Memory;

/// How many are kept at most. Nobody tells a node that a process which was there has ended.
const MOST: usize = 64;

/// The memory of a body that has left.
struct Remnant {
    memory: Rc<Memory>,
    /// The epoch that ended then.
    epoch: Epoch,
    /// Counts departures.
    age: u64,
}

/// The remnants on a node.
pub struct Remnants {
    pool: FramePool,
    kept: RefCell<SortedMap<ProcessKey, Remnant>>,
    /// One that is being given up.
    dissolving: RefCell<Option<Rc<Memory>>>,
    departures: Cell<u64>,
}

impl Remnants {
    /// None yet. `pool` gets the frames back before it has none.
    pub fn new(pool: &FramePool) -> Rc<Self> {
        let remnants = Rc::new(Self {
            pool: pool.clone(),
            kept: RefCell::default(),
            dissolving: RefCell::default(),
            departures: Cell::default(),
        });
        pool.add_spare(&remnants);
        remnants
    }

    /// Keeps the memory of a body that left at the end of `epoch`, and hands out what is to be
    /// freed for that.
    pub fn keep(&self, process: ProcessKey, left: Rc<Memory>, epoch: Epoch) -> Option<Rc<Memory>> {
        let age = self.departures.replace(self.departures.get() + 1);
        left.space.borrow_mut().retire();
        let remnant = Remnant { memory: left, epoch, age };
        let before = self.kept.borrow_mut().insert(process, remnant);
        let crowded = self.kept.borrow().len() > MOST;
        before.map(|before| before.memory).or_else(|| crowded.then(|| self.take_oldest()).flatten())
    }

    /// Hands out what a body left that comes back, if nobody else has it, and when it left.
    pub fn take(&self, process: ProcessKey) -> Option<(AddressSpace, Epoch)> {
        let remnant = self.kept.borrow_mut().remove(&process)?;
        let memory = Rc::into_inner(remnant.memory)?;
        Some((memory.space.into_inner(), remnant.epoch))
    }

    /// The one that was left longest ago.
    fn take_oldest(&self) -> Option<Rc<Memory>> {
        let mut kept = self.kept.try_borrow_mut().ok()?;
        let oldest = kept.iter().min_by_key(|(_, remnant)| remnant.age).map(|(key, _)| *key)?;
        kept.remove(&oldest).map(|remnant| remnant.memory)
    }
}

impl Spare for Remnants {
    /// The frames that nobody has but remnants, which may share them after fork(2).
    fn idle(&self) -> usize {
        let kept = self.kept.borrow();
        let dissolving = self.dissolving.borrow();
        let mut idle = 0;
        let mut shared = Vec::new();
        for memory in kept.values().map(|remnant| &remnant.memory).chain(&*dissolving) {
            let space = memory.space.borrow();
            idle += space.page_table().tables();
            let _ = space.page_table().visit(0..END_PAGE, |present| {
                match present.owners() {
                    1 => idle += 1,
                    owners => shared.push((present.frame_number(), owners)),
                }
                ControlFlow::Continue(())
            });
        }
        shared.sort_unstable();
        let alone = |same: &&[(u64, u32)]| same.len() == same[0].1 as usize;
        idle + shared.chunk_by(|one, other| one == other).filter(alone).count()
    }

    fn give_up(&self, count: usize) {
        // Whoever asks may have been called from here, for a frame to keep the books in.
        let Ok(mut dissolving) = self.dissolving.try_borrow_mut() else { return };
        let wanted = self.pool.counts().free + count;
        while self.pool.counts().free < wanted {
            let Some(memory) = dissolving.take().or_else(|| self.take_oldest()) else { return };
            let more = memory.space.borrow_mut().shed();
            *dissolving = more.then_some(memory);
        }
    }
}
