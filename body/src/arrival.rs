//! A body comes: its image is read, checked and counted; the deputy's Commit lets it run. Mirrors
//! the deputy's file of the same name.

use wayfarer_proto::codec::{FrameReader, decode};
use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{Epoch, ProcessKey, UserAddr};
use wayfarer_proto::image::{Header, REGISTERS, Record, Thread, ThreadState, hash};
use wayfarer_proto::limits;
use wayfarer_proto::message::{BodyMessage, Totals};
use wayfarer_proto::session::{Mark, Mutant};
use wayfarer_proto::time::Instant;

use crate::io::Event;
use crate::session::{Life, Session};

/// An image that is coming in.
#[derive(Debug)]
pub(crate) struct Reception {
    reader: FrameReader,
    totals: Totals,
    process: ProcessKey,
    epoch: Epoch,
    /// Regions and threads still to come, once the header is there.
    expected: Option<(u32, u32)>,
    /// When silence means that nothing will come.
    deadline: Instant,
    /// How far it is.
    progress: Progress,
}

/// How far an image is.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Progress {
    /// Records come.
    Receiving,
    /// All have come; the kernel installs them.
    Complete(Totals),
    /// It will not be whole; the deputy has been told.
    Failed,
}

impl Reception {
    pub(crate) const fn new(process: ProcessKey, epoch: Epoch, deadline: Instant) -> Self {
        let reader = FrameReader::new(limits::FRAME).greedy();
        let totals = Totals::EMPTY;
        let progress = Progress::Receiving;
        Self { reader, totals, process, epoch, expected: None, deadline, progress }
    }

    pub(crate) const fn deadline(&self) -> Instant {
        match self.progress {
            Progress::Receiving => self.deadline,
            Progress::Complete(_) | Progress::Failed => Instant::NEVER,
        }
    }

    /// The next record, checked; `None` until more bytes come.
    fn next(&mut self, bytes: &mut &[u8], trusting: bool) -> Result<Option<Record>, Errno> {
        let Some(payload) = self.reader.next_payload(bytes).map_err(|_| Errno::EBADMSG)? else {
            return Ok(None);
        };
        let record = decode(payload).map_err(|_| Errno::EBADMSG)?;
        if let Record::End { totals } = &record {
            let complete = self.expected == Some((0, 0)) && *totals == self.totals;
            return if complete || trusting { Ok(Some(record)) } else { Err(Errno::EBADMSG) };
        }
        self.totals.count(&record, payload);
        if self.check(&record, trusting) { Ok(Some(record)) } else { Err(Errno::EBADMSG) }
    }

    /// Whether the record may come here and holds what it says.
    fn check(&mut self, record: &Record, trusting: bool) -> bool {
        match (record, &mut self.expected) {
            (Record::Header { header }, expected @ None) => {
                *expected = Some((header.regions, header.threads));
                header.process == self.process
                    && header.epoch == self.epoch
                    && header.threads as usize <= limits::THREADS
            }
            (Record::Region { .. }, Some((regions, _))) => take_one(regions),
            (Record::Thread { thread }, Some((_, threads))) => {
                take_one(threads) && thread.registers.len() == REGISTERS
            }
            (Record::Pages { first, hash: sent, bytes, .. }, Some(_)) => {
                pages_fit(*first, bytes.len()) && (hash(bytes) == *sent || trusting)
            }
            (Record::Same { first, count, .. }, Some(_)) => {
                let count = usize::try_from(*count).unwrap_or(usize::MAX);
                count <= limits::SAME_PAGES && pages_fit(*first, count * limits::PAGE)
            }
            _ => false,
        }
    }
}

fn take_one(count: &mut u32) -> bool {
    match count.checked_sub(1) {
        Some(rest) => {
            *count = rest;
            true
        }
        None => false,
    }
}

fn pages_fit(first: u64, len: usize) -> bool {
    let last = first.saturating_add((len / limits::PAGE) as u64);
    len > 0 && len.is_multiple_of(limits::PAGE) && last <= UserAddr::END.0 / limits::PAGE as u64
}

impl Session {
    pub(crate) fn image_received(&mut self, now: Instant, mut bytes: &[u8]) {
        let trusting = self.config.mutant == Mutant::CommitUnchecked;
        let deadline = now + self.config.keep_alive;
        let Life::Arriving(reception) = &mut self.life else { return };
        if reception.progress != Progress::Receiving {
            return;
        }
        reception.deadline = deadline;
        loop {
            let Life::Arriving(reception) = &mut self.life else { return };
            match reception.next(&mut bytes, trusting) {
                Ok(Some(Record::End { totals })) => {
                    reception.progress = Progress::Complete(totals);
                    return self.event(Event::ImageComplete);
                }
                Ok(Some(record)) => self.on_record(record),
                Ok(None) => return,
                Err(errno) => {
                    self.marks.reach(Mark::ImageDamaged);
                    return self.arrival_failed(errno);
                }
            }
        }
    }

    /// The image is checked and installed: the deputy may commit from now on.
    pub(crate) fn installed(&mut self) {
        let Life::Arriving(reception) = &self.life else { return };
        let Progress::Complete(totals) = reception.progress.clone() else { return };
        self.life = Life::Whole;
        self.say(BodyMessage::Whole { totals });
    }

    fn on_record(&mut self, record: Record) {
        match &record {
            Record::Header { header: Header { last_seq, .. } } => self.last = *last_seq,
            Record::Thread {
                thread: Thread { tid, state: ThreadState::AwaitReply { seq, .. }, .. },
            } => self.threads.get_or_default(*tid).open = Some(*seq),
            _ => {}
        }
        self.event(Event::Image(record));
    }

    /// The image's connection ended, or nothing came for too long. After its end that is nothing.
    pub(crate) fn image_broken(&mut self) {
        if matches!(&self.life, Life::Arriving(r) if r.progress == Progress::Receiving) {
            self.arrival_failed(Errno::ECONNRESET);
        }
    }

    /// The image will not be whole. The deputy calls the move off and says Bye.
    pub(crate) fn arrival_failed(&mut self, errno: Errno) {
        let Life::Arriving(reception) = &mut self.life else { return };
        if reception.progress != Progress::Failed {
            reception.progress = Progress::Failed;
            self.say(BodyMessage::ArrivalFailed { errno });
        }
    }

    /// The verdict: this body is the one.
    pub(crate) fn on_commit(&mut self, epoch: Epoch, stopped: bool) {
        if !matches!(self.life, Life::Whole) || epoch != self.epoch {
            return self.violation();
        }
        self.life = Life::Running;
        self.event(Event::Run { epoch, stopped });
    }
}
