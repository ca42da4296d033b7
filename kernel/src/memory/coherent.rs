//! Files mapped shared by bodies away from home: what a node holds of them, and what of that is
//! newer than the file.
//!
//! At home a shared mapping shows the file's own frames. Elsewhere all bodies of one home on one
//! node show the same copies, and home asks for them back before it uses the file. So a page of
//! such a file has one owner at any time: the file, or the node its sharers are on.

use alloc::collections::BTreeMap;
use alloc::rc::{Rc, Weak};
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::fmt;

use wayfarer_machine::{Frame, OutOfFrames};
use wayfarer_proto::id::{MapId, NodeId, UserAddr};
use wayfarer_proto::sorted::{SortedMap, SortedSet};

use super::address_space::AddressSpace;
use super::fault::PageRequest;
use super::page_range::{PAGE, PageRange};
use super::page_set::PageSet;
use super::region::{AccessKind, Region, RegionFlags};
use crate::executor::WaitQueue;

/// Names a file in the cluster: its home, and its name there.
type FileKey = (NodeId, MapId);

/// What a node holds of files of other nodes.
#[derive(Clone, Debug, Default)]
pub(super) struct CopiedFiles(Rc<RefCell<SortedMap<FileKey, Weak<CopiedFile>>>>);

impl CopiedFiles {
    /// Begins to use a file.
    fn attach(&self, key: FileKey) -> Attachment {
        let mut files = self.0.borrow_mut();
        files.retain(|_, file| file.strong_count() > 0);
        let file = files.get(&key).and_then(Weak::upgrade).unwrap_or_else(|| {
            let file = Rc::new(CopiedFile::new(key.1));
            files.insert(key, Rc::downgrade(&file));
            file
        });
        Attachment::new(file)
    }
}

/// What a node holds of one file.
pub struct CopiedFile {
    map: MapId,
    pages: RefCell<BTreeMap<u64, Frame>>,
    /// Pages that may be stored to, or were since the file had them.
    stored: RefCell<PageSet>,
    /// Address spaces that use it.
    users: Cell<usize>,
    /// Takings of changes that are not over.
    returning: Cell<usize>,
    /// One of them is on its way: of two bodies that return a page the later must come later, and
    /// each has a channel of its own.
    on_the_way: Cell<bool>,
    returned: WaitQueue,
}

impl CopiedFile {
    fn new(map: MapId) -> Self {
        Self {
            map,
            pages: RefCell::default(),
            stored: RefCell::default(),
            users: Cell::new(0),
            returning: Cell::new(0),
            on_the_way: Cell::new(false),
            returned: WaitQueue::new(),
        }
    }

    /// Its name at home.
    pub fn map(&self) -> MapId {
        self.map
    }

    /// Takes the pages that the file does not have as they are here. Nobody may be able to store to
    /// them unnoticed, unless they stay noted because others use them (`stay`).
    fn take_changes(self: &Rc<Self>, stay: bool) -> Changes {
        let mut stored = self.stored.borrow_mut();
        let left = if stay { stored.clone() } else { core::mem::take(&mut *stored) };
        self.returning.set(self.returning.get() + 1);
        Changes { file: Rc::clone(self), left }
    }

    /// The pages to be returned because nobody here uses the file any more.
    pub fn changes_left(self: &Rc<Self>) -> Option<Changes> {
        let due = self.users.get() == 0 && !self.stored.borrow().is_empty();
        due.then(|| self.take_changes(false))
    }

    /// Waits until the changes of others have arrived; those of the caller go until the guard is
    /// dropped.
    pub async fn begin_return(&self) -> OnTheWay<'_> {
        self.returned.wait_until(|| (!self.on_the_way.replace(true)).then_some(())).await;
        OnTheWay(self)
    }

    /// Waits until nothing is on its way to the file.
    pub async fn wait_returned(&self) {
        self.returned.wait_until(|| (self.returning.get() == 0).then_some(())).await;
    }
}

/// A stretch in which the changes of one body go to a file.
pub struct OnTheWay<'a>(&'a CopiedFile);

impl Drop for OnTheWay<'_> {
    fn drop(&mut self) {
        self.0.on_the_way.set(false);
        self.0.returned.wake_all();
    }
}

/// Pages on their way to their file. Those that did not arrive when it is dropped are noted again.
#[derive(Debug)]
pub struct Changes {
    file: Rc<CopiedFile>,
    left: PageSet,
}

impl Changes {
    /// Where they are changes of.
    pub fn file(&self) -> &Rc<CopiedFile> {
        &self.file
    }

    /// The first run of at most `most` pages: its first page and its bytes. They are copies: what
    /// the program does to the pages meanwhile is for another time.
    pub fn next_run(&self, most: usize) -> Option<(u64, Vec<u8>)> {
        let pages = self.file.pages.borrow();
        let (first, end) = self.left.ranges().next()?;
        let mut bytes = Vec::new();
        for page in (first..end).take(most) {
            let Some(frame) = pages.get(&page) else { break };
            let start = bytes.len();
            bytes.resize(start + PAGE as usize, 0);
            frame.read(0, &mut bytes[start..]);
        }
        Some((first, bytes))
    }

    /// The file has a run of so many bytes.
    pub fn arrived(&mut self, first: u64, bytes: usize) {
        let end = first + (bytes as u64).div_ceil(PAGE).max(1);
        self.left.remove_range(first, end);
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        let file = &self.file;
        for page in self.left.ranges().flat_map(|(first, end)| first..end) {
            file.stored.borrow_mut().insert(page);
        }
        file.returning.set(file.returning.get() - 1);
        file.returned.wake_all();
    }
}

impl fmt::Debug for CopiedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stored: u64 = self.stored.borrow().ranges().map(|(first, end)| end - first).sum();
        let (pages, users) = (self.pages.borrow().len(), self.users.get());
        write!(f, "CopiedFile({pages} pages, {stored} stored to, {users} users)")
    }
}

/// The use of a file by one address space.
#[derive(Debug)]
pub(super) struct Attachment(Rc<CopiedFile>);

impl Attachment {
    fn new(file: Rc<CopiedFile>) -> Self {
        file.users.set(file.users.get() + 1);
        Self(file)
    }

    /// Ends the use of a file whose pages the address space shows no more. The last user gets what
    /// the file must be given, perhaps nothing, and waits for what is on its way.
    fn end(self) -> Option<Changes> {
        let file = Rc::clone(&self.0);
        drop(self);
        (file.users.get() == 0).then(|| file.take_changes(false))
    }
}

impl Clone for Attachment {
    fn clone(&self) -> Self {
        Self::new(Rc::clone(&self.0))
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        self.0.users.set(self.0.users.get() - 1);
    }
}

impl AddressSpace {
    /// Says that it is of a body away from its home `home`, or, if `None`, at home.
    pub fn set_guest_of(&mut self, home: Option<NodeId>) {
        self.guest_of = home;
    }

    /// The home of the body that it belongs to, if that is another node.
    pub fn guest_of(&self) -> Option<NodeId> {
        self.guest_of
    }

    /// The files whose content the program can change through a mapping, or that it maps together
    /// with one that can.
    pub fn coherent_files(&self) -> Vec<MapId> {
        let coherent = self.regions.iter().filter(|region| region.is_coherent());
        let maps: SortedSet<MapId> = coherent.filter_map(Region::map).collect();
        maps.into_iter().collect()
    }

    /// The files it maps shared, be it to read only.
    pub fn shared_files(&self) -> Vec<MapId> {
        let shared = self.regions.iter().filter(|region| region.is_shared());
        let maps: SortedSet<MapId> = shared.filter_map(Region::map).collect();
        maps.into_iter().collect()
    }

    /// Whether a region shows copies that all bodies here share.
    pub(super) fn shows_copies(&self, region: &Region) -> bool {
        self.guest_of.is_some() && region.is_coherent()
    }

    /// The copies of a file.
    fn copies(&mut self, map: MapId) -> Option<&Rc<CopiedFile>> {
        let key = (self.guest_of?, map);
        let files = &self.source.copied;
        Some(&self.attached.get_or_insert_with(map, || files.attach(key)).0)
    }

    /// Shows the copy that there is of a page; `None` if there is none to be shown.
    pub(super) fn show_copy(
        &mut self,
        page: u64,
        region: &Region,
        kind: AccessKind,
    ) -> Option<Result<(), OutOfFrames>> {
        let map = region.map().filter(|_| self.shows_copies(region))?;
        let index = region.backing_page(page);
        let file = Rc::clone(self.copies(map)?);
        let frame = file.pages.borrow().get(&index).cloned()?;
        let writable = self.may_store(page, region, kind);
        Some(self.show(page, frame, region, writable))
    }

    /// Notes a store to a page that shows a copy; whether stores need not be noted any more.
    pub(super) fn may_store(&mut self, page: u64, region: &Region, kind: AccessKind) -> bool {
        let index = region.backing_page(page);
        let Some(file) = region.map().and_then(|map| self.copies(map)) else { return false };
        if kind == AccessKind::Write {
            file.stored.borrow_mut().insert(index);
        }
        file.stored.borrow().contains(index)
    }

    /// The frame for a page that came from home: the copy there is, else `frame` becomes it.
    pub(super) fn install_copy(&mut self, map: MapId, index: u64, frame: Frame) -> Frame {
        match self.copies(map) {
            Some(file) => file.pages.borrow_mut().entry(index).or_insert(frame).clone(),
            None => frame,
        }
    }

    /// What a private mapping finds in the copies that the same program changes through another.
    pub(super) fn copy_for(&self, request: &PageRequest, index: u64) -> Option<Frame> {
        let file = &self.attached.get(&request.map)?.0;
        file.pages.borrow().get(&request.file_page.wrapping_add(index)).cloned()
    }

    /// Takes the copies away from the program: it stops, or has ended. It finds them again, or
    /// asks home for them, at its next access.
    ///
    /// Gives the changes of those files that nobody here uses any more.
    pub fn detach_all(&mut self) -> Vec<Changes> {
        self.hide_copies();
        let attached = core::mem::take(&mut self.attached);
        attached.into_values().filter_map(Attachment::end).collect()
    }

    /// Ends the use of files that no region shows any more; gives the changes of those that nobody
    /// else here uses.
    pub fn detach_unused(&mut self) -> Vec<Changes> {
        if self.attached.is_empty() {
            return Vec::new();
        }
        let used = self.coherent_files();
        let unused = self.attached.extract_if(|map, _| !used.contains(map));
        unused.filter_map(|(_, attachment)| attachment.end()).collect()
    }

    /// The changes of the copied files that have regions in a range, for msync(2).
    pub fn changes_in(&mut self, address: UserAddr, length: u64) -> Vec<Changes> {
        let Some(range) = PageRange::from_bytes(address, length) else { return Vec::new() };
        let shown = self.regions.overlapping(range).filter(|region| self.shows_copies(region));
        let maps: SortedSet<MapId> = shown.filter_map(|region| region.map()).collect();
        if !maps.is_empty() {
            // The next store to a page is noted again.
            self.hide_copies();
        }
        let files = maps.iter().filter_map(|map| self.attached.get(map));
        files.map(|used| used.0.take_changes(used.0.users.get() > 1)).collect()
    }

    fn hide_copies(&mut self) {
        let shown = self.regions.iter().filter(|region| self.shows_copies(region));
        let ranges: Vec<PageRange> = shown.map(|region| region.range).collect();
        for range in ranges {
            self.drop_pages(range);
        }
    }

    /// Makes the shared mappings of these files travel as coherent ones, those that only read
    /// included.
    pub fn make_coherent(&mut self, maps: &[MapId]) {
        let shows = |region: &&Region| {
            region.is_shared() && region.map().is_some_and(|map| maps.contains(&map))
        };
        let shown: Vec<PageRange> =
            self.regions.iter().filter(shows).map(|region| region.range).collect();
        for range in shown {
            self.regions.update(range, |region| region.flags |= RegionFlags::COHERENT);
        }
    }
}
