//! What the network of the home node has carried, from `/proc/wayfarer`.

use std::fs::File;
use std::io::Read as _;

/// More bytes than the file ever has.
const LARGEST: usize = 16 * 1024;

/// The counts that a forwarded call changes.
#[derive(Clone, Copy, Default)]
pub(crate) struct Counts {
    /// Round trips that calls made.
    pub(crate) round_trips: u64,
    /// Frames in both directions.
    pub(crate) frames: u64,
    /// Bytes that came home.
    pub(crate) home: u64,
    /// Bytes that left home.
    pub(crate) away: u64,
}

impl Counts {
    /// The counts now; `None` on an ordinary Linux. It takes one read however long the file is,
    /// which a slow host makes longer: reading always costs the same calls, to be taken off.
    pub(crate) fn now() -> Option<Self> {
        let mut bytes = vec![0; LARGEST];
        let length = File::open("/proc/wayfarer").ok()?.read(&mut bytes).ok()?;
        let text = String::from_utf8_lossy(&bytes[..length]);
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.and_then(|value| value.parse::<u64>().ok()).unwrap_or(0)
        };
        Some(Self {
            round_trips: value("round_trips"),
            frames: value("frames_in") + value("frames_out"),
            home: value("bytes_in"),
            away: value("bytes_out"),
        })
    }

    /// How much more this is than `other`.
    pub(crate) fn since(self, other: Self) -> Self {
        Self {
            round_trips: self.round_trips.saturating_sub(other.round_trips),
            frames: self.frames.saturating_sub(other.frames),
            home: self.home.saturating_sub(other.home),
            away: self.away.saturating_sub(other.away),
        }
    }
}
