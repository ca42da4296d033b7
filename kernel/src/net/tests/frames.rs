//! What a message costs on the wire.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use wayfarer_proto::limits;

use super::cost::connections;
use super::world::{A, B, World};
use super::{PORT, connect};
use crate::net::Kind;

const ETHERNET: usize = 14;
const TCP_IP: usize = 40;
const SECOND: Duration = Duration::from_secs(1);

/// The frames of `count` exchanges of `request` bytes against `reply` bytes, after a first.
fn exchange(world: &World, count: usize, request: usize, reply: usize) -> Vec<Vec<u8>> {
    let listener = world.network(B).listen(PORT, Kind::Call).unwrap();
    world.spawn(B, async move {
        let connection = listener.accept().await;
        let mut data = vec![0; request];
        while connection.read(&mut data).await.is_ok() {
            connection.write_all(&vec![2; reply]).await.unwrap();
        }
    });
    let (network, done) = (world.network(A), Rc::new(Cell::new(0)));
    let counter = done.clone();
    world.spawn(A, async move {
        let connection = connect(network, B, Kind::Call).await;
        let mut data = vec![0; reply];
        loop {
            connection.write_all(&vec![1; request]).await.unwrap();
            connection.read(&mut data).await.unwrap();
            counter.set(counter.get() + 1);
        }
    });
    assert!(world.run_until(SECOND, || done.get() >= 10));
    let before = done.get();
    let frames = world.wires[0].frames_during(|| {
        assert!(world.run_until(SECOND, || done.get() >= before + count));
    });
    assert_eq!(done.get(), before + count);
    frames
}

#[test]
fn a_request_and_its_reply_are_two_frames_of_forty_bytes_of_headers() {
    let world = World::pair();
    world.faults.delay.set(Duration::from_micros(25));
    let frames = exchange(&world, 100, 64, 68);
    assert_eq!(frames.len(), 200);
    for (frame, other) in frames.iter().zip(&frames[1..]) {
        let mut payloads = [frame, other].map(|frame| frame.len() - ETHERNET - TCP_IP);
        payloads.sort_unstable();
        assert_eq!(payloads, [64, 68]);
    }
}

#[test]
fn eight_kibibytes_fit_one_frame() {
    let world = World::pair();
    world.faults.delay.set(Duration::from_micros(25));
    let frames = exchange(&world, 100, 8192 + 64, 68);
    assert_eq!(frames.len(), 200);
}

#[test]
fn the_handshake_is_three_frames_and_an_idle_connection_none_before_the_keep_alive() {
    let world = World::pair();
    let listener = world.network(B).listen(PORT, Kind::Call).unwrap();
    let server = world.spawn(B, async move { (listener.accept().await, listener) });
    let mut client = None;
    let frames = world.wires[0].frames_during(|| {
        client = Some(world.spawn(A, connect(world.network(A), B, Kind::Call)));
        world.run_for(Duration::from_secs(9));
    });
    assert_eq!(frames.len(), 3);
    let idle = world.wires[0].frames_during(|| world.run_for(Duration::from_secs(90)));
    assert!((18..=40).contains(&idle.len()), "{} frames in 90 s", idle.len());
    let connection = client.unwrap().borrow_mut().take().unwrap();
    assert_eq!(connection.try_read(&mut [0]), Ok(None), "still alive");
    assert_eq!(connection.counters().retransmissions, 0, "probes are not retransmissions");
    drop(server);
}

#[test]
fn all_that_travels_early_takes_one_round_trip() {
    const EARLY: usize = limits::EAGER + 1024;
    for (request, reply, frames_each) in [(EARLY, 64, 3), (64, EARLY, 3), (EARLY, EARLY, 4)] {
        let world = World::pair();
        world.faults.delay.set(Duration::from_micros(25));
        exchange(&world, 10, request, reply);
        let frames =
            world.wires[0].frames_during(|| world.run_for(Duration::from_micros(50) * 1000));
        assert_eq!(frames.len(), frames_each * 1000, "{request} bytes against {reply}");
    }
}

#[test]
fn a_message_that_lies_around_the_end_of_the_send_buffer_leaves_in_one_turn() {
    const LENGTH: usize = 1000;
    let world = World::pair();
    let (here, there) = connections(&world, 1);
    let (near, far, now) = (world.network(A), world.network(B), world.now());
    let (mut buffer, mut frames) = ([0; LENGTH], 0);
    let messages = 4 * limits::EAGER / LENGTH;
    for round in 0..messages {
        let message = [round as u8; LENGTH];
        // The acknowledgement of the last one is on its way, so the buffer is not empty.
        assert_eq!(here[0].try_write(&message), Ok(LENGTH));
        frames += world.wires[0].frames_during(|| assert!(near.poll(now))).len();
        far.poll(now);
        assert_eq!(there[0].try_read(&mut buffer), Ok(Some(LENGTH)));
        assert_eq!(buffer, message);
        assert_eq!(there[0].try_write(&[0]), Ok(1));
        far.poll(now);
    }
    assert!(frames > messages, "{frames} frames: no message lay around the end");
}
