//! System V shared memory in an address space: mappings of a whole file, as shmat(2) makes them.

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{MapId, UserAddr};

use super::address_space::{AddressSpace, page_up};
use super::page_range::{PAGE, PageRange};
use super::region::Backing;

impl AddressSpace {
    /// The file whose first page is mapped at `address`, shared.
    pub fn file_mapped_at(&self, address: UserAddr) -> Option<MapId> {
        if !address.0.is_multiple_of(PAGE) {
            return None;
        }
        let page = address.0 / PAGE;
        let region = self.regions.find(page).filter(|region| region.is_shared())?;
        match region.backing {
            Backing::File { map, .. } if region.backing_page(page) == 0 => Some(map),
            _ => None,
        }
    }

    /// How often the first page of a file is mapped.
    pub fn attaches(&self, map: MapId) -> usize {
        let begins = |backing: &Backing| match backing {
            Backing::File { map: shown, page: 0 } => *shown == map,
            _ => false,
        };
        self.regions.iter().filter(|region| begins(&region.backing)).count()
    }

    /// Unmaps what is left of a mapping of a whole file that began at `address`: other mappings
    /// that came into its place stay (shmdt(2)).
    ///
    /// # Errors
    /// EINVAL for a range beyond user space.
    pub fn unmap_file(&mut self, map: MapId, address: UserAddr, size: u64) -> Result<(), Errno> {
        let length = page_up(size).ok_or(Errno::EINVAL)?;
        let range = PageRange::from_bytes(address, length).ok_or(Errno::EINVAL)?;
        let parts: alloc::vec::Vec<PageRange> = self
            .regions
            .iter()
            .filter_map(|region| region.part(range))
            .filter(|part| match part.backing {
                Backing::File { map: shown, page } => {
                    shown == map && page == part.range.first() - range.first()
                }
                _ => false,
            })
            .map(|part| part.range)
            .collect();
        for part in parts {
            self.unmap_range(part);
        }
        Ok(())
    }
}
