//! A set of pages, kept as ranges: neighbours are the common case.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// A set of page numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PageSet {
    /// Ranges by their first page, with the page after the last. They neither touch nor overlap.
    ranges: BTreeMap<u64, u64>,
}

impl PageSet {
    /// Whether a page is in the set.
    pub(super) fn contains(&self, page: u64) -> bool {
        self.ranges.range(..=page).next_back().is_some_and(|(_, end)| page < *end)
    }

    /// Whether no page is in the set.
    pub(super) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Its ranges in order: the first page of each, and the page after its last.
    pub(super) fn ranges(&self) -> impl Iterator<Item = (u64, u64)> {
        self.ranges.iter().map(|(first, end)| (*first, *end))
    }

    /// Adds a page.
    pub(super) fn insert(&mut self, page: u64) {
        if self.contains(page) {
            return;
        }
        let (mut first, mut end) = (page, page + 1);
        if let Some((before, touching)) = self.ranges.range(..page).next_back()
            && *touching == page
        {
            first = *before;
        }
        if let Some(beyond) = self.ranges.remove(&end) {
            end = beyond;
        }
        self.ranges.insert(first, end);
    }

    /// Takes a page out.
    pub(super) fn remove(&mut self, page: u64) {
        self.remove_range(page, page + 1);
    }

    /// Takes the pages `first..end` out.
    pub(super) fn remove_range(&mut self, first: u64, end: u64) {
        if first >= end {
            return;
        }
        let touched: Vec<(u64, u64)> = self
            .ranges
            .range(..end)
            .rev()
            .map(|(start, stop)| (*start, *stop))
            .take_while(|(_, stop)| *stop > first)
            .collect();
        for (start, stop) in touched {
            self.ranges.remove(&start);
            if start < first {
                self.ranges.insert(start, first);
            }
            if stop > end {
                self.ranges.insert(end, stop);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    #[test]
    fn agrees_with_a_plain_set() {
        let mut seed = 7u64;
        let (mut set, mut model) = (PageSet::default(), BTreeSet::new());
        for _ in 0..20_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let (page, len) = (seed >> 33 & 63, seed >> 50 & 7);
            if seed >> 60 < 11 {
                set.insert(page);
                model.insert(page);
            } else {
                set.remove_range(page, page + len);
                model.retain(|p| !(page..page + len).contains(p));
            }
            assert!((0..72).all(|p| set.contains(p) == model.contains(&p)));
            let ends: Vec<_> = set.ranges.iter().collect();
            assert!(ends.windows(2).all(|pair| pair[0].1 < pair[1].0));
        }
    }
}
