//! Making connections, refusing them, ending them.

use std::time::Duration;

use super::world::{A, B, C, World, id};
use super::{PORT, connect, echo};
use crate::net::{BACKLOG, ConnectError, Kind, ListenError, ReadError, WriteError};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn two_nodes_connect_and_echo() {
    for world in World::both() {
        let listener = world.network(B).listen(PORT, Kind::Call).unwrap();
        let served = world.spawn(B, async move { echo(listener.accept().await).await });
        let network = world.network(A);
        let client = world.spawn(A, async move {
            let connection = connect(network, B, Kind::Call).await;
            assert_eq!(connection.peer(), id(B));
            let mut answer = [0; 5];
            connection.write_all(b"hello").await.unwrap();
            connection.read(&mut answer).await.unwrap();
            connection.close().await.unwrap();
            assert_eq!(connection.read(&mut [0]).await, Err(ReadError::Closed));
            (answer, connection.counters())
        });
        let (answer, counters) = world.await_outcome(&client, SECOND);
        assert_eq!(&answer, b"hello");
        assert_eq!((counters.bytes_in, counters.bytes_out, counters.retransmissions), (5, 5, 0));
        assert_eq!(world.await_outcome(&served, SECOND), 5);
        world.run_for(SECOND);
        assert_eq!((world.network(A).sockets(), world.network(B).sockets()), (0, 0));
    }
}

#[test]
fn each_node_of_three_reaches_the_others() {
    for world in [World::meshed(3, |_| {}), World::bridged(3)] {
        let mut clients = vec![];
        for node in [A, B, C] {
            let listener = world.network(node).listen(PORT, Kind::Call).unwrap();
            world.spawn(node, async move {
                for _ in 0..2 {
                    echo(listener.accept().await).await;
                }
            });
            for peer in [A, B, C].into_iter().filter(|&peer| peer != node) {
                let network = world.network(node);
                clients.push(world.spawn(node, async move {
                    let connection = connect(network, peer, Kind::Call).await;
                    let sent = [node as u8, peer as u8];
                    connection.write_all(&sent).await.unwrap();
                    let mut answer = [0; 2];
                    connection.read(&mut answer).await.unwrap();
                    assert_eq!(answer, sent);
                    connection.close().await.unwrap();
                }));
            }
        }
        for client in clients {
            world.await_outcome(&client, SECOND);
        }
    }
}

#[test]
fn nobody_listens() {
    let world = World::pair();
    let network = world.network(A);
    let client =
        world.spawn(A, async move { network.connect(id(B), PORT, Kind::Call).await.err() });
    assert_eq!(world.await_outcome(&client, SECOND), Some(ConnectError::Refused));
    assert_eq!(world.network(B).totals().unmatched, 9, "the first attempt and eight more");
    world.run_for(SECOND);
    assert_eq!(world.network(A).sockets(), 0);
}

#[test]
fn a_listener_that_comes_a_little_late_is_reached() {
    for world in World::both() {
        let network = world.network(A);
        let client =
            world.spawn(A, async move { network.connect(id(B), PORT, Kind::Call).await.err() });
        world.run_for(Duration::from_millis(30));
        let listener = world.network(B).listen(PORT, Kind::Call).unwrap();
        world.spawn(B, async move { drop(listener.accept().await) });
        assert_eq!(world.await_outcome(&client, SECOND), None);
    }
}

#[test]
fn unknown_and_silent_nodes() {
    for world in World::both() {
        let network = world.network(A);
        for node in [id(A), id(C)] {
            let network = network.clone();
            let client =
                world.spawn(A, async move { network.connect(node, PORT, Kind::Call).await.err() });
            let error = world.await_outcome(&client, SECOND);
            assert_eq!(error, Some(ConnectError::NoRoute(node)));
        }
        world.cut(true);
        let client =
            world.spawn(A, async move { network.connect(id(B), PORT, Kind::Call).await.err() });
        let error = world.await_outcome(&client, Duration::from_millis(5001));
        assert_eq!(error, Some(ConnectError::TimedOut));
        world.run_for(SECOND);
        assert_eq!(world.network(A).sockets(), 0);
    }
}

#[test]
fn a_port_has_one_listener_at_a_time() {
    let network = World::pair().network(A);
    let listener = network.listen(PORT, Kind::Call).unwrap();
    assert_eq!(network.listen(PORT, Kind::Call).err(), Some(ListenError::InUse));
    assert_eq!(network.listen(0, Kind::Call).err(), Some(ListenError::InvalidPort));
    assert_eq!(listener.port(), PORT);
    drop(listener);
    assert!(network.listen(PORT, Kind::Call).is_ok());
}

#[test]
fn a_connection_waits_in_the_backlog_with_its_data() {
    for world in World::both() {
        let listener = world.network(B).listen(PORT, Kind::Call).unwrap();
        let network = world.network(A);
        let client = world.spawn(A, async move {
            let connection = connect(network, B, Kind::Call).await;
            connection.write_all(b"early").await.unwrap();
            connection.close().await.unwrap();
        });
        world.await_outcome(&client, SECOND);
        world.run_for(SECOND * 10);
        let server = world.spawn(B, async move {
            let connection = listener.accept().await;
            let mut data = [0; 5];
            connection.read(&mut data).await.unwrap();
            assert_eq!(connection.read(&mut [0]).await, Err(ReadError::Closed));
            data
        });
        assert_eq!(&world.await_outcome(&server, SECOND), b"early");
    }
}

#[test]
fn a_full_backlog_refuses_and_is_emptied_by_dropping_the_listener() {
    for world in World::both() {
        let listener = world.network(B).listen(PORT, Kind::Call).unwrap();
        let clients: Vec<_> = (0..BACKLOG + 1)
            .map(|_| {
                let network = world.network(A);
                world.spawn(A, async move { network.connect(id(B), PORT, Kind::Call).await })
            })
            .collect();
        world.run_for(SECOND);
        let refused = clients.iter().filter(|client| matches!(&*client.borrow(), Some(Err(_))));
        assert_eq!(refused.count(), 1);
        assert_eq!(world.network(B).sockets(), BACKLOG);
        drop(listener);
        world.run_for(SECOND);
        assert_eq!(world.network(B).sockets(), 0);
        let connection =
            clients.iter().find_map(|client| client.borrow_mut().take()?.ok()).unwrap();
        assert_eq!(connection.try_read(&mut [0]), Err(ReadError::Reset));
        assert_eq!(connection.try_write(&[0]), Err(WriteError::Reset));
    }
}

#[test]
fn a_dropped_connection_is_reset_and_data_before_it_still_read() {
    for world in World::both() {
        let listener = world.network(B).listen(PORT, Kind::Call).unwrap();
        let network = world.network(A);
        world.spawn(A, async move {
            let connection = connect(network, B, Kind::Call).await;
            connection.write_all(b"half a mess").await.unwrap();
            connection.read(&mut [0]).await.unwrap();
        });
        let server = world.spawn(B, async move {
            let connection = listener.accept().await;
            let mut data = [0; 11];
            connection.read(&mut data).await.unwrap();
            connection.write_all(&[1]).await.unwrap();
            connection.read(&mut data).await
        });
        assert_eq!(world.await_outcome(&server, SECOND), Err(ReadError::Reset));
        world.run_for(SECOND);
        assert_eq!((world.network(A).sockets(), world.network(B).sockets()), (0, 0));
    }
}

#[test]
fn abort_wakes_the_tasks_that_wait_here() {
    for world in World::both() {
        let listener = world.network(B).listen(PORT, Kind::Call).unwrap();
        let _server = world.spawn(B, async move { (listener.accept().await, listener) });
        let client = world.spawn(A, connect(world.network(A), B, Kind::Call));
        let connection = std::rc::Rc::new(world.await_outcome(&client, SECOND));
        let reader = connection.clone();
        let reader = world.spawn(A, async move { reader.read(&mut [0]).await });
        let writer = connection.clone();
        let writer = world.spawn(A, async move { writer.write_all(&[0; 1_000_000]).await });
        world.run_for(SECOND);
        assert!(reader.borrow().is_none() && writer.borrow().is_none());
        connection.abort();
        assert_eq!(world.await_outcome(&reader, SECOND), Err(ReadError::Aborted));
        assert_eq!(world.await_outcome(&writer, SECOND), Err(WriteError::Aborted));
    }
}

#[test]
fn two_hundred_connections_leave_no_socket_behind() {
    for world in World::both() {
        let listener = world.network(B).listen(PORT, Kind::Call).unwrap();
        let spawner_world = std::rc::Rc::new(world);
        let world = spawner_world.clone();
        let server = spawner_world.spawn(B, async move {
            for _ in 0..200 {
                let connection = listener.accept().await;
                spawner(&world, connection);
            }
        });
        let world = spawner_world;
        let clients: Vec<_> = (0..200_u8)
            .map(|number| {
                let network = world.network(A);
                world.spawn(A, async move {
                    let connection = connect(network, B, Kind::Call).await;
                    connection.write_all(&[number; 100]).await.unwrap();
                    let mut answer = [0; 100];
                    connection.read(&mut answer).await.unwrap();
                    assert_eq!(answer, [number; 100]);
                    match number % 3 {
                        0 => connection.close().await.unwrap(),
                        1 => connection.abort(),
                        _ => {}
                    }
                })
            })
            .collect();
        for client in &clients {
            world.await_outcome(client, SECOND * 5);
        }
        world.await_outcome(&server, SECOND);
        world.run_for(SECOND * 6);
        assert_eq!((world.network(A).sockets(), world.network(B).sockets()), (0, 0));
        assert_eq!(world.network(A).poll_at(), None, "nothing left to wait for");
    }
}

/// Answers once and waits for the end, whatever it is.
fn spawner(world: &World, connection: crate::net::Connection) {
    world.spawn(B, async move {
        let mut data = [0; 100];
        connection.read(&mut data).await.unwrap();
        connection.write_all(&data).await.unwrap();
        if connection.read(&mut [0]).await == Err(ReadError::Closed) {
            connection.close().await.unwrap();
        }
    });
}
