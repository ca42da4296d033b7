//! What calls and moves between two Linux guests cost on the wire, read from a capture of it.
//!
//! The program that makes them sends marks (`tests/guest/bench/src/marks.rs`): `series NAME`, and
//! `begin` and `end` around each one. What TCP carries in between belongs to it.

use std::collections::{BTreeMap, BTreeSet};

use wayfarer::linux::ADDRESSES;

use crate::command::bench::calls::Cost;

/// The port that marks are sent to.
const MARKS: u16 = 9;

/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;
const IPV4: u16 = 0x0800;
/// Of RFC 791: the protocols inside.
const TCP: u8 = 6;
const UDP: u8 = 17;
/// Of RFC 9293: the flag of a segment that begins a connection.
const SYN: u8 = 2;

/// What was captured of one series.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Traffic {
    /// How many were begun.
    times: u64,
    /// Segments in both directions, bare acknowledgements with them.
    frames: u64,
    /// How often the one or the other began to speak: with bytes, or for a new connection.
    turns: u64,
    /// Bytes that segments carried, to the guest that serves and from it.
    request: u64,
    reply: u64,
}

impl Traffic {
    fn cost(self) -> Cost {
        let each = |count: u64| count as f64 / self.times.max(1) as f64;
        Cost {
            round_trips: each(self.turns) / 2.0,
            frames: each(self.frames),
            request: each(self.request),
            reply: each(self.reply),
        }
    }

    fn add(&mut self, segment: &Segment, takes_turn: bool) {
        self.frames += 1;
        self.turns += u64::from(takes_turn);
        let bytes = if segment.to_server { &mut self.request } else { &mut self.reply };
        *bytes += segment.payload;
    }
}

/// What each series cost that has marks, once.
pub(crate) fn costs(frames: &[Vec<u8>]) -> BTreeMap<String, Cost> {
    let mut all: BTreeMap<String, Traffic> = BTreeMap::new();
    let (mut name, mut speaker, mut is_open) = (String::new(), None, false);
    // What was sent again is counted once: the host let a guest wait for too long.
    let mut known = BTreeSet::new();
    for packet in frames.iter().filter_map(|frame| Packet::read(frame)) {
        match packet {
            Packet::Mark(words) => {
                if let Some(series) = words.strip_prefix("series ") {
                    series.clone_into(&mut name);
                }
                is_open = words == "begin";
                speaker = None;
                all.entry(name.clone()).or_default().times += u64::from(is_open);
            }
            Packet::Segment(segment) if is_open => {
                if segment.payload > 0 && !known.insert(segment.place.clone()) {
                    continue;
                }
                let speaks = segment.payload > 0 || segment.is_first;
                let takes_turn = speaks && speaker != Some(segment.to_server);
                if takes_turn {
                    speaker = Some(segment.to_server);
                }
                all.entry(name.clone()).or_default().add(&segment, takes_turn);
            }
            Packet::Segment(_) => {}
        }
    }
    all.into_iter().map(|(name, traffic)| (name, traffic.cost())).collect()
}

/// What is read of a frame.
enum Packet {
    Mark(String),
    Segment(Segment),
}

struct Segment {
    to_server: bool,
    /// Its connection, and the number of its first byte.
    place: Vec<u8>,
    is_first: bool,
    payload: u64,
}

impl Packet {
    /// Of a frame whose end may be missing; `None` of what is no mark and no segment.
    fn read(frame: &[u8]) -> Option<Self> {
        let packet = frame.get(ETHERNET..).filter(|_| word(frame, 12) == Some(IPV4))?;
        let length = usize::from(word(packet, 2)?);
        let header = usize::from(packet[0] & 0xf) * 4;
        let inside = packet.get(header..)?;
        match *packet.get(9)? {
            UDP if word(inside, 2) == Some(MARKS) => {
                let words = inside.get(8..length.checked_sub(header)?)?;
                Some(Self::Mark(String::from_utf8_lossy(words).into_owned()))
            }
            TCP => {
                let own = usize::from(inside.get(12)? >> 4) * 4;
                Some(Self::Segment(Segment {
                    to_server: packet.get(16..20)? == address(ADDRESSES[0]),
                    place: [packet.get(12..20)?, inside.get(..8)?].concat(),
                    is_first: inside.get(13)? & SYN != 0,
                    payload: length.checked_sub(header + own)? as u64,
                }))
            }
            _ => None,
        }
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().copied().map(u16::from_be_bytes)
}

fn address(text: &str) -> Vec<u8> {
    text.split('.').filter_map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: u8 = 2;
    const SERVER: u8 = 1;

    fn frame(from: u8, protocol: u8, inside: &[u8], payload: usize) -> Vec<u8> {
        let length = u16::try_from(20 + inside.len() + payload).unwrap().to_be_bytes();
        let mut frame = vec![0; 12];
        frame.extend([8, 0, 0x45, 0, length[0], length[1], 0, 0, 0, 0, 64, protocol, 0, 0]);
        frame.extend([10, 0, 0, from, 10, 0, 0, 3 - from]);
        frame.extend(inside);
        frame
    }

    fn mark(words: &str) -> Vec<u8> {
        let header = [0x80, 0, 0, 9, 0, 0, 0, 0];
        frame(CLIENT, UDP, &[&header, words.as_bytes()].concat(), 0)
    }

    /// A segment of which only the headers were captured.
    fn segment(from: u8, number: u8, flags: u8, payload: usize) -> Vec<u8> {
        let header = [0, 1, 0, 2, 0, 0, 0, number, 0, 0, 0, 0, 0x50, flags, 0, 0, 0, 0, 0, 0];
        frame(from, TCP, &header, payload)
    }

    #[test]
    fn what_is_between_marks_is_counted() {
        let frames = [
            segment(CLIENT, 1, 0, 77),
            mark("series stat"),
            mark("begin"),
            segment(CLIENT, 2, 0, 100),
            segment(SERVER, 1, 0, 9000),
            segment(SERVER, 2, 0, 1000),
            segment(SERVER, 2, 0, 1000),
            segment(CLIENT, 3, 0, 0),
            mark("end"),
            segment(CLIENT, 3, 0, 77),
            mark("begin"),
            mark("end"),
        ];
        let cost = costs(&frames)["stat"];
        assert_eq!((cost.round_trips, cost.frames), (0.5, 2.0));
        assert_eq!((cost.request, cost.reply), (50.0, 5000.0));
    }

    #[test]
    fn connection_is_a_round_trip() {
        let frames = [
            mark("series tar 100"),
            mark("begin"),
            segment(CLIENT, 1, SYN, 0),
            segment(SERVER, 1, SYN, 0),
            segment(CLIENT, 2, 0, 0),
            segment(CLIENT, 2, 0, 8),
            segment(SERVER, 2, 0, 8),
            mark("end"),
        ];
        let cost = costs(&frames)["tar 100"];
        assert_eq!((cost.round_trips, cost.frames), (2.0, 5.0));
    }

    #[test]
    fn what_is_neither_is_left_alone() {
        let short = segment(CLIENT, 1, 0, 5);
        let frames: Vec<Vec<u8>> = (0..short.len()).map(|end| short[..end].to_vec()).collect();
        assert!(costs(&frames).is_empty());
    }
}
