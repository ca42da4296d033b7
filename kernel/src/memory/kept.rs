//! Pages of mapped files that this node keeps: shown as soon as home says that they are right.

use wayfarer_machine::{Frame, OutOfFrames};
use wayfarer_proto::id::{MapId, NodeId};
use wayfarer_proto::message::{FilePages, FileVersion};

use super::address_space::AddressSpace;
use super::fault::{Installed, PageRequest, frame_of, writes_file};
use super::file_cache::{FileCache, FileContent};
use super::page_range::{PAGE, user_page};
use super::region::{Backing, Region};
use super::steps::STEP_PAGES;

/// How far [`AddressSpace::show_kept`] has come.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    map: MapId,
    /// The page of user memory to go on at.
    next: u64,
    /// How many pages may still be shown.
    left: usize,
}

/// Pages shown of one file at once at most: a large file of which everything is kept would else
/// be shown whole to a program that reads one byte of it.
const SHOWN_MAX: usize = 4096;

impl AddressSpace {
    /// As [`AddressSpace::install`], with what a body's home has sent. What `cache` has of the
    /// same content is used instead: the frames are those of the body's last visit, and of others.
    ///
    /// # Errors
    /// As [`AddressSpace::install`].
    pub fn install_kept(
        &mut self,
        request: &PageRequest,
        pages: &FilePages,
        cache: &FileCache,
        home: NodeId,
    ) -> Result<Installed, OutOfFrames> {
        let version = pages.versions.iter().find(|version| version.map == request.map);
        let Some(version) = version.filter(|_| !request.writes_file) else {
            return self.install(request, &pages.bytes);
        };
        let content = FileContent { home, content: version.content };
        let pool = self.source.pool().clone();
        self.install_with(request, |index| {
            let start = usize::try_from(index * PAGE).unwrap_or(usize::MAX);
            let rest = pages.bytes.get(start..).filter(|rest| !rest.is_empty());
            let kept =
                |rest| cache.page(content, request.file_page + index, || frame_of(&pool, rest));
            rest.map(kept).transpose()
        })
    }

    /// Notes what a mapped file holds, and begins to show what is kept of it. `None` if that was
    /// done already.
    pub fn expect_kept(&mut self, file: &FileVersion) -> Option<Kept> {
        let before = self.contents.insert(file.map, file.content);
        let kept = Kept { map: file.map, next: 0, left: SHOWN_MAX };
        (before != Some(file.content)).then_some(kept)
    }

    /// Shows some more of what is kept of a file where nothing is present; true once that is all.
    /// Home must have said that the file holds `content`.
    pub fn show_kept(&mut self, kept: &mut Kept, cache: &FileCache, content: FileContent) -> bool {
        let shows = |region: &Region| {
            matches!(region.backing, Backing::File { map, .. } if map == kept.map)
                && !region.protection.is_empty()
                && !writes_file(region)
        };
        for _ in 0..STEP_PAGES {
            let mut region = self.regions.find_from(kept.next);
            while let Some(other) = region.filter(|region| !shows(region)) {
                region = self.regions.find_from(other.range.end());
            }
            let Some(region) = region.cloned() else { return true };
            let from = kept.next.max(region.range.first());
            let first = region.backing_page(from);
            let end = first.saturating_add(region.range.end() - from);
            let Some((found, frame)) = cache.next_page(content, first, end) else {
                kept.next = region.range.end();
                continue;
            };
            let page = from + (found - first);
            kept.next = page + 1;
            if self.show_clean(page, frame, &region).is_err() || kept.left == 0 {
                return true;
            }
            kept.left -= 1;
        }
        false
    }

    /// Shows a page of a file, unless another is there.
    fn show_clean(&mut self, page: u64, frame: Frame, region: &Region) -> Result<(), OutOfFrames> {
        if self.table.lookup(user_page(page)).is_some() {
            return Ok(());
        }
        self.show(page, frame, region, region.is_shared())?;
        if !region.is_shared() {
            self.clean.insert(page);
        }
        Ok(())
    }
}
