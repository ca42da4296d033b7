//! One entry of a page table and its bits (Intel SDM, volume 3, table 4-20).

use core::ptr::NonNull;

use super::page_table::Access;

/// Levels of tables; the top one has this number, the one of leaves number 1.
pub(crate) const LEVELS: u32 = 4;

/// Entries in a table.
pub(crate) const SLOTS: usize = 512;

const PRESENT: u64 = 1 << 0;
const WRITABLE: u64 = 1 << 1;
const USER: u64 = 1 << 2;
const ACCESSED: u64 = 1 << 5;
const DIRTY: u64 = 1 << 6;
const NO_EXECUTE: u64 = 1 << 63;
/// The bits of the physical address.
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// The index into a table of some level that leads to a page number.
pub(crate) fn slot(page_number: u64, level: u32) -> usize {
    (page_number / span(level)) as usize % SLOTS
}

/// How many pages an entry of some level covers.
pub(crate) const fn span(level: u32) -> u64 {
    1 << (9 * (level - 1))
}

/// The place of an entry in a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry(NonNull<u64>);

impl Entry {
    /// The entry at an address.
    ///
    /// # Safety
    ///
    /// A table entry must be mapped there for as long as the result is used.
    pub(crate) unsafe fn at(place: NonNull<u64>) -> Entry {
        Entry(place)
    }

    /// Reads it; volatile because the processor sets accessed and dirty bits by itself.
    pub(crate) fn get(self) -> Flags {
        // SAFETY: `at` promises a mapped entry.
        Flags(unsafe { self.0.read_volatile() })
    }

    /// Overwrites it.
    ///
    /// # Safety
    ///
    /// The change must keep what entries own in balance: a present leaf owns one count of its
    /// frame, a present entry above owns the table it leads to.
    pub(crate) unsafe fn set(self, bits: u64) {
        // SAFETY: `at` promises a mapped entry.
        unsafe { self.0.write_volatile(bits) };
    }
}

/// The value of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flags(u64);

impl Flags {
    /// A leaf for user code.
    pub(crate) fn user(access: Access) -> Flags {
        Flags(PRESENT).with_access(access)
    }

    /// An entry that leads to another table and restricts nothing.
    pub(crate) fn table() -> Flags {
        Flags(PRESENT | WRITABLE | USER)
    }

    pub(crate) fn bits(self) -> u64 {
        self.0
    }

    pub(crate) fn with_frame(self, number: u32) -> u64 {
        self.0 & !ADDRESS | u64::from(number) << 12
    }

    /// The number of the frame or table it leads to. All are set by `with_frame`, so it fits.
    pub(crate) fn frame(self) -> u32 {
        ((self.0 & ADDRESS) >> 12) as u32
    }

    pub(crate) fn with_access(self, access: Access) -> Flags {
        let mut bits = self.0 & !(WRITABLE | NO_EXECUTE) | USER;
        if access.write {
            bits |= WRITABLE;
        }
        if !access.execute {
            bits |= NO_EXECUTE;
        }
        Flags(bits)
    }

    pub(crate) fn access(self) -> Access {
        Access { write: self.0 & WRITABLE != 0, execute: self.0 & NO_EXECUTE == 0 }
    }

    /// The same for the kernel only.
    pub(crate) fn hidden(self) -> Flags {
        Flags(self.0 & !USER)
    }

    pub(crate) fn clean(self) -> Flags {
        Flags(self.0 & !DIRTY)
    }

    pub(crate) fn aged(self) -> Flags {
        Flags(self.0 & !ACCESSED)
    }

    pub(crate) fn is_present(self) -> bool {
        self.0 & PRESENT != 0
    }

    pub(crate) fn is_hidden(self) -> bool {
        self.0 & USER == 0
    }

    pub(crate) fn is_dirty(self) -> bool {
        self.0 & DIRTY != 0
    }

    pub(crate) fn is_accessed(self) -> bool {
        self.0 & ACCESSED != 0
    }
}
