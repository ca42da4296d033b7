//! The connections of a deputy: handshakes, frames, Bye, loss.

use wayfarer_proto::codec::{DecodeError, Frame, FrameReader};
use wayfarer_proto::errno::Errno;
use wayfarer_proto::handshake::{Answer, accept};
use wayfarer_proto::id::ChannelId;
use wayfarer_proto::limits;
use wayfarer_proto::message::{BodyMessage, ByeReason, DeputyMessage, Envelope, Refusal, Ticket};
use wayfarer_proto::session::Mark;
use wayfarer_proto::time::Instant;

use crate::io::{Event, LostReason};
use crate::session::{Place, Session};

/// A connection to a body, living, arriving or departing.
#[derive(Debug)]
pub(crate) struct Channel {
    reader: FrameReader,
    stage: Stage,
}

/// How far a connection is.
#[derive(Debug)]
enum Stage {
    /// It is being made; then this hello is sent.
    Dialing(Frame),
    /// The hello was sent.
    Asked,
    /// Messages flow.
    Open,
    /// Bye was sent; nothing but its answer counts.
    Closing {
        /// When the answer is given up.
        until: Instant,
    },
}

impl Channel {
    /// To be made, to say `hello`.
    pub(crate) const fn dialing(hello: Frame) -> Self {
        Self { reader: FrameReader::new(limits::HELLO), stage: Stage::Dialing(hello) }
    }

    /// Made by the peer, whose hello was read.
    pub(crate) const fn open(reader: FrameReader) -> Self {
        Self { reader, stage: Stage::Open }
    }

    /// Gives back the room of what was read.
    pub(crate) fn shrink(&mut self) {
        self.reader.shrink();
    }
}

impl Session {
    pub(crate) fn connected(&mut self, channel: ChannelId) {
        let Some(Channel { stage, .. }) = self.channels.get_mut(&channel) else {
            // It was given up before it was there.
            return self.event(Event::Close { channel });
        };
        if matches!(stage, Stage::Dialing(_))
            && let Stage::Dialing(hello) = core::mem::replace(stage, Stage::Asked)
        {
            self.transmit(channel, hello);
        }
    }

    pub(crate) fn received(&mut self, now: Instant, channel: ChannelId, mut bytes: &[u8]) {
        loop {
            match self.next_step(now, channel, &mut bytes) {
                Ok(true) => {}
                Ok(false) => return,
                Err(_) => return self.violation(now, Place::Away(channel)),
            }
        }
    }

    /// Takes one frame of a connection; whether there was one.
    fn next_step(
        &mut self,
        now: Instant,
        channel: ChannelId,
        bytes: &mut &[u8],
    ) -> Result<bool, DecodeError> {
        let Some(Channel { reader, stage }) = self.channels.get_mut(&channel) else {
            return Ok(false);
        };
        if matches!(stage, Stage::Dialing(_) | Stage::Asked) {
            let Some(answer) = reader.next_frame::<Answer>(bytes)? else { return Ok(false) };
            *stage = Stage::Open;
            reader.set_limit(limits::FRAME);
            self.on_answer(now, channel, answer);
        } else {
            let Some(envelope) = reader.next_frame::<Envelope<BodyMessage>>(bytes)? else {
                return Ok(false);
            };
            self.on_message(now, channel, envelope);
        }
        Ok(true)
    }

    fn on_answer(&mut self, now: Instant, channel: ChannelId, answer: Answer) {
        match answer {
            Answer::Accept { ticket, .. } => self.admitted(now, channel, ticket),
            Answer::Refuse { errno, reason } => {
                self.forget(channel);
                self.not_admitted(now, Refusal { errno, reason });
            }
        }
    }

    fn on_message(&mut self, now: Instant, channel: ChannelId, envelope: Envelope<BodyMessage>) {
        let stage = self.channels.get(&channel).map(|channel| &channel.stage);
        if let Some(Stage::Closing { .. }) = stage {
            if let BodyMessage::ByeAck { usage } = envelope.message {
                self.marks.reach(Mark::ByeAcked);
                self.forget(channel);
                self.ended(Place::Away(channel), Some(usage));
            }
        } else if self.place == Place::Away(channel) {
            self.heard_body(now, envelope);
        } else if self.target_place() == Some(Place::Away(channel)) {
            self.heard_target(now, envelope.message);
        }
    }

    /// A message of the body session of this node.
    pub(crate) fn heard_here(&mut self, now: Instant, envelope: Envelope<BodyMessage>) {
        if let BodyMessage::ByeAck { usage } = envelope.message {
            return self.ended(Place::Here, Some(usage));
        }
        if self.place == Place::Here {
            self.heard_body(now, envelope);
        } else if self.target_place() == Some(Place::Here) {
            self.heard_target(now, envelope.message);
        }
    }

    /// A child's body called.
    pub(crate) fn child_called(&mut self, channel: ChannelId, reader: FrameReader) {
        if !matches!(self.place, Place::Awaited { .. }) {
            return self.refuse(channel, Errno::ESRCH);
        }
        self.marks.reach(Mark::ForkChild);
        self.channels.insert(channel, Channel::open(reader));
        self.transmit(channel, accept(Ticket::NONE));
        self.place = Place::Away(channel);
        self.release();
    }

    /// A child's body was made on this node.
    pub(crate) fn child_here(&mut self) {
        if matches!(self.place, Place::Awaited { .. }) {
            self.place = Place::Here;
            self.release();
        }
    }

    /// Refuses a connection that calls in vain.
    pub(crate) fn refuse(&mut self, channel: ChannelId, errno: Errno) {
        let reason = alloc::format!("process {} knows no such body", self.process);
        self.transmit(channel, wayfarer_proto::handshake::refuse(errno, &reason));
        self.event(Event::Close { channel });
    }

    /// Says Bye to whatever is at `place`; whether an answer is to be awaited.
    pub(crate) fn bye(&mut self, now: Instant, place: Place, reason: ByeReason) -> bool {
        if let Place::Away(channel) = place {
            let Some(Channel { stage, .. }) = self.channels.get_mut(&channel) else {
                return false;
            };
            let was = core::mem::replace(stage, Stage::Closing { until: now + limits::BYE });
            if !matches!(was, Stage::Open) {
                // Nobody there has heard of us yet.
                self.forget(channel);
                return false;
            }
        }
        self.say(place, DeputyMessage::Bye { reason });
        matches!(place, Place::Here | Place::Away(_))
    }

    /// Ends a connection without a word.
    pub(crate) fn forget(&mut self, channel: ChannelId) {
        if self.channels.remove(&channel).is_some() {
            self.event(Event::Close { channel });
        }
    }

    pub(crate) fn broken(&mut self, now: Instant, channel: ChannelId) {
        let Some(Channel { stage, .. }) = self.channels.remove(&channel) else { return };
        if let Stage::Closing { .. } = stage {
            self.ended(Place::Away(channel), None);
        } else if self.place == Place::Away(channel) {
            self.body_broken(now);
        } else if self.target_place() == Some(Place::Away(channel)) {
            self.target_broken(now);
        }
    }

    /// A peer broke the protocol.
    pub(crate) fn violation(&mut self, now: Instant, place: Place) {
        let is_body = self.place == place;
        if let Place::Away(channel) = place {
            self.forget(channel);
        }
        if is_body {
            self.lost(now, LostReason::Violation);
        } else if self.target_place() == Some(place) {
            self.target_broken(now);
        }
    }

    /// When the first answer to a Bye is given up.
    pub(crate) fn closing_deadline(&self) -> Instant {
        let until = |channel: &Channel| match channel.stage {
            Stage::Closing { until } => until,
            _ => Instant::NEVER,
        };
        self.channels.values().map(until).min().unwrap_or(Instant::NEVER)
    }

    pub(crate) fn expire_closing(&mut self, now: Instant) {
        let expired = |(id, channel): (&ChannelId, &Channel)| match channel.stage {
            Stage::Closing { until } if until <= now => Some(*id),
            _ => None,
        };
        loop {
            let Some(channel) = self.channels.iter().find_map(expired) else { return };
            self.forget(channel);
            self.ended(Place::Away(channel), None);
        }
    }
}
