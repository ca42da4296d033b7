//! A body leaves: survey, freeze, image, doubt. Mirrors the deputy's file of the same name.

use wayfarer_proto::codec::{Frame, frame};
use wayfarer_proto::errno::Errno;
use wayfarer_proto::handshake::Purpose;
use wayfarer_proto::id::{Epoch, NodeId};
use wayfarer_proto::image::{ContentHash, Record};
use wayfarer_proto::limits;
use wayfarer_proto::message::{BodyMessage, Refusal, Requirements, Ticket, Totals};
use wayfarer_proto::session::Mark;
use wayfarer_proto::time::Instant;

use crate::io::Event;
use crate::link::Link;
use crate::session::{Life, Session};

/// How a body in doubt waits for the verdict.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Doubt {
    /// Its channel is up: the verdict will come.
    Waiting,
    /// It has dialled home and asks.
    Asking {
        /// When it gives up and destroys itself.
        until: Instant,
    },
    /// Home did not answer; it asks again.
    Pausing {
        /// When it gives up and destroys itself.
        until: Instant,
        /// When it asks again.
        retry: Instant,
    },
}

impl Session {
    pub(crate) fn surveyed(&mut self, result: Result<Requirements, Refusal>) {
        self.say(match result {
            Ok(requirements) => BodyMessage::Surveyed { requirements },
            Err(refusal) => BodyMessage::Unmovable { refusal },
        });
    }

    pub(crate) fn on_freeze(&mut self) {
        if !matches!(self.life, Life::Running) {
            return self.violation();
        }
        self.life = Life::Freezing(false);
        self.event(Event::Freeze);
    }

    pub(crate) fn threads_stopped(&mut self) {
        if matches!(self.life, Life::Freezing(_)) {
            self.life = Life::Freezing(true);
            self.frozen_if_quiet();
        }
    }

    /// Says Frozen when the threads have stopped and every memory request is answered. The
    /// deputy has sent none since its Freeze.
    pub(crate) fn frozen_if_quiet(&mut self) {
        if matches!(self.life, Life::Freezing(true)) && self.memory.is_empty() {
            self.life = Life::Frozen;
            self.void_pages();
            self.say(BodyMessage::Frozen { last: self.last });
        }
    }

    pub(crate) fn on_depart(&mut self, node: NodeId, ticket: Ticket) {
        if !matches!(self.life, Life::Frozen) {
            return self.violation();
        }
        self.life = Life::Departing;
        self.event(Event::Depart { node, ticket });
    }

    /// The end of the image goes out only now, after the state says so: a body whose image may be
    /// whole elsewhere never runs on its own account.
    pub(crate) fn image_sent(&mut self, totals: Totals) {
        if matches!(self.life, Life::Departing) {
            self.life = Life::InDoubt(Doubt::Waiting);
            self.transmit_image(frame(&Record::End { totals: totals.clone() }));
            self.say(BodyMessage::Departed { totals });
        }
    }

    pub(crate) fn depart_failed(&mut self, errno: Errno) {
        if matches!(self.life, Life::Departing | Life::InDoubt(Doubt::Waiting)) {
            self.say(BodyMessage::DepartFailed { errno });
        }
    }

    /// The verdict: this body lives on.
    pub(crate) fn on_abort(&mut self, stopped: bool) {
        use Life::{Departing, Freezing, Frozen, InDoubt};
        if !matches!(self.life, Freezing(_) | Frozen | Departing | InDoubt(_)) {
            return self.violation();
        }
        self.life = Life::Running;
        self.event(Event::Thaw { stopped });
        self.say(BodyMessage::Thawed);
    }

    /// The channel broke in doubt: the deputy is asked over a fresh connection.
    pub(crate) fn ask_in_doubt(&mut self, now: Instant) {
        self.marks.reach(Mark::DoubtAsked);
        match self.life {
            Life::InDoubt(Doubt::Asking { until } | Doubt::Pausing { until, .. }) => {
                let retry = now + limits::DOUBT_RETRY;
                self.life = Life::InDoubt(Doubt::Pausing { until, retry });
            }
            _ => self.dial_in_doubt(now + self.config.keep_alive),
        }
    }

    pub(crate) fn dial_in_doubt(&mut self, until: Instant) {
        let purpose = Purpose::InDoubt { process: self.process, epoch: self.epoch };
        self.link = Link::Dialing(purpose);
        self.life = Life::InDoubt(Doubt::Asking { until });
        self.event(Event::Reconnect);
    }
}

/// Writes the records of an image and keeps their totals.
///
/// In this order: header, regions, threads, pages; the session writes the end.
#[derive(Debug)]
pub struct ImageWriter {
    totals: Totals,
}

impl Default for ImageWriter {
    fn default() -> Self {
        Self { totals: Totals::EMPTY }
    }
}

impl ImageWriter {
    /// The frame of one record.
    pub fn record(&mut self, record: &Record) -> Frame {
        let bytes = frame(record);
        self.totals.count(payload(&bytes));
        bytes
    }

    /// What goes before the content of a run of `count` pages from page number `first` on, which is
    /// to be sent next. Zero pages of anonymous memory need not be sent; those of a file mapping
    /// must. They were last changed in epoch `changed`.
    pub fn pages(&mut self, first: u64, changed: Epoch, count: usize) -> Frame {
        debug_assert!(count <= limits::RUN_PAGES);
        self.record(&Record::Pages { first, count: count as u64, changed })
    }

    /// What goes after the content of those pages, whose hash is this.
    pub fn content(&mut self, count: usize, hash: &ContentHash) -> [u8; ContentHash::BYTES] {
        let hash = hash.value();
        self.totals.count_content(count as u64, hash);
        hash.to_le_bytes()
    }

    /// The frame of a run of pages that are as the target remembers them.
    pub fn same(&mut self, first: u64, changed: Epoch, count: usize) -> Frame {
        debug_assert!(count <= limits::SAME_PAGES);
        self.record(&Record::Same { first, count: count as u64, changed })
    }

    /// What was written, for `Input::ImageSent`.
    pub const fn totals(&self) -> &Totals {
        &self.totals
    }
}

/// What follows the length of a frame: the totals are counted over that.
fn payload(frame: &[u8]) -> &[u8] {
    let prefix = frame.iter().take_while(|byte| **byte & 0x80 != 0).count() + 1;
    &frame[prefix..]
}
