//! What names a futex: not an address but the memory behind it (futex(2)).

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::UserAddr;

use super::address_space::AddressSpace;
use super::page_range::{PAGE, user_page};
use super::region::{AccessKind, Backing};

/// Tells the address spaces of a node apart, those that are gone included.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SpaceId(pub u64);

/// The word a futex waits on. Two waiters wait on one word exactly if their keys are equal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum FutexKey {
    /// A word only this address space can reach.
    Private {
        /// Which address space.
        space: SpaceId,
        /// Where.
        address: UserAddr,
    },
    /// A word of a shared mapping. The key means something as long as the page is mapped.
    Shared {
        /// The frame that holds it.
        frame: u64,
        /// Byte of the frame.
        offset: u64,
    },
}

impl AddressSpace {
    /// The key of the futex at `address`; `private` for `FUTEX_PRIVATE_FLAG`, whose word is known
    /// not to be shared.
    ///
    /// # Errors
    /// EINVAL for an address that is not a multiple of 4; EFAULT where nothing can be read, where
    /// nothing but zeroes can ever be, and in a shared mapping where nothing has been read yet:
    /// read the word first.
    pub fn futex_key(&self, address: UserAddr, private: bool) -> Result<FutexKey, Errno> {
        if !address.0.is_multiple_of(4) {
            return Err(Errno::EINVAL);
        }
        if private && address >= UserAddr::END {
            return Err(Errno::EFAULT);
        }
        if private {
            return Ok(FutexKey::Private { space: self.id(), address });
        }
        let (page, within) = (address.0 / PAGE, address.0 % PAGE);
        let region = self.regions.find(page).ok_or(Errno::EFAULT)?;
        if !region.permits(AccessKind::Read) {
            return Err(Errno::EFAULT);
        }
        if !region.is_shared() {
            // Nobody could ever change it.
            let constant = !region.permits(AccessKind::Write);
            if constant && matches!(region.backing, Backing::Anonymous) {
                return Err(Errno::EFAULT);
            }
            return Ok(FutexKey::Private { space: self.id(), address });
        }
        let mapping = self.table.lookup(user_page(page)).ok_or(Errno::EFAULT)?;
        Ok(FutexKey::Shared { frame: mapping.frame.number(), offset: within })
    }
}
