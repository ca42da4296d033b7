//! One region of an address space: pages that share protection and origin.

use bitflags::bitflags;
use wayfarer_machine::Access;
use wayfarer_proto::id::MapId;
use wayfarer_proto::linux::mman::Protection;

use super::page_range::PageRange;

/// Pages kept free below a region that grows downwards (`stack_guard_gap` of Linux), so that a
/// stack that overflows meets a fault and not another region.
pub const STACK_GUARD_PAGES: u64 = 256;

bitflags! {
    /// What else is to be known of a region.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct RegionFlags: u8 {
        /// Grows downwards when touched just below (the stack, `MAP_GROWSDOWN`).
        const GROWS_DOWN = 1;
        /// Mapped `MAP_SHARED`: its pages are the file's own.
        const SHARED = 2;
        /// A shared file that was not opened for writing: it can never become writable.
        const SEALED = 16;
        /// A child finds zeroes (`MADV_WIPEONFORK`).
        const WIPE_ON_FORK = 4;
        /// A child does not have it (`MADV_DONTFORK`).
        const OMIT_ON_FORK = 8;
        /// A shared file of which others see the changes and that shows theirs, wherever the body
        /// is; without it one away shows the file as it was.
        const COHERENT = 32;
    }
}

/// Where the first content of a region's pages comes from.
#[derive(Clone, Debug)]
pub enum Backing {
    /// Zeroes, private to the address space.
    Anonymous,
    /// A file's pages, private once written.
    File {
        /// Which file.
        map: MapId,
        /// Page of the file at the region's first page.
        page: u64,
    },
}

impl Backing {
    /// The backing of the pages `pages` further.
    fn advanced(&self, pages: u64) -> Self {
        match self {
            Self::Anonymous => Self::Anonymous,
            Self::File { map, page } => Self::File { map: *map, page: page.wrapping_add(pages) },
        }
    }

    /// Whether `next` goes on where `pages` pages of this one end.
    fn continues_as(&self, pages: u64, next: &Self) -> bool {
        match (self, next) {
            (Self::Anonymous, Self::Anonymous) => true,
            (Self::File { map, page }, Self::File { map: other, page: at }) => {
                map == other && page.wrapping_add(pages) == *at
            }
            _ => false,
        }
    }
}

/// What a program does with an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AccessKind {
    /// Loads from it.
    Read,
    /// Stores to it.
    Write,
    /// Fetches an instruction from it.
    Execute,
}

/// A region.
#[derive(Clone, Debug)]
pub struct Region {
    /// Its pages.
    pub range: PageRange,
    /// What the program may do with them.
    pub protection: Protection,
    /// What else is to be known.
    pub flags: RegionFlags,
    /// Where their content comes from.
    pub backing: Backing,
}

impl Region {
    /// Whether the program may access it so. On x86-64 whatever is not `PROT_NONE` can be read.
    pub fn permits(&self, kind: AccessKind) -> bool {
        match kind {
            AccessKind::Read => !self.protection.is_empty(),
            AccessKind::Write => self.protection.contains(Protection::WRITE),
            AccessKind::Execute => self.protection.contains(Protection::EXECUTE),
        }
    }

    /// Whether it is a shared mapping, which is always one of a file.
    pub fn is_shared(&self) -> bool {
        self.flags.contains(RegionFlags::SHARED)
    }

    /// Whether it shows the file as all who map it coherently see it: stores through it are
    /// possible, or through another's mapping.
    pub fn is_coherent(&self) -> bool {
        self.is_shared()
            && (!self.flags.contains(RegionFlags::SEALED)
                || self.flags.contains(RegionFlags::COHERENT))
    }

    /// The file it shows.
    pub fn map(&self) -> Option<MapId> {
        match self.backing {
            Backing::File { map, .. } => Some(map),
            _ => None,
        }
    }

    /// Its first page, or for one that grows downwards the first of the gap kept below it.
    pub fn guarded_first(&self) -> u64 {
        let grows = self.flags.contains(RegionFlags::GROWS_DOWN);
        self.range.first().saturating_sub(if grows { STACK_GUARD_PAGES } else { 0 })
    }

    /// The access of a page of it, were it present and, for `writable`, owned alone.
    pub(super) fn access(&self, writable: bool) -> Access {
        Access {
            write: writable && self.permits(AccessKind::Write),
            execute: self.permits(AccessKind::Execute),
        }
    }

    /// The page of the file behind `page`, which lies in the region.
    pub(super) fn backing_page(&self, page: u64) -> u64 {
        let inside = page - self.range.first();
        match &self.backing {
            Backing::Anonymous => inside,
            Backing::File { page, .. } => page.wrapping_add(inside),
        }
    }

    /// The part of it that lies in `range`.
    pub(super) fn part(&self, range: PageRange) -> Option<Self> {
        let range = self.range.intersection(range)?;
        let backing = self.backing.advanced(range.first() - self.range.first());
        Some(Self { range, backing, ..self.clone() })
    }

    /// A region like this one at `range`, which shows there what this one shows from `page` on.
    pub(super) fn stretched(&self, page: u64, range: PageRange) -> Self {
        let backing = self.backing.advanced(page - self.range.first());
        Self { range, backing, ..self.clone() }
    }

    /// Both as one region, if `next` begins where this one ends and differs in nothing else.
    pub(super) fn joined(&self, next: &Self) -> Option<Self> {
        let alike = self.range.end() == next.range.first()
            && self.protection == next.protection
            && self.flags == next.flags
            && self.backing.continues_as(self.range.pages(), &next.backing);
        let range = PageRange::new(self.range.first(), next.range.end())?;
        alike.then(|| Self { range, ..self.clone() })
    }
}
