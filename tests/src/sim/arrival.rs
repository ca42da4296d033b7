//! How a model kernel takes the image of a body in.

use wayfarer_body::ImageSink;
use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::Epoch;
use wayfarer_proto::image::{ContentHash, Record, ThreadState};
use wayfarer_proto::limits::PAGE;

use super::body::{BodyId, State, Thread};
use super::program::register;
use super::world::World;

/// What came of an image in one piece.
#[derive(Default)]
pub struct Sink(Vec<Part>);

enum Part {
    Record(Box<Record>),
    Page(u64, Epoch, Vec<u8>),
}

impl ImageSink for Sink {
    fn record(&mut self, record: Record) -> Result<(), Errno> {
        self.0.push(Part::Record(Box::new(record)));
        Ok(())
    }

    fn pages(
        &mut self,
        first: u64,
        changed: Epoch,
        content: &[[u8; PAGE]],
        hash: &mut ContentHash,
    ) -> Result<(), Errno> {
        for (number, page) in (first..).zip(content) {
            hash.add(page);
            self.0.push(Part::Page(number, changed, page.to_vec()));
        }
        Ok(())
    }
}

impl World {
    pub(super) fn install(&mut self, id: BodyId, sink: Sink) {
        for part in sink.0 {
            match part {
                Part::Record(record) => self.install_record(id, *record),
                Part::Page(number, changed, bytes) => {
                    let Some(body) = self.bodies.get_mut(&id) else { return };
                    body.memory.pages.insert(number, bytes);
                    body.memory.ages.insert(number, changed);
                }
            }
        }
    }

    fn install_record(&mut self, id: BodyId, record: Record) {
        let Some(body) = self.bodies.get_mut(&id) else { return };
        match record {
            Record::Header { header } => body.memory.name = Some(header.memory),
            Record::Region { .. } | Record::Pages { .. } | Record::End { .. } => {}
            Record::Thread { thread } => {
                let mut registers = [0; register::COUNT];
                registers.copy_from_slice(&thread.registers);
                let state = match thread.state {
                    ThreadState::Running => State::Running,
                    ThreadState::LocalWait { .. } => State::LocalWait,
                    ThreadState::AwaitReply { seq, .. } => State::AwaitReply(seq),
                };
                body.threads.insert(thread.tid, Thread { registers, state, turn: 0 });
            }
            Record::Same { first, count, changed } => {
                for page in first..first + count {
                    let kept = body.remnant.as_mut().and_then(|kept| kept.pages.remove(&page));
                    let Some(bytes) = kept else {
                        return self
                            .fail(format!("page {page:#x} is said to be known, but is not"));
                    };
                    body.memory.pages.insert(page, bytes);
                    body.memory.ages.insert(page, changed);
                }
            }
        }
    }
}
