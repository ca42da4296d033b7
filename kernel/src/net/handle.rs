//! What a connection is to those who use it, whichever way its bytes go.

use alloc::collections::VecDeque;
use core::ops::Range;
use core::task::Waker;

use wayfarer_machine::Room;
use wayfarer_proto::id::NodeId;
use wayfarer_proto::limits;

use super::device::Fabric;
use super::error::{ConnectError, End, ReadError, WriteError};
use super::segment::Tuple;
use super::slot::{Counters, Owner, Slot};
use super::stack::{Core, LINGER, Stack};
use super::stream::Stream;
use super::streams::StreamId;
use super::table::SlotId;
use super::waiters::Waiters;

/// Names a connection of this node. Names of TCP connections are used again after their
/// connection, so they are kept only by its owner.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ConnectionId {
    /// TCP, through a card or through frames in shared memory.
    Tcp(SlotId),
    /// A stream in shared memory.
    Stream(StreamId),
}

impl Core {
    fn slot(&self, id: ConnectionId) -> Option<Either<&Slot, &Stream>> {
        match id {
            ConnectionId::Tcp(id) => self.table.get(id).map(Either::Tcp),
            ConnectionId::Stream(id) => self.streams.get(id).map(Either::Stream),
        }
    }

    fn slot_mut(&mut self, id: ConnectionId) -> Option<Either<&mut Slot, &mut Stream>> {
        match id {
            ConnectionId::Tcp(id) => self.table.get_mut(id).map(Either::Tcp),
            ConnectionId::Stream(id) => self.streams.get_mut(id).map(Either::Stream),
        }
    }

    pub(super) fn peer(&self, id: ConnectionId) -> NodeId {
        let tuple = self.slot(id).map(|slot| match slot {
            Either::Tcp(slot) => slot.tuple,
            Either::Stream(stream) => stream.tuple,
        });
        tuple.map_or(NodeId(0), |Tuple { peer, .. }| peer)
    }

    pub(super) fn counters(&self, id: ConnectionId) -> Counters {
        match self.slot(id) {
            Some(Either::Tcp(slot)) => slot.counters,
            Some(Either::Stream(stream)) => stream.counters,
            None => Counters::default(),
        }
    }

    /// Counts bytes that a task has read, and sees to it that the peer hears of the room.
    fn note_read(&mut self, fabric: &mut Fabric, id: ConnectionId, count: usize) {
        self.totals.bytes_in += count as u64;
        match id {
            ConnectionId::Tcp(id) => self.table.enqueue(id),
            ConnectionId::Stream(id) => self.settle_stream(fabric, id),
        }
    }

    /// Counts bytes that a task has written, and sees to it that they leave.
    fn note_written(&mut self, fabric: &mut Fabric, id: ConnectionId, written: usize) {
        self.totals.bytes_out += written as u64;
        match id {
            ConnectionId::Tcp(id) if written > 0 => {
                self.table.enqueue(id);
                self.note_bulk(id);
            }
            ConnectionId::Stream(id) => {
                self.totals.frames_out += u64::from(written > 0);
                self.settle_stream(fabric, id);
            }
            ConnectionId::Tcp(_) => {}
        }
    }

    /// Remembers a connection that has written if it sends bulk data.
    fn note_bulk(&mut self, id: SlotId) {
        if self.table.get(id).is_some_and(Slot::is_bulk) {
            self.bulk = Some(id);
        }
    }

    /// Whether bulk data is on its way from here.
    pub(super) fn sends_bulk(&mut self) -> bool {
        self.bulk = self.bulk.filter(|id| self.table.get(*id).is_some_and(Slot::is_bulk));
        self.bulk.is_some()
    }

    /// Has a task woken when there may be something to read.
    pub(super) fn register_reader(&mut self, id: ConnectionId, waker: &Waker) {
        if let Some((readers, _)) = self.waiters(id) {
            readers.register(waker);
        }
    }

    /// Has a task woken when there may be room to write, or the end of a dial or a close.
    pub(super) fn register_writer(&mut self, id: ConnectionId, waker: &Waker) {
        if let Some((_, writers)) = self.waiters(id) {
            writers.register(waker);
        }
    }

    fn waiters(&mut self, id: ConnectionId) -> Option<(&mut Waiters, &mut Waiters)> {
        Some(match self.slot_mut(id)? {
            Either::Tcp(slot) => (&mut slot.readers, &mut slot.writers),
            Either::Stream(stream) => (&mut stream.readers, &mut stream.writers),
        })
    }

    /// What has become of an attempt to connect: `None` if that is still open.
    pub(super) fn dial_outcome(&self, id: ConnectionId) -> Option<Result<(), ConnectError>> {
        match self.slot(id) {
            Some(Either::Tcp(slot)) => match (slot.end, slot.dial) {
                (Some(end), _) => Some(Err(end.into())),
                (None, None) => Some(Ok(())),
                (None, Some(_)) => None,
            },
            // Once it was accepted it may have ended already, with all that was sent to it.
            Some(Either::Stream(stream)) => match (stream.end, stream.dial) {
                (_, None) => Some(Ok(())),
                (Some(end), _) => Some(Err(end.into())),
                (None, Some(_)) => None,
            },
            None => Some(Err(ConnectError::Refused)),
        }
    }

    /// Whether the peer has heard all that was written and the end of it: `None` if not yet.
    pub(super) fn is_delivered(&self, id: ConnectionId) -> Option<Result<(), WriteError>> {
        match self.slot(id) {
            Some(Either::Tcp(slot)) => slot.is_delivered(),
            Some(Either::Stream(stream)) => stream.is_delivered(),
            None => Some(Err(WriteError::Aborted)),
        }
    }

    /// Whether a connection of a backlog can be accepted.
    pub(super) fn is_acceptable(&self, id: ConnectionId) -> bool {
        match self.slot(id) {
            Some(Either::Tcp(slot)) => slot.is_acceptable(),
            Some(Either::Stream(stream)) => !stream.is_barren(),
            None => false,
        }
    }

    /// Somebody has accepted it.
    pub(super) fn take_over(&mut self, id: ConnectionId) {
        match self.slot_mut(id) {
            Some(Either::Tcp(slot)) => slot.owner = Owner::Handle,
            Some(Either::Stream(stream)) => stream.owner = Owner::Handle,
            None => {}
        }
    }
}

enum Either<T, S> {
    Tcp(T),
    Stream(S),
}

impl Stack {
    /// Reads what has come, and sees to it that the peer hears of the room.
    pub(super) fn read(
        &mut self,
        id: ConnectionId,
        buffer: &mut [u8],
    ) -> Result<Option<usize>, ReadError> {
        let (fabric, core) = self.parts();
        let read = match core.slot_mut(id).ok_or(ReadError::Aborted)? {
            Either::Tcp(slot) => slot.read(buffer)?,
            Either::Stream(stream) => stream.read(buffer)?,
        };
        if let Some(count) = read {
            core.note_read(fabric, id, count);
        }
        Ok(read)
    }

    /// Hands out all that has come by a stream, up to `most` bytes, for its reader to read there.
    pub(super) fn lend_inbox(&mut self, id: ConnectionId, most: usize) -> Option<VecDeque<u8>> {
        let ConnectionId::Stream(id) = id else { return None };
        let (fabric, core) = self.parts();
        let inbox = core.streams.get_mut(id)?.lend_inbox(most)?;
        core.totals.bytes_in += inbox.len() as u64;
        core.settle_stream(fabric, id);
        Some(inbox)
    }

    /// Takes back what was [lent](Self::lend_inbox), if the stream is still there.
    pub(super) fn give_back(&mut self, id: ConnectionId, inbox: VecDeque<u8>) {
        if let Some(Either::Stream(stream)) = self.core().slot_mut(id) {
            stream.give_back(inbox);
        }
    }

    /// Has what has come read where it lies, up to `most` bytes; whether something has.
    pub(super) fn read_in_place(
        &mut self,
        id: ConnectionId,
        most: usize,
        take: &mut dyn FnMut(&[u8]),
    ) -> Result<(), ReadError> {
        let (fabric, core) = self.parts();
        let count = match core.slot_mut(id).ok_or(ReadError::Aborted)? {
            Either::Tcp(slot) => slot.read_in_place(most, take)?,
            Either::Stream(stream) => stream.read_in_place(most, take)?,
        };
        if count > 0 {
            core.note_read(fabric, id, count);
        }
        Ok(())
    }

    /// Writes those pages that there is room for; how many.
    pub(super) fn write_pages(
        &mut self,
        id: ConnectionId,
        pages: Range<usize>,
        put: &mut dyn FnMut(usize, Room<'_>),
    ) -> Result<usize, WriteError> {
        let (fabric, core) = self.parts();
        let written = match core.slot_mut(id).ok_or(WriteError::Aborted)? {
            Either::Tcp(slot) => slot.write_pages(pages, put)?,
            Either::Stream(stream) => match fabric.link(stream.port) {
                Some(link) => stream.write_pages(link, pages, put)?,
                None => return Err(WriteError::Reset),
            },
        };
        core.note_written(fabric, id, written * limits::PAGE);
        Ok(written)
    }

    /// Writes what there is room for. Through shared memory it is there at once; a segment leaves
    /// at the next turn to send.
    pub(super) fn write(&mut self, id: ConnectionId, bytes: &[u8]) -> Result<usize, WriteError> {
        let (fabric, core) = self.parts();
        let written = match core.slot_mut(id).ok_or(WriteError::Aborted)? {
            Either::Tcp(slot) => slot.write(bytes)?,
            Either::Stream(stream) => match fabric.link(stream.port) {
                Some(link) => stream.write(link, bytes)?,
                None => return Err(WriteError::Reset),
            },
        };
        core.note_written(fabric, id, written);
        Ok(written)
    }

    /// Ends this direction after what was written.
    pub(super) fn close(&mut self, id: ConnectionId) {
        self.change(id, Slot::close, Stream::close);
    }

    /// Drops the connection at once.
    pub(super) fn abort(&mut self, id: ConnectionId) {
        self.change(id, |slot| slot.abort(End::Aborted), |stream| stream.abort(End::Aborted));
    }

    fn change(
        &mut self,
        id: ConnectionId,
        tcp: impl FnOnce(&mut Slot),
        stream: impl FnOnce(&mut Stream),
    ) {
        let (fabric, core) = self.parts();
        match (core.slot_mut(id), id) {
            (Some(Either::Tcp(slot)), ConnectionId::Tcp(id)) => {
                tcp(slot);
                core.table.enqueue(id);
            }
            (Some(Either::Stream(changed)), ConnectionId::Stream(id)) => {
                stream(changed);
                core.settle_stream(fabric, id);
            }
            _ => {}
        }
    }

    /// Leaves a connection to itself: closed in order it may linger, otherwise it is aborted.
    pub(super) fn release(&mut self, id: ConnectionId) {
        let (fabric, core) = self.parts();
        match id {
            ConnectionId::Tcp(id) => core.release(id),
            ConnectionId::Stream(id) => core.streams.release(fabric, id, core.now + LINGER),
        }
    }
}
