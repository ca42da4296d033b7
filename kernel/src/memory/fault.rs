//! Page faults: demand zero, copy on write, stack growth, and page-ins from files.

use wayfarer_machine::{Frame, Mapping, OutOfFrames};
use wayfarer_proto::id::{MapId, UserAddr};
use wayfarer_proto::limits;
use wayfarer_proto::linux::signal::{BUS_ADRERR, SEGV_ACCERR, SEGV_MAPERR, Signal};

use super::address_space::AddressSpace;
use super::page_range::{END_PAGE, PAGE, PageRange, user_page};
use super::region::{AccessKind, Backing, Region, RegionFlags, STACK_GUARD_PAGES};

/// Pages asked for at one fault at most: an aligned cluster, as Linux faults around.
const CLUSTER: u64 = limits::RUN_PAGES as u64;

/// What became of a fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum FaultOutcome {
    /// The access can be tried again.
    Resolved,
    /// The access can be tried again once these pages of a file are installed.
    NeedsPage(PageRequest),
    /// The access is an error.
    Signal(FaultSignal),
    /// No frame is left.
    OutOfMemory,
}

/// The signal that an access deserves (sigaction(2), `si_code`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FaultSignal {
    /// SIGSEGV or SIGBUS.
    pub signal: Signal,
    /// `SEGV_MAPERR`, `SEGV_ACCERR` or `BUS_ADRERR`.
    pub code: i32,
    /// The address accessed.
    pub address: UserAddr,
}

impl FaultSignal {
    /// SIGSEGV with a code.
    const fn segv(code: i32, address: UserAddr) -> Self {
        Self { signal: Signal::SIGSEGV, code, address }
    }

    /// SIGBUS for a page of a file beyond the file's end.
    pub const fn beyond_file(address: UserAddr) -> Self {
        Self { signal: Signal::SIGBUS, code: BUS_ADRERR, address }
    }
}

/// Pages of a file that an address space needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageRequest {
    /// The address whose access needs them.
    pub address: UserAddr,
    /// Number of the first page of user memory they belong to.
    pub first: u64,
    /// Which file.
    pub map: MapId,
    /// The file's page that belongs there.
    pub file_page: u64,
    /// How many pages, at most [`limits::RUN_PAGES`].
    pub count: u64,
    /// Whether the program may write to the file through them: copies will not do then, only the
    /// file's own frames ([`AddressSpace::install_with`]).
    pub writes_file: bool,
}

/// What became of pages offered to an address space.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Installed {
    /// The access can be tried again.
    Done,
    /// The file ends before the page that was needed: the access deserves
    /// [`FaultSignal::beyond_file`].
    BeyondEnd,
}

impl AddressSpace {
    /// Resolves a fault at `address`, or says what it needs.
    pub fn fault(&mut self, address: UserAddr, kind: AccessKind) -> FaultOutcome {
        let page = address.0 / PAGE;
        let found = self.regions.find(page).cloned().or_else(|| self.grow_stack(page));
        let Some(region) = found else {
            return FaultOutcome::Signal(FaultSignal::segv(SEGV_MAPERR, address));
        };
        if !region.permits(kind) {
            return FaultOutcome::Signal(FaultSignal::segv(SEGV_ACCERR, address));
        }
        let resolved = match (self.table.lookup(user_page(page)), &region.backing) {
            (Some(mapping), _) => self.resolve_present(page, &region, mapping, kind),
            (None, Backing::Anonymous) => self.resolve_zero(page, &region, kind),
            (None, Backing::File { map, .. }) => match self.show_copy(page, &region, kind) {
                Some(shown) => shown,
                None => {
                    return FaultOutcome::NeedsPage(self.page_request(address, &region, *map));
                }
            },
        };
        match resolved {
            Ok(()) => FaultOutcome::Resolved,
            Err(OutOfFrames) => FaultOutcome::OutOfMemory,
        }
    }

    /// Makes a present page fit for an access that its region permits.
    fn resolve_present(
        &mut self,
        page: u64,
        region: &Region,
        mapping: Mapping,
        kind: AccessKind,
    ) -> Result<(), OutOfFrames> {
        let copy_due = !region.is_shared() && mapping.shared;
        if kind == AccessKind::Write && copy_due {
            let copy = self.copy_of(&mapping.frame)?;
            self.show(page, copy, region, true)?;
            self.clean.remove(page);
        } else if kind == AccessKind::Write {
            if self.shows_copies(region) {
                self.may_store(page, region, kind);
            }
            self.table.protect(user_page(page), region.access(true));
            self.clean.remove(page);
        } else {
            // The table lagged behind the region, or another thread was faster.
            let writable = mapping.access.write;
            self.table.protect(user_page(page), region.access(writable));
        }
        Ok(())
    }

    /// A new frame with the content of `frame`.
    fn copy_of(&self, frame: &Frame) -> Result<Frame, OutOfFrames> {
        if self.source.is_zero(frame) {
            return self.source.pool().allocate_zeroed();
        }
        let copy = self.source.pool().allocate()?;
        copy.copy_from(frame);
        Ok(copy)
    }

    /// First use of a page of zeroes: a load shows the zero frame, a store takes a frame.
    fn resolve_zero(
        &mut self,
        page: u64,
        region: &Region,
        kind: AccessKind,
    ) -> Result<(), OutOfFrames> {
        if kind == AccessKind::Write {
            let frame = self.source.pool().allocate_zeroed()?;
            self.show(page, frame, region, true)
        } else {
            self.show(page, self.source.zero(), region, false)
        }
    }

    /// Extends the region above `page` down to it, if it may grow so far.
    fn grow_stack(&mut self, page: u64) -> Option<Region> {
        if page >= END_PAGE {
            return None;
        }
        let above = self.regions.find_from(page)?;
        let pages = above.range.end() - page;
        let allowed = above.flags.contains(RegionFlags::GROWS_DOWN)
            && pages.saturating_mul(PAGE) <= self.layout.stack_limit;
        let crowded = self.regions.find_below(page).is_some_and(|below| {
            !below.protection.is_empty() && below.range.end() + STACK_GUARD_PAGES > page
        });
        if !allowed || crowded {
            return None;
        }
        let range = PageRange::new(page, above.range.first())?;
        let grown = Region { range, ..above.clone() };
        self.regions.insert(grown);
        self.regions.find(page).cloned()
    }

    /// The pages to ask for at a fault: those absent around it, in its cluster and region.
    fn page_request(&self, address: UserAddr, region: &Region, map: MapId) -> PageRequest {
        let page = address.0 / PAGE;
        let low = region.range.first().max(page - page % CLUSTER);
        let high = region.range.end().min(page - page % CLUSTER + CLUSTER);
        let absent = |page: &u64| self.table.lookup(user_page(*page)).is_none();
        let before = (low..page).rev().take_while(absent).count() as u64;
        let after = (page + 1..high).take_while(absent).count() as u64;
        let first = page - before;
        let file_page = region.backing_page(first);
        let writes_file = writes_file(region);
        PageRequest { address, first, map, file_page, count: before + 1 + after, writes_file }
    }

    /// Gives an address space the pages it asked for: `bytes` is what the file holds from the
    /// request's first page on, less than was asked for where the file ends.
    ///
    /// For pages that write to the file this answers [`Installed::BeyondEnd`], but for a body away
    /// from home: it keeps them as copies, which all who are with it share.
    ///
    /// Pages that came to be present meanwhile keep what they hold; pages whose region is gone
    /// are dropped.
    ///
    /// # Errors
    /// [`OutOfFrames`] when there is no frame for the page that was needed.
    pub fn install(
        &mut self,
        request: &PageRequest,
        bytes: &[u8],
    ) -> Result<Installed, OutOfFrames> {
        let pool = self.source.pool().clone();
        let bytes = if request.writes_file && self.guest_of.is_none() { &[] } else { bytes };
        let copies = (0..request.count).map(|index| self.copy_for(request, index));
        let copies: alloc::vec::Vec<Option<Frame>> = copies.collect();
        self.install_with(request, |index| {
            let start = usize::try_from(index * PAGE).unwrap_or(usize::MAX);
            let Some(rest) = bytes.get(start..).filter(|rest| !rest.is_empty()) else {
                return Ok(None);
            };
            let frame = frame_of(&pool, rest)?;
            if let Some(Some(newer)) = copies.get(index as usize) {
                frame.copy_from(newer);
            }
            Ok(Some(frame))
        })
    }

    /// As [`AddressSpace::install`], with frames that a page cache may keep and share: `frame`
    /// gives the one of the request's nth page, or `None` beyond the file's end. The frames must
    /// be of this address space's pool. A private page shows the file's changes until the program
    /// writes to it, which mmap(2) leaves open and Linux does too.
    ///
    /// # Errors
    /// As [`AddressSpace::install`].
    pub fn install_with(
        &mut self,
        request: &PageRequest,
        mut frame: impl FnMut(u64) -> Result<Option<Frame>, OutOfFrames>,
    ) -> Result<Installed, OutOfFrames> {
        let wanted = (request.address.0 / PAGE).wrapping_sub(request.first);
        let installed = self.install_one(request, wanted, &mut frame)?;
        for index in (0..request.count).filter(|index| *index != wanted) {
            // What was not asked for by an access may fail: it will be asked for again.
            if self.install_one(request, index, &mut frame).is_err() {
                break;
            }
        }
        Ok(installed)
    }

    fn install_one(
        &mut self,
        request: &PageRequest,
        index: u64,
        frame: &mut impl FnMut(u64) -> Result<Option<Frame>, OutOfFrames>,
    ) -> Result<Installed, OutOfFrames> {
        let page = request.first.saturating_add(index);
        let Some(region) = self.awaiting(page, request, index) else {
            return Ok(Installed::Done);
        };
        let Some(frame) = frame(index)? else {
            return Ok(Installed::BeyondEnd);
        };
        if self.shows_copies(&region) {
            let frame = self.install_copy(request.map, region.backing_page(page), frame);
            let writable = self.may_store(page, &region, AccessKind::Read);
            self.show(page, frame, &region, writable)?;
            return Ok(Installed::Done);
        }
        self.show(page, frame, &region, region.is_shared())?;
        if !region.is_shared() {
            self.clean.insert(page);
        }
        Ok(Installed::Done)
    }

    /// The region of a page that still awaits the request's nth page.
    fn awaiting(&self, page: u64, request: &PageRequest, index: u64) -> Option<Region> {
        let region = self.regions.find(page)?;
        let fits = matches!(region.backing, Backing::File { map, .. } if map == request.map)
            && region.backing_page(page) == request.file_page.wrapping_add(index)
            && request.writes_file == writes_file(region)
            && self.table.lookup(user_page(page)).is_none();
        fits.then(|| region.clone())
    }
}

/// Whether stores to a region change a file, now or after mprotect(2).
pub(super) fn writes_file(region: &Region) -> bool {
    region.is_shared() && !region.flags.contains(RegionFlags::SEALED)
}

/// A frame that begins with the first page of `bytes`; zeroes follow where they end.
pub(super) fn frame_of(
    pool: &wayfarer_machine::FramePool,
    bytes: &[u8],
) -> Result<Frame, OutOfFrames> {
    let frame = pool.allocate()?;
    let filled = bytes.len().min(limits::PAGE);
    frame.write(0, &bytes[..filled]);
    frame.fill_zero_range(filled, limits::PAGE - filled);
    Ok(frame)
}
