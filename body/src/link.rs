//! The connection under a body's session: its handshake, its frames, its loss.

use wayfarer_proto::codec::{DecodeError, FrameReader};
use wayfarer_proto::handshake::{Answer, Purpose, hello};
use wayfarer_proto::limits;
use wayfarer_proto::message::{DeputyMessage, Envelope, Refusal};
use wayfarer_proto::time::Instant;

use crate::departure::Doubt;
use crate::io::DestroyReason;
use crate::session::{Life, Session};

/// What joins a body to its deputy.
#[derive(Debug)]
pub(crate) enum Link {
    /// The deputy is on this node.
    Here,
    /// A connection was asked for, to say this when it is there.
    Dialing(Purpose),
    /// The hello was sent.
    Asked(FrameReader),
    /// Messages flow.
    Up(FrameReader),
    /// Broken.
    Down,
}

impl Link {
    pub(crate) const fn is_up(&self) -> bool {
        matches!(self, Self::Asked(_) | Self::Up(_))
    }
}

impl Session {
    pub(crate) fn connected(&mut self) {
        let Link::Dialing(purpose) = &self.link else { return };
        let bytes = hello(purpose.clone());
        self.link = Link::Asked(FrameReader::new(limits::HELLO));
        self.transmit(bytes);
    }

    pub(crate) fn received(&mut self, now: Instant, mut bytes: &[u8]) {
        while !matches!(self.life, Life::Ended) {
            let step = match &mut self.link {
                Link::Asked(_) => self.next_answer(&mut bytes),
                Link::Up(_) => self.next_message(now, &mut bytes),
                _ => Ok(false),
            };
            match step {
                Ok(true) => {}
                Ok(false) => break,
                Err(_) => return self.violation(),
            }
        }
    }

    /// Reads the answer to the hello; whether there was one.
    fn next_answer(&mut self, bytes: &mut &[u8]) -> Result<bool, DecodeError> {
        let Link::Asked(reader) = &mut self.link else { return Ok(false) };
        let Some(answer) = reader.next_frame::<Answer>(bytes)? else { return Ok(false) };
        let Link::Asked(mut reader) = core::mem::replace(&mut self.link, Link::Down) else {
            return Ok(false);
        };
        match answer {
            Answer::Accept { .. } => {
                reader.set_limit(limits::FRAME);
                self.link = Link::Up(reader);
                self.accepted();
            }
            Answer::Refuse { errno, reason } => {
                self.die(DestroyReason::Refused(Refusal { errno, reason }), false);
            }
        }
        Ok(true)
    }

    fn accepted(&mut self) {
        match &mut self.life {
            Life::Calling => self.life = Life::Running,
            Life::InDoubt(doubt) => *doubt = Doubt::Waiting,
            _ => {}
        }
    }

    fn next_message(&mut self, now: Instant, bytes: &mut &[u8]) -> Result<bool, DecodeError> {
        let Link::Up(reader) = &mut self.link else { return Ok(false) };
        let Some(envelope) = reader.next_frame::<Envelope<DeputyMessage>>(bytes)? else {
            return Ok(false);
        };
        self.handle_message(now, envelope);
        Ok(true)
    }

    /// The connection is gone. Outside a move, and in a move before the last byte of the image is
    /// sent, that is the end of the body (decision D6).
    pub(crate) fn broken(&mut self, now: Instant) {
        if !matches!(self.link, Link::Here) {
            self.link = Link::Down;
        }
        match self.life {
            Life::InDoubt(_) => self.ask_in_doubt(now),
            _ => self.die(DestroyReason::Lost, false),
        }
    }
}
