//! Pages of files of other nodes, kept for the next body that uses them.
//!
//! A page is kept under the name that its home gave the file's content
//! ([`FileVersion`](wayfarer_proto::message::FileVersion)), so what is kept is never wrong; what
//! may be wrong is to use it. It is used only when home has just said that the file holds this
//! content, which it does with every page-in: then to show the page is to page it in.

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use core::cell::{Cell, RefCell};

use wayfarer_machine::{Frame, FramePool, OutOfFrames, Spare};
use wayfarer_proto::id::NodeId;
use wayfarer_proto::sorted::SortedMap;

/// The cache takes at most this part of memory.
const PART: usize = 8;
/// And at most so many pages.
const PAGES_MAX: usize = 16 * 1024;

/// What a file of another node holds: the node, and its name for the content.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct FileContent {
    /// Where the file is.
    pub home: NodeId,
    /// The content's name there.
    pub content: u64,
}

/// The pages kept of one file.
#[derive(Default)]
struct Kept {
    pages: BTreeMap<u64, Frame>,
    /// When it was used last, by the cache's own count.
    used: u64,
}

/// A cache of clean pages of files.
pub struct FileCache {
    files: RefCell<SortedMap<FileContent, Kept>>,
    /// Pages kept.
    count: Cell<usize>,
    limit: usize,
    uses: Cell<u64>,
}

impl FileCache {
    /// An empty cache, which gives `pool` its frames back before there are none.
    pub fn new(pool: &FramePool) -> Rc<Self> {
        let cache = Rc::new(Self {
            files: RefCell::default(),
            count: Cell::new(0),
            limit: (pool.counts().total / PART).min(PAGES_MAX),
            uses: Cell::new(0),
        });
        pool.add_spare(&cache);
        cache
    }

    /// The frame of a page; `make` makes one that is kept if there is room.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn page(
        &self,
        file: FileContent,
        page: u64,
        make: impl FnOnce() -> Result<Frame, OutOfFrames>,
    ) -> Result<Frame, OutOfFrames> {
        if let Some((_, frame)) = self.next_page(file, page, page + 1) {
            return Ok(frame);
        }
        let frame = make()?;
        if self.count.get() < self.limit || self.forget_oldest(file) {
            let mut files = self.files.borrow_mut();
            files.get_or_default(file).pages.insert(page, frame.clone());
            self.count.set(self.count.get() + 1);
        }
        Ok(frame)
    }

    /// The first page kept of those from `from` up to `end`.
    pub fn next_page(&self, file: FileContent, from: u64, end: u64) -> Option<(u64, Frame)> {
        let files = self.files.borrow();
        let (page, frame) = files.get(&file)?.pages.range(from..end).next()?;
        Some((*page, frame.clone()))
    }

    /// Notes that a file is in use, and says whether anything is kept of it.
    pub fn touch(&self, file: FileContent) -> bool {
        self.uses.set(self.uses.get() + 1);
        let mut files = self.files.borrow_mut();
        let Some(kept) = files.get_mut(&file) else { return false };
        kept.used = self.uses.get();
        true
    }

    /// Makes room by forgetting the file that was used longest ago, if that is not `file`.
    fn forget_oldest(&self, file: FileContent) -> bool {
        let mut files = self.files.borrow_mut();
        let oldest = files.iter().filter(|(other, _)| **other != file);
        let oldest = oldest.min_by_key(|(_, kept)| kept.used).map(|(other, _)| *other);
        let Some(kept) = oldest.and_then(|other| files.remove(&other)) else { return false };
        self.count.set(self.count.get() - kept.pages.len());
        true
    }
}

impl Spare for FileCache {
    /// The pages that no address space shows.
    fn idle(&self) -> usize {
        let files = self.files.borrow();
        let frames = files.values().flat_map(|kept| kept.pages.values());
        frames.filter(|frame| !frame.is_shared()).count()
    }

    /// Forgets pages that no address space shows, of the file used longest ago first.
    fn give_up(&self, count: usize) {
        // Whoever asks may have been called from here, for a frame to keep the books in.
        let Ok(mut files) = self.files.try_borrow_mut() else { return };
        let mut by_age: alloc::vec::Vec<_> =
            files.iter().map(|(file, kept)| (kept.used, *file)).collect();
        by_age.sort_unstable();
        let mut left = count;
        for (_, file) in by_age {
            let Some(kept) = files.get_mut(&file) else { continue };
            let before = kept.pages.len();
            kept.pages.retain(|_, frame| {
                let goes = left > 0 && !frame.is_shared();
                left -= usize::from(goes);
                !goes
            });
            self.count.set(self.count.get() - (before - kept.pages.len()));
            if kept.pages.is_empty() {
                files.remove(&file);
            }
            if left == 0 {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: FileContent = FileContent { home: NodeId(1), content: 7 };
    const OTHER: FileContent = FileContent { home: NodeId(2), content: 7 };

    fn keep(cache: &FileCache, pool: &FramePool, file: FileContent, page: u64) -> Frame {
        cache.page(file, page, || pool.allocate()).unwrap()
    }

    #[test]
    fn a_page_is_found_under_the_content_it_belongs_to_and_no_other() {
        let pool = FramePool::arena(64);
        let cache = FileCache::new(&pool);
        let frame = keep(&cache, &pool, FILE, 3);
        let same = keep(&cache, &pool, FILE, 3);
        assert_eq!(frame.number(), same.number());
        let changed = FileContent { content: 8, ..FILE };
        assert!(cache.next_page(changed, 0, 64).is_none());
        assert!(cache.next_page(OTHER, 0, 64).is_none());
        assert!(cache.next_page(FILE, 4, 64).is_none());
        assert_eq!(cache.next_page(FILE, 0, 64).unwrap().0, 3);
    }

    #[test]
    fn the_file_used_longest_ago_makes_room() {
        let pool = FramePool::arena(4 * PART);
        let cache = FileCache::new(&pool);
        for page in 0..2 {
            keep(&cache, &pool, FILE, page);
            keep(&cache, &pool, OTHER, page);
        }
        assert!(cache.touch(OTHER) && cache.touch(FILE));
        keep(&cache, &pool, FILE, 2);
        assert!(cache.next_page(OTHER, 0, 64).is_none());
        assert_eq!(cache.next_page(FILE, 2, 64).unwrap().0, 2);
        keep(&cache, &pool, FILE, 3);
        keep(&cache, &pool, FILE, 4);
        assert!(cache.next_page(FILE, 4, 64).is_none(), "one file alone does not push itself out");
        assert_eq!(cache.idle(), 4);
    }

    #[test]
    fn frames_return_to_whoever_needs_them_unless_they_are_in_use() {
        let pool = FramePool::arena(64);
        let cache = FileCache::new(&pool);
        let used = keep(&cache, &pool, FILE, 0);
        for page in 1..8 {
            keep(&cache, &pool, FILE, page);
        }
        assert_eq!((cache.idle(), pool.counts().free, pool.available()), (7, 56, 63));
        let reservation = pool.reserve(60).unwrap();
        assert_eq!((cache.idle(), pool.counts().free), (3, 0));
        assert_eq!(pool.reserve(4).unwrap_err(), OutOfFrames);
        drop(reservation);
        let frames: alloc::vec::Vec<Frame> = core::iter::from_fn(|| pool.allocate().ok()).collect();
        assert_eq!((frames.len(), cache.idle()), (63, 0));
        assert_eq!(cache.next_page(FILE, 0, 64).unwrap().1.number(), used.number());
    }
}
