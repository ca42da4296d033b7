//! A connection as kernel tasks use it: an ordered, reliable stream of bytes to another node.

use alloc::vec::Vec;
use core::future::poll_fn;
use core::task::{Context, Poll};
use core::time::Duration;

use wayfarer_proto::id::NodeId;

use crate::executor::yield_now;

use super::error::{End, ReadError, WriteError};
use super::network::Network;
use super::slot::{Counters, Slot};
use super::stack::Core;
use super::table::SlotId;

/// How many bytes are copied before other tasks get their turn (architecture.md, D2).
const COPY_LIMIT: usize = 64 * 1024;

/// One end of a connection. Several tasks may share it through an `Rc`; bytes of concurrent
/// writes longer than the free buffer may interleave, so message writers take turns.
///
/// Dropping it aborts the connection, and the peer sees a reset, unless it was closed before: a
/// peer must not take what a dropped task left unfinished for the whole.
pub struct Connection {
    network: Network,
    id: SlotId,
    peer: NodeId,
}

impl Connection {
    /// Takes over a slot that no other handle has.
    pub(super) fn new(network: Network, id: SlotId) -> Self {
        let tuple = network.with_core(|core| core.table.get(id).map(|slot| slot.tuple));
        Self { network, id, peer: tuple.map_or(NodeId(0), |tuple| tuple.peer) }
    }

    pub(super) fn id(&self) -> SlotId {
        self.id
    }

    /// The node at the other end.
    pub fn peer(&self) -> NodeId {
        self.peer
    }

    /// What the connection has carried so far.
    pub fn counters(&self) -> Counters {
        self.with_slot(|slot| slot.counters).unwrap_or_default()
    }

    /// Ends the connection when the peer has been silent for `limit`, which probes at a third of
    /// it keep a live peer from; `None` lets it be silent for ever.
    pub fn set_limit(&self, limit: Option<Duration>) {
        self.network.with_core(|core| {
            let now = core.now;
            if let Some(slot) = core.table.get_mut(self.id) {
                slot.set_limit(limit, now);
            }
            core.table.enqueue(self.id);
        });
    }

    /// Reads what has arrived, waiting for the first byte: at least one, at most `buffer`'s
    /// length or 64 KiB. An empty `buffer` reads nothing at once.
    pub async fn read_some(&self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        if buffer.is_empty() {
            return Ok(0);
        }
        poll_fn(|context| self.poll_read(context, buffer)).await
    }

    /// Waits for bytes and hands them to `take`, 32 KiB at most, in a buffer that all connections
    /// of the node share: one that is idle has none.
    pub async fn read_piece<R>(&self, take: impl FnOnce(&[u8]) -> R) -> Result<R, ReadError> {
        let filled = poll_fn(|context| {
            let mut piece = self.network.borrow_piece();
            match self.poll_read(context, &mut piece) {
                Poll::Ready(Ok(length)) => Poll::Ready(Ok((piece, length))),
                other => {
                    self.network.return_piece(piece);
                    other.map_ok(|length| (Vec::new(), length))
                }
            }
        });
        let (piece, length) = filled.await?;
        let result = take(&piece[..length]);
        self.network.return_piece(piece);
        Ok(result)
    }

    /// Fills the whole of `buffer`. [`ReadError::Closed`] if the peer closed just before it,
    /// [`ReadError::Truncated`] if within it.
    pub async fn read(&self, buffer: &mut [u8]) -> Result<(), ReadError> {
        let mut filled = 0;
        while filled < buffer.len() {
            let count = match self.read_some(&mut buffer[filled..]).await {
                Err(ReadError::Closed) if filled > 0 => return Err(ReadError::Truncated),
                read => read?,
            };
            filled += count;
            if count == COPY_LIMIT {
                yield_now().await;
            }
        }
        Ok(())
    }

    /// Reads what has arrived without waiting, up to 64 KiB: `None` if nothing has.
    pub fn try_read(&self, buffer: &mut [u8]) -> Result<Option<usize>, ReadError> {
        self.network.with_core(|core| read(core, self.id, buffer))
    }

    /// Writes all of `bytes`, waiting for room as the peer takes them. They are sent at the next
    /// [`Network::poll`], together with what is written before it, so a message may be written in
    /// parts; they are known to have arrived only after [`close`](Self::close).
    pub async fn write_all(&self, bytes: &[u8]) -> Result<(), WriteError> {
        let mut written = 0;
        while written < bytes.len() {
            let count = poll_fn(|context| self.poll_write(context, &bytes[written..])).await?;
            written += count;
            if count == COPY_LIMIT {
                yield_now().await;
            }
        }
        Ok(())
    }

    /// Writes what there is room for without waiting, up to 64 KiB; returns how much that was.
    pub fn try_write(&self, bytes: &[u8]) -> Result<usize, WriteError> {
        self.network.with_core(|core| write(core, self.id, bytes))
    }

    /// Closes this direction after what was written, and waits until the peer has acknowledged
    /// all of it. The other direction can still be read.
    pub async fn close(&self) -> Result<(), WriteError> {
        self.network.with_core(|core| {
            if let Some(slot) = core.table.get_mut(self.id) {
                slot.close();
            }
            core.table.enqueue(self.id);
        });
        poll_fn(|context| self.poll_closed(context)).await
    }

    /// Drops the connection at once; the peer sees a reset, and tasks that wait here are woken
    /// with [`ReadError::Aborted`] and [`WriteError::Aborted`].
    pub fn abort(&self) {
        self.with_slot(|slot| slot.abort(End::Aborted));
        self.network.with_core(|core| core.table.enqueue(self.id));
    }

    fn poll_read(
        &self,
        context: &Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<usize, ReadError>> {
        self.network.with_core(|core| match read(core, self.id, buffer) {
            Ok(Some(count)) => Poll::Ready(Ok(count)),
            Err(error) => Poll::Ready(Err(error)),
            Ok(None) => {
                if let Some(slot) = core.table.get_mut(self.id) {
                    slot.readers.register(context.waker());
                }
                Poll::Pending
            }
        })
    }

    fn poll_write(&self, context: &Context<'_>, bytes: &[u8]) -> Poll<Result<usize, WriteError>> {
        self.network.with_core(|core| match write(core, self.id, bytes) {
            Ok(0) => {
                if let Some(slot) = core.table.get_mut(self.id) {
                    slot.writers.register(context.waker());
                }
                Poll::Pending
            }
            result => Poll::Ready(result),
        })
    }

    fn poll_closed(&self, context: &Context<'_>) -> Poll<Result<(), WriteError>> {
        self.with_slot(|slot| match slot.is_delivered() {
            Some(result) => Poll::Ready(result),
            None => {
                slot.writers.register(context.waker());
                Poll::Pending
            }
        })
        .unwrap_or(Poll::Ready(Err(WriteError::Aborted)))
    }

    fn with_slot<R>(&self, f: impl FnOnce(&mut Slot) -> R) -> Option<R> {
        self.network.with_core(|core| core.table.get_mut(self.id).map(f))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.network.with_core(|core| core.release(self.id));
    }
}

/// Reads, and queues the connection: there may be a larger window to tell the peer of.
fn read(core: &mut Core, id: SlotId, buffer: &mut [u8]) -> Result<Option<usize>, ReadError> {
    let slot = core.table.get_mut(id).ok_or(ReadError::Aborted)?;
    let len = buffer.len().min(COPY_LIMIT);
    let read = slot.read(&mut buffer[..len])?;
    if let Some(count) = read {
        core.totals.bytes_in += count as u64;
        core.table.enqueue(id);
    }
    Ok(read)
}

/// Writes, and queues the connection to be sent from.
fn write(core: &mut Core, id: SlotId, bytes: &[u8]) -> Result<usize, WriteError> {
    let slot = core.table.get_mut(id).ok_or(WriteError::Aborted)?;
    let written = slot.write(&bytes[..bytes.len().min(COPY_LIMIT)])?;
    if written > 0 {
        core.totals.bytes_out += written as u64;
        core.table.enqueue(id);
    }
    Ok(written)
}
