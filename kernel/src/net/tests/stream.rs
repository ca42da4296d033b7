//! Bulk data and back pressure.

use std::time::Duration;

use super::world::{A, B, Outcome, World, id};
use super::{PORT, connect, pattern};
use crate::net::{Connection, Counters, Kind, Peers, ReadError};

const MIB: usize = 1024 * 1024;

/// A node's counters after it has sent `len` bytes, and the other's.
pub(super) struct Bulk {
    pub(super) sender: Outcome<Counters>,
    pub(super) receiver: Outcome<Counters>,
}

/// Starts to send `len` bytes from node A to node B, who checks them.
pub(super) fn bulk(world: &World, kind: Kind, len: usize) -> Bulk {
    let listener = world.network(B).listen(PORT, kind).unwrap();
    let receiver = world.spawn(B, async move {
        let connection = listener.accept().await;
        let mut data = vec![0; len];
        connection.read(&mut data).await.unwrap();
        assert!(data == pattern(len), "the bytes that arrived are others");
        assert_eq!(connection.read(&mut [0]).await, Err(ReadError::Closed));
        connection.close().await.unwrap();
        connection.counters()
    });
    let network = world.network(A);
    let sender = world.spawn(A, async move {
        let connection = connect(network, B, kind).await;
        connection.write_all(&pattern(len)).await.unwrap();
        connection.close().await.unwrap();
        connection.counters()
    });
    Bulk { sender, receiver }
}

#[test]
fn eight_mebibytes_arrive_in_order() {
    for (kind, most_segments) in [(Kind::Image, 2000), (Kind::Call, 4000)] {
        let world = World::pair();
        world.faults.delay.set(Duration::from_micros(20));
        let bulk = bulk(&world, kind, 8 * MIB);
        let sent = world.await_outcome(&bulk.sender, Duration::from_secs(10));
        let received = world.await_outcome(&bulk.receiver, Duration::from_secs(10));
        assert_eq!(sent.bytes_out, 8 * MIB as u64);
        assert_eq!(received.bytes_in, 8 * MIB as u64);
        assert_eq!(sent.retransmissions, 0);
        println!(
            "{kind:?}: 8 MiB in {} segments, answered by {}, in {} us of virtual time",
            sent.segments_out,
            received.segments_out,
            world.now().0 / 1000,
        );
        assert!(sent.segments_out + received.segments_out < most_segments);
    }
}

#[test]
fn a_small_mtu_of_one_port_is_kept() {
    let world = World::meshed(2, |config| config.mtu = 1500);
    let bulk = bulk(&world, Kind::Image, MIB);
    let frames = world.wires[0].frames_during(|| {
        world.await_outcome(&bulk.sender, Duration::from_secs(10));
    });
    assert_eq!(frames.iter().map(Vec::len).max(), Some(1514));
}

#[test]
fn writing_waits_until_the_peer_reads() {
    for world in World::both() {
        let listener = world.network(B).listen(PORT, Kind::Call).unwrap();
        let server = world.spawn(B, async move { (listener.accept().await, listener) });
        let client = world.spawn(A, connect(world.network(A), B, Kind::Call));
        let (here, (there, _listener)) = (
            world.await_outcome(&client, Duration::from_secs(1)),
            world.await_outcome(&server, Duration::from_secs(1)),
        );
        let writer = world.spawn(A, async move {
            here.write_all(&pattern(1_000_000)).await.unwrap();
            here
        });
        // Longer than the limit of silence: the zero window is probed, and that keeps it alive.
        world.run_for(Duration::from_secs(100));
        assert!(writer.borrow().is_none());
        let reader = world.spawn(B, async move {
            let mut data = vec![0; 1_000_000];
            there.read(&mut data).await.unwrap();
            (data, there.counters().bytes_in, there)
        });
        let (data, bytes_in, _there) = world.await_outcome(&reader, Duration::from_secs(60));
        assert_eq!(bytes_in, 1_000_000);
        assert!(data == pattern(1_000_000));
        world.await_outcome(&writer, Duration::from_secs(1));
    }
}

#[test]
fn checksums_can_be_left_out() {
    let world = World::meshed(2, |config| config.checksums = false);
    let bulk = bulk(&world, Kind::Image, MIB);
    let frames = world.wires[0].frames_during(|| {
        world.await_outcome(&bulk.receiver, Duration::from_secs(10));
    });
    assert!(frames.iter().all(|frame| frame[14 + 20 + 16..][..2] == [0, 0]));
    assert!(frames.iter().all(|frame| frame[14 + 10..][..2] != [0, 0]), "IPv4 headers keep theirs");
}

#[test]
fn try_operations_do_not_wait() {
    for world in World::both() {
        let listener = world.network(B).listen(PORT, Kind::Call).unwrap();
        let server = world.spawn(B, async move { (listener.accept().await, listener) });
        let client = world.spawn(A, connect(world.network(A), B, Kind::Call));
        let here: Connection = world.await_outcome(&client, Duration::from_secs(1));
        let (there, _listener) = world.await_outcome(&server, Duration::from_secs(1));
        assert_eq!(there.try_read(&mut [0; 8]), Ok(None));
        let mut taken = 0;
        while let Ok(count @ 1..) = here.try_write(&[7; 1_000_000]) {
            taken += count;
        }
        assert!((32_768..1_000_000).contains(&taken), "{taken}");
        assert_eq!(here.try_write(&[7]), Ok(0));
        world.run_for(Duration::from_millis(1));
        assert_eq!(there.try_read(&mut [0; 8]), Ok(Some(8)));
        assert_eq!(there.peer(), id(A));
    }
}

#[test]
fn the_command_line_says_how_the_node_is_wired() {
    use crate::net::{Config, DEFAULT_MAX_CONNECTIONS};
    use wayfarer_proto::boot::{BootWords, NetKind};
    let line = "node=2 nodes=3 epoch=0 net=dgram peers=1,3 mtu=1500 keepalive_ms=0";
    let mut words: BootWords = line.parse().unwrap();
    let config = Config::from_boot(&words, 128 << 20, 7);
    assert!(matches!(config.peers, Peers::Each(peers) if peers == [id(A), id(2)]));
    assert_eq!((config.node, config.mtu, config.limit), (id(B), 1500, None));
    assert_eq!(config.max_connections, DEFAULT_MAX_CONNECTIONS);
    words.net = NetKind::Tap;
    words.keepalive_ms = 1500;
    let config = Config::from_boot(&words, 2 << 30, 7);
    assert!(matches!(config.peers, Peers::All));
    assert_eq!(config.max_connections, 16 * 1024);
    assert_eq!(config.limit, Some(Duration::from_millis(1500)));
}

#[test]
fn a_network_needs_a_port_per_peer_and_a_sound_mtu() {
    use crate::net::{Config, ConfigError, Network};
    use wayfarer_proto::time::Instant;
    let make = |node, peers, mtu| {
        let mut config = Config::new(node, peers, 1);
        config.mtu = mtu;
        Network::new(config, vec![], Instant(0)).err()
    };
    let alone = Peers::Each(vec![]);
    assert_eq!(make(id(A), alone.clone(), 9000), None);
    assert_eq!(make(id(A), Peers::All, 9000), Some(ConfigError::MissingPorts));
    assert_eq!(make(id(A), alone.clone(), 100), Some(ConfigError::InvalidMtu(100)));
    assert_eq!(make(id(254), alone, 9000), Some(ConfigError::InvalidNode(id(254))));
}
