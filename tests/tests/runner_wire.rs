//! What a close() away from home costs on the wire, read from a capture of the wire itself.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use wayfarer::artifacts;
use wayfarer::{Cluster, Initrd, program};
use wayfarer_proto::console::ExitStatus;
use wayfarer_proto::id::NodeId;
use wayfarer_tests::vm::HOME;

/// The node the guest `closes` moves to, and how many descriptors it closes there.
const AWAY: NodeId = NodeId(2);
const CLOSES: usize = 100;

/// The thesis's bytes of a close(), TCP/IP headers counted (Yarom, chapter 5).
const THESIS_REQUEST: usize = 64;
const THESIS_REPLY: usize = 68;

/// `pcap-savefile(5)`: the file's header and each record's.
const FILE_HEADER: usize = 24;
const RECORD_HEADER: usize = 16;
const ETHERNET: usize = 14;
const IPV4: [u8; 2] = [8, 0];

/// A bare ACK is due only where an answer takes longer than this, in microseconds: the kernels
/// delay it for 10 ms.
const PATIENCE: u64 = 9_000;

/// A TCP segment on the wire.
#[derive(Debug)]
struct Segment {
    /// When it was captured, in microseconds.
    at: u64,
    from: NodeId,
    /// The ports of its connection and the number of its first byte.
    place: [u8; 8],
    /// It has been sent before: the host let a node wait for too long.
    again: bool,
    /// Bytes of the IP packet: headers and payload.
    packet: usize,
    payload: Vec<u8>,
}

/// The TCP segments of a capture, in order.
fn segments(capture: &[u8]) -> Vec<Segment> {
    let mut found = Vec::new();
    let mut rest = &capture[FILE_HEADER..];
    while let Some(header) = rest.get(..RECORD_HEADER) {
        let word = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().unwrap());
        let at = u64::from(word(0)) * 1_000_000 + u64::from(word(4));
        let end = RECORD_HEADER + usize::try_from(word(8)).unwrap();
        found.extend(segment(at, &rest[RECORD_HEADER..end]));
        rest = &rest[end..];
    }
    let mut known = BTreeSet::new();
    for data in found.iter_mut().filter(|segment: &&mut Segment| !segment.payload.is_empty()) {
        data.again = !known.insert((data.from, data.place));
    }
    found
}

/// RFC 791 section 3.1 and RFC 9293 section 3.1. A frame may be padded; the packet says its length.
fn segment(at: u64, frame: &[u8]) -> Option<Segment> {
    let packet = frame.get(ETHERNET..).filter(|_| frame[12..14] == IPV4)?;
    let length = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
    let ip_header = usize::from(packet[0] & 0xf) * 4;
    let tcp_header = usize::from(packet[ip_header + 12] >> 4) * 4;
    let place = packet[ip_header..ip_header + 8].try_into().unwrap();
    let payload = packet[ip_header + tcp_header..length].to_vec();
    let from = NodeId(u16::from(frame[11]));
    Some(Segment { at, from, place, again: false, packet: length, payload })
}

/// Runs the guest and gives what was captured.
fn capture(file: &Path) -> Vec<Segment> {
    let mut initrd = Initrd::bare();
    initrd.add_program("/bin/closes", &artifacts::c_guest("closes").unwrap()).unwrap();
    let mut cluster = Cluster::builder()
        .nodes(2)
        .timeout(Duration::from_secs(300))
        .pcap(file.to_owned())
        .start(&artifacts::kernel().unwrap(), &initrd)
        .unwrap();
    let outcome = cluster.capture(HOME, &program::command(&["closes"]), Vec::new()).unwrap();
    assert_eq!(outcome.status, ExitStatus::Exited(0), "{outcome:?}");
    assert_eq!(outcome.moves.len(), 1, "{outcome:?}");
    cluster.shutdown().unwrap();
    segments(&std::fs::read(file).unwrap())
}

/// Those behind the reply to the request that holds `first`, before the one that holds `last`.
fn between<'a>(segments: &'a [Segment], first: &[u8], last: &[u8]) -> &'a [Segment] {
    let holds = |text: &[u8]| {
        let at = |segment: &Segment| {
            !segment.again && segment.payload.windows(text.len()).any(|part| part == text)
        };
        // The image of the program holds its words, too, and was sent before.
        segments.iter().rposition(at).expect("the word is on the wire")
    };
    let (begin, end) = (holds(first), holds(last));
    let is_reply = |s: &Segment| s.from == HOME && !s.payload.is_empty() && !s.again;
    let reply = segments[begin..].iter().position(is_reply);
    &segments[begin + reply.expect("a reply") + 1..end]
}

/// The bare ACKs that came sooner than they are due.
fn hasty(segments: &[Segment]) -> Vec<&Segment> {
    let mut last = None;
    let mut hasty = Vec::new();
    for segment in segments {
        match last {
            _ if !segment.payload.is_empty() => last = Some(segment),
            // What is sent again is acknowledged again, at once.
            Some(data) if !data.again && segment.at < data.at + PATIENCE => hasty.push(segment),
            _ => {}
        }
    }
    hasty
}

#[test]
fn a_close_away_is_one_request_and_one_reply_no_larger_than_the_thesis_had() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let all = capture(file.path());
    let closes = between(&all, b"closes begin", b"closes end");
    let data: Vec<_> = closes.iter().filter(|s| !s.payload.is_empty() && !s.again).collect();
    assert_eq!(data.len(), 2 * CLOSES, "segments with data: {data:?}");
    for pair in data.chunks(2) {
        assert_eq!((pair[0].from, pair[1].from), (AWAY, HOME), "a request, then its reply");
    }
    let largest = |from| data.iter().filter(|s| s.from == from).map(|s| s.packet).max().unwrap();
    let (request, reply) = (largest(AWAY), largest(HOME));
    println!("close() away from home, TCP/IP headers counted, and the thesis's:");
    println!("  request {request} bytes ({THESIS_REQUEST}), reply {reply} bytes ({THESIS_REPLY})");
    println!("  {} frames for {CLOSES} closes, {} with data", closes.len(), data.len());
    assert!(request <= THESIS_REQUEST, "a request of {request} bytes");
    assert!(reply <= THESIS_REPLY, "a reply of {reply} bytes");
    let hasty = hasty(closes);
    assert!(hasty.is_empty(), "bare ACKs: {hasty:?}");
}
