//! A body's session and its deputy's, joined by a wire without delay: each test says what the
//! kernels do.

use std::collections::VecDeque;

use wayfarer_body as body;
use wayfarer_deputy as deputy;
use wayfarer_proto::handshake::Acceptor;
use wayfarer_proto::id::{ChannelId, NodeId, Pid, ProcessKey, Tid};
use wayfarer_proto::session::Config;
use wayfarer_proto::time::Instant;

/// The process of every test.
pub const PROCESS: ProcessKey = ProcessKey { home: NodeId(1), pid: Pid(7) };
/// Its leader.
pub const LEADER: Tid = Tid(7);
/// The channel of the pair.
pub const CHANNEL: ChannelId = ChannelId(1);

/// The two sessions of a process that is away.
#[derive(Debug)]
pub struct Pair {
    /// The time, moved by tests.
    pub now: Instant,
    /// The body's session.
    pub body: body::Session,
    /// The deputy's.
    pub deputy: deputy::Session,
    /// What the body's kernel has to do.
    pub body_events: VecDeque<body::Event>,
    /// What the deputy's kernel has to do.
    pub deputy_events: VecDeque<deputy::Event>,
    /// Each message sent to the deputy, in bytes.
    pub to_deputy: Vec<usize>,
    /// Each message sent to the body, in bytes.
    pub to_body: Vec<usize>,
    /// Messages on the wire are kept back while this is set.
    pub stalled: bool,
    wire_to_deputy: VecDeque<Vec<u8>>,
    wire_to_body: VecDeque<Vec<u8>>,
    acceptor: Option<Acceptor>,
}

impl Default for Pair {
    fn default() -> Self {
        Self::new(Config::default())
    }
}

impl Pair {
    /// A child made by fork whose body has called and whose leader has been told 0.
    pub fn new(config: Config) -> Self {
        let now = Instant(1);
        let mut pair = Self {
            now,
            body: body::Session::child(config, PROCESS, 42),
            deputy: deputy::Session::child(config, now, PROCESS),
            body_events: VecDeque::new(),
            deputy_events: VecDeque::new(),
            to_deputy: Vec::new(),
            to_body: Vec::new(),
            stalled: false,
            wire_to_deputy: VecDeque::new(),
            wire_to_body: VecDeque::new(),
            acceptor: Some(Acceptor::default()),
        };
        pair.run();
        assert_eq!(pair.body_events.pop_front(), Some(body::Event::Reconnect));
        pair.tell_body(body::Input::Connected);
        pair.finish(LEADER, Ok(0));
        assert!(matches!(pair.body_events.pop_front(), Some(body::Event::Reply { .. })));
        pair.to_body.clear();
        pair.to_deputy.clear();
        pair
    }

    /// Gives the body's session an input and lets everything follow.
    pub fn tell_body(&mut self, input: body::Input<'_>) {
        self.body.handle_input(self.now, input);
        self.run();
    }

    /// Gives the deputy's session an input and lets everything follow.
    pub fn tell_deputy(&mut self, input: deputy::Input<'_>) {
        self.deputy.handle_input(self.now, input);
        self.run();
    }

    /// A thread begins a transaction.
    pub fn request(&mut self, thread: Tid, request: body::Request) {
        self.body.request(thread, request).expect("the body runs");
        self.run();
    }

    /// The handler of a thread's call ends, with nothing more to do.
    pub fn finish(&mut self, thread: Tid, result: Result<u64, wayfarer_proto::errno::Errno>) {
        let seq = self.body.open_call(thread).expect("a call is open");
        self.tell_deputy(deputy::Input::Finish { thread, seq, result, actions: Vec::new() });
    }

    /// Carries messages until nobody has anything to say.
    pub fn run(&mut self) {
        loop {
            self.drain();
            if self.stalled || (self.wire_to_body.is_empty() && self.wire_to_deputy.is_empty()) {
                return;
            }
            if let Some(bytes) = self.wire_to_deputy.pop_front() {
                self.deliver_to_deputy(&bytes);
            }
            if let Some(bytes) = self.wire_to_body.pop_front() {
                self.body.handle_input(self.now, body::Input::Received(&bytes));
            }
        }
    }

    /// Carries one message to the deputy, however stalled; whether there was one.
    pub fn carry_to_deputy(&mut self) -> bool {
        let Some(bytes) = self.wire_to_deputy.pop_front() else { return false };
        self.deliver_to_deputy(&bytes);
        self.drain();
        true
    }

    /// Carries one message to the body, however stalled; whether there was one.
    pub fn carry_to_body(&mut self) -> bool {
        let Some(bytes) = self.wire_to_body.pop_front() else { return false };
        self.body.handle_input(self.now, body::Input::Received(&bytes));
        self.drain();
        true
    }

    fn deliver_to_deputy(&mut self, bytes: &[u8]) {
        if let Some(mut acceptor) = self.acceptor.take() {
            let purpose = acceptor.receive(bytes).expect("a hello is a hello");
            assert!(purpose.is_some(), "a hello comes in one piece here");
            let reader = acceptor.into_reader();
            let input = deputy::Input::ChildCalled { channel: CHANNEL, reader };
            return self.deputy.handle_input(self.now, input);
        }
        let input = deputy::Input::Received { channel: CHANNEL, bytes };
        self.deputy.handle_input(self.now, input);
    }

    fn drain(&mut self) {
        loop {
            match self.body.poll_output() {
                body::Output::Timeout(_) => break,
                body::Output::Transmit(frame) => {
                    self.to_deputy.push(frame.len());
                    self.wire_to_deputy.push_back(frame.to_vec());
                }
                body::Output::Event(event) => self.body_events.push_back(event),
                other => panic!("{other:?} in a pair"),
            }
        }
        loop {
            match self.deputy.poll_output() {
                deputy::Output::Timeout(_) => break,
                deputy::Output::Transmit { channel: CHANNEL, frame } => {
                    self.to_body.push(frame.len());
                    self.wire_to_body.push_back(frame.to_vec());
                }
                deputy::Output::Event(event) => self.deputy_events.push_back(event),
                other => panic!("{other:?} in a pair"),
            }
        }
    }
}
