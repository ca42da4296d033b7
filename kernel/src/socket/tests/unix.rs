//! Connections, limits, names, and files on their way.

use alloc::rc::Rc;

use wayfarer_machine::FramePool;
use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::fcntl::OpenFlags;
use wayfarer_proto::linux::poll::PollEvents;

use super::{ME, receive, send};
use crate::fs::OpenFile;
use crate::fs::nameless::Nameless;
use crate::fs::testing::{TestClock, TestTree};
use crate::socket::unix::UnixSocket;
use crate::socket::{Address, Family, Kind, Protocol, Shutdown, Socket, Sockets, UnixName};

struct World {
    sockets: Sockets,
    tree: TestTree,
    nameless: Nameless,
    pool: FramePool,
}

impl World {
    fn new() -> Self {
        let pool = FramePool::arena(256);
        let nameless = Nameless::new(Rc::new(TestClock::default()));
        Self { sockets: Sockets::new(&pool), tree: TestTree::new(), nameless, pool }
    }

    fn pair(&self, kind: Kind) -> (Rc<UnixSocket>, Rc<UnixSocket>) {
        UnixSocket::pair(&self.sockets.unix, kind, ME)
    }

    fn open(&self, protocol: Rc<UnixSocket>, kind: Kind) -> Rc<OpenFile> {
        let socket = Socket::new(Family::Unix, kind, 0, protocol, &self.sockets.flight);
        let all = self.tree.vfs.open_files();
        self.nameless.open_socket(socket, OpenFlags::empty(), all)
    }
}

#[test]
fn a_stream_joins_what_was_sent_and_messages_stay_apart() {
    let world = World::new();
    let (one, other) = world.pair(Kind::Stream);
    send(&*one, b"ab", &[]).unwrap();
    send(&*one, b"cd", &[]).unwrap();
    assert_eq!(receive(&*other, 3).unwrap(), b"abc");
    assert_eq!(receive(&*other, 3).unwrap(), b"d");
    assert_eq!(receive(&*other, 3), Err(Errno::EAGAIN));
    let (one, other) = world.pair(Kind::SeqPacket);
    send(&*one, b"ab", &[]).unwrap();
    send(&*one, b"cd", &[]).unwrap();
    assert_eq!(receive(&*other, 1).unwrap(), b"a");
    assert_eq!(receive(&*other, 9).unwrap(), b"cd");
}

#[test]
fn a_full_buffer_is_not_written_to_until_it_is_read() {
    let world = World::new();
    let (one, other) = world.pair(Kind::Stream);
    let data = std::vec![1; 300_000];
    let sent = send(&*one, &data, &[]).unwrap();
    assert!(sent < data.len());
    assert_eq!(send(&*one, &data, &[]), Err(Errno::EAGAIN));
    assert!(!one.poll().contains(PollEvents::OUT));
    assert_eq!(receive(&*other, data.len()).unwrap().len(), sent);
    assert!(one.poll().contains(PollEvents::OUT));
}

#[test]
fn frames_are_given_back() {
    let world = World::new();
    let free = world.pool.counts().free;
    let (one, other) = world.pair(Kind::Stream);
    send(&*one, &std::vec![1; 100_000], &[]).unwrap();
    assert!(world.pool.counts().free < free);
    drop((one, other));
    assert_eq!(world.pool.counts().free, free);
}

#[test]
fn a_half_that_is_shut_is_an_end_and_a_broken_pipe() {
    let world = World::new();
    let (one, other) = world.pair(Kind::Stream);
    send(&*one, b"last", &[]).unwrap();
    one.shutdown(Shutdown { receive: false, send: true }).unwrap();
    assert_eq!(send(&*one, b"x", &[]), Err(Errno::EPIPE));
    assert_eq!(receive(&*other, 9).unwrap(), b"last");
    assert_eq!(receive(&*other, 9).unwrap(), b"");
    assert_eq!(send(&*other, b"back", &[]), Ok(4));
}

#[test]
fn what_nobody_read_is_an_error_at_the_sender() {
    let world = World::new();
    let (one, other) = world.pair(Kind::Stream);
    send(&*one, b"unread", &[]).unwrap();
    other.close(None);
    assert_eq!(receive(&*one, 9), Err(Errno::ECONNRESET));
    assert_eq!(receive(&*one, 9).unwrap(), b"", "only once");
}

#[test]
fn names_are_free_again_when_their_socket_is_closed() {
    let world = World::new();
    let name = Address::Unix(UnixName::Abstract(b"name".to_vec()));
    let bound = UnixSocket::new(&world.sockets.unix, Kind::Stream);
    let other = UnixSocket::new(&world.sockets.unix, Kind::Stream);
    bound.bind(&name).unwrap();
    assert_eq!(other.bind(&name), Err(Errno::EADDRINUSE));
    assert_eq!(other.connect(&name, ME), Err(Errno::ECONNREFUSED), "nobody listens");
    bound.listen(0, ME).unwrap();
    other.connect(&name, ME).unwrap();
    let third = UnixSocket::new(&world.sockets.unix, Kind::Stream);
    assert_eq!(third.connect(&name, ME), Err(Errno::EAGAIN), "the backlog is full");
    bound.close(None);
    assert_eq!(receive(&*other, 1), Err(Errno::ECONNRESET), "it was never accepted");
    assert_eq!(third.bind(&name), Ok(()));
}

#[test]
fn sockets_that_only_hold_each_other_are_thrown_away() {
    let world = World::new();
    let (one, other) = world.pair(Kind::Stream);
    let files = [world.open(one.clone(), Kind::Stream), world.open(other.clone(), Kind::Stream)];
    // Each is in a message to itself, and the null device with them.
    let null = world.tree.open_null();
    send(&*one, b"x", &[files[1].clone(), null.clone()]).unwrap();
    send(&*other, b"x", &[files[0].clone()]).unwrap();
    world.sockets.flight.collect();
    assert_eq!(Rc::strong_count(&null), 2, "there are descriptors still");
    drop(files);
    world.sockets.flight.collect();
    assert_eq!(Rc::strong_count(&null), 1);
}

#[test]
fn a_deep_nest_of_sockets_is_freed_without_recursion() {
    let world = World::new();
    let null = world.tree.open_null();
    let mut inner = null.clone();
    for _ in 0..20_000 {
        let (one, other) = world.pair(Kind::Datagram);
        // The pair's sending end is dropped: what it has sent waits at the other.
        send(&*one, b"", &[inner]).unwrap();
        inner = world.open(other, Kind::Datagram);
    }
    assert_eq!(Rc::strong_count(&null), 2);
    drop(inner);
    assert_eq!(Rc::strong_count(&null), 1);
}
