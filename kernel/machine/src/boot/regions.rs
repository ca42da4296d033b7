//! Which physical memory is free: the firmware's map less what is already in use.

use super::pvh::Reported;

/// Ranges the table can hold.
const CAPACITY: usize = 64;

/// Below this nothing is handed out: firmware data, the loader's structures, the boot code.
pub(crate) const LOW_MEMORY: u64 = 0x20_0000;

/// Disjoint ranges of physical memory, in ascending order, on page boundaries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Regions {
    ranges: [(u64, u64); CAPACITY],
    count: usize,
}

const PAGE: u64 = super::super::memory::PAGE_SIZE as u64;

impl Regions {
    /// The RAM above the low part. Ranges that do not fit the table are not used.
    pub(crate) fn of_ram(reported: impl Iterator<Item = Reported>) -> Regions {
        let mut regions = Regions { ranges: [(0, 0); CAPACITY], count: 0 };
        for range in reported.filter(|range| range.kind.is_ok()) {
            let start = range.start.max(LOW_MEMORY).next_multiple_of(PAGE);
            regions.push(start, range.end / PAGE * PAGE);
        }
        regions
    }

    /// Takes a range out; partial pages are taken whole.
    pub(crate) fn remove(&mut self, start: u64, end: u64) {
        let (start, end) = (start / PAGE * PAGE, end.next_multiple_of(PAGE));
        let old = *self;
        self.count = 0;
        for (from, to) in old.iter() {
            self.push(from, to.min(start));
            self.push(from.max(end), to);
        }
    }

    /// Takes `size` bytes, on page boundaries, from the largest range that ends at or below
    /// `limit`; `None` when there is no such range or it is too small.
    pub(crate) fn take(&mut self, size: u64, limit: u64) -> Option<u64> {
        let (from, to) = self.largest(limit);
        let end = from.checked_add(size.next_multiple_of(PAGE)).filter(|end| *end <= to)?;
        self.remove(from, end);
        Some(from)
    }

    /// As [`take`](Regions::take), from the end of that range.
    pub(crate) fn take_last(&mut self, size: u64, limit: u64) -> Option<u64> {
        let (from, to) = self.largest(limit);
        let start = to.checked_sub(size.next_multiple_of(PAGE)).filter(|start| *start >= from)?;
        self.remove(start, to);
        Some(start)
    }

    /// The largest range that ends at or below `limit`, cut if necessary.
    fn largest(&self, limit: u64) -> (u64, u64) {
        let candidates = self.iter().map(|(from, to)| (from, to.min(limit)));
        candidates.max_by_key(|(from, to)| to.saturating_sub(*from)).unwrap_or_default()
    }

    /// The ranges.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.ranges[..self.count].iter().copied()
    }

    /// Where the last range ends.
    pub(crate) fn end(&self) -> u64 {
        self.iter().map(|(_, to)| to).max().unwrap_or(0)
    }

    fn push(&mut self, start: u64, end: u64) {
        if start < end && self.count < CAPACITY {
            let place = self.iter().take_while(|range| *range < (start, end)).count();
            self.ranges.copy_within(place..self.count, place + 1);
            self.ranges[place] = (start, end);
            self.count += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    const MIB: u64 = 1 << 20;

    fn ram(ranges: &[(u64, u64)]) -> Regions {
        let reported = ranges.iter().map(|&(start, end)| Reported { start, end, kind: Ok(()) });
        let other = Reported { start: 3 * MIB, end: 64 * MIB, kind: Err(2) };
        Regions::of_ram(reported.chain([other]))
    }

    fn list(regions: &Regions) -> Vec<(u64, u64)> {
        regions.iter().collect()
    }

    #[test]
    fn only_ram_above_the_low_part_counts_in_whole_pages() {
        let regions = ram(&[(4096 * MIB, 5000 * MIB), (0, 0x9fc00), (MIB, 512 * MIB + 5)]);
        assert_eq!(list(&regions), [(2 * MIB, 512 * MIB), (4096 * MIB, 5000 * MIB)]);
        assert_eq!(regions.end(), 5000 * MIB);
    }

    #[test]
    fn removing_cuts_splits_and_swallows() {
        let mut regions = ram(&[(2 * MIB, 10 * MIB), (20 * MIB, 30 * MIB)]);
        regions.remove(4 * MIB + 1, 4 * MIB + 2);
        let page = 4 * MIB + 4096;
        assert_eq!(list(&regions), [(2 * MIB, 4 * MIB), (page, 10 * MIB), (20 * MIB, 30 * MIB)]);
        regions.remove(3 * MIB, 25 * MIB);
        assert_eq!(list(&regions), [(2 * MIB, 3 * MIB), (25 * MIB, 30 * MIB)]);
        regions.remove(0, 100 * MIB);
        assert_eq!(list(&regions), []);
    }

    #[test]
    fn taking_uses_the_largest_range_below_the_limit() {
        let mut regions = ram(&[(2 * MIB, 10 * MIB), (4096 * MIB, 5000 * MIB)]);
        assert_eq!(regions.take(5000, 4096 * MIB), Some(2 * MIB));
        assert_eq!(list(&regions)[0], (2 * MIB + 8192, 10 * MIB));
        assert_eq!(regions.take(9 * MIB, 4096 * MIB), None);
        assert_eq!(regions.take_last(5000, 4096 * MIB), Some(10 * MIB - 8192));
        assert_eq!(regions.take_last(8 * MIB, 4096 * MIB), None);
        assert_eq!(regions.take_last(1, u64::MAX), Some(5000 * MIB - 4096));
    }
}
