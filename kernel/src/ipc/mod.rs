//! What processes of one home share beside files: System V IPC (svipc(7)) and POSIX message queues
//! (mq_overview(7)).
//!
//! The objects live at home and know nothing of processes' memory; the handlers wait on them as
//! they do on files.

mod mqueue;
mod msg;
mod sem;
mod shm;
mod table;

pub use mqueue::{
    COOKIE, Message as PosixMessage, MessageNotice, MessageQueue, QueueLimits, Registration,
    WOKEN_UP,
};
pub use msg::{Queue, Wanted};
pub use sem::{Operation, SemaphoreSet, Undo};
pub use shm::Segment;
pub use table::{Key, Object, Permission, Table};

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;

use wayfarer_proto::sorted::SortedMap;

/// All of it, of one node.
#[derive(Default)]
pub struct Ipc {
    /// Shared memory.
    pub segments: Table<Segment>,
    /// Semaphores.
    pub semaphores: Table<SemaphoreSet>,
    /// System V message queues.
    pub queues: Table<Queue>,
    /// POSIX message queues, by name.
    pub posix_queues: RefCell<SortedMap<Vec<u8>, Rc<MessageQueue>>>,
}
