//! The new body's side of a move: admission, image, commit. Mirrors the body's file of the same
//! name.

use wayfarer_proto::errno::Errno;
use wayfarer_proto::handshake::{Purpose, hello};
use wayfarer_proto::id::{ChannelId, Epoch};
use wayfarer_proto::message::{BodyMessage, Refusal, Requirements, Ticket};
use wayfarer_proto::session::Mark;
use wayfarer_proto::time::Instant;

use crate::io::{Event, Target};
use crate::link::Channel;
use crate::migration::{Move, Phase, failed};
use crate::session::{Place, Session};

impl Session {
    /// Asks the target whether it can host the body.
    pub(crate) fn request_admission(&mut self, requirements: Requirements) {
        let epoch = Epoch(self.epoch.0 + 1);
        let process = self.process;
        let Some(Move { target, .. }) = &self.movement else { return };
        match *target {
            Target::Here => {
                self.event(Event::Admit { requirements, epoch });
            }
            Target::Away { node, channel } => {
                self.cost.round_trips += 1;
                let hello = hello(Purpose::NewBody { process, epoch, requirements });
                self.channels.insert(channel, Channel::dialing(hello));
                self.event(Event::Connect { channel, node });
            }
        }
    }

    /// The target accepted.
    pub(crate) fn admitted(&mut self, now: Instant, channel: ChannelId, ticket: Ticket) {
        if self.target_place() == Some(Place::Away(channel)) {
            self.accepted(now, ticket);
        }
    }

    /// Home accepted.
    pub(crate) fn admitted_here(&mut self, now: Instant, ticket: Ticket) {
        if self.target_place() == Some(Place::Here) {
            self.accepted(now, ticket);
        }
    }

    fn accepted(&mut self, now: Instant, ticket: Ticket) {
        if self.phase() == Some(&Phase::Admission) {
            self.freeze(now, ticket);
        }
    }

    pub(crate) fn not_admitted(&mut self, now: Instant, refusal: Refusal) {
        if self.phase() == Some(&Phase::Admission) {
            self.marks.reach(Mark::Refused);
            self.abort(now, refusal);
        }
    }

    /// What the new body says of its arrival.
    pub(crate) fn heard_target(&mut self, now: Instant, message: BodyMessage) {
        match (self.phase(), message) {
            (Some(Phase::Stream), BodyMessage::Whole { totals }) => {
                self.cost.bytes = totals.bytes;
                self.enter(Phase::Whole, Instant::NEVER);
                self.event(Event::Whole);
            }
            (Some(Phase::Freeze | Phase::Stream), BodyMessage::ArrivalFailed { errno }) => {
                self.abort(now, failed(errno, "receiving the image"));
            }
            _ => {}
        }
    }

    pub(crate) fn target_broken(&mut self, now: Instant) {
        self.abort(now, failed(Errno::EHOSTUNREACH, "the connection to the target"));
    }
}
