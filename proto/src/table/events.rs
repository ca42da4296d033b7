//! The rows of event descriptors: epoll(7), eventfd(2), timerfd_create(2), signalfd(2), and of
//! descriptors of processes.

/// Adds the rows of event descriptors to those given and hands all to the next macro.
macro_rules! event_rows {
    ([$next:ident $($then:ident)*] { $($rows:tt)* }) => { $next! { [$($then)*] {
        $($rows)*
        213 epoll_create Remote (size: Int);
        232 epoll_wait Remote (
            epfd: Fd,
            events: OutArray { count: 2, size: 12 },
            maxevents: Int,
            timeout: Int
        );
        233 epoll_ctl Remote (epfd: Fd, op: Int, fd: Fd, event: InStruct(12));
        281 epoll_pwait Remote (
            epfd: Fd,
            events: OutArray { count: 2, size: 12 },
            maxevents: Int,
            timeout: Int,
            sigmask: InStruct(8),
            sigsetsize: Size
        );
        282 signalfd Remote (fd: Fd, mask: InStruct(8), sizemask: Size);
        283 timerfd_create Remote (clockid: Int, flags: Hex);
        284 eventfd Remote (initval: Size);
        286 timerfd_settime Remote (
            fd: Fd,
            flags: Hex,
            new_value: InStruct(32),
            old_value: OutStruct(32)
        );
        287 timerfd_gettime Remote (fd: Fd, curr_value: OutStruct(32));
        289 signalfd4 Remote (fd: Fd, mask: InStruct(8), sizemask: Size, flags: Hex);
        290 eventfd2 Remote (initval: Size, flags: Hex);
        291 epoll_create1 Remote (flags: Hex);
        424 pidfd_send_signal Remote (pidfd: Fd, sig: Signal, info: InStruct(128), flags: Hex);
        434 pidfd_open Remote (pid: Pid, flags: Hex);
        438 pidfd_getfd Remote (pidfd: Fd, targetfd: Fd, flags: Hex);
        441 epoll_pwait2 Remote (
            epfd: Fd,
            events: OutArray { count: 2, size: 12 },
            maxevents: Int,
            timeout: InStruct(16),
            sigmask: InStruct(8),
            sigsetsize: Size
        );
    } } };
}
