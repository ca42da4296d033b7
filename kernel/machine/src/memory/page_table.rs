//! Page tables: which frame a user page shows, and how it may be used.
//!
//! Four levels as in the Intel SDM, volume 3, section 4.5. The lower half of the top table is the
//! user's; the upper half is the kernel's, the same in every table ([`KernelHalf`]). A leaf entry
//! owns a handle to its frame ([`Frame`]), so a frame lives as long as any table shows it.

use alloc::rc::Rc;
use core::fmt;
use core::ops::{ControlFlow, Range};

use super::entry::{Entry, Flags, LEVELS, SLOTS, slot, span};
use super::frame::Frame;
use super::pool::{FramePool, OutOfFrames};
use super::tlb::{self, Stale};

/// A page number of the user half: an address divided by the page size, below 2^35, so that every
/// address in it is canonical and below 2^47.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserPage(u64);

impl UserPage {
    /// Page numbers begin here and end before this one.
    pub const LIMIT: u64 = 1 << 35;

    /// The page with this number, if it belongs to the user half.
    pub const fn new(number: u64) -> Option<UserPage> {
        if number < UserPage::LIMIT { Some(UserPage(number)) } else { None }
    }

    /// The page that contains an address, if it belongs to the user half.
    pub const fn containing(address: u64) -> Option<UserPage> {
        UserPage::new(address >> 12)
    }

    /// The page's number.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The address of the page's first byte.
    pub const fn address(self) -> u64 {
        self.0 << 12
    }

    /// The page after this one, if it belongs to the user half.
    pub const fn next(self) -> Option<UserPage> {
        UserPage::new(self.0 + 1)
    }
}

/// What user code may do with a page besides reading it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Stores are allowed.
    pub write: bool,
    /// Instruction fetches are allowed.
    pub execute: bool,
}

/// What a table says about a page.
#[derive(Debug)]
pub struct Mapping {
    /// The frame shown. This handle is one more owner of it: see `shared`.
    pub frame: Frame,
    /// What user code may do (or may do again after [`PageTable::protect`], if `hidden`).
    pub access: Access,
    /// User code has stored to the page since it was mapped or last cleaned.
    pub dirty: bool,
    /// User code has used the page since it was mapped or last aged.
    pub accessed: bool,
    /// Somebody else than this table owned the frame too, when the mapping was looked up.
    pub shared: bool,
    /// User code may not even read the page: see [`PageTable::hide`].
    pub hidden: bool,
}

/// Why frames cannot be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapError {
    /// No frame is left for a table.
    OutOfFrames,
    /// Something is shown there.
    Present,
}

impl From<OutOfFrames> for MapError {
    fn from(_: OutOfFrames) -> Self {
        Self::OutOfFrames
    }
}

/// The kernel's half of every page table: its image, stacks, heap and the map of physical memory.
#[derive(Clone)]
pub struct KernelHalf(Rc<[u64; SLOTS / 2]>);

impl KernelHalf {
    /// A half that maps nothing, for tests on the host.
    pub fn empty() -> KernelHalf {
        KernelHalf(Rc::new([0; SLOTS / 2]))
    }

    /// The half with these upper entries of the top table.
    pub(crate) fn from_entries(entries: [u64; SLOTS / 2]) -> KernelHalf {
        KernelHalf(Rc::new(entries))
    }
}

impl fmt::Debug for KernelHalf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let used = self.0.iter().filter(|entry| **entry != 0).count();
        write!(f, "KernelHalf({used} entries)")
    }
}

/// A page at which something is mapped.
#[derive(Clone, Copy, Debug)]
pub struct Present<'a> {
    table: &'a PageTable,
    page: UserPage,
    flags: Flags,
    leaf: Entry,
}

impl Present<'_> {
    /// Which page.
    pub fn page(&self) -> UserPage {
        self.page
    }

    /// As [`Mapping::dirty`], when the scan came by.
    pub fn is_dirty(&self) -> bool {
        self.flags.is_dirty()
    }

    /// How many own the frame shown, the table included.
    pub fn owners(&self) -> u32 {
        self.table.pool.0.record(self.flags.frame()).owners.get()
    }

    /// Whether every byte of the frame shown is 0.
    pub fn is_zero(&self) -> bool {
        self.table.pool.0.is_zero(self.flags.frame())
    }

    /// The number of the frame shown.
    pub fn frame_number(&self) -> u64 {
        u64::from(self.flags.frame())
    }

    /// A handle to the frame shown.
    pub fn frame(&self) -> Frame {
        let owners = &self.table.pool.0.record(self.flags.frame()).owners;
        owners.set(owners.get().checked_add(1).expect("a frame has fewer than 2^32 owners"));
        // SAFETY: the frame lives, as a present leaf shows it, and this owner was just counted.
        unsafe { Frame::from_number(self.table.pool.clone(), self.flags.frame()) }
    }
}

/// One address space's page tables. Dropping it frees the tables and lets go of every frame.
pub struct PageTable {
    root: u32,
    pool: FramePool,
    /// Tables it is made of.
    tables: usize,
    /// Translations the processor may still remember although the tables say otherwise.
    stale: Stale,
}

impl PageTable {
    /// An empty user half under the given kernel half. Tables and mapped frames are of `pool`.
    ///
    /// # Errors
    ///
    /// [`OutOfFrames`] when there is none for the top table.
    pub fn new(pool: &FramePool, kernel: &KernelHalf) -> Result<PageTable, OutOfFrames> {
        let root = pool.allocate_zeroed()?.into_number();
        let table = PageTable { root, pool: pool.clone(), tables: 1, stale: Stale::default() };
        for (index, value) in kernel.0.iter().enumerate() {
            // SAFETY: the root is a table of ours and not loaded anywhere yet.
            unsafe { table.entry(root, SLOTS / 2 + index).set(*value) };
        }
        Ok(table)
    }

    /// Shows `frame` at `page`; returns the frame shown there before.
    ///
    /// # Errors
    ///
    /// [`OutOfFrames`] when an intermediate table is needed and cannot be had; nothing changes.
    ///
    /// # Panics
    ///
    /// When the frame is not of the table's pool.
    pub fn map(
        &mut self,
        page: UserPage,
        frame: Frame,
        access: Access,
    ) -> Result<Option<Frame>, OutOfFrames> {
        assert!(frame.pool().same_as(&self.pool), "a table maps frames of its own pool only");
        let leaf = self.leaf_or_create(page)?;
        let old = self.release(leaf, page);
        // SAFETY: the frame's owner count passes from the handle to the entry.
        unsafe { leaf.set(Flags::user(access).with_frame(frame.into_number())) };
        Ok(old)
    }

    /// Shows frames at pages that follow each other, at which nothing may be shown yet.
    ///
    /// # Errors
    ///
    /// As [`map`](Self::map), or the page at which something is shown: the frames before that one
    /// are shown then.
    ///
    /// # Panics
    ///
    /// As [`map`](Self::map), and for pages beyond the user half.
    pub fn map_run(
        &mut self,
        first: UserPage,
        frames: impl Iterator<Item = (Frame, Access)>,
    ) -> Result<(), MapError> {
        let mut leaves = None;
        for (number, (frame, access)) in (first.0..UserPage::LIMIT).zip(frames) {
            assert!(frame.pool().same_as(&self.pool), "a table maps frames of its own pool only");
            let table = match leaves.filter(|_| !number.is_multiple_of(SLOTS as u64)) {
                Some(table) => table,
                None => *leaves.insert(self.leaves_or_create(number)?),
            };
            let leaf = self.entry(table, slot(number, 1));
            if leaf.get().is_present() {
                return Err(MapError::Present);
            }
            // SAFETY: the frame's owner count passes from the handle to the entry.
            unsafe { leaf.set(Flags::user(access).with_frame(frame.into_number())) };
        }
        Ok(())
    }

    /// Stops showing anything at the pages of a range, and hands out what was shown where, until
    /// `taken` breaks off.
    pub fn unmap_range(
        &mut self,
        range: Range<u64>,
        mut taken: impl FnMut(UserPage, Frame) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        self.visit(range, |present| {
            self.stale.add(self.root, present.page.0);
            // SAFETY: a present leaf owns one count of its frame, and is overwritten next.
            let frame = unsafe { Frame::from_number(self.pool.clone(), present.flags.frame()) };
            // SAFETY: the entry's frame was just taken out.
            unsafe { present.leaf.set(0) };
            taken(present.page, frame)
        })
    }

    /// Stops showing anything at `page`; returns the frame shown there.
    pub fn unmap(&mut self, page: UserPage) -> Option<Frame> {
        let leaf = self.leaf(page)?;
        let frame = self.release(leaf, page);
        // SAFETY: the entry's frame, if any, was just released.
        unsafe { leaf.set(0) };
        frame
    }

    /// Changes what may be done with a page; false when nothing is mapped there. Ends hiding.
    pub fn protect(&mut self, page: UserPage, access: Access) -> bool {
        self.change(page, |flags| flags.with_access(access))
    }

    /// Takes the page away from user code while the table keeps the frame and its state, as for
    /// `PROT_NONE`; [`protect`](PageTable::protect) gives it back. User code that touches it gets
    /// a page fault marked present. False when nothing is mapped there.
    pub fn hide(&mut self, page: UserPage) -> bool {
        self.change(page, Flags::hidden)
    }

    /// Forgets that a page was written to; returns whether it was. For copying memory in rounds
    /// while its owner runs.
    pub fn clean(&mut self, page: UserPage) -> bool {
        let was_dirty = self.leaf(page).is_some_and(|leaf| leaf.get().is_dirty());
        was_dirty && self.change(page, Flags::clean)
    }

    /// Forgets that a page was used; returns whether it was. For estimating a working set.
    pub fn age(&mut self, page: UserPage) -> bool {
        let was_accessed = self.leaf(page).is_some_and(|leaf| leaf.get().is_accessed());
        was_accessed && self.change(page, Flags::aged)
    }

    /// What the table says about a page, if anything is mapped there.
    pub fn lookup(&self, page: UserPage) -> Option<Mapping> {
        let flags = self.leaf(page)?.get();
        flags.is_present().then(|| self.mapping(flags))
    }

    /// The first page at or after `from` at which something is mapped.
    pub fn next_present(&self, from: UserPage) -> Option<(UserPage, Mapping)> {
        let mut first = None;
        let _ = self.visit(from.0..UserPage::LIMIT, |found| {
            first = Some((found.page, found.flags));
            ControlFlow::Break(())
        });
        first.map(|(page, flags)| (page, self.mapping(flags)))
    }

    /// Calls `each` for the pages of a range of page numbers at which something is mapped, in
    /// order, until it breaks off.
    pub fn visit(
        &self,
        range: Range<u64>,
        mut each: impl FnMut(Present<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let (mut number, end) = (range.start, range.end.min(UserPage::LIMIT));
        while number < end {
            let table = match self.leaves(number) {
                Ok(table) => table,
                Err(level) => {
                    number = (number / span(level) + 1) * span(level);
                    continue;
                }
            };
            let stop = end.min((number / SLOTS as u64 + 1) * SLOTS as u64);
            while number < stop {
                let leaf = self.entry(table, slot(number, 1));
                let flags = leaf.get();
                if flags.is_present() {
                    each(Present { table: self, page: UserPage(number), flags, leaf })?;
                }
                number += 1;
            }
        }
        ControlFlow::Continue(())
    }

    /// How many frames it takes itself.
    pub fn tables(&self) -> usize {
        self.tables
    }

    /// The pool the tables and frames come from.
    pub fn pool(&self) -> &FramePool {
        &self.pool
    }

    /// 0 if the processor uses this table, with no stale translation left.
    #[inline]
    pub(crate) fn difference(&self) -> u64 {
        tlb::difference(self.root, &self.stale)
    }

    /// Makes the processor use this table, with no stale translation left.
    pub(crate) fn load(&self) {
        // SAFETY: the root is a top table with the kernel's half in place, so the kernel goes on
        // running whatever the user half says; `drop` takes care that it is not freed while loaded.
        unsafe { tlb::load(self.root, &self.stale) };
    }

    /// Applies a change of flags to a page, if something is mapped there.
    fn change(&mut self, page: UserPage, change: impl FnOnce(Flags) -> Flags) -> bool {
        let Some(leaf) = self.leaf(page).filter(|leaf| leaf.get().is_present()) else {
            return false;
        };
        let old = leaf.get();
        let new = change(old);
        if new != old {
            // SAFETY: only flags change, so the entry goes on owning the same frame.
            unsafe { leaf.set(new.bits()) };
            self.stale.add(self.root, page.0);
        }
        true
    }

    /// Takes the frame out of a leaf entry that the caller overwrites next.
    fn release(&self, leaf: Entry, page: UserPage) -> Option<Frame> {
        let flags = leaf.get();
        if !flags.is_present() {
            return None;
        }
        self.stale.add(self.root, page.0);
        // SAFETY: a present leaf of this table owns one count of its frame, and the caller
        // overwrites the entry.
        Some(unsafe { Frame::from_number(self.pool.clone(), flags.frame()) })
    }

    fn mapping(&self, flags: Flags) -> Mapping {
        // SAFETY: a present leaf owns one count, which this wrapper only borrows: `into_number`
        // below gives it back.
        let owned = unsafe { Frame::from_number(self.pool.clone(), flags.frame()) };
        let (shared, frame) = (owned.is_shared(), owned.clone());
        owned.into_number();
        Mapping {
            frame,
            access: flags.access(),
            dirty: flags.is_dirty(),
            accessed: flags.is_accessed(),
            shared,
            hidden: flags.is_hidden(),
        }
    }

    fn leaf(&self, page: UserPage) -> Option<Entry> {
        self.walk(page.0).ok()
    }

    /// The leaf entry of a page number; `Err` as for [`leaves`](Self::leaves).
    fn walk(&self, number: u64) -> Result<Entry, u32> {
        self.leaves(number).map(|table| self.entry(table, slot(number, 1)))
    }

    /// Walks down to the table of leaves of a page number; `Err` names the level of the first entry
    /// that leads nowhere (the top one is [`LEVELS`]).
    fn leaves(&self, number: u64) -> Result<u32, u32> {
        let mut table = self.root;
        for level in (2..=LEVELS).rev() {
            let flags = self.entry(table, slot(number, level)).get();
            if !flags.is_present() {
                return Err(level);
            }
            table = flags.frame();
        }
        Ok(table)
    }

    fn leaf_or_create(&mut self, page: UserPage) -> Result<Entry, OutOfFrames> {
        self.leaves_or_create(page.0).map(|table| self.entry(table, slot(page.0, 1)))
    }

    fn leaves_or_create(&mut self, number: u64) -> Result<u32, OutOfFrames> {
        let mut table = self.root;
        for level in (2..=LEVELS).rev() {
            let entry = self.entry(table, slot(number, level));
            if !entry.get().is_present() {
                let below = self.pool.allocate_zeroed()?.into_number();
                self.tables += 1;
                // SAFETY: the new table is empty, and its count passes to this entry. No stale
                // translation can exist: absence is not cached.
                unsafe { entry.set(Flags::table().with_frame(below)) };
            }
            table = entry.get().frame();
        }
        Ok(table)
    }

    #[inline]
    fn entry(&self, table: u32, index: usize) -> Entry {
        assert!(index < SLOTS);
        // SAFETY: `table` is the number of a table frame of this structure, thus mapped, and the
        // index lies within it.
        unsafe { Entry::at(self.pool.0.address(table).cast().add(index)) }
    }

    /// Lets go of everything a table of some level leads to, and of the table.
    fn free(&self, table: u32, level: u32) {
        let slots = if level == LEVELS { SLOTS / 2 } else { SLOTS };
        for index in 0..slots {
            let flags = self.entry(table, index).get();
            if !flags.is_present() {
                continue;
            }
            if level > 1 {
                self.free(flags.frame(), level - 1);
            } else {
                // SAFETY: a present leaf owns one count of its frame; the leaf is gone next.
                drop(unsafe { Frame::from_number(self.pool.clone(), flags.frame()) });
            }
        }
        // SAFETY: a table is owned by the one entry that leads to it (or, the root, by `self`),
        // which is gone next.
        drop(unsafe { Frame::from_number(self.pool.clone(), table) });
    }
}

impl Drop for PageTable {
    fn drop(&mut self) {
        tlb::leave(self.root);
        self.free(self.root, LEVELS);
    }
}

impl fmt::Debug for PageTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PageTable({:#x})", self.root)
    }
}

#[cfg(test)]
#[path = "page_table_tests.rs"]
mod tests;
