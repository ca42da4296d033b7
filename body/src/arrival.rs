//! A body comes: its image is read, checked and counted; the deputy's Commit lets it run. Mirrors
//! the deputy's file of the same name.

use alloc::vec::Vec;

use wayfarer_proto::codec::{FrameReader, decode};
use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{Epoch, ProcessKey, UserAddr};
use wayfarer_proto::image::{ContentHash, Header, REGISTERS, Record, Thread, ThreadState};
use wayfarer_proto::limits;
use wayfarer_proto::message::{BodyMessage, Totals};
use wayfarer_proto::session::{Mark, Mutant};
use wayfarer_proto::time::Instant;

use crate::io::{Event, ImageSink};
use crate::session::{Life, Session};

/// An image that is coming in.
#[derive(Debug)]
pub(crate) struct Reception {
    reader: FrameReader,
    /// The run of pages whose content comes next.
    run: Option<Run>,
    /// The part of a page, or of a hash, that has come.
    part: Vec<u8>,
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

/// Pages whose content comes.
#[derive(Debug)]
struct Run {
    next: u64,
    end: u64,
    changed: Epoch,
    /// How many they are in all.
    count: u64,
    hash: ContentHash,
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
        Self {
            reader: FrameReader::new(limits::FRAME),
            run: None,
            part: Vec::new(),
            totals: Totals::EMPTY,
            process,
            epoch,
            expected: None,
            deadline,
            progress: Progress::Receiving,
        }
    }

    pub(crate) const fn deadline(&self) -> Instant {
        match self.progress {
            Progress::Receiving => self.deadline,
            Progress::Complete(_) | Progress::Failed => Instant::NEVER,
        }
    }

    /// The next record, checked, after the content of the pages that were told of; `None` until
    /// more bytes come.
    fn next(
        &mut self,
        bytes: &mut &[u8],
        sink: &mut dyn ImageSink,
        trusting: bool,
    ) -> Result<Option<Record>, Errno> {
        if !self.take_content(bytes, sink, trusting)? {
            return Ok(None);
        }
        let Some(payload) = self.reader.next_payload(bytes).map_err(|_| Errno::EBADMSG)? else {
            return Ok(None);
        };
        let record = decode(payload).map_err(|_| Errno::EBADMSG)?;
        if let Record::End { totals } = &record {
            let complete = self.expected == Some((0, 0)) && *totals == self.totals;
            return if complete || trusting { Ok(Some(record)) } else { Err(Errno::EBADMSG) };
        }
        self.totals.count(payload);
        if !self.check(&record) {
            return Err(Errno::EBADMSG);
        }
        if let Record::Pages { first, count, changed } = record {
            let hash = ContentHash::EMPTY;
            self.run = Some(Run { next: first, end: first + count, changed, count, hash });
        }
        Ok(Some(record))
    }

    /// Hands the content of a run on as it comes, and checks its hash; false until more bytes come.
    fn take_content(
        &mut self,
        bytes: &mut &[u8],
        sink: &mut dyn ImageSink,
        trusting: bool,
    ) -> Result<bool, Errno> {
        let Some(run) = &mut self.run else { return Ok(true) };
        while run.next < run.end {
            // Whole pages where they lie, as a rule.
            let (pages, _) =
                if self.part.is_empty() { bytes.as_chunks() } else { (&[][..], &[][..]) };
            let pages = match pages.get(..pages.len().min((run.end - run.next) as usize)) {
                Some(pages @ [_, ..]) => {
                    *bytes = &bytes[pages.len() * limits::PAGE..];
                    pages
                }
                _ => match fill(&mut self.part, bytes) {
                    Some(page) => core::slice::from_ref(page),
                    None => return Ok(false),
                },
            };
            sink.pages(run.next, run.changed, pages, &mut run.hash)?;
            run.next += pages.len() as u64;
            self.part.clear();
        }
        let Some(sent) = fill(&mut self.part, bytes) else { return Ok(false) };
        let (sent, hash) = (u64::from_le_bytes(*sent), run.hash.value());
        if sent != hash && !trusting {
            return Err(Errno::EBADMSG);
        }
        self.totals.count_content(run.count, sent);
        self.part.clear();
        self.run = None;
        Ok(true)
    }

    /// Whether the record may come here and holds what it says.
    fn check(&mut self, record: &Record) -> bool {
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
            (Record::Pages { first, count, .. }, Some(_)) => {
                pages_fit(*first, *count, limits::RUN_PAGES)
            }
            (Record::Same { first, count, .. }, Some(_)) => {
                pages_fit(*first, *count, limits::SAME_PAGES)
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

fn pages_fit(first: u64, count: u64, most: usize) -> bool {
    let end = first.saturating_add(count);
    (1..=most as u64).contains(&count) && end <= UserAddr::END.0 / limits::PAGE as u64
}

/// Adds to the part that has come; all `N` bytes once they are there.
fn fill<'a, const N: usize>(part: &'a mut Vec<u8>, bytes: &mut &[u8]) -> Option<&'a [u8; N]> {
    let (more, rest) = bytes.split_at(bytes.len().min(N - part.len()));
    part.extend_from_slice(more);
    *bytes = rest;
    part.as_slice().try_into().ok()
}

impl Session {
    pub(crate) fn take_image(&mut self, now: Instant, mut bytes: &[u8], sink: &mut dyn ImageSink) {
        let trusting = self.config.mutant == Mutant::CommitUnchecked;
        let deadline = now + self.config.keep_alive;
        let Life::Arriving(reception) = &mut self.life else { return };
        if reception.progress != Progress::Receiving {
            return;
        }
        reception.deadline = deadline;
        loop {
            let Life::Arriving(reception) = &mut self.life else { return };
            let taken = match reception.next(&mut bytes, sink, trusting) {
                Ok(Some(Record::End { totals })) => {
                    reception.progress = Progress::Complete(totals);
                    return self.event(Event::ImageComplete);
                }
                Ok(Some(record)) => {
                    self.note_record(&record);
                    sink.record(record)
                }
                Ok(None) => return,
                Err(errno) => Err(errno),
            };
            if let Err(errno) = taken {
                if errno == Errno::EBADMSG {
                    self.marks.reach(Mark::ImageDamaged);
                }
                return self.arrival_failed(errno);
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

    fn note_record(&mut self, record: &Record) {
        match record {
            Record::Header { header: Header { last_seq, .. } } => self.last = *last_seq,
            Record::Thread {
                thread: Thread { tid, state: ThreadState::AwaitReply { seq, .. }, .. },
            } => self.threads.get_or_default(*tid).open = Some(*seq),
            _ => {}
        }
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
