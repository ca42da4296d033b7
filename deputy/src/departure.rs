//! The old body's side of a move: survey, freeze, image, doubt. Mirrors the body's file of the
//! same name.

use wayfarer_proto::codec::FrameReader;
use wayfarer_proto::errno::Errno;
use wayfarer_proto::handshake::accept;
use wayfarer_proto::id::{CallSeq, ChannelId, Epoch};
use wayfarer_proto::message::{BodyMessage, DeputyMessage, Requirements, Ticket};
use wayfarer_proto::session::{Mark, Mutant};
use wayfarer_proto::time::Instant;

use crate::io::{Event, LostReason, Target};
use crate::link::Channel;
use crate::migration::{Move, Phase, failed, hold};
use crate::session::{Place, Session};

impl Session {
    /// What the body says of its departure. What comes too late for its phase means nothing.
    pub(crate) fn heard_source(&mut self, now: Instant, message: BodyMessage) {
        match (self.phase(), message) {
            (Some(Phase::Survey), BodyMessage::Surveyed { requirements }) => {
                self.ask_target(now, requirements);
            }
            (Some(Phase::Survey), BodyMessage::Unmovable { refusal }) => {
                self.marks.reach(Mark::Unmovable);
                self.abort(now, refusal);
            }
            (Some(Phase::Freeze), BodyMessage::Frozen { last }) => self.on_frozen(now, last),
            (Some(Phase::Stream), BodyMessage::DepartFailed { errno }) => {
                self.abort(now, failed(errno, "sending the image"));
            }
            (Some(Phase::Abort(_)), BodyMessage::Thawed) => self.on_thawed(),
            _ => {}
        }
    }

    /// Tells the body to freeze and holds everything from here on: what was sent before is
    /// answered before it says Frozen.
    pub(crate) fn freeze(&mut self, now: Instant, ticket: Ticket) {
        if let Some(movement) = &mut self.movement {
            movement.ticket = ticket;
        }
        // The target has admitted the body.
        self.cost.frozen_since = Some(now);
        self.cost.round_trips += 1;
        self.enter(Phase::Freeze, now + self.config.keep_alive);
        self.say(self.place, DeputyMessage::Freeze);
        if self.config.mutant != Mutant::SkipHold {
            self.held = hold();
        }
    }

    fn on_frozen(&mut self, now: Instant, last: CallSeq) {
        let skipped = self.config.mutant == Mutant::SkipHold;
        if last != self.last || (self.ops.any_asked() && !skipped) {
            return self.violation(now, self.place);
        }
        self.control.void_pages();
        let Some(Move { target, ticket, .. }) = &self.movement else { return };
        let (target, ticket) = (*target, *ticket);
        let node = match target {
            Target::Here => self.process.home,
            Target::Away { node, .. } => node,
        };
        // This answer, and the connection that the image goes by.
        self.cost.round_trips += 2;
        self.enter(Phase::Stream, Instant::NEVER);
        self.say(self.place, DeputyMessage::Depart { node, ticket });
    }

    fn on_thawed(&mut self) {
        let Some(Move { target, phase: Phase::Abort(refusal), .. }) = self.movement.take() else {
            return;
        };
        self.release();
        self.event(Event::MoveFailed { target, refusal });
    }

    /// The body's channel broke. Once its image is on its way it may be in doubt and ask, or the
    /// new body may be whole: both are waited for.
    pub(crate) fn body_broken(&mut self, now: Instant) {
        let until = now + self.config.keep_alive;
        match &mut self.movement {
            // The new body is there: nothing more is expected of the old one, unless all is off.
            Some(Move { phase: Phase::Whole, source_lost, .. }) => *source_lost = true,
            Some(Move {
                phase: Phase::Stream | Phase::Abort(_), source_lost, until: end, ..
            }) => {
                *source_lost = true;
                *end = until;
            }
            _ => self.lost(now, LostReason::Broken),
        }
    }

    /// A body in doubt asks over a fresh connection, which becomes its channel if its epoch is
    /// the one that counts and nothing is decided against it.
    pub(crate) fn doubt_called(
        &mut self,
        now: Instant,
        channel: ChannelId,
        epoch: Epoch,
        reader: FrameReader,
    ) {
        let undecided =
            matches!(self.phase(), Some(Phase::Stream | Phase::Whole | Phase::Abort(_)));
        let Place::Away(old) = self.place else { return self.refuse_doubt(channel) };
        if epoch != self.epoch || !undecided {
            return self.refuse_doubt(channel);
        }
        self.forget(old);
        self.channels.insert(channel, Channel::open(reader));
        self.place = Place::Away(channel);
        self.transmit(channel, accept(Ticket::NONE));
        let pending = matches!(self.phase(), Some(Phase::Stream | Phase::Whole));
        if let Some(movement) = &mut self.movement {
            movement.source_lost = false;
            movement.until = if pending { Instant::NEVER } else { now + self.config.keep_alive };
        }
        if pending {
            self.marks.reach(Mark::DoubtPending);
        } else {
            self.marks.reach(Mark::DoubtAborted);
            self.say_abort();
        }
    }

    fn refuse_doubt(&mut self, channel: ChannelId) {
        self.marks.reach(Mark::DoubtStale);
        if self.config.mutant == Mutant::AnswerStaleEpoch {
            self.transmit(channel, accept(Ticket::NONE));
            return self.say(Place::Away(channel), DeputyMessage::Abort { stopped: false });
        }
        self.refuse(channel, Errno::ESTALE);
    }

    fn ask_target(&mut self, now: Instant, requirements: Requirements) {
        self.cost.round_trips += 1;
        self.enter(Phase::Admission, now + self.config.keep_alive);
        self.request_admission(requirements);
    }
}
