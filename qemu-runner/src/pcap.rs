//! Puts the frames that several QEMUs captured into one file (`--pcap`), each frame once.
//!
//! The format is libpcap's (`pcap-savefile(5)`), little-endian, microseconds, Ethernet. A frame
//! between two nodes is seen by both; the lower node's copy is kept, so that a request and its
//! reply are stamped by one clock. QEMU gives each capture the second it began in and no fraction,
//! so frames of different pairs may be out of step by up to a second.

use std::io;
use std::path::{Path, PathBuf};

use wayfarer_proto::id::NodeId;
use wayfarer_proto::node;

const MAGIC: u32 = 0xa1b2_c3d4;
const FILE_HEADER: usize = 24;
const RECORD_HEADER: usize = 16;
const LINK_ETHERNET: u32 = 1;
/// The longest frame a capture can hold; QEMU's own limit.
const SNAP_LENGTH: u32 = 65_536;

/// One captured frame.
#[derive(Debug)]
struct Record<'a> {
    /// Seconds and microseconds.
    time: (u32, u32),
    /// Record header and frame.
    bytes: &'a [u8],
}

/// Merges the captures of each node into `target`.
///
/// # Errors
/// When a capture cannot be read or `target` not be written. A capture that QEMU did not finish
/// gives its whole records.
pub(crate) fn merge(captures: &[(NodeId, PathBuf)], target: &Path) -> io::Result<()> {
    let mut files = Vec::new();
    for (node, path) in captures {
        files.push((*node, std::fs::read(path)?));
    }
    std::fs::write(target, merged(&files))
}

fn merged(files: &[(NodeId, Vec<u8>)]) -> Vec<u8> {
    let mut kept: Vec<Record<'_>> = Vec::new();
    for (node, file) in files {
        kept.extend(records(file).filter(|record| belongs_to(record, *node)));
    }
    kept.sort_by_key(|record| record.time);
    let mut out = file_header();
    for record in kept {
        out.extend_from_slice(record.bytes);
    }
    out
}

fn file_header() -> Vec<u8> {
    let (major, minor) = (2_u16, 4_u16);
    let (zone, accuracy) = (0_u32, 0_u32);
    let mut out = MAGIC.to_le_bytes().to_vec();
    out.extend(major.to_le_bytes());
    out.extend(minor.to_le_bytes());
    for number in [zone, accuracy, SNAP_LENGTH, LINK_ETHERNET] {
        out.extend(number.to_le_bytes());
    }
    out
}

/// The whole frames of a capture, each as far as it was kept.
pub(crate) fn frames(file: &[u8]) -> impl Iterator<Item = &[u8]> {
    records(file).map(|record| &record.bytes[RECORD_HEADER..])
}

/// The whole records of a capture.
fn records(file: &[u8]) -> impl Iterator<Item = Record<'_>> {
    let mut rest = file.get(FILE_HEADER..).unwrap_or_default();
    std::iter::from_fn(move || {
        let length = usize::try_from(word(rest, 8)?).ok()?;
        let (bytes, tail) = rest.split_at_checked(RECORD_HEADER.checked_add(length)?)?;
        rest = tail;
        Some(Record { time: (word(bytes, 0)?, word(bytes, 4)?), bytes })
    })
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_le_bytes)
}

/// Whether `node` is the one whose copy of this frame is kept: the lower of its two ends, or the
/// sender of a broadcast.
fn belongs_to(record: &Record<'_>, node: NodeId) -> bool {
    let frame = &record.bytes[RECORD_HEADER..];
    let end = |at: usize| node_of(frame.get(at..at + 6)?);
    let (to, from) = (end(0), end(6));
    to.into_iter().chain(from).min() == Some(node)
}

fn node_of(address: &[u8]) -> Option<NodeId> {
    let candidate = NodeId(u16::from(*address.last()?));
    (node::is_valid(candidate) && node::mac(candidate) == address).then_some(candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capture(frames: &[(u32, [u8; 6], [u8; 6])]) -> Vec<u8> {
        let mut out = file_header();
        for (time, to, from) in frames {
            for number in [0, *time, 12, 12] {
                out.extend(number.to_le_bytes());
            }
            out.extend(to);
            out.extend(from);
        }
        out
    }

    #[test]
    fn each_frame_once_in_order() {
        let mac = |id| node::mac(NodeId(id));
        let everyone = [0xff; 6];
        let seen_by_1 = [(30, mac(2), mac(1)), (40, mac(1), mac(2)), (50, everyone, mac(2))];
        let seen_by_2 = [(31, mac(2), mac(1)), (39, mac(1), mac(2)), (45, everyone, mac(2))];
        let mut cut = capture(&seen_by_1);
        cut.extend([1, 2, 3]);
        let files = [(NodeId(1), cut), (NodeId(2), capture(&seen_by_2))];
        let out = merged(&files);
        let times: Vec<u32> = records(&out).map(|record| record.time.1).collect();
        assert_eq!(times, [30, 40, 45]);
        assert!(frames(&out).all(|frame| frame.len() == 12));
    }

    #[test]
    fn damaged_capture_gives_what_it_has() {
        assert_eq!(records(&[]).count(), 0);
        let mut file = capture(&[(1, [0; 6], [0; 6])]);
        let length = file.len();
        file[length - 12 - 8..length - 12 - 4].fill(0xff);
        assert_eq!(records(&file).count(), 0);
    }
}
