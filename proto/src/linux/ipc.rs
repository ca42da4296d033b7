//! `sys/ipc.h`, `sys/shm.h`, `sys/sem.h`, `sys/msg.h`, `mqueue.h`.

/// `IPC_PRIVATE`: the key that names nothing.
pub const IPC_PRIVATE: i32 = 0;
/// `IPC_CREAT`.
pub const IPC_CREAT: u32 = 0o1000;
/// `IPC_EXCL`.
pub const IPC_EXCL: u32 = 0o2000;
/// `IPC_NOWAIT`.
pub const IPC_NOWAIT: u32 = 0o4000;
/// `IPC_RMID`.
pub const IPC_RMID: i32 = 0;
/// `IPC_SET`.
pub const IPC_SET: i32 = 1;
/// `IPC_STAT`.
pub const IPC_STAT: i32 = 2;

/// `SHM_RDONLY` of shmat(2).
pub const SHM_RDONLY: u32 = 0o10000;
/// `SHM_RND`.
pub const SHM_RND: u32 = 0o20000;
/// `SHM_REMAP`.
pub const SHM_REMAP: u32 = 0o40000;
/// `SHM_EXEC`.
pub const SHM_EXEC: u32 = 0o100_000;
/// `SHM_HUGETLB` of shmget(2).
pub const SHM_HUGETLB: u32 = 0o4000;
/// `SHM_DEST` in the mode: it goes with its last user.
pub const SHM_DEST: u32 = 0o1000;
/// `SHM_LOCK` of shmctl(2).
pub const SHM_LOCK: i32 = 11;
/// `SHM_UNLOCK`.
pub const SHM_UNLOCK: i32 = 12;

/// `SEM_UNDO` of semop(2).
pub const SEM_UNDO: u32 = 0x1000;
/// `GETPID` of semctl(2).
pub const GETPID: i32 = 11;
/// `GETVAL`.
pub const GETVAL: i32 = 12;
/// `GETALL`.
pub const GETALL: i32 = 13;
/// `GETNCNT`.
pub const GETNCNT: i32 = 14;
/// `GETZCNT`.
pub const GETZCNT: i32 = 15;
/// `SETVAL`.
pub const SETVAL: i32 = 16;
/// `SETALL`.
pub const SETALL: i32 = 17;
/// The highest value of a semaphore.
pub const SEMVMX: i32 = 32767;
/// Semaphores of a set, at most.
pub const SEMMSL: usize = 32000;
/// Operations of one semop(2), at most.
pub const SEMOPM: usize = 500;

/// `MSG_NOERROR` of msgrcv(2): cut what is too long.
pub const MSG_NOERROR: u32 = 0o10000;
/// `MSG_EXCEPT`: any other type.
pub const MSG_EXCEPT: u32 = 0o20000;
/// `MSG_COPY`: leave it there.
pub const MSG_COPY: u32 = 0o40000;
/// Bytes of a message, at most.
pub const MSGMAX: usize = 8192;
/// Bytes that a queue holds, unless told otherwise.
pub const MSGMNB: u64 = 16384;

/// `MQ_PRIO_MAX`: priorities are below it.
pub const MQ_PRIO_MAX: u32 = 32768;

layout! {
    /// `struct ipc64_perm`.
    IpcPerm {
        /// The key.
        key: i32,
        /// Owner.
        uid: u32,
        /// Group.
        gid: u32,
        /// Who made it.
        creator_uid: u32,
        /// And the group.
        creator_gid: u32,
        /// Permissions, and flags.
        mode: u32,
        /// Counts reuses.
        sequence: u32,
        /// Unused.
        padding: [u8; 20],
    }
    /// `struct shmid64_ds` after its permissions.
    ShmidDs {
        /// Bytes.
        size: u64,
        /// Last shmat(2), seconds.
        attached: u64,
        /// Last shmdt(2).
        detached: u64,
        /// Last change.
        changed: u64,
        /// Who made it.
        creator: i32,
        /// Who attached or detached it last.
        last: i32,
        /// How often it is attached.
        attaches: u64,
        /// Unused.
        padding: [u8; 16],
    }
    /// `struct semid64_ds` after its permissions.
    SemidDs {
        /// Last semop(2), seconds.
        operated: u64,
        /// Unused.
        padding1: u64,
        /// Last change.
        changed: u64,
        /// Unused.
        padding2: u64,
        /// How many semaphores.
        count: u64,
        /// Unused.
        padding3: [u8; 16],
    }
    /// `struct msqid64_ds` after its permissions.
    MsqidDs {
        /// Last msgsnd(2), seconds.
        sent: u64,
        /// Last msgrcv(2).
        received: u64,
        /// Last change.
        changed: u64,
        /// Bytes in the queue.
        bytes: u64,
        /// Messages in the queue.
        count: u64,
        /// Bytes it holds at most.
        room: u64,
        /// Who sent last.
        sender: i32,
        /// Who received last.
        receiver: i32,
        /// Unused.
        padding: [u8; 16],
    }
    /// `struct sembuf`.
    Sembuf {
        /// Which semaphore of the set.
        number: u16,
        /// What to do.
        operation: i16,
        /// `IPC_NOWAIT`, `SEM_UNDO`.
        flags: u16,
    }
    /// `struct mq_attr`.
    MqAttr {
        /// `O_NONBLOCK`.
        flags: i64,
        /// Messages it holds at most.
        max_messages: i64,
        /// Bytes of a message, at most.
        message_size: i64,
        /// Messages it holds now.
        messages: i64,
        /// Unused.
        padding: [u8; 32],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux::Layout;

    #[test]
    fn structures_have_the_sizes_of_the_abi() {
        assert_eq!(IpcPerm::SIZE, 48);
        assert_eq!(IpcPerm::SIZE + ShmidDs::SIZE, 112);
        assert_eq!(IpcPerm::SIZE + SemidDs::SIZE, 104);
        assert_eq!(IpcPerm::SIZE + MsqidDs::SIZE, 120);
        assert_eq!(Sembuf::SIZE, 6);
        assert_eq!(MqAttr::SIZE, 64);
    }
}
