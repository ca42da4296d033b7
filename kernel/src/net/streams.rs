//! Every stream of a node through shared memory: found by its name, told what comes, and ended with
//! the ring or the peer that carried it.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use wayfarer_proto::id::NodeId;
use wayfarer_proto::shared::{Header, Op};
use wayfarer_proto::sorted::SortedSet;
use wayfarer_proto::time::Instant;

use super::device::Fabric;
use super::error::End;
use super::segment::Tuple;
use super::shared::Link;
use super::slot::{Kind, Owner};
use super::stream::Stream;

/// How soon to look again for room in a full ring.
const FULL_RING_RETRY: Duration = Duration::from_micros(50);

/// The same where the link is cut, which lasts longer.
const CUT_RETRY: Duration = Duration::from_millis(10);

/// How many words about streams that are no more may wait for room. Only a peer that does not read
/// its ring causes more; it would not read them either.
const STRAYS: usize = 1024;

/// Names a stream on this node: its place in the table, and how many had that before.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct StreamId {
    place: u16,
    turn: u16,
}

impl StreamId {
    const fn name(self) -> u32 {
        (self.turn as u32) << 16 | self.place as u32
    }

    const fn of_name(name: u32) -> Self {
        Self { place: name as u16, turn: (name >> 16) as u16 }
    }
}

#[derive(Default)]
struct Place {
    turn: u16,
    stream: Option<Stream>,
}

/// What is known of the node behind a port that has a ring.
#[derive(Clone, Copy, Default)]
struct Peer {
    streams: usize,
    restarts: u32,
    beat: u64,
    heard_at: Instant,
}

/// The streams of a node.
#[derive(Default)]
pub(super) struct Streams {
    places: Vec<Place>,
    free: Vec<u16>,
    peers: Vec<Peer>,
    /// Those that owe their peer a word, or wait for room.
    queue: VecDeque<StreamId>,
    strays: VecDeque<(usize, Header)>,
    /// When one is dialled again, given up, or forgotten.
    timers: SortedSet<(Instant, StreamId)>,
    /// When peers are looked at next, if there are streams.
    look_at: Instant,
    /// How soon to look again at what waits for room; `None` if nothing does.
    retry: Option<Duration>,
}

/// A ring as it is now: the index of its port, and how often it was given up.
#[derive(Clone, Copy)]
pub(super) struct Ring {
    pub(super) port: usize,
    restarts: u32,
}

impl Ring {
    pub(super) fn of(port: usize, link: &Link) -> Self {
        Self { port, restarts: link.restarts() }
    }

    /// The ring to a node, if there is one and the node is there.
    pub(super) fn to(fabric: &mut Fabric, peer: NodeId) -> Option<Self> {
        let port = fabric.route(peer)?;
        let link = fabric.link(port)?;
        link.is_open().then(|| Self::of(port, link))
    }
}

impl Streams {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    pub(super) fn get(&self, id: StreamId) -> Option<&Stream> {
        let place = self.places.get(usize::from(id.place))?;
        place.stream.as_ref().filter(|_| place.turn == id.turn)
    }

    pub(super) fn get_mut(&mut self, id: StreamId) -> Option<&mut Stream> {
        let place = self.places.get_mut(usize::from(id.place))?;
        place.stream.as_mut().filter(|_| place.turn == id.turn)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Stream> {
        self.places.iter().filter_map(|place| place.stream.as_ref())
    }

    /// Begins a stream to a node whose ring is open.
    pub(super) fn dial(
        &mut self,
        (ring, tuple): (Ring, Tuple),
        kind: Kind,
        limit: Duration,
        now: Instant,
    ) -> Option<StreamId> {
        let stream = Stream::dialing(ring.port, tuple, kind, now);
        let id = self.insert(ring, stream, now)?;
        self.timers.insert((now + limit, id));
        self.queue.push_back(id);
        Some(id)
    }

    fn insert(&mut self, ring: Ring, mut stream: Stream, now: Instant) -> Option<StreamId> {
        let place = match self.free.pop() {
            Some(place) => place,
            None => {
                let place = u16::try_from(self.places.len()).ok()?;
                self.places.push(Place::default());
                place
            }
        };
        let id = StreamId { place, turn: self.places[usize::from(place)].turn };
        stream.set_name(id.name());
        self.places[usize::from(place)].stream = Some(stream);
        let peer = self.peer(ring.port);
        if peer.streams == 0 {
            (peer.heard_at, peer.restarts) = (now, ring.restarts);
        }
        peer.streams += 1;
        if self.len() == 1 {
            self.look_at = now;
        }
        Some(id)
    }

    fn remove(&mut self, id: StreamId) {
        let Some(place) = self.places.get_mut(usize::from(id.place)) else { return };
        if place.turn != id.turn {
            return;
        }
        let Some(stream) = place.stream.take() else { return };
        place.turn = place.turn.wrapping_add(1);
        self.free.push(id.place);
        self.peer(stream.port).streams -= 1;
        self.timers.retain(|(_, timed)| *timed != id);
    }

    fn peer(&mut self, port: usize) -> &mut Peer {
        if self.peers.len() <= port {
            self.peers.resize(port + 1, Peer::default());
        }
        &mut self.peers[port]
    }

    /// Has a stream say what it owes, as soon as there is room, and forgets one that has nothing
    /// more to say to anybody. The records sent.
    pub(super) fn settle(&mut self, fabric: &mut Fabric, id: StreamId) -> u64 {
        let Some(stream) = self.get_mut(id) else { return 0 };
        let mut paid = 0;
        if stream.owes()
            && let Some(link) = fabric.link(stream.port)
        {
            paid = stream.pay(link);
        }
        if stream.waits() {
            if !self.queue.contains(&id) {
                self.queue.push_back(id);
            }
        } else if matches!(stream.owner, Owner::Nobody { .. }) && stream.end.is_some() {
            self.remove(id);
        }
        paid
    }

    /// Leaves a stream to itself until `until` at the latest.
    pub(super) fn release(&mut self, fabric: &mut Fabric, id: StreamId, until: Instant) {
        let Some(stream) = self.get_mut(id) else { return };
        stream.owner = Owner::Nobody { until };
        if !stream.is_closing() {
            stream.abort(End::Aborted);
        }
        self.timers.insert((until, id));
        self.settle(fabric, id);
    }

    /// Notes that a refused attempt is to be made again, if it is; whether it is.
    fn dials_again(&mut self, id: StreamId, now: Instant) -> bool {
        let Some(stream) = self.get_mut(id) else { return false };
        let refused = stream.end == Some(End::Refused);
        let dial = stream.dial.as_mut().filter(|_| refused);
        let Some(at) = dial.and_then(|dial| dial.put_off(now)) else { return false };
        stream.end = None;
        self.timers.insert((at, id));
        true
    }

    /// Tells streams what the peer behind a port says; the stream that it opens is the caller's to
    /// make or to [refuse](Self::answer).
    pub(super) fn hear(
        &mut self,
        (port, now): (usize, Instant),
        header: &Header,
        link: &Link,
        length: usize,
    ) -> Option<StreamId> {
        self.peer(port).heard_at = now;
        let id = StreamId::of_name(header.to);
        let known = self.get_mut(id).filter(|stream| stream.port == port);
        let Some(stream) = known else {
            if !matches!(header.op, Op::Reset | Op::Refuse | Op::Ended) {
                self.answer(port, header, Op::Reset);
            }
            return None;
        };
        if !stream.hear(header, link, length) {
            stream.abort(End::Reset);
        }
        self.dials_again(id, now);
        Some(id)
    }

    /// Makes the stream that the peer behind a port opens.
    pub(super) fn open(
        &mut self,
        (ring, tuple): (Ring, Tuple),
        kind: Kind,
        header: &Header,
        now: Instant,
    ) -> Option<StreamId> {
        self.insert(ring, Stream::opened(ring.port, tuple, kind, header, now), now)
    }

    /// Answers what concerns no stream of this node.
    pub(super) fn answer(&mut self, port: usize, header: &Header, op: Op) {
        self.stray(port, Header { op, port: 0, to: header.from, from: header.to, grant: 0 });
    }

    fn stray(&mut self, port: usize, header: Header) {
        if self.strays.len() < STRAYS {
            self.strays.push_back((port, header));
        }
    }

    /// Says what is owed and could not be said, looks for signs of life, and ends what has no more
    /// hope. The records sent.
    pub(super) fn work(
        &mut self,
        fabric: &mut Fabric,
        now: Instant,
        limit: Option<Duration>,
        touched: &mut Vec<StreamId>,
    ) -> u64 {
        self.retry = None;
        self.look(fabric, now, limit, touched);
        self.ring(fabric, now, touched);
        let mut sent = 0;
        for _ in 0..self.strays.len() {
            let Some((port, answer)) = self.strays.pop_front() else { break };
            let Some(link) = fabric.link(port) else { continue };
            if link.stream_room(0).is_some() {
                link.put_stream(answer, &[]);
                sent += 1;
            } else {
                self.retry = Some(patience(link));
                self.strays.push_back((port, answer));
            }
        }
        for _ in 0..self.queue.len() {
            let Some(id) = self.queue.pop_front() else { break };
            let Some(stream) = self.get_mut(id) else { continue };
            let Some(link) = fabric.link(stream.port) else { continue };
            let was_blocked = stream.is_blocked();
            let waits = !stream.unblock(link);
            let patience = patience(link);
            if was_blocked && !waits {
                touched.push(id);
            }
            sent += self.settle(fabric, id);
            if waits || self.get(id).is_some_and(Stream::owes) {
                self.retry = Some(patience);
            }
        }
        sent
    }

    /// Ends the streams of rings that were given up and of peers that are silent.
    fn look(
        &mut self,
        fabric: &mut Fabric,
        now: Instant,
        limit: Option<Duration>,
        touched: &mut Vec<StreamId>,
    ) {
        if self.len() == 0 {
            return;
        }
        let is_due = self.look_at <= now;
        if is_due {
            self.look_at = limit.map_or(Instant::NEVER, |limit| now + limit / 3);
        }
        for port in 0..self.peers.len() {
            let Some(link) = fabric.link(port) else { continue };
            let peer = &mut self.peers[port];
            // A peer that was replaced is found only by who looks.
            link.is_open();
            if peer.streams > 0 && link.restarts() != peer.restarts {
                peer.restarts = link.restarts();
                self.lose(port, now, touched);
                continue;
            }
            if peer.streams == 0 || !is_due {
                continue;
            }
            link.beat();
            let beat = link.peers_beat();
            if let Some(beat) = beat.filter(|beat| *beat != peer.beat) {
                (peer.beat, peer.heard_at) = (beat, now);
            }
            let Some(limit) = limit else { continue };
            let silent = peer.heard_at + limit;
            if silent <= now {
                self.end_all(port, touched, |stream| stream.abort(End::TimedOut));
            } else {
                self.look_at = self.look_at.min(silent);
            }
        }
    }

    fn lose(&mut self, port: usize, now: Instant, touched: &mut Vec<StreamId>) {
        let before = touched.len();
        self.end_all(port, touched, Stream::lose);
        for id in touched.split_off(before) {
            if !self.dials_again(id, now) {
                touched.push(id);
            }
        }
        self.strays.retain(|(stray, _)| *stray != port);
    }

    fn end_all(
        &mut self,
        port: usize,
        touched: &mut Vec<StreamId>,
        mut end: impl FnMut(&mut Stream),
    ) {
        for (place, Place { turn, stream }) in self.places.iter_mut().enumerate() {
            if let Some(stream) = stream.as_mut().filter(|stream| stream.port == port) {
                end(stream);
                let id = StreamId { place: place as u16, turn: *turn };
                self.queue.push_back(id);
                touched.push(id);
            }
        }
    }

    /// Does what timers were set for.
    fn ring(&mut self, fabric: &mut Fabric, now: Instant, touched: &mut Vec<StreamId>) {
        while let Some(&(at, id)) = self.timers.first()
            && at <= now
        {
            self.timers.pop_first();
            let Some(stream) = self.get_mut(id) else { continue };
            if let Some(dial) = &mut stream.dial {
                match dial.retry_at.take() {
                    Some(retry_at) if retry_at <= now => stream.open_again(now),
                    other => {
                        dial.retry_at = other;
                        stream.abort(End::TimedOut);
                    }
                }
            } else if let Owner::Nobody { until } = stream.owner
                && until <= now
            {
                stream.abort(End::Aborted);
                let (port, farewell) = (stream.port, stream.farewell());
                if let Some(farewell) = farewell {
                    self.stray(port, farewell);
                }
                self.remove(id);
            }
            touched.push(id);
            self.settle(fabric, id);
        }
    }

    /// When to work next if nothing comes before.
    pub(super) fn poll_at(&self, now: Instant) -> Option<Instant> {
        let retry = match self.retry {
            Some(retry) => Some(now + retry),
            None if !self.queue.is_empty() || !self.strays.is_empty() => Some(now),
            None => None,
        };
        let look = (self.len() > 0).then_some(self.look_at);
        let timer = self.timers.first().map(|&(at, _)| at);
        Instant::first([retry, look, timer])
    }
}

fn patience(link: &Link) -> Duration {
    if link.is_cut() { CUT_RETRY } else { FULL_RING_RETRY }
}
