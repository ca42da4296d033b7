//! Nodes that share memory: what passes there, what passes beside it, and what a peer that writes
//! nonsense into it can do.

use std::rc::Rc;
use std::time::Duration;

use wayfarer_machine::SharedMemory;
use wayfarer_proto::shared::{
    ANSWERS, AWAKE, BELL_TYPE, CUT, HEAD, Header, Op, PAIR_BYTES, RING_BYTES, RINGS, SESSION,
    SIDES, TAIL,
};
use wayfarer_proto::time::Instant;

use super::stream::bulk;
use super::wire::Wire;
use super::world::{A, B, World, id};
use super::{PORT, connect, echo};
use crate::net::port::{Port, QueueFull};
use crate::net::shared::Link;
use crate::net::{Config, Kind, Network, Peers, ReadError, SharedPort};

const SECOND: Duration = Duration::from_secs(1);
const MIB: usize = 1024 * 1024;

/// Two ports over one memory, each beside its end of a wire, and one more handle to the memory.
struct Pair {
    ports: [SharedPort; 2],
    wire: Rc<Wire>,
    memory: SharedMemory,
}

impl Pair {
    /// Two ports that have not met yet.
    fn strange() -> Self {
        let wire = Rc::new(Wire::default());
        let [a, b, memory] = SharedMemory::arena(PAIR_BYTES);
        let ports = [port(a, &wire, A, 3), port(b, &wire, B, 4)];
        Self { ports, wire, memory }
    }

    /// Two ports that have.
    fn met() -> Self {
        let mut pair = Self::strange();
        pair.exchange(b"hello");
        pair
    }

    fn send(&mut self, from: usize, frame: &[u8]) -> Result<(), QueueFull> {
        let sent = self.ports[from].send(frame.len(), &mut |buffer| buffer.copy_from_slice(frame));
        self.ports[from].announce();
        sent
    }

    /// What a port has received; a bell is none.
    fn received(&mut self, at: usize) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        while self.ports[at].receive(&mut |frame| frames.push(frame.to_vec())) {}
        frames
    }

    /// Sends a frame each way, and back again.
    #[track_caller]
    fn exchange(&mut self, frame: &[u8]) {
        for (from, to) in [(A, B), (B, A), (A, B), (B, A)] {
            self.send(from, frame).unwrap();
            assert_eq!(self.received(to), [frame], "from {from}");
        }
    }

    /// The bytes that pass through the wire meanwhile.
    fn wired(&mut self, act: impl FnOnce(&mut Self)) -> Vec<Vec<u8>> {
        let wire = self.wire.clone();
        wire.frames_during(|| act(self))
    }
}

fn port(memory: SharedMemory, wire: &Rc<Wire>, node: usize, session: u64) -> SharedPort {
    SharedPort::new(memory, Box::new(wire.end()), id(node), id(1 - node), session)
}

#[test]
fn frames_pass_through_memory_once_the_nodes_have_met() {
    let mut pair = Pair::strange();
    let first = pair.wired(|pair| pair.send(A, b"first").unwrap());
    assert_eq!(first, [b"first"], "nobody answers in the memory yet");
    assert_eq!(pair.received(B), [b"first"]);
    let rest = pair.wired(|pair| {
        pair.send(B, b"second").unwrap();
        assert_eq!(pair.received(A), [b"second"]);
        pair.exchange(b"third");
    });
    assert!(rest.len() <= 1, "{rest:?}");
}

#[test]
fn frames_of_all_lengths_come_as_they_went_round_the_ring() {
    let mut pair = Pair::met();
    let wired = pair.wired(|pair| {
        for length in (0..9000).step_by(61) {
            let frame = super::pattern(length);
            pair.send(A, &frame).unwrap();
            pair.send(A, b"x").unwrap();
            assert_eq!(pair.received(B), [frame, b"x".to_vec()], "{length}");
        }
    });
    assert!(wired.is_empty());
}

#[test]
fn only_a_node_that_rests_is_rung() {
    let mut pair = Pair::met();
    assert!(pair.wired(|pair| pair.send(A, b"x").unwrap()).is_empty());
    assert!(pair.ports[B].rest(), "a frame waits: no time to rest");
    assert_eq!(pair.received(B), [b"x"]);
    assert!(!pair.ports[B].rest());
    let bells = pair.wired(|pair| pair.send(A, b"y").unwrap());
    assert_eq!(bells.len(), 1);
    assert_eq!(pair.received(B), [b"y"], "and the bell is no frame");
    pair.ports[B].watch();
    assert!(pair.wired(|pair| pair.send(A, b"z").unwrap()).is_empty());
}

#[test]
fn full_ring_refuses_until_its_reader_counts_as_dead() {
    let mut pair = Pair::met();
    let frame = [7; 8000];
    let mut taken = 0;
    while pair.send(A, &frame).is_ok() {
        taken += 1;
    }
    assert_eq!(taken, RING_BYTES / (8 + frame.len()));
    assert_eq!(pair.received(B).len(), taken, "no frame was lost");
    pair.exchange(b"and it goes on");
    while pair.send(A, &frame).is_ok() {}
    let refused = (0..10_000).take_while(|_| pair.send(A, &frame).is_err()).count();
    assert!(refused < 5000, "a dead reader must not keep the sender for ever");
}

#[test]
fn replaced_node_hears_nothing_of_the_old_one() {
    let wire = Rc::new(Wire::default());
    let [a, b, again, memory] = SharedMemory::arena(PAIR_BYTES);
    let ports = [port(a, &wire, A, 3), port(b, &wire, B, 4)];
    let mut pair = Pair { ports, wire, memory };
    pair.exchange(b"hello");
    pair.send(A, b"for the dead").unwrap();
    pair.ports[B] = port(again, &pair.wire, B, 4);
    assert_eq!(pair.received(B), Vec::<Vec<u8>>::new());
    pair.send(B, b"I am new").unwrap();
    assert_eq!(pair.received(A), [b"I am new"]);
    pair.exchange(b"welcome");
}

#[test]
fn cut_link_loses_what_is_sent_until_it_is_mended() {
    let mut pair = Pair::met();
    pair.memory.store(CUT, 1);
    for node in [A, B] {
        pair.send(node, b"lost").unwrap();
    }
    assert_eq!([pair.received(A), pair.received(B)], [Vec::<Vec<u8>>::new(), vec![]]);
    assert!(!pair.ports[A].has_frame());
    pair.memory.store(CUT, 0);
    pair.exchange(b"mended");
}

#[test]
fn nonsense_in_memory_costs_frames_and_nothing_else() {
    let values = [0, 1, 7, 8, RING_BYTES as u64, RING_BYTES as u64 + 8, 1 << 40, u64::MAX];
    for word in [SESSION, ANSWERS, HEAD, TAIL, AWAKE] {
        for side in SIDES {
            for value in values {
                let mut pair = Pair::met();
                pair.send(A, b"on its way").unwrap();
                pair.memory.store(side + word, value);
                let _ = pair.send(A, b"x");
                let _ = (pair.received(B), pair.send(B, b"y"), pair.received(A));
                let _ = (pair.ports[A].rest(), pair.ports[B].rest(), pair.received(B));
            }
        }
    }
}

#[test]
fn lengths_that_cannot_be_begin_a_new_session() {
    for length in [8993_u64, 9015, RING_BYTES as u64, 1 << 40, u64::MAX] {
        let mut pair = Pair::met();
        pair.send(A, &[1; 64]).unwrap();
        // The last frame that was put; those before it took 16 bytes each.
        let at = RINGS[0] + pair.memory.load(SIDES[0] + HEAD) as usize - 72;
        let before = pair.memory.load(SIDES[1] + SESSION);
        pair.memory.store(at, length);
        assert_eq!(pair.received(B), Vec::<Vec<u8>>::new(), "{length}");
        assert_ne!(pair.memory.load(SIDES[1] + SESSION), before, "{length}");
        // The first may pass through the card, or tell the peer of the session.
        let _ = (pair.send(A, b"a"), pair.received(B), pair.send(B, b"b"), pair.received(A));
        pair.exchange(b"well again");
    }
}

#[test]
fn bulk_passes_through_memory() {
    for kind in [Kind::Image, Kind::Call] {
        let world = World::shared();
        let bulk = bulk(&world, kind, 8 * MIB);
        let wire = world.wires[0].clone();
        let frames = wire.frames_during(|| {
            world.await_outcome(&bulk.sender, Duration::from_secs(10));
        });
        let received = world.await_outcome(&bulk.receiver, Duration::from_secs(10));
        assert_eq!(received.bytes_in, 8 * MIB as u64);
        assert!(frames.iter().all(|frame| frame[12..14] == BELL_TYPE), "nothing but bells");
    }
}

#[test]
fn a_call_and_its_answer_are_a_record_each() {
    let world = World::shared();
    let listener = world.network(B).listen(PORT, Kind::Call).unwrap();
    let served = world.spawn(B, async move { echo(listener.accept().await).await });
    let client = world.spawn(A, connect(world.network(A), B, Kind::Call));
    let here = world.await_outcome(&client, SECOND);
    let before = world.network(A).totals();
    let client = world.spawn(A, async move {
        for _ in 0..100 {
            here.write_all(b"question").await.unwrap();
            here.read(&mut [0; 8]).await.unwrap();
        }
        here
    });
    let here = world.await_outcome(&client, SECOND);
    let after = world.network(A).totals();
    assert_eq!(
        (after.frames_out - before.frames_out, after.frames_in - before.frames_in),
        (100, 100)
    );
    let closed = world.spawn(A, async move { here.close().await });
    assert_eq!(world.await_outcome(&closed, SECOND), Ok(()));
    assert_eq!(world.await_outcome(&served, SECOND), 800);
}

/// What a node hears of streams that a replaced peer had with it.
#[test]
fn streams_end_with_the_session_of_their_ring() {
    for side in SIDES {
        let world = World::shared();
        let listener = world.network(B).listen(PORT, Kind::Call).unwrap();
        let server = world.spawn(B, async move { (listener.accept().await, listener) });
        let client = world.spawn(A, connect(world.network(A), B, Kind::Call));
        let here = world.await_outcome(&client, SECOND);
        let (there, _listener) = world.await_outcome(&server, SECOND);
        world.write_word(side + SESSION, 77);
        world.run_for(SECOND);
        assert_eq!(here.try_read(&mut [0]), Err(ReadError::Reset));
        assert_eq!(there.try_read(&mut [0]), Err(ReadError::Reset));
        drop((here, there));
        world.run_for(SECOND);
        assert_eq!((world.network(A).sockets(), world.network(B).sockets()), (0, 0));
    }
}

/// Whatever a peer says of streams, it ends what it speaks of and nothing else.
#[test]
fn lies_about_streams_end_them() {
    let ops = [Op::Open, Op::Accept, Op::Refuse, Op::Data, Op::End, Op::Ended, Op::Reset];
    for op in ops {
        for (to, from) in [(0, 0), (0, 1), (1, 0), (7, 7), (u32::MAX, 0), (0x1_0000, 0)] {
            let [memory, peers] = SharedMemory::arena(PAIR_BYTES);
            let wire = Rc::new(Wire::default());
            let mut peer = Link::new(peers, true, 9);
            let port = port(memory, &wire, A, 3);
            let config = Config::new(id(A), Peers::Each(vec![id(B)]), 5);
            let network = Network::new(config, vec![Box::new(port)], Instant(0)).unwrap();
            let listener = network.listen(PORT, Kind::Call).unwrap();
            network.receive(Instant(0));
            peer.is_open();
            network.receive(Instant(0));
            let open = Header { op: Op::Open, port: PORT, to: 0, from: 0, grant: 10 };
            peer.put_stream(open, &[]);
            assert!(network.receive(Instant(0)));
            for grant in [0, 5, u64::MAX] {
                peer.put_stream(Header { op, port: PORT, to, from, grant }, &[7; 40_000]);
                network.poll(Instant(1));
                network.poll(Instant(2));
            }
            assert!(network.sockets() <= 1 + 3);
            drop(listener);
            network.poll(Instant(3));
            (0..20).for_each(|second| _ = network.poll(Instant(second * 1_000_000_000)));
            assert_eq!(network.sockets(), 0, "{op:?} {to} {from}");
        }
    }
}
