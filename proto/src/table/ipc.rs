//! The rows of System V IPC (svipc(7)) and of POSIX message queues (mq_overview(7)). All of it
//! lives at home; a process that has a segment attached stays there as long as it has.

/// Adds these rows to those given and hands all to the next macro.
macro_rules! ipc_rows {
    ([$next:ident $($then:ident)*] { $($rows:tt)* }) => { $next! { [$($then)*] {
        $($rows)*
        29 shmget Remote (key: Int, size: Size, shmflg: Hex);
        30 shmat Remote (shmid: Int, shmaddr: Address, shmflg: Hex);
        31 shmctl Remote (shmid: Int, op: Int, buf: Opaque);
        64 semget Remote (key: Int, nsems: Int, semflg: Hex);
        65 semop Remote (semid: Int, sops: Opaque, nsops: Size);
        66 semctl Remote (semid: Int, semnum: Int, op: Int, arg: Opaque);
        67 shmdt Remote (shmaddr: Address);
        68 msgget Remote (key: Int, msgflg: Hex);
        69 msgsnd Remote (msqid: Int, msgp: Opaque, msgsz: Size, msgflg: Hex);
        70 msgrcv Remote (msqid: Int, msgp: Opaque, msgsz: Size, msgtyp: Int, msgflg: Hex);
        71 msgctl Remote (msqid: Int, op: Int, buf: Opaque);
        220 semtimedop Remote (
            semid: Int,
            sops: Opaque,
            nsops: Size,
            timeout: InStruct(16)
        );
        240 mq_open Remote (name: Path, oflag: Hex, mode: Mode, attr: InStruct(64));
        241 mq_unlink Remote (name: Path);
        242 mq_timedsend Remote (
            mqdes: Fd,
            msg_ptr: InBuffer { len: 2 },
            msg_len: Size,
            msg_prio: Size,
            abs_timeout: InStruct(16)
        );
        243 mq_timedreceive Remote (
            mqdes: Fd,
            msg_ptr: OutBuffer { len: 2 },
            msg_len: Size,
            msg_prio: OutStruct(4),
            abs_timeout: InStruct(16)
        );
        244 mq_notify Remote (mqdes: Fd, sevp: InStruct(64));
        245 mq_getsetattr Remote (mqdes: Fd, newattr: InStruct(64), oldattr: OutStruct(64));
    } } };
}
