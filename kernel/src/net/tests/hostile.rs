//! Frames that no honest peer would send: nothing may panic, and nothing may be believed.

use proptest::prelude::*;
use wayfarer_proto::id::NodeId;
use wayfarer_proto::node;

use super::world::{A, B, World, id};
use super::{PORT, connect};
use crate::net::Kind;
use crate::net::port::Port;

use std::time::Duration;

/// A SYN from `peer` to this test's port of node B, without checksums.
fn syn(peer: NodeId, local_port: u16) -> Vec<u8> {
    let mut frame = vec![0; 54];
    crate::net::segment::write_ethernet_header(&mut frame, peer, id(B));
    let ip = &mut frame[14..];
    ip[0] = 0x45;
    ip[3] = 40;
    ip[8] = 64;
    ip[9] = 6;
    ip[12..16].copy_from_slice(&node::ipv4(peer));
    ip[16..20].copy_from_slice(&node::ipv4(id(B)));
    ip[20..22].copy_from_slice(&local_port.to_be_bytes());
    ip[22..24].copy_from_slice(&PORT.to_be_bytes());
    ip[32] = 0x50;
    ip[33] = 0x02;
    ip[34] = 0xff;
    set_ip_checksum(&mut frame);
    frame
}

/// Makes the IPv4 header of a frame valid again, so that what lies behind it is looked at.
fn set_ip_checksum(frame: &mut [u8]) {
    frame[24..26].fill(0);
    let words = frame[14..34].chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    let sum: u32 = words.map(u32::from).sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    frame[24..26].copy_from_slice(&(!(sum as u16)).to_be_bytes());
}

/// A world without TCP checksums, in which forged segments are taken.
fn gullible() -> World {
    World::meshed(2, |config| config.checksums = false)
}

/// Sends `frame` on the wire of A and B, and lets it be seen.
fn inject(world: &World, frame: &[u8]) {
    let mut end = world.wires[0].end();
    end.send(frame.len(), &mut |buffer| buffer.copy_from_slice(frame)).unwrap();
    world.run_for(Duration::from_micros(10));
}

#[test]
fn a_flood_of_syns_is_bounded_by_the_backlog_and_passes() {
    let world = gullible();
    let listener = world.network(B).listen(PORT, Kind::Call).unwrap();
    for port in 1..1000 {
        inject(&world, &syn(id(A), port));
    }
    // A answers each SYN-ACK with a RST: it knows of no such connection.
    assert!(world.network(B).sockets() <= crate::net::BACKLOG);
    world.run_for(Duration::from_secs(60));
    assert_eq!(world.network(B).sockets(), 0);
    drop(listener);
}

#[test]
fn a_segment_through_another_peers_port_is_filtered() {
    let world = gullible();
    let _listener = world.network(B).listen(PORT, Kind::Call).unwrap();
    let before = world.network(B).totals().filtered;
    inject(&world, &syn(id(2), 1000));
    inject(&world, &syn(NodeId(77), 1000));
    assert_eq!(world.network(B).totals().filtered, before + 2);
    assert_eq!(world.network(B).sockets(), 0);
    let mut arp = syn(id(A), 1000);
    arp[12..14].copy_from_slice(&[0x08, 0x06]);
    inject(&world, &arp);
    assert_eq!(world.network(B).totals().filtered, before + 3);
}

#[test]
fn a_syn_with_a_wrong_checksum_makes_no_connection() {
    let world = World::pair();
    let _listener = world.network(B).listen(PORT, Kind::Call).unwrap();
    inject(&world, &syn(id(A), 1000));
    assert_eq!(world.network(B).sockets(), 0);
}

/// Bytes to overwrite in one of the frames seen so far, behind the Ethernet header.
type Damage = (prop::sample::Index, Vec<(usize, u8)>);

fn damage() -> impl Strategy<Value = Vec<Damage>> {
    let bytes = prop::collection::vec((14_usize..74, any::<u8>()), 0..6);
    prop::collection::vec((any::<prop::sample::Index>(), bytes), 1..40)
}

fn few_cases() -> ProptestConfig {
    ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(few_cases())]

    /// Real frames of a conversation, damaged and sent again while it goes on, do no more than
    /// end it.
    #[test]
    fn damaged_segments_do_not_panic(
        damage in damage(),
    ) {
        let world = gullible();
        let listener = world.network(B).listen(PORT, Kind::Call).unwrap();
        world.spawn(B, async move {
            loop {
                let connection = listener.accept().await;
                let mut data = [0; 20];
                while connection.read(&mut data).await.is_ok()
                    && connection.write_all(&data).await.is_ok() {}
                let _ = connection.close().await;
            }
        });
        let network = world.network(A);
        world.spawn(A, async move {
            let connection = connect(network, B, Kind::Call).await;
            let mut data = [0; 20];
            for _ in 0..20 {
                let _ = connection.write_all(&data).await;
                let _ = connection.read(&mut data).await;
            }
            let _ = connection.close().await;
        });
        world.faults.delay.set(Duration::from_micros(3));
        let mut frames = world.wires[0].frames_during(|| world.run_for(Duration::from_micros(60)));
        for (index, bytes) in damage {
            let mut frame = index.get(&frames).clone();
            for (at, byte) in bytes {
                let at = at.min(frame.len() - 1);
                frame[at] = byte;
            }
            set_ip_checksum(&mut frame);
            let more = world.wires[0].frames_during(|| inject(&world, &frame));
            frames.extend(more);
        }
        world.run_for(Duration::from_secs(100));
    }
}
