//! One TCP connection: a smoltcp socket in a set of its own, and what the stack knows about it.

use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;
use core::time::Duration;

use smoltcp::iface::{Interface, PollResult, SocketHandle, SocketSet, SocketStorage};
use smoltcp::socket::tcp::{self, State};
use smoltcp::wire::{IpEndpoint, Ipv4Address, TcpSeqNumber};
use wayfarer_machine::Room;
use wayfarer_proto::limits;
use wayfarer_proto::node;
use wayfarer_proto::time::Instant;

use super::clock;
use super::device::{Arrival, Departure};
use super::dial::Dial;
use super::error::{End, ReadError, WriteError};
use super::segment::{Span, Tuple};
use super::waiters::Waiters;

/// How long an acknowledgement waits for a message to ride on.
const ACK_DELAY: Duration = Duration::from_millis(10);

/// What a connection carries; it sizes the buffers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Messages between a body and its deputy: 32 KiB each way.
    Call,
    /// The image of a process: 1 MiB from the node that connects to the one that listens, 32 KiB
    /// the other way.
    Image,
}

/// Which end of a connection this node is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Role {
    Dialer,
    Listener,
}

/// A buffer's size in bytes: small enough for one per process, and twice what travels early with a
/// message. Were it no larger than that, the last bytes of a full message would wait for the peer
/// to read the first: a second round trip.
const SMALL: usize = 2 * limits::EAGER;

/// A buffer's size in bytes that keeps the sender of an image busy for a millisecond.
const LARGE: usize = 1024 * 1024;

/// After so many bytes an image is bulk data: what is left of a smaller one is there before the
/// runner has done anything for it.
const BULK: u64 = 4 << 20;

impl Kind {
    /// The sizes in bytes of the receive and the send buffer.
    const fn buffers(self, role: Role) -> (usize, usize) {
        match (self, role) {
            (Self::Call, _) => (SMALL, SMALL),
            (Self::Image, Role::Dialer) => (SMALL, LARGE),
            (Self::Image, Role::Listener) => (LARGE, SMALL),
        }
    }

    /// How many bytes that nobody has read yet this node takes of a stream, at most. They have room
    /// only while they are there: all that is on the way for one call may be.
    pub(super) const fn window(self, role: Role) -> usize {
        let buffer = self.buffers(role).0;
        if buffer > limits::STRETCH { buffer } else { limits::STRETCH }
    }
}

/// Who answers for a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Owner {
    /// A [`Connection`](super::Connection).
    Handle,
    /// The backlog of a listener, until it is accepted.
    Backlog,
    /// Nobody any more: it goes once its last segment is sent, at the latest at `until`.
    Nobody { until: Instant },
}

/// What a connection has carried.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Counters {
    /// Bytes read by this node's tasks.
    pub bytes_in: u64,
    /// Bytes written by this node's tasks.
    pub bytes_out: u64,
    /// TCP segments received.
    pub segments_in: u64,
    /// TCP segments sent, repeated ones included.
    pub segments_out: u64,
    /// Segments sent whose sequence numbers had been sent before. Each costs at least a second
    /// (smoltcp's smallest retransmission timeout) unless fast retransmission finds it first.
    pub retransmissions: u64,
}

/// A connection in the table.
pub(super) struct Slot {
    /// A set of one: smoltcp walks the whole set for every packet, timer and segment, so a
    /// connection shares its set with no other and an idle one costs nothing.
    set: SocketSet<'static>,
    handle: SocketHandle,
    pub(super) tuple: Tuple,
    pub(super) owner: Owner,
    pub(super) dial: Option<Dial>,
    pub(super) end: Option<End>,
    pub(super) readers: Waiters,
    pub(super) writers: Waiters,
    pub(super) counters: Counters,
    /// One past the highest sequence number sent.
    sent_to: Option<TcpSeqNumber>,
    /// How long the peer may be silent while this is not [kept](Self::is_kept).
    limit: Option<Duration>,
    /// When the peer was last heard of here.
    heard_at: Instant,
    /// Whether it is counted among the connections with its peer, as those are that are kept.
    pub(super) is_counted: bool,
}

/// What tasks can observe of a socket; a difference wakes them.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Observed {
    state: State,
    received: usize,
    unacknowledged: usize,
}

impl Slot {
    /// A closed connection with its buffers, or `None` if there is no memory for them.
    pub(super) fn new(tuple: Tuple, kind: Kind, role: Role, owner: Owner) -> Option<Self> {
        let (receive, send) = kind.buffers(role);
        let mut socket = tcp::Socket::new(buffer(receive)?, buffer(send)?);
        socket.set_nagle_enabled(false);
        socket.set_ack_delay(Some(clock::duration(ACK_DELAY)));
        let mut set = SocketSet::new(vec![SocketStorage::EMPTY]);
        let handle = set.add(socket);
        Some(Self {
            set,
            handle,
            tuple,
            owner,
            dial: None,
            end: None,
            readers: Waiters::default(),
            writers: Waiters::default(),
            counters: Counters::default(),
            sent_to: None,
            limit: None,
            heard_at: Instant::default(),
            is_counted: false,
        })
    }

    /// Bytes of both buffers.
    pub(super) fn buffers(&self) -> usize {
        self.socket().recv_capacity() + self.socket().send_capacity()
    }

    /// Whether a long image is on its way from here.
    pub(super) fn is_bulk(&self) -> bool {
        let is_image = self.socket().send_capacity() == LARGE;
        is_image && self.counters.bytes_out > BULK && self.socket().may_send()
    }

    pub(super) fn socket(&self) -> &tcp::Socket<'static> {
        self.set.get(self.handle)
    }

    pub(super) fn socket_mut(&mut self) -> &mut tcp::Socket<'static> {
        self.set.get_mut(self.handle)
    }

    /// Ends the connection when the peer has been silent for `limit` from `now` on, unless it is
    /// [kept](Self::is_kept).
    ///
    /// smoltcp's own timeout is not used: its probes of a closed window become rarer than the
    /// limit, so that a peer that is merely slow to read would be given up.
    pub(super) fn set_limit(&mut self, limit: Option<Duration>, now: Instant) {
        self.limit = limit;
        self.heard_at = now;
    }

    /// When the peer's silence becomes too long.
    pub(super) fn silence_ends_at(&self) -> Option<Instant> {
        let limit = self.limit.filter(|_| self.end.is_none() && !self.is_counted)?;
        Some(self.heard_at + limit)
    }

    /// Whether it lasts as long as the peer lives, which its [`Neighbours`](super::neighbours)
    /// know: both ends are in such a state, or will be soon.
    pub(super) fn is_kept(&self) -> bool {
        use State::{CloseWait, Established, FinWait1, FinWait2};
        matches!(self.socket().state(), Established | CloseWait | FinWait1 | FinWait2)
    }

    /// Whether its state says nothing new: it is not being dialled or waiting to be accepted, and
    /// is counted if it is to be.
    pub(super) fn is_concluded(&self) -> bool {
        let is_open = self.dial.is_none() && self.owner != Owner::Backlog;
        is_open && self.is_kept() == self.is_counted
    }

    /// The peer was heard of elsewhere.
    pub(super) fn note_heard(&mut self, at: Instant) {
        self.heard_at = self.heard_at.max(at);
    }

    /// Has an idle connection sent a probe, which the peer resets if it does not know it.
    pub(super) fn probe(&mut self) {
        // With an interval it is due at once; without one it is not repeated.
        self.socket_mut().set_keep_alive(Some(clock::duration(Duration::from_secs(1))));
        self.socket_mut().set_keep_alive(None);
    }

    /// Sends a SYN from the tuple's local port. False if the tuple is no address.
    pub(super) fn connect(&mut self, interface: &mut Interface) -> bool {
        let tuple = self.tuple;
        let remote = IpEndpoint {
            addr: Ipv4Address::from(node::ipv4(tuple.peer)).into(),
            port: tuple.peer_port,
        };
        self.sent_to = None;
        self.socket_mut().connect(interface.context(), remote, tuple.local_port).is_ok()
    }

    /// Waits for a SYN on the tuple's local port.
    pub(super) fn listen(&mut self) -> bool {
        let port = self.tuple.local_port;
        self.socket_mut().listen(port).is_ok()
    }

    /// Takes in the packet of `device`.
    pub(super) fn arrive(
        &mut self,
        interface: &mut Interface,
        device: &mut Arrival<'_>,
        now: Instant,
    ) {
        let before = self.observe();
        self.counters.segments_in += 1;
        self.heard_at = now;
        interface.poll_ingress_single(clock::to_tcp(now), device, &mut self.set);
        if !device.reply.is_empty() {
            self.counters.segments_out += 1;
        }
        let all_acknowledged = self.socket().send_queue() == 0;
        self.note_change(
            before,
            match before.state {
                State::LastAck | State::Closing | State::TimeWait if all_acknowledged => {
                    End::Finished
                }
                State::SynSent => End::Refused,
                _ => End::Reset,
            },
        );
    }

    /// Sends one segment if there is one to send; false if not.
    pub(super) fn depart(
        &mut self,
        interface: &mut Interface,
        device: &mut Departure<'_>,
        now: Instant,
    ) -> bool {
        let before = self.observe();
        device.sent = None;
        let polled = interface.poll_egress(clock::to_tcp(now), device, &mut self.set);
        if let Some(span) = device.sent {
            self.note_sent(span, before.unacknowledged);
        }
        // Of itself a socket closes only at the end of TIME-WAIT.
        self.note_change(before, End::Finished);
        polled == PollResult::SocketStateChanged
    }

    /// When smoltcp wants to be polled again; `Some` of a past time is at once.
    pub(super) fn poll_at(&self, interface: &mut Interface, now: Instant) -> Option<Instant> {
        interface.poll_at(clock::to_tcp(now), &self.set).map(clock::from_tcp)
    }

    /// Ends this direction after what was written.
    pub(super) fn close(&mut self) {
        self.socket_mut().close();
    }

    /// Drops the connection with a RST, for the reason `end` if it has not ended before.
    pub(super) fn abort(&mut self, end: End) {
        self.end.get_or_insert(end);
        self.socket_mut().abort();
        self.readers.wake();
        self.writers.wake();
    }

    /// Whether nothing more will be sent or received, not even a RST.
    pub(super) fn is_done(&self) -> bool {
        self.socket().state() == State::Closed && self.socket().remote_endpoint().is_none()
    }

    /// Whether an unowned connection can be removed, given whether it `wants` to send at once.
    /// TIME-WAIT is not waited for: local ports are handed out in turn, so one comes back long
    /// after the last segment of its former connection.
    pub(super) fn is_forgettable(&self, wants: bool) -> bool {
        self.is_done() || (self.socket().state() == State::TimeWait && !wants)
    }

    /// Whether this direction was closed in order, or there is nothing left to close.
    pub(super) fn is_closing(&self) -> bool {
        !matches!(
            self.socket().state(),
            State::Listen
                | State::SynSent
                | State::SynReceived
                | State::Established
                | State::CloseWait
        )
    }

    /// Whether this came to nothing before it could be accepted.
    pub(super) fn is_stillborn(&self) -> bool {
        let socket = self.socket();
        match socket.state() {
            State::Listen => true,
            State::Closed => !socket.can_recv(),
            _ => false,
        }
    }

    /// Whether the handshake is over, so that it can be accepted.
    pub(super) fn is_acceptable(&self) -> bool {
        let socket = self.socket();
        socket.can_recv() || !matches!(socket.state(), State::Listen | State::SynReceived)
    }

    /// Reads what has arrived, up to `buffer`'s length: `None` if nothing has.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, ReadError> {
        let end = self.end;
        match self.socket_mut().recv_slice(buffer) {
            Ok(0) => Ok(None),
            Ok(read) => {
                self.counters.bytes_in += read as u64;
                Ok(Some(read))
            }
            Err(error) => Err(read_error(error, end)),
        }
    }

    /// Has what has arrived, up to `most` bytes, read where it lies; how many bytes that were.
    pub(super) fn read_in_place(
        &mut self,
        most: usize,
        take: &mut dyn FnMut(&[u8]),
    ) -> Result<usize, ReadError> {
        let end = self.end;
        let read = self.socket_mut().recv(|bytes| {
            let length = bytes.len().min(most);
            if length > 0 {
                take(&bytes[..length]);
            }
            (length, length)
        });
        let read = read.map_err(|error| read_error(error, end))?;
        self.counters.bytes_in += read as u64;
        Ok(read)
    }

    /// Takes those pages that there is room for; how many.
    pub(super) fn write_pages(
        &mut self,
        pages: Range<usize>,
        put: &mut dyn FnMut(usize, Room<'_>),
    ) -> Result<usize, WriteError> {
        let end = self.end;
        let closed = |tcp::SendError::InvalidState| end.map_or(WriteError::Closed, Into::into);
        let socket = self.socket_mut();
        let room = (socket.send_capacity() - socket.send_queue()) / limits::PAGE;
        let until = pages.end.min(pages.start + room);
        let mut next = pages.start;
        loop {
            // An empty buffer may be used from its beginning now: it is asked even for nothing.
            let sent = socket.send(|bytes| {
                let mut sent = 0;
                for (page, index) in
                    bytes.as_chunks_mut::<{ limits::PAGE }>().0.iter_mut().zip(next..until)
                {
                    put(index, page.as_mut_slice().into());
                    sent += 1;
                }
                (sent * limits::PAGE, sent)
            });
            next += sent.map_err(closed)?;
            if next == until {
                break;
            }
            // The end of the buffer lies within this one.
            let mut page = [0; limits::PAGE];
            put(next, page.as_mut_slice().into());
            socket.send_slice(&page).map_err(closed)?;
            next += 1;
        }
        let written = next - pages.start;
        self.counters.bytes_out += (written * limits::PAGE) as u64;
        Ok(written)
    }

    /// Takes as much of `bytes` as there is room for, none included.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<usize, WriteError> {
        let end = self.end;
        match self.socket_mut().send_slice(bytes) {
            Ok(written) => {
                self.counters.bytes_out += written as u64;
                Ok(written)
            }
            Err(tcp::SendError::InvalidState) => Err(end.map_or(WriteError::Closed, Into::into)),
        }
    }

    /// Whether the peer has acknowledged all that was written and the end of it: `None` if not yet.
    pub(super) fn is_delivered(&self) -> Option<Result<(), WriteError>> {
        match (self.socket().state(), self.end) {
            (State::FinWait2 | State::TimeWait, _) | (_, Some(End::Finished)) => Some(Ok(())),
            (_, Some(end)) => Some(Err(end.into())),
            _ => None,
        }
    }

    fn observe(&self) -> Observed {
        let socket = self.socket();
        Observed {
            state: socket.state(),
            received: socket.recv_queue(),
            unacknowledged: socket.send_queue(),
        }
    }

    fn note_change(&mut self, before: Observed, end: End) {
        let after = self.observe();
        if after == before {
            return;
        }
        if after.state == State::Closed && before.state != State::Closed && self.end.is_none() {
            self.end = Some(end);
        }
        if after.state != before.state || after.received != before.received {
            self.readers.wake();
        }
        if after.state != before.state || after.unacknowledged != before.unacknowledged {
            self.writers.wake();
        }
    }

    /// A segment that lies before the highest number sent is a repetition, except a keep-alive
    /// probe: one byte that was acknowledged long ago, sent when nothing else is on its way.
    fn note_sent(&mut self, span: Span, unacknowledged: usize) {
        self.counters.segments_out += 1;
        let is_probe = unacknowledged == 0 && !span.control;
        if span.len == 0 || is_probe {
            return;
        }
        let end = span.start + span.len;
        match self.sent_to {
            Some(sent_to) if span.start < sent_to => self.counters.retransmissions += 1,
            _ => {}
        }
        self.sent_to = Some(self.sent_to.map_or(end, |sent_to| sent_to.max(end)));
    }
}

fn read_error(error: tcp::RecvError, end: Option<End>) -> ReadError {
    match error {
        tcp::RecvError::Finished => ReadError::Closed,
        tcp::RecvError::InvalidState => end.map_or(ReadError::Reset, Into::into),
    }
}

fn buffer(len: usize) -> Option<tcp::SocketBuffer<'static>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).ok()?;
    bytes.resize(len, 0);
    Some(tcp::SocketBuffer::new(bytes))
}
