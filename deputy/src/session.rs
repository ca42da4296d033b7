//! The session's state and the one door into it.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use wayfarer_proto::codec::Frame;
use wayfarer_proto::id::{CallSeq, ChannelId, Epoch, ProcessKey, Tid};
use wayfarer_proto::message::{ByeReason, DeputyMessage, Envelope, FileBytes, Usage};
use wayfarer_proto::session::{Config, Mark, Marks};
use wayfarer_proto::sorted::SortedMap;
use wayfarer_proto::time::Instant;

use crate::ahead::Loan;
use crate::calls::Thread;
use crate::control::Control;
use crate::io::{BodyLost, Event, Input, LostReason, Output};
use crate::link::Channel;
use crate::memory::Ops;
use crate::migration::{Move, MoveCost};

/// Where the body is: the deputy alone decides it (decision D6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// On this node.
    Here,
    /// At the other end of this channel.
    Away(ChannelId),
    /// A child's, that has not called yet.
    Awaited {
        /// When it is given up.
        until: Instant,
    },
    /// Nowhere: the process has ended, or it is lost.
    Nowhere,
}

/// The session of one deputy: for the life of a split process, whatever channel its body is at.
#[derive(Debug)]
pub struct Session {
    pub(crate) config: Config,
    pub(crate) marks: Marks,
    pub(crate) process: ProcessKey,
    pub(crate) epoch: Epoch,
    pub(crate) place: Place,
    pub(crate) channels: SortedMap<ChannelId, Channel>,
    pub(crate) threads: SortedMap<Tid, Thread>,
    pub(crate) last: CallSeq,
    pub(crate) ops: Ops,
    pub(crate) control: Control,
    /// What waits for the verdict of a move, or for a child's first call; `None` when nothing
    /// does.
    pub(crate) held: Option<Vec<Envelope<DeputyMessage>>>,
    pub(crate) movement: Option<Move>,
    pub(crate) cost: MoveCost,
    pub(crate) loan: Option<Loan>,
    /// What goes with the reply to this call.
    pub(crate) next: Option<(CallSeq, FileBytes)>,
    /// The process has ended and the body that was here has not acknowledged it yet.
    pub(crate) ending: Option<Place>,
    outputs: VecDeque<Output>,
}

impl Session {
    /// The deputy of a process that is whole and here, joined to a body session of this node.
    /// Calls already open are told by [`Session::adopt`].
    pub fn at_home(config: Config, process: ProcessKey, epoch: Epoch) -> Self {
        Self::new(config, process, epoch, Place::Here)
    }

    /// The deputy of a child whose body is being made away. Its leader's call 1 is open: finish it
    /// with 0 and the child runs.
    pub fn child(config: Config, now: Instant, child: ProcessKey) -> Self {
        let until = now + config.keep_alive;
        let mut session = Self::new(config, child, Epoch(0), Place::Awaited { until });
        session.held = Some(Vec::new());
        session.adopt(child.pid.leader(), CallSeq(1));
        session
    }

    fn new(config: Config, process: ProcessKey, epoch: Epoch, place: Place) -> Self {
        Self {
            config,
            marks: Marks::default(),
            process,
            epoch,
            place,
            channels: SortedMap::new(),
            threads: SortedMap::new(),
            last: CallSeq(0),
            ops: Ops::default(),
            control: Control::default(),
            held: None,
            movement: None,
            cost: MoveCost::default(),
            loan: None,
            next: None,
            ending: None,
            outputs: VecDeque::new(),
        }
    }

    /// Which process.
    pub const fn process(&self) -> ProcessKey {
        self.process
    }

    /// The epoch of the body that may run.
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Whether the body is on this node.
    pub const fn is_here(&self) -> bool {
        matches!(self.place, Place::Here)
    }

    /// Whether there is no body any more.
    pub const fn is_dead(&self) -> bool {
        matches!(self.place, Place::Nowhere)
    }

    /// Whether it is a child's whose body has not called yet.
    pub const fn is_awaiting(&self) -> bool {
        matches!(self.place, Place::Awaited { .. })
    }

    /// What the latest move took.
    pub const fn move_cost(&self) -> MoveCost {
        self.cost
    }

    /// Whether a move is going on, its verdict included.
    pub const fn is_moving(&self) -> bool {
        self.movement.is_some()
    }

    /// Whether nothing is open: a process that has come home needs its sessions only until then.
    pub fn is_quiet(&self) -> bool {
        let idle = |state: &Thread| state.open.is_none() && !state.attention;
        self.channels.is_empty()
            && self.movement.is_none()
            && self.held.is_none()
            && self.ops.is_empty()
            && self.threads.values().all(idle)
    }

    /// The branches reached so far.
    pub const fn marks(&self) -> Marks {
        self.marks
    }

    /// Takes one input; drain [`Session::poll_output`] before the next.
    pub fn handle_input(&mut self, now: Instant, input: Input<'_>) {
        match input {
            Input::Timeout => {}
            Input::Connected { channel } => self.connected(channel),
            Input::Received { channel, bytes } => self.received(now, channel, bytes),
            Input::Broken { channel } => self.broken(now, channel),
            Input::Here(envelope) => self.heard_here(now, envelope),
            Input::ChildCalled { channel, reader } => self.child_called(channel, reader),
            Input::ChildHere => self.child_here(),
            Input::DoubtCalled { channel, epoch, reader } => {
                self.doubt_called(now, channel, epoch, reader);
            }
            Input::Finish { thread, seq, result, actions } => {
                self.finish(thread, seq, result, actions);
            }
            Input::Lend { thread, seq, fd, room } => self.lend(thread, seq, fd, room),
            Input::WantBack => self.want_back(),
            Input::Attention { thread } => self.attention(thread),
            Input::ThreadGone { thread } => self.thread_gone(thread),
            Input::PageData { op, result } => self.page_data(op, result),
            Input::Query { id, query } => self.query(id, query),
            Input::ClockStep { realtime_offset_ns } => {
                self.post_control(DeputyMessage::ClockStep { realtime_offset_ns });
            }
            Input::Stop => self.set_stopped(true),
            Input::Continue => self.set_stopped(false),
            Input::Move { target } => self.begin_move(now, target),
            Input::Commit => self.commit(now),
            Input::CallOff(refusal) => self.abort(now, refusal),
            Input::Admitted { ticket } => self.admitted_here(now, ticket),
            Input::NotAdmitted(refusal) => self.not_admitted(now, refusal),
            Input::End => self.end(now),
        }
        self.expire(now);
    }

    /// Gives back the room that a move took: between moves there is little to hear and to say at
    /// a time.
    pub fn shrink(&mut self) {
        self.outputs.shrink_to(1);
        for channel in self.channels.values_mut() {
            channel.shrink();
        }
    }

    /// The next output; [`Output::Timeout`] when there is nothing more.
    pub fn poll_output(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or_else(|| Output::Timeout(self.deadline()))
    }

    /// Says something to the body when it may hear it: now, or after the verdict.
    pub(crate) fn post(&mut self, envelope: Envelope<DeputyMessage>) {
        match &mut self.held {
            Some(held) => held.push(envelope),
            None => self.send(self.place, envelope),
        }
    }

    /// [`Session::post`] on the control stream.
    pub(crate) fn post_control(&mut self, message: DeputyMessage) {
        self.post(Envelope::control(message));
    }

    /// Says something now, on the control stream, whatever is held.
    pub(crate) fn say(&mut self, place: Place, message: DeputyMessage) {
        self.send(place, Envelope::control(message));
    }

    pub(crate) fn send(&mut self, place: Place, envelope: Envelope<DeputyMessage>) {
        if place == self.place {
            self.recall(&envelope.message);
        }
        match place {
            Place::Here => self.outputs.push_back(Output::Here(envelope)),
            Place::Away(channel) => self.transmit(channel, envelope.to_frame()),
            Place::Awaited { .. } | Place::Nowhere => {}
        }
    }

    pub(crate) fn transmit(&mut self, channel: ChannelId, frame: Frame) {
        self.outputs.push_back(Output::Transmit { channel, frame });
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    /// Sends what was held to the body that lives, then reminds it of what it does not know.
    pub(crate) fn release(&mut self) {
        for envelope in self.held.take().unwrap_or_default() {
            self.post(envelope);
        }
        self.ops.released();
        self.repeat_attentions();
        self.repeat_control();
    }

    /// The body is lost, and with it the process.
    pub(crate) fn lost(&mut self, now: Instant, reason: LostReason) {
        if self.is_dead() {
            return;
        }
        if reason == LostReason::Broken {
            self.marks.reach(Mark::BodyLost);
        }
        self.event(Event::Lost { reason });
        self.end(now);
    }

    /// Ends the process: whatever body there is, or is becoming, is destroyed.
    pub(crate) fn end(&mut self, now: Instant) {
        if self.is_dead() {
            return;
        }
        if self.drop_move(now) {
            self.marks.reach(Mark::ExitDuringMove);
        }
        let place = core::mem::replace(&mut self.place, Place::Nowhere);
        self.held = None;
        (self.loan, self.next) = (None, None);
        self.threads.clear();
        for op in self.ops.take_all() {
            self.event(Event::MemoryDone { op, result: Err(BodyLost) });
        }
        for id in self.control.take_queries() {
            self.event(Event::Answer { id, result: Err(BodyLost) });
        }
        if self.bye(now, place, ByeReason::Ended) {
            self.ending = Some(place);
        } else {
            self.event(Event::Closed { usage: None });
        }
    }

    /// The body at `place` acknowledged its end, or will not.
    pub(crate) fn ended(&mut self, place: Place, usage: Option<Usage>) {
        if self.ending == Some(place) {
            self.ending = None;
            self.event(Event::Closed { usage });
        }
    }
}
