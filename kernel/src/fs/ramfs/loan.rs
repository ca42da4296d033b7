//! Files whose latest content is elsewhere: mapped shared by bodies that are away from home.

use core::cell::Cell;

use wayfarer_proto::errno::Errno;

/// Who has a file's content.
#[derive(Debug, Default)]
pub(super) struct Loan {
    holders: Cell<u32>,
    wanted: Cell<bool>,
}

impl Loan {
    /// Another process away from home maps the file, or one does no more.
    pub(super) fn change(&self, begins: bool) {
        let holders = self.holders.get();
        self.holders.set(if begins { holders + 1 } else { holders.saturating_sub(1) });
    }

    /// Whether the content may be newer elsewhere.
    pub(super) fn is_out(&self) -> bool {
        self.holders.get() > 0
    }

    /// Notes that the content is wanted here.
    ///
    /// # Errors
    /// `ELENT` if it may be newer elsewhere.
    pub(super) fn require_back(&self) -> Result<(), Errno> {
        if !self.is_out() {
            return Ok(());
        }
        self.wanted.set(true);
        Err(Errno::ELENT)
    }

    /// Whether somebody wanted the content since this was last asked.
    pub(super) fn take_wanted(&self) -> bool {
        self.wanted.take()
    }
}
