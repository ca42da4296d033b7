//! How much one poll of the network moves.

/// What one poll may move in each direction, in bytes, so that no task waits long for the network
/// (architecture.md, D2); what remains is moved by the next.
const POLL_BYTES: usize = 64 * 1024;

/// What a frame costs at least, however short, in bytes of [`POLL_BYTES`].
const FRAME_COST: usize = 1024;

/// The bytes one poll may still move.
pub(super) struct Budget {
    left: usize,
}

impl Budget {
    pub(super) const fn new() -> Self {
        Self { left: POLL_BYTES }
    }

    pub(super) fn spend(&mut self, bytes: usize) {
        self.left = self.left.saturating_sub(bytes.max(FRAME_COST));
    }

    pub(super) const fn is_spent(&self) -> bool {
        self.left == 0
    }
}
