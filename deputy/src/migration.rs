//! The coordinator of a move: its phases, its one way to succeed and its one way to fail.
//!
//! ```text
//! Survey -> Admission -> Freeze -> Stream -> Whole -> commit
//!    |          |           |        |         |
//!    '----------'           '--------'---------'--> Abort (until the old body has thawed)
//! nothing was stopped yet
//! ```
//!
//! The kernel has the last word: processes that share memory move together or not at all, so that
//! each waits in Whole until all are there, and all commits are made in one step of home.
//!
//! From the moment Freeze is sent until the verdict the deputy holds what it has to say to the
//! body. The old body's side is in `departure`, the new one's in `arrival`.

use alloc::string::String;
use alloc::vec::Vec;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::message::{BodyMessage, ByeReason, DeputyMessage, Envelope, Refusal, Ticket};
use wayfarer_proto::session::{Mark, MovePhase, Mutant};
use wayfarer_proto::time::Instant;

use crate::io::{Event, LostReason, Target};
use crate::session::{Place, Session};

/// How far a move is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    /// The body was asked what it needs.
    Survey,
    /// The target was asked.
    Admission,
    /// The body was told to freeze.
    Freeze,
    /// The image is on its way; only the new body's Whole ends this, or a failure.
    Stream,
    /// The image has arrived; the kernel decides.
    Whole,
    /// It failed after the freeze: the old body was told, or will be when it asks.
    Abort(Refusal),
}

/// What the latest move took, as far as home can tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MoveCost {
    /// When the body was told to freeze; `None` if it never was.
    pub frozen_since: Option<Instant>,
    /// Bytes of the image that arrived.
    pub bytes: u64,
    /// Exchanges that followed one another: answers waited for, and connections set up.
    pub round_trips: u32,
}

/// A move that is going on.
#[derive(Debug)]
pub(crate) struct Move {
    pub(crate) target: Target,
    pub(crate) phase: Phase,
    /// When the phase is given up.
    pub(crate) until: Instant,
    /// What the target gave out for the image.
    pub(crate) ticket: Ticket,
    /// The old body's channel has broken and no new one has come.
    pub(crate) source_lost: bool,
}

impl Target {
    /// The place it will be.
    pub(crate) const fn place(self) -> Place {
        match self {
            Self::Here => Place::Here,
            Self::Away { channel, .. } => Place::Away(channel),
        }
    }
}

impl Session {
    /// Where the body would go.
    pub(crate) fn target_place(&self) -> Option<Place> {
        self.movement.as_ref().map(|movement| movement.target.place())
    }

    pub(crate) fn phase(&self) -> Option<&Phase> {
        self.movement.as_ref().map(|movement| &movement.phase)
    }

    /// How far the move is that goes on, if one does.
    pub fn move_phase(&self) -> Option<MovePhase> {
        self.phase().map(|phase| match phase {
            Phase::Survey => MovePhase::Survey,
            Phase::Admission => MovePhase::Admission,
            Phase::Freeze => MovePhase::Freeze,
            Phase::Stream | Phase::Whole => MovePhase::Stream,
            Phase::Abort(_) => MovePhase::Abort,
        })
    }

    /// Enters a phase: the one place where that happens.
    pub(crate) fn enter(&mut self, phase: Phase, until: Instant) {
        self.marks.reach(match phase {
            Phase::Survey => Mark::PhaseSurvey,
            Phase::Admission => Mark::PhaseAdmission,
            Phase::Freeze => Mark::PhaseFreeze,
            Phase::Stream => Mark::PhaseStream,
            Phase::Whole => Mark::PhaseWhole,
            Phase::Abort(_) => Mark::PhaseAbort,
        });
        if let Some(movement) = &mut self.movement {
            movement.phase = phase;
            movement.until = until;
        }
    }

    pub(crate) fn begin_move(&mut self, now: Instant, target: Target) {
        let (errno, reason) = match self.place {
            _ if self.movement.is_some() => {
                self.marks.reach(Mark::MoveOverlapped);
                (Errno::EBUSY, "it is already moving")
            }
            Place::Nowhere => (Errno::ESRCH, "it has ended"),
            Place::Awaited { .. } => (Errno::EAGAIN, "its body is being made"),
            Place::Here if target == Target::Here => (Errno::EALREADY, "it is at home"),
            Place::Here | Place::Away(_) => {
                let until = now + self.config.keep_alive;
                let phase = Phase::Survey;
                self.cost = MoveCost::default();
                let ticket = Ticket::NONE;
                self.movement = Some(Move { target, phase, until, ticket, source_lost: false });
                self.enter(Phase::Survey, until);
                return self.say(self.place, DeputyMessage::Survey);
            }
        };
        let refusal = Refusal { errno, reason: reason.into() };
        self.event(Event::MoveFailed { target, refusal });
    }

    /// The new body is whole: it is the one from now on (decision D6).
    pub(crate) fn commit(&mut self, now: Instant) {
        let Some(movement) = self.movement.take_if(|movement| movement.phase == Phase::Whole)
        else {
            return;
        };
        self.cost.round_trips += 1;
        let target = movement.target;
        let old = core::mem::replace(&mut self.place, target.place());
        self.mark_commit(old, movement.source_lost);
        self.epoch.0 += 1;
        let (epoch, stopped) = (self.epoch, self.control.tell_stopped());
        // The old body first: at home both take messages of one drain.
        if !movement.source_lost {
            self.bye(now, old, ByeReason::Moved);
        }
        self.say(self.place, DeputyMessage::Commit { epoch, stopped });
        if self.config.mutant == Mutant::RetryCall {
            self.retry_calls();
        }
        self.release();
        self.event(Event::Moved { target, epoch });
    }

    fn mark_commit(&mut self, old: Place, source_lost: bool) {
        self.marks.reach(Mark::PhaseCommit);
        self.marks.reach(match (old, self.place) {
            (Place::Here, _) => Mark::MovedAway,
            (_, Place::Here) => Mark::MovedHome,
            _ => Mark::MovedAwayToAway,
        });
        if source_lost {
            self.marks.reach(Mark::CommitWithoutSource);
        }
    }

    /// Calls a move off. The old body runs on; if it was told to freeze, it must say so first.
    pub(crate) fn abort(&mut self, now: Instant, refusal: Refusal) {
        let Some(Move { target, phase, source_lost, .. }) = &self.movement else { return };
        let (target, source_lost) = (*target, *source_lost);
        match phase {
            Phase::Abort(_) => {}
            Phase::Survey | Phase::Admission => {
                self.bye(now, target.place(), ByeReason::Moved);
                self.movement = None;
                self.event(Event::MoveFailed { target, refusal });
            }
            Phase::Freeze | Phase::Stream | Phase::Whole => {
                if *phase == Phase::Whole {
                    self.marks.reach(Mark::CalledOffWhole);
                }
                self.bye(now, target.place(), ByeReason::Moved);
                self.enter(Phase::Abort(refusal), now + self.config.keep_alive);
                if !source_lost {
                    self.say_abort();
                }
            }
        }
    }

    /// Tells the old body to run on.
    pub(crate) fn say_abort(&mut self) {
        let stopped = self.control.tell_stopped();
        self.say(self.place, DeputyMessage::Abort { stopped });
    }

    /// Ends a move because the process ends; whether there was one.
    pub(crate) fn drop_move(&mut self, now: Instant) -> bool {
        let Some(movement) = self.movement.take() else { return false };
        if !matches!(movement.phase, Phase::Abort(_)) {
            self.bye(now, movement.target.place(), ByeReason::Moved);
        }
        let refusal = Refusal { errno: Errno::ESRCH, reason: "it has ended".into() };
        self.event(Event::MoveFailed { target: movement.target, refusal });
        true
    }

    pub(crate) fn move_deadline(&self) -> Instant {
        self.movement.as_ref().map_or(Instant::NEVER, |movement| movement.until)
    }

    pub(crate) fn expire_move(&mut self, now: Instant) {
        if now < self.move_deadline() {
            return;
        }
        match self.phase() {
            Some(Phase::Stream | Phase::Abort(_)) => self.lost(now, LostReason::Silent),
            Some(phase) => {
                let reason = alloc::format!("no answer in phase {phase:?}");
                self.abort(now, Refusal { errno: Errno::ETIMEDOUT, reason });
            }
            None => {}
        }
    }

    /// A message of the body.
    pub(crate) fn heard_body(&mut self, now: Instant, envelope: Envelope<BodyMessage>) {
        use BodyMessage as B;
        if !matches!(envelope.message, B::Post { .. } | B::Took { .. }) {
            self.loan = None;
        }
        match envelope.message {
            B::Call { .. } | B::Fault { .. } | B::Null | B::SigReturn { .. } | B::Exit { .. } => {
                self.on_request(now, envelope);
            }
            B::Post { fd, bytes } => {
                self.on_post(now, (envelope.thread, envelope.seq), fd, bytes);
            }
            B::Took { fd, bytes, calls } => self.on_took(now, fd, bytes, calls),
            B::Memory { id, reply } => {
                self.on_memory(now, envelope.thread, envelope.seq, id, reply);
            }
            B::PageIn { id, map, page, count } => self.on_page_in(now, id, map, page, count),
            B::PageOut { id, map, page, bytes } => self.on_page_out(now, id, map, page, bytes),
            B::Returned => {}
            B::ReleaseMap { map } => self.event(Event::ReleaseMap { map }),
            B::Answer { id, bytes } => self.on_query_answer(id, bytes),
            message => self.heard_source(now, message),
        }
    }
}

/// A refusal that names what failed.
pub(crate) fn failed(errno: Errno, what: &str) -> Refusal {
    let mut reason = String::from(what);
    reason.push_str(" failed");
    Refusal { errno, reason }
}

/// An empty hold.
pub(crate) const fn hold() -> Option<Vec<Envelope<DeputyMessage>>> {
    Some(Vec::new())
}
