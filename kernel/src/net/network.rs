//! The network of a node as the rest of the kernel holds it.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::future::poll_fn;
use core::task::Poll;

use smoltcp::socket::tcp::State;
use wayfarer_machine::Clock;
use wayfarer_proto::id::NodeId;
use wayfarer_proto::time::Instant;

use super::config::{Config, ConfigError};
use super::connection::Connection;
use super::echo::EchoOrder;
use super::error::{ConnectError, ListenError};
use super::listener::Listener;
use super::port::Port;
use super::slot::{Counters, Kind, Slot};
use super::stack::{Core, Stack, Totals};
use super::stream::Stream;

/// A handle to the network stack of this node.
#[derive(Clone)]
pub struct Network {
    stack: Rc<RefCell<Stack>>,
    /// What connections read into, while none does.
    piece: Rc<RefCell<Vec<u8>>>,
}

/// Bytes of the buffer that connections share.
const PIECE: usize = 32 * 1024;

/// A line about one connection, for `/proc`.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionInfo {
    /// The node at the other end.
    pub peer: NodeId,
    /// The port there.
    pub peer_port: u16,
    /// The port here.
    pub local_port: u16,
    /// Where the connection is in the TCP state machine (RFC 9293, 3.3.2).
    pub state: State,
    /// What it has carried.
    pub counters: Counters,
}

impl Network {
    /// Sets up the network over `ports`, in the order `config.peers` speaks of.
    pub fn new(
        config: Config,
        ports: Vec<Box<dyn Port>>,
        now: Instant,
    ) -> Result<Self, ConfigError> {
        let stack = Rc::new(RefCell::new(Stack::new(config, ports, now)?));
        Ok(Self { stack, piece: Rc::default() })
    }

    /// This node.
    pub fn node(&self) -> NodeId {
        self.stack.borrow().fabric().node()
    }

    /// Takes in frames and wakes the tasks they concern, then sends what there is to send. True if
    /// there was anything, in which case there may be more.
    ///
    /// An acknowledgement waits up to 10 ms for a message, so it does not matter to it that tasks
    /// run only afterwards. An executor that runs tasks between [`receive`](Self::receive) and
    /// [`transmit`](Self::transmit) sends their messages one round earlier.
    pub fn poll(&self, now: Instant) -> bool {
        let received = self.receive(now);
        self.transmit(now) || received
    }

    /// Takes in frames, up to a bound, and wakes the tasks they concern; true if there was one.
    pub fn receive(&self, now: Instant) -> bool {
        self.stack.borrow_mut().receive(now)
    }

    /// Sends what tasks have written and timers demand, up to a bound; true if there was something.
    pub fn transmit(&self, now: Instant) -> bool {
        self.stack.borrow_mut().transmit(now)
    }

    /// When to poll next if no frame comes and no task writes before.
    pub fn poll_at(&self) -> Option<Instant> {
        self.stack.borrow().poll_at()
    }

    /// Whether a frame waits to be received of which no interrupt tells.
    pub fn has_frame(&self) -> bool {
        self.stack.borrow().fabric().ports().any(|port| port.has_frame())
    }

    /// Whether such frames have passed since the last rest, so that more may come soon.
    pub fn is_busy(&self) -> bool {
        self.stack.borrow().fabric().ports().any(|port| port.is_busy())
    }

    /// To be called before the node halts or runs a program: from now until the next
    /// [`receive`](Self::receive) each frame interrupts it. True if one is there already.
    pub fn rest(&self) -> bool {
        self.stack.borrow_mut().fabric_mut().rest()
    }

    /// Connects to `port` of `node`. A refusal is answered by a bounded number of further attempts
    /// within a quarter of a second.
    pub async fn connect(
        &self,
        node: NodeId,
        port: u16,
        kind: Kind,
    ) -> Result<Connection, ConnectError> {
        let connection = self.dial(node, port, kind)?;
        poll_fn(|context| {
            self.with_core(|core| match core.dial_outcome(connection.id()) {
                Some(outcome) => Poll::Ready(outcome),
                None => {
                    core.register_writer(connection.id(), context.waker());
                    Poll::Pending
                }
            })
        })
        .await?;
        Ok(connection)
    }

    /// Listens on `port`; what is accepted carries `kind`.
    pub fn listen(&self, port: u16, kind: Kind) -> Result<Listener, ListenError> {
        Listener::new(self.clone(), port, kind)
    }

    /// How many connections there are, those that are closing or not yet accepted included.
    pub fn sockets(&self) -> usize {
        self.with_core(|core| core.table.len() + core.streams.len())
    }

    /// Whether bulk data is on its way from here through a card.
    pub fn sends_bulk(&self) -> bool {
        self.with_core(Core::sends_bulk)
    }

    /// Bytes of the buffers of all connections.
    pub fn buffers(&self) -> usize {
        self.with_core(|core| {
            let streams: usize = core.streams.iter().map(Stream::buffered).sum();
            core.slots().map(Slot::buffers).sum::<usize>() + streams
        })
    }

    /// Every connection, in no particular order.
    pub fn connections(&self) -> Vec<ConnectionInfo> {
        self.with_core(|core| core.slots().map(ConnectionInfo::of).collect())
    }

    /// What the whole network has carried.
    pub fn totals(&self) -> Totals {
        self.stack.borrow().totals()
    }

    /// From now on this node answers echoes of others.
    pub fn answer_echoes(&self) {
        self.with_core(|core| core.echo.answers = true);
    }

    /// Begins an exchange of echoes with `peer`. One that went on before is given up.
    pub fn begin_echo(&self, peer: NodeId, order: EchoOrder, clock: Clock) {
        self.stack.borrow_mut().begin_echo(peer, order, clock);
    }

    /// Waits for the last echo, which may be lost.
    pub async fn echo_over(&self) {
        poll_fn(|context| {
            let over = self.with_core(|core| core.echo.is_over(context.waker()));
            if over { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Ends the exchange; how long each round trip took, in nanoseconds.
    pub fn end_echo(&self) -> Vec<u64> {
        self.with_core(|core| core.echo.end())
    }

    /// The shared buffer, or another one if somebody has it.
    pub(super) fn borrow_piece(&self) -> Vec<u8> {
        let mut piece = self.piece.take();
        piece.resize(PIECE, 0);
        piece
    }

    pub(super) fn return_piece(&self, piece: Vec<u8>) {
        self.piece.replace(piece);
    }

    fn dial(&self, node: NodeId, port: u16, kind: Kind) -> Result<Connection, ConnectError> {
        let mut stack = self.stack.borrow_mut();
        stack.fabric().route(node).ok_or(ConnectError::NoRoute(node))?;
        let id = stack.dial(node, port, kind)?;
        drop(stack);
        Ok(Connection::new(self.clone(), id))
    }

    /// Runs `f` on the whole stack, as [`with_core`](Self::with_core).
    pub(super) fn with_stack<R>(&self, f: impl FnOnce(&mut Stack) -> R) -> R {
        f(&mut self.stack.borrow_mut())
    }

    /// Runs `f` on the stack but its ports. It must not run tasks: wakers only queue them.
    pub(super) fn with_core<R>(&self, f: impl FnOnce(&mut Core) -> R) -> R {
        f(self.stack.borrow_mut().core())
    }
}

impl ConnectionInfo {
    fn of(slot: &Slot) -> Self {
        Self {
            peer: slot.tuple.peer,
            peer_port: slot.tuple.peer_port,
            local_port: slot.tuple.local_port,
            state: slot.socket().state(),
            counters: slot.counters,
        }
    }
}
