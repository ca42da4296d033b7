//! The session's state and the one door into it.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use wayfarer_proto::codec::{Frame, FrameReader};
use wayfarer_proto::handshake::{Purpose, accept};
use wayfarer_proto::id::{CallSeq, Epoch, NodeId, ProcessKey, Tid};
use wayfarer_proto::message::{BodyMessage, DeputyMessage, Envelope, Ticket, Usage};
use wayfarer_proto::session::{Config, Mark, Marks};
use wayfarer_proto::sorted::SortedMap;
use wayfarer_proto::time::Instant;

use crate::ahead::Loan;
use crate::arrival::Reception;
use crate::calls::Thread;
use crate::control::Pages;
use crate::departure::Doubt;
use crate::io::{DestroyReason, Event, ImageSink, Input, Output};
use crate::link::Link;
use crate::memory::MemoryQueue;

/// Where a body stands.
///
/// ```text
/// child: Calling ----accepted----> Running <------------------- Abort -----------------.
/// moved: Arriving --End--> Whole --Commit--^ |                                          |
///                                            '-Freeze-> Freezing -> Frozen -Depart-> Departing
///                                                                             |  last byte
///        Dying (Bye, loss) -> Ended                                        InDoubt
/// ```
#[derive(Debug)]
pub(crate) enum Life {
    /// A child's body, until home accepts its channel.
    Calling,
    /// Its image is coming in.
    Arriving(Box<Reception>),
    /// Its image is there; the deputy has not decided yet.
    Whole,
    /// It runs.
    Running,
    /// Its threads are being stopped; `true` once they have.
    Freezing(bool),
    /// It said Frozen.
    Frozen,
    /// Its image is going out.
    Departing,
    /// The last byte is sent: only the deputy knows whether it may ever run again.
    InDoubt(Doubt),
    /// The kernel destroys it; `true` if the deputy waits to hear so.
    Dying(bool),
    /// It is no more.
    Ended,
}

/// The session of one body: one end of one channel, for one epoch.
#[derive(Debug)]
pub struct Session {
    pub(crate) config: Config,
    pub(crate) marks: Marks,
    pub(crate) process: ProcessKey,
    pub(crate) epoch: Epoch,
    pub(crate) life: Life,
    pub(crate) link: Link,
    pub(crate) threads: SortedMap<Tid, Thread>,
    pub(crate) last: CallSeq,
    pub(crate) memory: MemoryQueue,
    pub(crate) pages: Pages,
    pub(crate) loan: Option<Loan>,
    /// Something was said on the control stream since the last request.
    pub(crate) spoke: bool,
    outputs: VecDeque<Output>,
}

impl Session {
    /// A whole process at home: joined to the deputy session of its node, running. Calls already
    /// open are told by [`Session::adopt`].
    pub fn at_home(config: Config, process: ProcessKey, epoch: Epoch) -> Self {
        Self::new(config, process, epoch, Life::Running, Link::Here)
    }

    /// The body of a child made by fork on this node. Its leader awaits the reply to call 1. The
    /// session asks for a connection ([`Event::Reconnect`]).
    pub fn child(config: Config, child: ProcessKey, token: u64) -> Self {
        let link = Link::Dialing(Purpose::ForkChild { child, token });
        let mut session = Self::new(config, child, Epoch(0), Life::Calling, link);
        session.adopt(child.pid.leader(), CallSeq(1));
        session.event(Event::Reconnect);
        session
    }

    /// A body that was admitted and whose image will come. `epoch` is the hello's. Unless the
    /// target is home itself the session accepts the hello; `token` is what the old body must
    /// show at this node's image port.
    pub fn arriving(config: Config, now: Instant, arrival: Arrival) -> Self {
        let Arrival { process, epoch, ticket, home, reader } = arrival;
        let reception = Box::new(Reception::new(process, epoch, now + config.keep_alive));
        let link = if home { Link::Here } else { Link::Up(reader) };
        let mut session = Self::new(config, process, epoch, Life::Arriving(reception), link);
        if !home {
            session.transmit(accept(ticket));
        }
        session
    }

    fn new(config: Config, process: ProcessKey, epoch: Epoch, life: Life, link: Link) -> Self {
        Self {
            config,
            marks: Marks::default(),
            process,
            epoch,
            life,
            link,
            threads: SortedMap::new(),
            last: CallSeq(0),
            memory: MemoryQueue::default(),
            pages: Pages::default(),
            loan: None,
            spoke: false,
            outputs: VecDeque::new(),
        }
    }

    /// Which process.
    pub const fn process(&self) -> ProcessKey {
        self.process
    }

    /// Home of the process.
    pub const fn home(&self) -> NodeId {
        self.process.home
    }

    /// The epoch of this body.
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The last call begun, for the header of an image.
    pub const fn last_call(&self) -> CallSeq {
        self.last
    }

    /// Whether threads may run: the only moments when they do.
    pub const fn may_run(&self) -> bool {
        matches!(self.life, Life::Running)
    }

    /// Whether home has not accepted this child's body yet.
    pub const fn is_calling(&self) -> bool {
        matches!(self.life, Life::Calling)
    }

    /// The branches reached so far.
    pub const fn marks(&self) -> Marks {
        self.marks
    }

    /// Takes one input; drain [`Session::poll_output`] before the next.
    pub fn handle_input(&mut self, now: Instant, input: Input<'_>) {
        match input {
            Input::Timeout => {}
            Input::Connected => self.connected(),
            Input::Received(bytes) => self.received(now, bytes),
            Input::Broken => self.broken(now),
            Input::Here(envelope) => self.handle_message(now, envelope),
            Input::ThreadGone { thread } => self.thread_gone(thread),
            Input::MemoryDone { op, reply } => self.memory_done(op, reply),
            Input::ReleaseMap { map } => self.say(BodyMessage::ReleaseMap { map }),
            Input::Answer { id, bytes } => self.say(BodyMessage::Answer { id, bytes }),
            Input::Surveyed(result) => self.surveyed(result),
            Input::Frozen => self.threads_stopped(),
            Input::ImageSent { totals } => self.image_sent(totals),
            Input::DepartFailed { errno } => self.depart_failed(errno),
            Input::ImageBroken => self.image_broken(),
            Input::Installed => self.installed(),
            Input::ArrivalFailed { errno } => self.arrival_failed(errno),
            Input::Destroyed { usage } => self.destroyed(usage),
        }
        self.expire(now);
    }

    /// Takes bytes of the image that came, as another input: what they are goes to `sink` at once.
    pub fn image_received(&mut self, now: Instant, bytes: &[u8], sink: &mut dyn ImageSink) {
        self.take_image(now, bytes, sink);
        self.expire(now);
    }

    /// The next output; [`Output::Timeout`] when there is nothing more.
    pub fn poll_output(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or_else(|| Output::Timeout(self.deadline()))
    }

    /// One message of the deputy.
    pub(crate) fn handle_message(&mut self, now: Instant, envelope: Envelope<DeputyMessage>) {
        use DeputyMessage as D;
        if matches!(self.life, Life::Dying(_) | Life::Ended) {
            return;
        }
        if !matches!(envelope.message, DeputyMessage::Lend { .. }) {
            self.return_loan();
        }
        let Envelope { thread, seq, message } = envelope;
        match message {
            D::Reply { reply } => self.on_reply(thread, seq, reply),
            D::ReplyAhead { reply, next } => self.on_reply_ahead(thread, seq, reply, next),
            D::Attention => self.on_attention(thread),
            D::Lend { fd, room } => self.on_lend(now, seq, fd, room),
            D::Memory { id, request } => self.on_memory(thread, seq, id, request),
            D::PageData { id, result } => self.on_page_data(id, result),
            D::Stop => self.while_running(Event::Stop),
            D::Continue => self.while_running(Event::Continue),
            D::Query { id, query } => self.while_running(Event::Query { id, query }),
            D::ClockStep { realtime_offset_ns } => {
                self.while_running(Event::ClockStep { realtime_offset_ns });
            }
            D::Survey => self.while_running(Event::Survey),
            D::Freeze => self.on_freeze(),
            D::Depart { node, ticket } => self.on_depart(node, ticket),
            D::Abort { stopped } => self.on_abort(stopped),
            D::Commit { epoch, stopped } => self.on_commit(epoch, stopped),
            D::Bye { reason } => self.on_bye(reason),
            D::Recall => {}
        }
    }

    /// Passes on what the deputy says only to a body that runs: from its Freeze to its verdict it
    /// holds everything else.
    fn while_running(&mut self, event: Event) {
        match self.life {
            Life::Running => self.event(event),
            _ => self.violation(),
        }
    }

    fn on_bye(&mut self, reason: wayfarer_proto::message::ByeReason) {
        self.marks.reach(Mark::ByeAcked);
        self.die(DestroyReason::Bye(reason), true);
    }

    /// Has the body destroyed; it may not run from here on.
    pub(crate) fn die(&mut self, reason: DestroyReason, acknowledge: bool) {
        if !matches!(self.life, Life::Dying(_) | Life::Ended) {
            self.life = Life::Dying(acknowledge);
            self.event(Event::Destroy { reason });
        }
    }

    /// The deputy broke the protocol: nothing it says can be believed.
    pub(crate) fn violation(&mut self) {
        self.die(DestroyReason::Violation, false);
    }

    fn destroyed(&mut self, usage: Usage) {
        if let Life::Dying(acknowledge) = self.life {
            if acknowledge {
                self.say(BodyMessage::ByeAck { usage });
            }
            self.life = Life::Ended;
            self.event(Event::Closed);
        }
    }

    /// Says something on the control stream.
    pub(crate) fn say(&mut self, message: BodyMessage) {
        self.send(Envelope::control(message));
    }

    /// Sends a message to the deputy.
    pub(crate) fn send(&mut self, envelope: Envelope<BodyMessage>) {
        if !matches!(envelope.message, BodyMessage::Post { .. }) {
            self.end_loan();
            self.spoke = envelope.thread == Tid::CONTROL;
        }
        match self.link {
            Link::Here => self.outputs.push_back(Output::Here(envelope)),
            _ => self.transmit(envelope.to_frame()),
        }
    }

    /// Sends bytes to the deputy, if the connection is up.
    pub(crate) fn transmit(&mut self, frame: Frame) {
        if self.link.is_up() {
            self.outputs.push_back(Output::Transmit(frame));
        }
    }

    /// Sends the last bytes of the image.
    pub(crate) fn transmit_image(&mut self, frame: Frame) {
        self.outputs.push_back(Output::TransmitImage(frame));
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }
}

/// What is known of a body when it is admitted.
#[derive(Debug)]
pub struct Arrival {
    /// Whose.
    pub process: ProcessKey,
    /// The epoch it has once it runs.
    pub epoch: Epoch,
    /// What the old body is given for its image.
    pub ticket: Ticket,
    /// Whether this node is its home, so that deputy and body are joined without a channel.
    pub home: bool,
    /// What the acceptor read after the hello; empty at home.
    pub reader: FrameReader,
}
