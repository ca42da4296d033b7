//! A connection as kernel tasks use it: an ordered, reliable stream of bytes to another node.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::future::poll_fn;
use core::task::{Context, Poll};

use wayfarer_machine::Room;
use wayfarer_proto::id::NodeId;
use wayfarer_proto::limits;

use crate::executor::yield_now;

use super::error::{ReadError, WriteError};
use super::handle::ConnectionId;
use super::network::Network;
use super::slot::Counters;
use super::stack::Stack;

/// How many bytes are copied before other tasks get their turn (architecture.md, D2).
const COPY_LIMIT: usize = 64 * 1024;

/// How many bytes are read where they lie before other tasks get their turn: all that one call has
/// on the way.
const LEND_LIMIT: usize = limits::STRETCH;

/// Bytes that have come: all of an inbox, or so many of a buffer.
enum Piece {
    Inbox(VecDeque<u8>),
    Copy(Vec<u8>, usize),
}

/// One end of a connection. Several tasks may share it through an `Rc`; bytes of concurrent
/// writes longer than the free buffer may interleave, so message writers take turns.
///
/// Dropping it aborts the connection, and the peer sees a reset, unless it was closed before: a
/// peer must not take what a dropped task left unfinished for the whole.
pub struct Connection {
    network: Network,
    id: ConnectionId,
    peer: NodeId,
}

impl Connection {
    /// Takes over a connection that no other handle has.
    pub(super) fn new(network: Network, id: ConnectionId) -> Self {
        let peer = network.with_core(|core| core.peer(id));
        Self { network, id, peer }
    }

    pub(super) fn id(&self) -> ConnectionId {
        self.id
    }

    /// The node at the other end.
    pub fn peer(&self) -> NodeId {
        self.peer
    }

    /// What the connection has carried so far.
    pub fn counters(&self) -> Counters {
        self.network.with_core(|core| core.counters(self.id))
    }

    /// Reads what has arrived, waiting for the first byte: at least one, at most `buffer`'s
    /// length or 64 KiB. An empty `buffer` reads nothing at once.
    pub async fn read_some(&self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        if buffer.is_empty() {
            return Ok(0);
        }
        poll_fn(|context| self.poll_read(context, buffer)).await
    }

    /// Waits for bytes and hands them to `take`: where they lie, or at most 64 KiB in a buffer
    /// that all connections of the node share. One that is idle has none.
    pub async fn read_piece<R>(&self, take: impl FnOnce(&[u8]) -> R) -> Result<R, ReadError> {
        let piece = poll_fn(|context| {
            let lent = self.network.with_stack(|stack| stack.lend_inbox(self.id, LEND_LIMIT));
            if let Some(inbox) = lent {
                return Poll::Ready(Ok(Piece::Inbox(inbox)));
            }
            let mut piece = self.network.borrow_piece();
            match self.poll_read(context, &mut piece) {
                Poll::Ready(Ok(length)) => Poll::Ready(Ok(Piece::Copy(piece, length))),
                other => {
                    self.network.return_piece(piece);
                    other.map_ok(|length| Piece::Copy(Vec::new(), length))
                }
            }
        });
        Ok(match piece.await? {
            Piece::Inbox(mut inbox) => {
                let result = take(inbox.make_contiguous());
                self.network.with_stack(|stack| stack.give_back(self.id, inbox));
                result
            }
            Piece::Copy(piece, length) => {
                let result = take(&piece[..length]);
                self.network.return_piece(piece);
                result
            }
        })
    }

    /// Waits for bytes and hands them to `take` where the network has them, which they leave then:
    /// at most 256 KiB. `take` may not use the network.
    pub async fn read_in_place<R>(&self, take: impl FnOnce(&[u8]) -> R) -> Result<R, ReadError> {
        let mut take = Some(take);
        poll_fn(|context| {
            self.network.with_stack(|stack| {
                let mut result = None;
                let read = stack.read_in_place(self.id, LEND_LIMIT, &mut |bytes| {
                    result = take.take().map(|take| take(bytes));
                });
                match (read, result) {
                    (Err(error), _) => Poll::Ready(Err(error)),
                    (_, Some(result)) => Poll::Ready(Ok(result)),
                    _ => {
                        stack.core().register_reader(self.id, context.waker());
                        Poll::Pending
                    }
                }
            })
        })
        .await
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
        self.network.with_stack(|stack| read(stack, self.id, buffer))
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

    /// Writes `count` pages, waiting for room as the peer takes them. `put` copies one, by its
    /// index, to where it leaves from; each once and in order. It may not use the network.
    pub async fn write_pages(
        &self,
        count: usize,
        mut put: impl FnMut(usize, Room<'_>),
    ) -> Result<(), WriteError> {
        let mut written = 0;
        while written < count {
            written += poll_fn(|context| {
                self.network.with_stack(|stack| {
                    match stack.write_pages(self.id, written..count, &mut put) {
                        Ok(0) => {
                            stack.core().register_writer(self.id, context.waker());
                            Poll::Pending
                        }
                        result => Poll::Ready(result),
                    }
                })
            })
            .await?;
        }
        Ok(())
    }

    /// Writes what there is room for without waiting, up to 64 KiB; returns how much that was.
    pub fn try_write(&self, bytes: &[u8]) -> Result<usize, WriteError> {
        self.network.with_stack(|stack| write(stack, self.id, bytes))
    }

    /// Closes this direction after what was written, and waits until the peer has acknowledged
    /// all of it. The other direction can still be read.
    pub async fn close(&self) -> Result<(), WriteError> {
        self.network.with_stack(|stack| stack.close(self.id));
        poll_fn(|context| self.poll_closed(context)).await
    }

    /// Drops the connection at once; the peer sees a reset, and tasks that wait here are woken
    /// with [`ReadError::Aborted`] and [`WriteError::Aborted`].
    pub fn abort(&self) {
        self.network.with_stack(|stack| stack.abort(self.id));
    }

    fn poll_read(
        &self,
        context: &Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<usize, ReadError>> {
        self.network.with_stack(|stack| match read(stack, self.id, buffer) {
            Ok(Some(count)) => Poll::Ready(Ok(count)),
            Err(error) => Poll::Ready(Err(error)),
            Ok(None) => {
                stack.core().register_reader(self.id, context.waker());
                Poll::Pending
            }
        })
    }

    /// [`try_write`](Self::try_write), whose task is woken once there is room if there is none.
    pub fn poll_write(
        &self,
        context: &Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize, WriteError>> {
        self.network.with_stack(|stack| match write(stack, self.id, bytes) {
            Ok(0) => {
                stack.core().register_writer(self.id, context.waker());
                Poll::Pending
            }
            result => Poll::Ready(result),
        })
    }

    fn poll_closed(&self, context: &Context<'_>) -> Poll<Result<(), WriteError>> {
        self.network.with_core(|core| match core.is_delivered(self.id) {
            Some(result) => Poll::Ready(result),
            None => {
                core.register_writer(self.id, context.waker());
                Poll::Pending
            }
        })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.network.with_stack(|stack| stack.release(self.id));
    }
}

/// Reads a bounded number of bytes.
fn read(
    stack: &mut Stack,
    id: ConnectionId,
    buffer: &mut [u8],
) -> Result<Option<usize>, ReadError> {
    let length = buffer.len().min(COPY_LIMIT);
    stack.read(id, &mut buffer[..length])
}

/// Writes a bounded number of bytes.
fn write(stack: &mut Stack, id: ConnectionId, bytes: &[u8]) -> Result<usize, WriteError> {
    stack.write(id, &bytes[..bytes.len().min(COPY_LIMIT)])
}
