//! In which epoch of its body each page was changed last, as far as that is known.
//!
//! It is known of a page that came with an image until the page is stored to. The program's own
//! stores are noticed by the processor, in the page table; all others are told here.

use alloc::collections::BTreeMap;

use wayfarer_proto::id::Epoch;
use wayfarer_proto::message::Remembered;

/// The ages of an address space's pages, and its name.
#[derive(Debug, Default)]
pub(super) struct Ages {
    /// Names the address space in the cluster, once it has left a node.
    name: Option<u64>,
    /// Ranges of pages of one age: by their first page, the page after the last, and when they
    /// were changed. They do not overlap.
    ranges: BTreeMap<u64, (u64, Epoch)>,
}

impl Ages {
    /// The name; `make` makes one if there is none.
    pub(super) fn name(&mut self, make: impl FnOnce() -> u64) -> u64 {
        *self.name.get_or_insert_with(make)
    }

    /// The memory as a body leaves it behind at the end of `epoch`.
    pub(super) fn remembered(&self, epoch: Epoch) -> Option<Remembered> {
        Some(Remembered { memory: self.name?, epoch })
    }

    /// The last epoch of which a node that remembers `what` has seen all changes.
    pub(super) fn known_to(&self, what: Option<Remembered>) -> Option<Epoch> {
        what.filter(|what| Some(what.memory) == self.name).map(|what| what.epoch)
    }

    /// The epoch in which a page was changed last, unless something but the program changed it
    /// here.
    pub(super) fn get(&self, page: u64) -> Option<Epoch> {
        self.span(page).0
    }

    /// The same, and the page before which that holds for all.
    pub(super) fn span(&self, page: u64) -> (Option<Epoch>, u64) {
        match self.ranges.range(..=page).next_back() {
            Some((_, (end, epoch))) if page < *end => (Some(*epoch), *end),
            _ => (None, self.ranges.range(page..).next().map_or(u64::MAX, |(first, _)| *first)),
        }
    }

    /// Notes that the pages `first..end` came from elsewhere, and their age.
    pub(super) fn insert_range(&mut self, first: u64, end: u64, epoch: Epoch) {
        self.forget_range(first, end);
        match self.ranges.range_mut(..first).next_back() {
            Some((_, before)) if *before == (first, epoch) => before.0 = end,
            _ if first < end => drop(self.ranges.insert(first, (end, epoch))),
            _ => {}
        }
    }

    /// Notes that a page holds something else from now on.
    pub(super) fn forget(&mut self, page: u64) {
        if self.get(page).is_some() {
            self.forget_range(page, page + 1);
        }
    }

    /// Notes that the pages `first..end` hold something else from now on.
    pub(super) fn forget_range(&mut self, first: u64, end: u64) {
        while first < end
            && let Some((start, (stop, epoch))) = self.last_before(end)
            && stop > first
        {
            self.ranges.remove(&start);
            if start < first {
                self.ranges.insert(start, (first, epoch));
            }
            if stop > end {
                self.ranges.insert(end, (stop, epoch));
            }
        }
    }

    /// The last range that begins before a page.
    fn last_before(&self, page: u64) -> Option<(u64, (u64, Epoch))> {
        self.ranges.range(..page).next_back().map(|(start, range)| (*start, *range))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agree_with_a_plain_map() {
        let mut seed = 7u64;
        let (mut ages, mut model) = (Ages::default(), BTreeMap::new());
        for _ in 0..20_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let (first, len) = (seed >> 33 & 63, seed >> 50 & 7);
            let (pages, epoch) = (first..first + len, Epoch((seed >> 40 & 3) as u32));
            match seed >> 61 {
                0..4 => {
                    ages.insert_range(first, first + len, epoch);
                    model.extend(pages.map(|page| (page, epoch)));
                }
                4 => {
                    ages.forget(first);
                    model.remove(&first);
                }
                _ => {
                    ages.forget_range(first, first + len);
                    model.retain(|page, _| !pages.contains(page));
                }
            }
            assert!((0..72).all(|page| ages.get(page) == model.get(&page).copied()));
            let (age, until) = ages.span(first);
            assert!((first..until.min(72)).all(|page| ages.get(page) == age));
            assert!(until >= 72 || ages.get(until) != age || ages.ranges.contains_key(&until));
        }
    }

    #[test]
    fn only_the_same_address_space_is_known_elsewhere() {
        let mut ages = Ages::default();
        let there = Remembered { memory: 7, epoch: Epoch(3) };
        assert_eq!((ages.remembered(Epoch(3)), ages.known_to(Some(there))), (None, None));
        assert_eq!((ages.name(|| 7), ages.name(|| 8)), (7, 7));
        assert_eq!((ages.remembered(Epoch(3)), ages.known_to(None)), (Some(there), None));
        assert_eq!(ages.known_to(Some(there)), Some(Epoch(3)));
        assert_eq!(ages.known_to(Some(Remembered { memory: 8, ..there })), None);
    }
}
