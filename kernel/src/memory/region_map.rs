//! All regions of an address space, by address. Pure bookkeeping: no page is touched here.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::page_range::PageRange;
use super::region::Region;

/// Regions that do not overlap, joined wherever they can be.
#[derive(Clone, Debug, Default)]
pub struct RegionMap {
    /// By first page.
    regions: BTreeMap<u64, Region>,
}

impl RegionMap {
    /// How many regions there are.
    pub fn len(&self) -> usize {
        self.regions.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.regions.is_empty()
    }

    /// All regions in order of address.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Region> {
        self.regions.values()
    }

    /// The region that holds a page.
    pub fn find(&self, page: u64) -> Option<&Region> {
        let region = self.regions.range(..=page).next_back()?.1;
        region.range.contains(page).then_some(region)
    }

    /// The first region that ends after `page`: the one that holds it, or the next above.
    pub fn find_from(&self, page: u64) -> Option<&Region> {
        self.find(page).or_else(|| self.regions.range(page..).next().map(|(_, region)| region))
    }

    /// The regions that end after `page`, in order of address.
    pub fn iter_from(&self, page: u64) -> impl Iterator<Item = &Region> {
        let first = self.find(page).map_or(page, |region| region.range.first());
        self.regions.range(first..).map(|(_, region)| region)
    }

    /// The last region that begins below `page`.
    pub fn find_below(&self, page: u64) -> Option<&Region> {
        self.regions.range(..page).next_back().map(|(_, region)| region)
    }

    /// The regions that have pages in `range`, in order of address.
    pub fn overlapping(&self, range: PageRange) -> impl Iterator<Item = &Region> {
        let first =
            self.find(range.first()).map_or_else(|| range.first(), |region| region.range.first());
        self.regions.range(first..range.end()).map(|(_, region)| region)
    }

    /// Whether no region has a page in `range`.
    pub fn is_free(&self, range: PageRange) -> bool {
        self.overlapping(range).next().is_none()
    }

    /// The first page of `range` that no region holds.
    pub fn first_hole(&self, range: PageRange) -> Option<u64> {
        let mut at = range.first();
        for region in self.overlapping(range) {
            if region.range.first() > at {
                break;
            }
            at = region.range.end();
        }
        (at < range.end()).then_some(at)
    }

    /// Adds a region where there is none, joining it with its neighbours.
    pub fn insert(&mut self, region: Region) {
        debug_assert!(self.is_free(region.range));
        let mut region = region;
        if let Some(below) = self.find_below(region.range.first())
            && let Some(joined) = below.joined(&region)
        {
            region = joined;
        }
        if let Some(above) = self.regions.get(&region.range.end())
            && let Some(joined) = region.joined(above)
        {
            self.regions.remove(&above.range.first());
            region = joined;
        }
        self.regions.insert(region.range.first(), region);
    }

    /// Takes everything in `range` out, cutting regions that reach beyond; returns what it was.
    pub fn remove(&mut self, range: PageRange) -> Vec<Region> {
        let touched: Vec<Region> = self.overlapping(range).cloned().collect();
        for region in &touched {
            self.regions.remove(&region.range.first());
            let below = PageRange::new(region.range.first(), range.first());
            let above = PageRange::new(range.end(), region.range.end());
            for rest in [below, above].into_iter().flatten() {
                if let Some(part) = region.part(rest) {
                    self.regions.insert(part.range.first(), part);
                }
            }
        }
        touched.iter().filter_map(|region| region.part(range)).collect()
    }

    /// Changes the regions in `range`, cutting those that reach beyond. `change` must leave the
    /// pages where they are.
    pub fn update(&mut self, range: PageRange, mut change: impl FnMut(&mut Region)) {
        for mut part in self.remove(range) {
            change(&mut part);
            self.insert(part);
        }
        // The last part may now continue into what follows the range; `insert` has joined it, as
        // it has the first with what precedes.
    }

    /// The highest free range of `pages` pages in `low..high`.
    pub fn highest_gap(&self, pages: u64, low: u64, high: u64) -> Option<PageRange> {
        let mut end = high;
        for (_, region) in self.regions.range(..high).rev() {
            if end.saturating_sub(region.range.end()) >= pages {
                break;
            }
            end = end.min(region.guarded_first());
        }
        let first = end.checked_sub(pages).filter(|first| *first >= low)?;
        PageRange::new(first, end)
    }

    /// The lowest free range of `pages` pages in `low..high`.
    pub fn lowest_gap(&self, pages: u64, low: u64, high: u64) -> Option<PageRange> {
        let mut first = self.find(low).map_or(low, |region| region.range.end());
        for (_, region) in self.regions.range(first..high) {
            if region.guarded_first().saturating_sub(first) >= pages {
                break;
            }
            first = region.range.end();
        }
        let end = first.checked_add(pages).filter(|end| *end <= high)?;
        PageRange::new(first, end)
    }
}
