//! `sys/epoll.h`, `sys/eventfd.h`, `sys/timerfd.h`, `sys/signalfd.h`: event descriptors.

/// `EPOLL_CTL_ADD`.
pub const EPOLL_CTL_ADD: i32 = 1;
/// `EPOLL_CTL_DEL`.
pub const EPOLL_CTL_DEL: i32 = 2;
/// `EPOLL_CTL_MOD`.
pub const EPOLL_CTL_MOD: i32 = 3;

/// `EPOLLEXCLUSIVE`.
pub const EPOLLEXCLUSIVE: u32 = 1 << 28;
/// `EPOLLWAKEUP`: nothing sleeps here, so it changes nothing.
pub const EPOLLWAKEUP: u32 = 1 << 29;
/// `EPOLLONESHOT`.
pub const EPOLLONESHOT: u32 = 1 << 30;
/// `EPOLLET`.
pub const EPOLLET: u32 = 1 << 31;

/// `EFD_SEMAPHORE`.
pub const EFD_SEMAPHORE: u32 = 1;

/// `TFD_TIMER_ABSTIME`.
pub const TFD_TIMER_ABSTIME: u32 = 1;
/// `TFD_TIMER_CANCEL_ON_SET`: the wall clock is never set here, so it changes nothing.
pub const TFD_TIMER_CANCEL_ON_SET: u32 = 2;

/// `P_PIDFD` of waitid(2).
pub const P_PIDFD: u64 = 3;

layout! {
    /// `struct epoll_event`, which is packed on x86-64.
    EpollEvent {
        /// `EPOLL*` bits.
        events: u32,
        /// What the program wants back with them.
        data: u64,
    }
    /// `struct itimerspec`.
    Itimerspec {
        /// Seconds between expirations; 0 with `interval_nanos` for a single one.
        interval_seconds: i64,
        /// Nanoseconds part of the interval.
        interval_nanos: i64,
        /// Seconds until the first expiration.
        value_seconds: i64,
        /// Nanoseconds part of the value; both 0 disarm.
        value_nanos: i64,
    }
    /// `struct signalfd_siginfo`.
    SignalfdSiginfo {
        /// Signal number.
        signal: u32,
        /// Unused.
        errno: i32,
        /// `si_code`.
        code: i32,
        /// Who sent it.
        pid: u32,
        /// As which user.
        uid: u32,
        /// `si_fd`: never set.
        fd: u32,
        /// The timer (timer_create(2)).
        timer: u32,
        /// `si_band`: never set.
        band: u32,
        /// How often the timer expired more.
        overrun: u32,
        /// `si_trapno`: never set.
        trap: u32,
        /// Exit status or signal (SIGCHLD).
        status: i32,
        /// The value sent, as an int.
        int: i32,
        /// The value sent, as a pointer.
        pointer: u64,
        /// `si_utime` and `si_stime`: never set.
        times: [u8; 16],
        /// The address of a fault.
        address: u64,
        /// The rest.
        padding: [u8; 48],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux::Layout;

    #[test]
    fn structures_have_the_sizes_of_the_abi() {
        assert_eq!(EpollEvent::SIZE, 12);
        assert_eq!(Itimerspec::SIZE, 32);
        assert_eq!(SignalfdSiginfo::SIZE, 128);
    }
}
