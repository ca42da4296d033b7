//! Round trips, hostile bytes and streams in pieces.

use alloc::string::ToString;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::sample::{Sample, Source};
use super::*;

fn draw<F: Sample>(bytes: Vec<u8>) -> F {
    F::sample(&mut Source(bytes.into_iter()))
}

fn encoded<F: Frame>(frame: &F) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame.encode(&mut bytes).expect("samples are short");
    bytes
}

/// Both directions, so that each property is written once.
fn round_trip<F: Frame + Sample + PartialEq + std::fmt::Debug>(
    seed: Vec<u8>,
) -> Result<(), TestCaseError> {
    let frame: F = draw(seed);
    let bytes = encoded(&frame);
    prop_assert_eq!(F::decode_body(&bytes[4..]), Ok(frame));
    for end in 4..bytes.len() {
        prop_assert!(F::decode_body(&bytes[4..end]).is_err(), "a cut frame was accepted");
    }
    Ok(())
}

proptest! {
    #[test]
    fn every_frame_survives_the_wire(seed in prop::collection::vec(any::<u8>(), 0..400)) {
        round_trip::<ToNode>(seed.clone())?;
        round_trip::<FromNode>(seed)?;
    }

    /// What is accepted is what would have been sent: no two spellings, no panic.
    #[test]
    fn hostile_bytes_are_refused_or_canonical(
        tag in 0_u8..16,
        rest in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let body: Vec<u8> = std::iter::once(tag).chain(rest).collect();
        if let Ok(frame) = ToNode::decode_body(&body) {
            prop_assert_eq!(&encoded(&frame)[4..], &body[..]);
        }
        if let Ok(frame) = FromNode::decode_body(&body) {
            prop_assert_eq!(&encoded(&frame)[4..], &body[..]);
        }
    }

    #[test]
    fn pieces_make_the_same_frames(
        seeds in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..8),
        piece in 1_usize..50,
    ) {
        let sent: Vec<FromNode> = seeds.into_iter().map(draw).collect();
        let stream: Vec<u8> = sent.iter().flat_map(encoded).collect();
        let mut reader = FrameReader::new();
        let mut received: Vec<FromNode> = Vec::new();
        for bytes in stream.chunks(piece) {
            reader.push(bytes);
            while let Some(frame) = reader.next().expect("only good frames") {
                received.push(frame);
            }
        }
        prop_assert_eq!(received, sent);
    }
}

#[test]
fn false_count_allocates_nothing() {
    let mut body = encoded(&FromNode::Stdout(Vec::new()))[4..].to_vec();
    body[1..5].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(FromNode::decode_body(&body), Err(FrameError::Truncated));
}

#[test]
fn too_long_is_refused_on_both_sides() {
    let mut out = alloc::vec![7];
    let frame = ToNode::Stdin(alloc::vec![0; MAX_FRAME]);
    let length = MAX_FRAME + 5;
    assert_eq!(frame.encode(&mut out), Err(FrameError::TooLong { length }));
    assert_eq!(out, [7], "nothing of a refused frame is sent");

    let mut reader = FrameReader::new();
    reader.push(&u32::MAX.to_le_bytes());
    let error = reader.next::<ToNode>().expect_err("longer than any frame");
    assert!(matches!(error, FrameError::TooLong { .. }), "{error}");
}

#[test]
fn bad_frame_is_passed_over() {
    let mut stream = alloc::vec![1, 0, 0, 0, 200];
    stream.extend(encoded(&ToNode::Shutdown));
    let mut reader = FrameReader::new();
    reader.push(&stream);
    assert_eq!(reader.next::<ToNode>(), Err(FrameError::UnknownTag(200)));
    assert_eq!(reader.next(), Ok(Some(ToNode::Shutdown)));
    assert_eq!(reader.next::<ToNode>(), Ok(None));
}

#[test]
fn shell_status_of_a_signal() {
    assert_eq!(ExitStatus::Exited(7).shell_status(), 7);
    assert_eq!(ExitStatus::Signaled(9).shell_status(), 137);
    assert_eq!(FrameError::UnknownTag(3).to_string(), "no frame has tag 3");
}
