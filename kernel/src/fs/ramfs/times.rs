//! The times of inodes.

use wayfarer_proto::linux::time::Timespec;

use super::RamInode;

/// Seconds after which reading renews the access time in any case (`relatime`, mount(8)).
const RELATIVE_TIME_SECONDS: i64 = 24 * 60 * 60;

impl RamInode {
    /// Renews the access time as `relatime` does: only if it would otherwise be before the last
    /// change, or is a day old.
    pub(super) fn note_access(&self) {
        let mut attributes = self.attributes.get();
        let now = self.fs.now();
        let before = |one: Timespec, other: Timespec| {
            (one.seconds, one.nanoseconds) <= (other.seconds, other.nanoseconds)
        };
        if before(attributes.accessed, attributes.modified)
            || before(attributes.accessed, attributes.changed)
            || now.seconds - attributes.accessed.seconds >= RELATIVE_TIME_SECONDS
        {
            attributes.accessed = now;
            self.attributes.set(attributes);
        }
    }

    pub(super) fn note_modification(&self) {
        let mut attributes = self.attributes.get();
        attributes.modified = self.fs.now();
        attributes.changed = attributes.modified;
        self.attributes.set(attributes);
    }

    pub(super) fn note_change(&self) {
        let mut attributes = self.attributes.get();
        attributes.changed = self.fs.now();
        self.attributes.set(attributes);
    }
}
