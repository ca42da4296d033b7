//! The locks that a thread holds when it ends (set_robust_list(2)): their words say that the owner
//! died, and somebody who waits is woken. The list is the program's and is not believed: it may be
//! of any length and lead anywhere.

use wayfarer_proto::id::{Tid, UserAddr};
use wayfarer_proto::linux::process::{FUTEX_OWNER_DIED, FUTEX_TID_MASK, FUTEX_WAITERS};

use super::{BodyThread, LocalMemory};
use crate::executor::yield_now;
use crate::futex::Futexes;
use crate::memory::FutexKey;

/// Entries looked at (Linux's `ROBUST_LIST_LIMIT`).
const MOST: usize = 2048;
/// Entries after which others get their turn.
const STEP: usize = 64;
/// The bit of an entry's address that says that its lock lends priority.
const LENDS_PRIORITY: u64 = 1;
/// Any waiter.
const MATCH_ANY: u32 = u32::MAX;

/// `struct robust_list_head`.
struct Head {
    first: u64,
    offset: u64,
    pending: u64,
}

impl LocalMemory {
    /// Lets go of what `thread`, which ends, still holds.
    pub async fn release_robust(&self, futexes: &Futexes, thread: &BodyThread) {
        let list = thread.robust_list.take();
        if list.is_null() {
            return;
        }
        let Some(head) = self.robust_head(list).await else { return };
        let tid = thread.tid.get();
        let mut entry = head.first;
        for index in 0..MOST {
            let at = entry & !LENDS_PRIORITY;
            if at == list.0 {
                break;
            }
            let next = self.read_word64(UserAddr(at)).await;
            if at != head.pending & !LENDS_PRIORITY {
                self.owner_died(futexes, UserAddr(at.wrapping_add(head.offset)), tid, None).await;
            }
            let Some(next) = next else { break };
            entry = next;
            if index % STEP == STEP - 1 {
                yield_now().await;
            }
        }
        let pending = head.pending & !LENDS_PRIORITY;
        if pending != 0 {
            let lends = head.pending & LENDS_PRIORITY != 0;
            let word = UserAddr(pending.wrapping_add(head.offset));
            self.owner_died(futexes, word, tid, Some(lends)).await;
        }
    }

    async fn robust_head(&self, list: UserAddr) -> Option<Head> {
        Some(Head {
            first: self.read_word64(list).await?,
            offset: self.read_word64(list.offset(8)).await?,
            pending: self.read_word64(list.offset(16)).await?,
        })
    }

    async fn read_word64(&self, address: UserAddr) -> Option<u64> {
        let mut bytes = [0; 8];
        self.read(address, &mut bytes).await.ok()?;
        Some(u64::from_le_bytes(bytes))
    }

    /// Marks one lock. `pending` is for the one that was about to be taken or let go, and says
    /// whether it lends priority: if it has been let go, nobody has been woken yet.
    async fn owner_died(&self, futexes: &Futexes, word: UserAddr, tid: Tid, pending: Option<bool>) {
        let mut bytes = [0; 4];
        if !word.0.is_multiple_of(4) || self.read(word, &mut bytes).await.is_err() {
            return;
        }
        let value = u32::from_le_bytes(bytes);
        let wake = |key: FutexKey| futexes.wake_any(key, 1, MATCH_ANY);
        if pending == Some(false) && value == 0 {
            self.futex_key(word).map(wake);
            return;
        }
        if value & FUTEX_TID_MASK != tid.0.cast_unsigned() {
            return;
        }
        let died = (value & FUTEX_WAITERS) | FUTEX_OWNER_DIED;
        if self.write(word, &died.to_le_bytes()).await.is_ok() && value & FUTEX_WAITERS != 0 {
            self.futex_key(word).map(wake);
        }
    }
}
