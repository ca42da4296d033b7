//! What idle connections cost those that are not. The figures of README ("What it costs") are
//! printed by `cargo test -p wayfarer-kernel --lib idle -- --nocapture`.

use std::time::{Duration, Instant};

use super::world::{A, B, World};
use super::{PORT, connect};
use crate::net::{Connection, Kind};

/// The least over batches of the time of one `round`, in nanoseconds: a busy machine does not
/// disturb all of them.
fn least(mut round: impl FnMut()) -> u128 {
    const BATCHES: usize = 100;
    const ROUNDS: usize = 20;
    let batch = |_| {
        let start = Instant::now();
        (0..ROUNDS).for_each(|_| round());
        start.elapsed().as_nanos() / ROUNDS as u128
    };
    (0..BATCHES).map(batch).min().unwrap_or_default()
}

/// `count` connections between two stacks: both ends of each.
pub(super) fn connections(world: &World, count: usize) -> (Vec<Connection>, Vec<Connection>) {
    let listener = world.network(B).listen(PORT, Kind::Call).unwrap();
    let server = world.spawn(B, async move {
        let mut connections = vec![];
        for _ in 0..count {
            connections.push(listener.accept().await);
        }
        connections
    });
    let network = world.network(A);
    let client = world.spawn(A, async move {
        let mut connections = vec![];
        for _ in 0..count {
            connections.push(connect(network.clone(), B, Kind::Call).await);
        }
        connections
    });
    let limit = Duration::from_secs(1);
    (world.await_outcome(&client, limit), world.await_outcome(&server, limit))
}

/// The time of one request and reply between two stacks with `idle` other connections, in
/// nanoseconds, and that of a poll with nothing to do.
fn measure(idle: usize) -> (u128, u128) {
    let world = World::pair();
    let (here, there) = connections(&world, idle + 1);
    let (here_network, there_network, now) = (world.network(A), world.network(B), world.now());
    let (here_active, there_active) = (here.last().unwrap(), there.last().unwrap());
    let mut buffer = [0; 64];
    let exchange = least(|| {
        here_active.try_write(&[1; 64]).unwrap();
        here_network.poll(now);
        there_network.poll(now);
        assert_eq!(there_active.try_read(&mut buffer), Ok(Some(64)));
        there_active.try_write(&[2; 64]).unwrap();
        there_network.poll(now);
        here_network.poll(now);
        assert_eq!(here_active.try_read(&mut buffer), Ok(Some(64)));
    });
    let poll = least(|| {
        here_network.poll(now);
        here_network.poll_at();
    });
    (exchange, poll)
}

#[test]
fn an_exchange_costs_the_same_beside_a_thousand_idle_connections() {
    measure(1);
    let results: Vec<_> = [0, 10, 100, 1000].map(|idle| (idle, measure(idle))).into();
    for (idle, (exchange, poll)) in &results {
        println!("{idle:5} idle channels: empty poll {poll} ns, request and reply {exchange} ns");
    }
    // Linear cost would be a hundredfold; the bound leaves room for a busy machine.
    assert!(results[3].1.0 < 10 * results[0].1.0.max(1000));
}

#[test]
fn a_thousand_idle_connections_want_nothing_between_their_keep_alives() {
    let world = World::pair();
    let ends = connections(&world, 1000);
    world.run_for(Duration::from_secs(1));
    let until = world.now() + Duration::from_secs(5);
    for node in [A, B] {
        let network = world.network(node);
        assert!(network.poll_at().is_none_or(|at| at > until), "a timer before the keep-alive");
        assert!(!network.poll(world.now()), "something to do");
    }
    let frames = world.wires[0].frames_during(|| world.run_for(Duration::from_secs(5)));
    assert!(frames.is_empty(), "{} frames", frames.len());
    drop(ends);
}

#[test]
fn a_thousand_idle_connections_live_by_one_beat_for_a_pair_of_nodes() {
    let world = World::pair();
    let ends = connections(&world, 1000);
    let frames = world.wires[0].frames_during(|| world.run_for(Duration::from_secs(100)));
    assert!((18..=22).contains(&frames.len()), "one each way in 10 s, not {}", frames.len());
    assert_eq!((world.network(A).sockets(), world.network(B).sockets()), (1000, 1000));
    drop(ends);
}
