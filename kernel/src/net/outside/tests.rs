//! A program's sockets and a peer that is smoltcp's, on one wire.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::time::Duration;

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::socket::{tcp, udp};
use smoltcp::wire::{EthernetAddress, HardwareAddress, IpCidr, IpEndpoint, Ipv4Address};
use wayfarer_machine::FramePool;
use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::poll::PollEvents;
use wayfarer_proto::linux::socket::Credentials;
use wayfarer_proto::time::Instant;

use super::card::Card;
use super::world::Outside;
use crate::net::clock;
use crate::net::port::{Port, QueueFull};
use crate::socket::inet::{InetWorld, TcpSocket, UdpSocket};
use crate::socket::{Address, InetAddress, Outgoing, Protocol, Receive, Shutdown, Sockets};

const PEER: [u8; 4] = [10, 0, 2, 2];
const OWN: [u8; 4] = [10, 0, 2, 15];
const ME: Credentials = Credentials { pid: 7, uid: 0, gid: 0 };

type Queue = Rc<RefCell<VecDeque<Vec<u8>>>>;

/// One end of a wire.
struct End {
    number: u8,
    from: Queue,
    to: Queue,
}

impl Port for End {
    fn mac(&self) -> [u8; 6] {
        [2, 0, 0, 0, 0, self.number]
    }

    fn mtu(&self) -> usize {
        1500
    }

    fn receive(&mut self, accept: &mut dyn FnMut(&[u8])) -> bool {
        let frame = self.from.borrow_mut().pop_front();
        frame.map(|frame| accept(&frame)).is_some()
    }

    fn send(&mut self, len: usize, fill: &mut dyn FnMut(&mut [u8])) -> Result<(), QueueFull> {
        let mut frame = std::vec![0; len];
        fill(&mut frame);
        self.to.borrow_mut().push_back(frame);
        Ok(())
    }
}

struct World {
    inet: Rc<InetWorld>,
    outside: Rc<Outside>,
    card: Card,
    interface: Interface,
    sockets: SocketSet<'static>,
    now: Instant,
}

impl World {
    fn new() -> Self {
        let (here, there) = (Queue::default(), Queue::default());
        let own = End { number: 1, from: here.clone(), to: there.clone() };
        let pool = FramePool::arena(256);
        let outside = Outside::new(Box::new(own), &pool, 1, Instant(0));
        let inet = Sockets::new(&pool).inet;
        inet.set_uplink(outside.clone());
        let mut card = Card::new(Box::new(End { number: 2, from: there, to: here }));
        let config = Config::new(HardwareAddress::Ethernet(EthernetAddress(card.mac())));
        let mut interface = Interface::new(config, &mut card, clock::to_tcp(Instant(0)));
        interface.update_ip_addrs(|addresses| {
            addresses.push(IpCidr::new(Ipv4Address::from(PEER).into(), 24)).unwrap();
        });
        let (sockets, now) = (SocketSet::new(Vec::new()), Instant(0));
        Self { inet, outside, card, interface, sockets, now }
    }

    /// Lets both ends do what they have to do, for half a second.
    fn run(&mut self) {
        for _ in 0..50 {
            self.now = self.now + Duration::from_millis(10);
            self.outside.poll(self.now);
            self.card.fetch(&mut |_| {});
            let time = clock::to_tcp(self.now);
            self.interface.poll(time, &mut self.card, &mut self.sockets);
            self.outside.poll(self.now);
        }
    }

    fn peer_socket(&mut self) -> SocketHandle {
        let buffer = || tcp::SocketBuffer::new(std::vec![0; 4096]);
        self.sockets.add(tcp::Socket::new(buffer(), buffer()))
    }

    fn peer(&mut self, handle: SocketHandle) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(handle)
    }

    /// A program's socket that listens at port 80.
    fn server(&self) -> Rc<TcpSocket> {
        let server = TcpSocket::new(&self.inet);
        server.bind(&address([0; 4], 80)).unwrap();
        server.listen(1, ME).unwrap();
        server
    }

    fn dial(&mut self, local: u16) -> SocketHandle {
        let handle = self.peer_socket();
        let remote = IpEndpoint::new(Ipv4Address::from(OWN).into(), 80);
        let context = self.interface.context();
        self.sockets.get_mut::<tcp::Socket<'_>>(handle).connect(context, remote, local).unwrap();
        self.run();
        handle
    }
}

fn address(ip: [u8; 4], port: u16) -> Address {
    Address::Inet(InetAddress { ip, port })
}

fn send(socket: &dyn Protocol, data: &[u8]) -> Result<usize, Errno> {
    socket.send(&Outgoing { data, target: None, credentials: ME, files: &[] })
}

fn receive(socket: &dyn Protocol) -> Result<Vec<u8>, Errno> {
    socket.receive(&Receive { max: 100_000, peek: false }).map(|incoming| incoming.data)
}

#[test]
fn a_program_calls_out() {
    let mut world = World::new();
    let handle = world.peer_socket();
    world.peer(handle).listen(80).unwrap();
    let client = TcpSocket::new(&world.inet);
    assert_eq!(client.connect(&address(PEER, 80), ME), Err(Errno::EINPROGRESS));
    assert_eq!(client.poll(), PollEvents::empty());
    world.run();
    assert_eq!(client.poll(), PollEvents::WRITABLE);
    assert_eq!(send(&*client, b"question"), Ok(8));
    world.run();
    world.peer(handle).recv(|bytes| (bytes.len(), assert_eq!(bytes, b"question"))).unwrap();
    world.peer(handle).send_slice(b"answer").unwrap();
    world.peer(handle).close();
    world.run();
    assert_eq!(receive(&*client).unwrap(), b"answer");
    assert_eq!(receive(&*client).unwrap(), b"", "the end");
    client.shutdown(Shutdown { receive: false, send: true }).unwrap();
    world.run();
    assert_eq!(world.peer(handle).state(), tcp::State::TimeWait);
}

#[test]
fn a_refusal_is_told() {
    let mut world = World::new();
    let client = TcpSocket::new(&world.inet);
    assert_eq!(client.connect(&address(PEER, 81), ME), Err(Errno::EINPROGRESS));
    world.run();
    assert_eq!(client.connect(&address(PEER, 81), ME), Err(Errno::ECONNREFUSED));
}

#[test]
fn programs_are_called_and_the_backlog_is_theirs() {
    let mut world = World::new();
    let server = world.server();
    let first = world.dial(1001);
    assert_eq!(server.poll(), PollEvents::READABLE);
    let accepted = server.accept().unwrap();
    assert_eq!(accepted.peer().map(|peer| peer.to_bytes()), Ok(address(PEER, 1001).to_bytes()));
    world.peer(first).send_slice(b"hello").unwrap();
    world.run();
    assert_eq!(receive(&*accepted).unwrap(), b"hello");
    let others: Vec<_> = (0..3).map(|port| world.dial(2000 + port)).collect();
    let open = |world: &mut World, handle| world.peer(handle).state() == tcp::State::Established;
    assert!(open(&mut world, others[0]) && open(&mut world, others[1]));
    assert!(!open(&mut world, others[2]), "there was room for two");
}

#[test]
fn a_program_that_does_not_read_is_not_sent_more() {
    let mut world = World::new();
    let server = world.server();
    let handle = world.dial(1001);
    let accepted = server.accept().unwrap();
    let mut sent = 0;
    for _ in 0..400 {
        sent += world.peer(handle).send_slice(&[7; 4096]).unwrap();
        world.run();
    }
    assert!(sent < 400 * 4096, "its window is closed");
    let mut read = 0;
    while let Ok(bytes) = receive(&*accepted) {
        read += bytes.len();
        world.run();
    }
    assert_eq!(read, sent, "no byte is lost");
}

#[test]
fn resets_go_both_ways() {
    let mut world = World::new();
    let server = world.server();
    let handle = world.dial(1001);
    let accepted = server.accept().unwrap();
    world.peer(handle).abort();
    world.run();
    assert_eq!(receive(&*accepted), Err(Errno::ECONNRESET));
    let handle = world.dial(1002);
    let accepted = server.accept().unwrap();
    world.peer(handle).send_slice(b"unread").unwrap();
    world.run();
    accepted.close(None);
    drop(accepted);
    world.run();
    assert_eq!(world.peer(handle).state(), tcp::State::Closed);
}

#[test]
fn datagrams_go_out_and_come_back() {
    let mut world = World::new();
    let buffer =
        || udp::PacketBuffer::new(std::vec![udp::PacketMetadata::EMPTY; 4], std::vec![0; 4096]);
    let mut peer = udp::Socket::new(buffer(), buffer());
    peer.bind(53).unwrap();
    let handle = world.sockets.add(peer);
    let client = UdpSocket::new(&world.inet);
    client.connect(&address(PEER, 53), ME).unwrap();
    assert_eq!(send(&*client, b"query"), Ok(5));
    assert_eq!(send(&*client, &[0; 1473]), Err(Errno::EMSGSIZE));
    world.run();
    let socket = world.sockets.get_mut::<udp::Socket<'_>>(handle);
    let (data, from) = socket.recv().unwrap();
    assert_eq!(data, b"query");
    socket.send_slice(b"reply", from).unwrap();
    world.run();
    assert_eq!(receive(&*client).unwrap(), b"reply");
}
