//! TCP and UDP between sockets of one node.

use alloc::rc::Rc;
use core::time::Duration;

use wayfarer_machine::FramePool;
use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::poll::PollEvents;

use super::{ME, receive, send};
use crate::socket::inet::{InetWorld, TcpSocket, UdpSocket};
use crate::socket::{Address, InetAddress, Outgoing, Protocol, Shutdown, Sockets};

fn world() -> Rc<InetWorld> {
    Sockets::new(&FramePool::arena(128)).inet
}

fn at(port: u16) -> Address {
    Address::Inet(InetAddress { ip: [127, 0, 0, 1], port })
}

fn listener(world: &Rc<InetWorld>, port: u16, backlog: usize) -> Rc<TcpSocket> {
    let socket = TcpSocket::new(world);
    socket.bind(&at(port)).unwrap();
    socket.listen(backlog, ME).unwrap();
    socket
}

/// A connection: the client's socket and the server's.
fn connected(world: &Rc<InetWorld>) -> (Rc<TcpSocket>, Rc<dyn Protocol>) {
    let server = listener(world, 80, 1);
    let client = TcpSocket::new(world);
    assert_eq!(client.connect(&at(80), ME), Err(Errno::EINPROGRESS));
    let accepted = server.accept().unwrap();
    server.close(None);
    (client, accepted)
}

#[test]
fn a_connection_is_told_once() {
    let world = world();
    let server = listener(&world, 80, 1);
    let client = TcpSocket::new(&world);
    assert_eq!(client.connect(&at(80), ME), Err(Errno::EINPROGRESS));
    assert_eq!(client.poll(), PollEvents::WRITABLE);
    assert_eq!(client.connect(&at(80), ME), Ok(()));
    assert_eq!(client.connect(&at(80), ME), Err(Errno::EISCONN));
    let accepted = server.accept().unwrap();
    assert!(server.accept().is_err_and(|error| error == Errno::EAGAIN));
    send(&*client, b"there", &[]).unwrap();
    assert_eq!(receive(&*accepted, 9).unwrap(), b"there");
}

#[test]
fn nobody_listens() {
    let world = world();
    let client = TcpSocket::new(&world);
    assert_eq!(client.connect(&at(80), ME), Err(Errno::EINPROGRESS));
    let failed = PollEvents::READABLE
        | PollEvents::WRITABLE
        | PollEvents::ERR
        | PollEvents::HUP
        | PollEvents::RDHUP;
    assert_eq!(client.poll(), failed);
    assert_eq!(client.connect(&at(80), ME), Err(Errno::ECONNREFUSED));
    let _server = listener(&world, 80, 1);
    assert_eq!(client.connect(&at(80), ME), Err(Errno::EINPROGRESS), "it can try again");
    assert_eq!(client.connect(&at(80), ME), Ok(()));
}

#[test]
fn a_full_backlog_is_waited_for() {
    let world = world();
    let server = listener(&world, 80, 0);
    let clients = [TcpSocket::new(&world), TcpSocket::new(&world)];
    for client in &clients {
        assert_eq!(client.connect(&at(80), ME), Err(Errno::EINPROGRESS));
    }
    assert_eq!(clients[1].poll(), PollEvents::empty());
    assert_eq!(clients[1].connect(&at(80), ME), Err(Errno::EALREADY));
    server.accept().map(drop).unwrap();
    assert_eq!(clients[1].poll(), PollEvents::WRITABLE);
}

#[test]
fn each_direction_ends_by_itself() {
    let world = world();
    let (client, server) = connected(&world);
    client.shutdown(Shutdown { receive: false, send: true }).unwrap();
    assert_eq!(receive(&*server, 1).unwrap(), b"");
    assert_eq!(send(&*server, b"still", &[]), Ok(5));
    assert_eq!(receive(&*client, 9).unwrap(), b"still");
    server.close(None);
    assert_eq!(receive(&*client, 9).unwrap(), b"");
    assert!(client.poll().contains(PollEvents::HUP));
}

#[test]
fn a_peer_that_is_gone_resets_what_is_sent_to_it() {
    let world = world();
    let (client, server) = connected(&world);
    server.close(None);
    drop(server);
    assert_eq!(send(&*client, b"x", &[]), Ok(1), "the first goes out");
    assert_eq!(send(&*client, b"x", &[]), Err(Errno::EPIPE));
    assert_eq!(receive(&*client, 1).unwrap(), b"");
    let (client, server) = connected(&world);
    server.close(Some(Duration::ZERO));
    drop(server);
    assert_eq!(receive(&*client, 1), Err(Errno::ECONNRESET));
    assert_eq!(send(&*client, b"x", &[]), Err(Errno::EPIPE));
}

#[test]
fn ports_are_shared_by_those_who_agree() {
    let world = world();
    let _server = listener(&world, 80, 1);
    let other = TcpSocket::new(&world);
    assert_eq!(other.bind(&at(80)), Err(Errno::EADDRINUSE));
    let elsewhere = Address::Inet(InetAddress { ip: [127, 0, 0, 2], port: 80 });
    assert_eq!(other.bind(&elsewhere), Ok(()));
    let foreign = Address::Inet(InetAddress { ip: [192, 0, 2, 1], port: 80 });
    assert_eq!(TcpSocket::new(&world).bind(&foreign), Err(Errno::EADDRNOTAVAIL));
    assert_eq!(TcpSocket::new(&world).connect(&foreign, ME), Err(Errno::ENETUNREACH));
}

#[test]
fn datagrams_find_the_socket_that_is_connected_to_their_sender() {
    let world = world();
    let [one, other, stranger] = [(); 3].map(|()| UdpSocket::new(&world));
    one.bind(&at(53)).unwrap();
    assert_eq!(send(&*other, b"x", &[]), Err(Errno::EDESTADDRREQ));
    let there = at(53);
    let message = |data| Outgoing { data, target: Some(&there), credentials: ME, files: &[] };
    other.send(&message(b"first")).unwrap();
    assert_eq!(receive(&*one, 9).unwrap(), b"first");
    one.connect(&other.local(), ME).unwrap();
    stranger.send(&message(b"lost")).unwrap();
    assert_eq!(receive(&*one, 9), Err(Errno::EAGAIN));
    other.close(None);
    drop(other);
    assert_eq!(send(&*one, b"x", &[]), Ok(1));
    assert_eq!(send(&*one, b"x", &[]), Err(Errno::ECONNREFUSED));
}
