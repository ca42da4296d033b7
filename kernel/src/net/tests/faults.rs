//! Wires that lose, delay, stall and end.

use std::rc::Rc;
use std::time::Duration;

use super::stream::bulk;
use super::world::{A, B, World};
use super::{PORT, connect, echo};
use crate::net::{Config, Connection, Kind, Listener, ReadError, WriteError};

const SECOND: Duration = Duration::from_secs(1);
const MIB: usize = 1024 * 1024;

/// A connection between A and B, and what keeps it.
fn connected(world: &World) -> (Connection, Connection, Listener) {
    let listener = world.network(B).listen(PORT, Kind::Call).unwrap();
    let server = world.spawn(B, async move { (listener.accept().await, listener) });
    let client = world.spawn(A, connect(world.network(A), B, Kind::Call));
    let here = world.await_outcome(&client, SECOND);
    let (there, listener) = world.await_outcome(&server, SECOND);
    (here, there, listener)
}

#[test]
fn five_percent_loss_costs_time_but_no_byte() {
    let world = World::pair();
    world.faults.delay.set(Duration::from_micros(20));
    world.faults.loss.set(50);
    let bulk = bulk(&world, Kind::Image, 8 * MIB);
    let received = world.await_outcome(&bulk.receiver, SECOND * 600);
    let sent = world.await_outcome(&bulk.sender, SECOND * 60);
    println!(
        "5 % loss: {} segments, {} of them again, {} ms of virtual time",
        sent.segments_out,
        sent.retransmissions,
        world.now().0 / 1_000_000,
    );
    assert_eq!(received.bytes_in, 8 * MIB as u64);
    assert!(sent.retransmissions > 0);
    assert!(world.network(A).totals().retransmissions >= sent.retransmissions);
}

#[test]
fn an_idle_connection_notices_a_cut_within_the_limit() {
    for world in World::both() {
        let (here, there, _listener) = connected(&world);
        world.run_for(SECOND * 60);
        world.cut(true);
        let cut_at = world.now();
        let reader = world.spawn(A, async move { here.read(&mut [0]).await });
        let error = world.await_outcome(&reader, SECOND * 31);
        assert_eq!(error, Err(ReadError::TimedOut));
        let noticed = world.now().since(cut_at);
        assert!(
            noticed > SECOND * 19,
            "{noticed:?}: limit less one probe interval at the earliest"
        );
        world.run_for(SECOND * 15);
        assert_eq!(there.try_write(&[0]), Err(WriteError::TimedOut));
    }
}

#[test]
fn a_writer_notices_a_cut_within_the_limit() {
    let limited = |config: &mut Config| config.limit = Some(SECOND * 3);
    for world in [World::meshed(2, limited), World::sharing(limited)] {
        let (here, _there, _listener) = connected(&world);
        world.run_for(SECOND * 100);
        world.cut(true);
        let writer = world.spawn(A, async move { here.write_all(&[0; 100_000]).await });
        let error = world.await_outcome(&writer, SECOND * 3 + Duration::from_millis(1));
        assert_eq!(error, Err(WriteError::TimedOut));
    }
}

#[test]
fn without_a_limit_a_connection_survives_any_silence() {
    let unlimited = |config: &mut Config| config.limit = None;
    for world in [World::meshed(2, unlimited), World::sharing(unlimited)] {
        let (here, there, _listener) = connected(&world);
        let here = Rc::new(here);
        let writer = here.clone();
        world.cut(true);
        world.spawn(A, async move { writer.write_all(b"still there").await.unwrap() });
        world.run_for(SECOND * 3600);
        world.cut(false);
        let reader = world.spawn(B, async move {
            let mut data = [0; 11];
            there.read(&mut data).await.map(|()| data)
        });
        assert_eq!(world.await_outcome(&reader, SECOND * 61), Ok(*b"still there"));
    }
}

#[test]
fn a_stall_within_the_limit_is_survived() {
    let world = World::pair();
    let (here, there, _listener) = connected(&world);
    world.spawn(B, async move { echo(there).await });
    let client = world.spawn(A, async move {
        let mut answer = [0; 3];
        for _ in 0..10 {
            here.write_all(b"abc").await.unwrap();
            here.read(&mut answer).await.unwrap();
        }
        here.close().await.unwrap();
        here.counters()
    });
    world.faults.stalled_until.set(world.now() + SECOND * 10);
    let counters = world.await_outcome(&client, SECOND * 30);
    assert_eq!(counters.bytes_in, 30);
    assert!(counters.retransmissions > 0);
}

#[test]
fn a_lost_syn_is_sent_again() {
    let world = World::pair();
    let listener = world.network(B).listen(PORT, Kind::Call).unwrap();
    world.spawn(B, async move { drop(listener.accept().await) });
    world.cut(true);
    let client = world.spawn(A, connect(world.network(A), B, Kind::Call));
    world.run_for(Duration::from_millis(500));
    world.cut(false);
    let connection = world.await_outcome(&client, SECOND);
    assert_eq!(connection.counters().retransmissions, 1);
}

#[test]
fn a_full_port_loses_nothing() {
    let world = World::pair();
    let (here, there, _listener) = connected(&world);
    world.spawn(B, async move { echo(there).await });
    let client = world.spawn(A, async move {
        let mut answer = [0; 3];
        here.write_all(b"abc").await.unwrap();
        here.read(&mut answer).await.unwrap();
        here.close().await.unwrap();
        here.counters()
    });
    world.faults.refusals.set(100);
    let counters = world.await_outcome(&client, Duration::from_millis(100));
    assert_eq!((counters.bytes_in, counters.retransmissions), (3, 0));
}

#[test]
fn a_last_frame_kept_back_is_sent_when_there_is_room() {
    let world = World::pair();
    let (here, there, _listener) = connected(&world);
    world.run_for(SECOND);
    // Four segments, a whole turn: nothing is queued when the port refuses the last.
    assert_eq!(here.try_write(&[7; 32_000]), Ok(32_000));
    let reader = world.spawn(B, async move { there.read(&mut [0; 32_000]).await });
    world.faults.admissions.set(3);
    world.faults.refusals.set(5);
    assert_eq!(world.await_outcome(&reader, Duration::from_millis(1)), Ok(()));
    assert_eq!(here.counters().retransmissions, 0);
}

#[test]
fn a_node_that_vanishes_leaves_no_socket_behind() {
    for world in World::both() {
        let (here, there, listener) = connected(&world);
        world.cut(true);
        drop((here, there, listener));
        world.run_for(SECOND * 10);
        assert_eq!((world.network(A).sockets(), world.network(B).sockets()), (0, 0));
        world.cut(false);
        let (here, _there, _listener) = connected(&world);
        world.cut(true);
        let closer = world.spawn(A, async move { here.close().await });
        assert_eq!(world.await_outcome(&closer, SECOND * 31), Err(WriteError::TimedOut));
    }
}

#[test]
fn a_forgotten_connection_is_reset_and_no_other() {
    for others in [0, 3] {
        let world = World::pair();
        let connect = || {
            let (here, there, _listener) = connected(&world);
            (here, there)
        };
        let (here, there) = connect();
        let kept: Vec<_> = (0..others).map(|_| connect()).collect();
        world.run_for(SECOND);
        // The reset is lost.
        world.cut(true);
        drop(here);
        world.run_for(SECOND);
        world.cut(false);
        let reader = world.spawn(B, async move { there.read(&mut [0]).await });
        assert_eq!(world.await_outcome(&reader, SECOND * 21), Err(ReadError::Reset));
        world.run_for(SECOND * 60);
        for (here, there) in kept {
            assert_eq!((here.try_write(b"x"), there.try_read(&mut [0])), (Ok(1), Ok(None)));
        }
    }
}
