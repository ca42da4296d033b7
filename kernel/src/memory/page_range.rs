//! Ranges of whole pages below the end of user space.

use wayfarer_machine::UserPage;
use wayfarer_machine::memory::PAGE_SIZE;
use wayfarer_proto::id::UserAddr;

/// Bytes of a page, as the type addresses are counted in.
pub const PAGE: u64 = PAGE_SIZE as u64;

/// Number of the first page that no program may use.
pub const END_PAGE: u64 = UserAddr::END.0 / PAGE;

/// A non-empty range of pages that a program may use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageRange {
    first: u64,
    end: u64,
}

impl PageRange {
    /// Pages `first..end`; `None` if that is empty or reaches beyond user space.
    pub const fn new(first: u64, end: u64) -> Option<Self> {
        if first < end && end <= END_PAGE { Some(Self { first, end }) } else { None }
    }

    /// The pages of `bytes` bytes from a page's first byte on, rounded up to whole pages. `None`
    /// if the address is not a page's first, or as [`PageRange::new`].
    pub const fn from_bytes(start: UserAddr, bytes: u64) -> Option<Self> {
        if !start.0.is_multiple_of(PAGE) {
            return None;
        }
        let first = start.0 / PAGE;
        Self::new(first, first.saturating_add(bytes.div_ceil(PAGE)))
    }

    /// Number of the first page.
    pub const fn first(self) -> u64 {
        self.first
    }

    /// Number of the page after the last.
    pub const fn end(self) -> u64 {
        self.end
    }

    /// How many pages.
    pub const fn pages(self) -> u64 {
        self.end - self.first
    }

    /// How many bytes.
    pub const fn bytes(self) -> u64 {
        self.pages() * PAGE
    }

    /// Address of the first byte.
    pub const fn start_address(self) -> UserAddr {
        UserAddr(self.first * PAGE)
    }

    /// Address after the last byte.
    pub const fn end_address(self) -> UserAddr {
        UserAddr(self.end * PAGE)
    }

    /// Whether it holds a page.
    pub const fn contains(self, page: u64) -> bool {
        self.first <= page && page < self.end
    }

    /// The pages of both ranges.
    pub fn intersection(self, other: Self) -> Option<Self> {
        Self::new(self.first.max(other.first), self.end.min(other.end))
    }
}

/// The page with a number taken from a [`PageRange`].
pub(super) fn user_page(number: u64) -> UserPage {
    UserPage::new(number).expect("page ranges end below the end of user space")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_round_up_and_nothing_reaches_the_end() {
        assert_eq!(PageRange::from_bytes(UserAddr(0x1000), 1), PageRange::new(1, 2));
        assert_eq!(PageRange::from_bytes(UserAddr(0x1001), 1), None);
        assert_eq!(PageRange::from_bytes(UserAddr(0x1000), 0), None);
        assert_eq!(PageRange::from_bytes(UserAddr(0x1000), u64::MAX), None);
        assert!(PageRange::from_bytes(UserAddr(UserAddr::END.0 - PAGE), PAGE).is_some());
        assert_eq!(PageRange::from_bytes(UserAddr(UserAddr::END.0 - PAGE), PAGE + 1), None);
    }
}
