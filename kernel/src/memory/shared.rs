//! Memory that several address spaces show: `MAP_SHARED | MAP_ANONYMOUS`.

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use core::cell::RefCell;
use core::fmt;

use wayfarer_machine::{Frame, FramePool, OutOfFrames};

/// A shared memory object. Pages exist from their first use on, whoever uses them.
#[derive(Clone)]
pub struct SharedMemory(Rc<RefCell<BTreeMap<u64, Frame>>>);

impl SharedMemory {
    /// An object of zeroes.
    pub(super) fn new() -> Self {
        Self(Rc::new(RefCell::new(BTreeMap::new())))
    }

    /// The frame of a page of the object, made of zeroes at its first use.
    ///
    /// # Errors
    /// [`OutOfFrames`] when there is none for it.
    pub(super) fn frame(&self, page: u64, pool: &FramePool) -> Result<Frame, OutOfFrames> {
        if let Some(frame) = self.0.borrow().get(&page) {
            return Ok(frame.clone());
        }
        let frame = pool.allocate_zeroed()?;
        self.0.borrow_mut().insert(page, frame.clone());
        Ok(frame)
    }

    /// Gives a page its frame, for an arriving image.
    pub(super) fn install(&self, page: u64, frame: Frame) {
        self.0.borrow_mut().insert(page, frame);
    }

    /// The first page at or after `from` that exists.
    pub(super) fn next_page(&self, from: u64) -> Option<(u64, Frame)> {
        self.0.borrow().range(from..).next().map(|(page, frame)| (*page, frame.clone()))
    }

    /// How many regions show the object, in all address spaces.
    pub(super) fn users(&self) -> usize {
        Rc::strong_count(&self.0)
    }

    /// Whether both are one object.
    pub(super) fn same_as(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }

    /// A number no other living object has.
    pub(super) fn identity(&self) -> usize {
        Rc::as_ptr(&self.0).addr()
    }
}

impl fmt::Debug for SharedMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedMemory({} pages, {} users)", self.0.borrow().len(), self.users())
    }
}
