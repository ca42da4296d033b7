//! `signal.h`: numbers, sets, actions and `siginfo_t` (signal(7), sigaction(2)).

use core::fmt;

/// A signal number, 1 to 64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Signal(u8);

/// What a signal does when no handler is set (signal(7)).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DefaultAction {
    /// End the process.
    Terminate,
    /// End the process; Linux would dump core.
    Core,
    /// Nothing.
    Ignore,
    /// Stop the process.
    Stop,
    /// Resume the process if it is stopped.
    Continue,
}

macro_rules! signals {
    ($($number:literal $name:ident $action:ident;)*) => {
        impl Signal {
            $(
                #[doc = concat!("`", stringify!($name), "`.")]
                pub const $name: Self = Self($number);
            )*

            /// The symbolic name; real-time signals have none.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some(stringify!($name)),)*
                    _ => None,
                }
            }

            /// What it does when no handler is set.
            pub const fn default_action(self) -> DefaultAction {
                match self.0 {
                    $($number => DefaultAction::$action,)*
                    _ => DefaultAction::Terminate,
                }
            }
        }
    };
}

signals! {
    1 SIGHUP Terminate; 2 SIGINT Terminate; 3 SIGQUIT Core; 4 SIGILL Core; 5 SIGTRAP Core;
    6 SIGABRT Core; 7 SIGBUS Core; 8 SIGFPE Core; 9 SIGKILL Terminate; 10 SIGUSR1 Terminate;
    11 SIGSEGV Core; 12 SIGUSR2 Terminate; 13 SIGPIPE Terminate; 14 SIGALRM Terminate;
    15 SIGTERM Terminate; 16 SIGSTKFLT Terminate; 17 SIGCHLD Ignore; 18 SIGCONT Continue;
    19 SIGSTOP Stop; 20 SIGTSTP Stop; 21 SIGTTIN Stop; 22 SIGTTOU Stop; 23 SIGURG Ignore;
    24 SIGXCPU Core; 25 SIGXFSZ Core; 26 SIGVTALRM Terminate; 27 SIGPROF Terminate;
    28 SIGWINCH Ignore; 29 SIGIO Terminate; 30 SIGPWR Terminate; 31 SIGSYS Core;
}

impl Signal {
    /// The highest signal number.
    pub const MAX: u8 = 64;

    /// The signal with this number; `None` outside 1 to 64.
    pub const fn new(number: u64) -> Option<Self> {
        if number >= 1 && number <= Self::MAX as u64 { Some(Self(number as u8)) } else { None }
    }

    /// Its number.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Whether it is one of the real-time signals, of which each instance is queued.
    pub const fn is_realtime(self) -> bool {
        self.0 >= 32
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "SIGRT_{}", self.0),
        }
    }
}

/// A set of signals (`sigset_t`: bit n-1 is signal n).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SignalSet(pub u64);

impl SignalSet {
    /// No signal.
    pub const EMPTY: Self = Self(0);
    /// SIGKILL and SIGSTOP, which cannot be blocked, caught or ignored.
    pub const UNBLOCKABLE: Self = Self(1 << 8 | 1 << 18);
    /// The four signals that stop a process.
    pub const STOPS: Self = Self(1 << 18 | 1 << 19 | 1 << 20 | 1 << 21);

    /// The set of one signal.
    pub const fn only(signal: Signal) -> Self {
        Self(1 << (signal.number() - 1))
    }

    /// Whether the set holds `signal`.
    pub const fn contains(self, signal: Signal) -> bool {
        self.0 & Self::only(signal).0 != 0
    }

    /// Adds `signal`.
    pub const fn insert(&mut self, signal: Signal) {
        self.0 |= Self::only(signal).0;
    }

    /// Takes `signal` out.
    pub const fn remove(&mut self, signal: Signal) {
        self.0 &= !Self::only(signal).0;
    }

    /// Signals in either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Signals in this set but not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether the set is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The lowest-numbered signal of the set, which is the one delivered first.
    pub const fn first(self) -> Option<Signal> {
        if self.0 == 0 { None } else { Some(Signal(self.0.trailing_zeros() as u8 + 1)) }
    }
}

/// `SIG_DFL`.
pub const SIG_DFL: u64 = 0;
/// `SIG_IGN`.
pub const SIG_IGN: u64 = 1;

/// `SA_NOCLDSTOP`.
pub const SA_NOCLDSTOP: u64 = 1;
/// `SA_NOCLDWAIT`.
pub const SA_NOCLDWAIT: u64 = 2;
/// `SA_SIGINFO`.
pub const SA_SIGINFO: u64 = 4;
/// `SA_ONSTACK`.
pub const SA_ONSTACK: u64 = 0x0800_0000;
/// `SA_RESTART`.
pub const SA_RESTART: u64 = 0x1000_0000;
/// `SA_NODEFER`.
pub const SA_NODEFER: u64 = 0x4000_0000;
/// `SA_RESETHAND`.
pub const SA_RESETHAND: u64 = 0x8000_0000;
/// `SA_RESTORER`.
pub const SA_RESTORER: u64 = 0x0400_0000;

/// `SIG_BLOCK` of sigprocmask(2).
pub const SIG_BLOCK: u64 = 0;
/// `SIG_UNBLOCK` of sigprocmask(2).
pub const SIG_UNBLOCK: u64 = 1;
/// `SIG_SETMASK` of sigprocmask(2).
pub const SIG_SETMASK: u64 = 2;

/// `SS_ONSTACK` of sigaltstack(2).
pub const SS_ONSTACK: u32 = 1;
/// `SS_DISABLE` of sigaltstack(2).
pub const SS_DISABLE: u32 = 2;
/// `MINSIGSTKSZ`.
pub const MINSIGSTKSZ: u64 = 2048;

/// `SI_USER`: sent by kill(2).
pub const SI_USER: i32 = 0;
/// `SI_KERNEL`: sent by the kernel.
pub const SI_KERNEL: i32 = 0x80;
/// `SI_QUEUE`: sent by sigqueue(3).
pub const SI_QUEUE: i32 = -1;
/// `SI_TIMER`: a timer of timer_create(2) has expired.
pub const SI_TIMER: i32 = -2;
/// `SI_MESGQ`: a message has come to an empty queue (mq_notify(3)).
pub const SI_MESGQ: i32 = -3;
/// `SI_TKILL`: sent by tkill(2) or tgkill(2).
pub const SI_TKILL: i32 = -6;
/// `SEGV_MAPERR`: no mapping at the address.
pub const SEGV_MAPERR: i32 = 1;
/// `SEGV_ACCERR`: the mapping does not permit the access.
pub const SEGV_ACCERR: i32 = 2;
/// `BUS_ADRERR`: nothing behind the address (beyond the end of a mapped file).
pub const BUS_ADRERR: i32 = 2;
/// `FPE_INTDIV`: integer division by zero.
pub const FPE_INTDIV: i32 = 1;
/// `FPE_FLTINV`: invalid floating-point operation.
pub const FPE_FLTINV: i32 = 7;
/// `ILL_ILLOPN`: illegal operand or instruction.
pub const ILL_ILLOPN: i32 = 2;
/// `TRAP_BRKPT`: breakpoint.
pub const TRAP_BRKPT: i32 = 1;

layout! {
    /// The kernel's `struct sigaction` for x86-64 (not the C library's).
    SigAction {
        /// `SIG_DFL`, `SIG_IGN` or a handler's address.
        handler: u64,
        /// `SA_*` flags.
        flags: u64,
        /// Where a handler returns to: calls rt_sigreturn(2).
        restorer: u64,
        /// Signals blocked while the handler runs.
        mask: u64,
    }
    /// `stack_t` of sigaltstack(2).
    SigAltStack {
        /// Lowest address.
        base: u64,
        /// `SS_*` flags.
        flags: u32,
        /// Padding of the ABI.
        padding: u32,
        /// Bytes.
        size: u64,
    }
}

impl SigAction {
    /// The action of a new program.
    pub const DEFAULT: Self = Self { handler: SIG_DFL, flags: 0, restorer: 0, mask: 0 };
}

/// Why a signal was sent: the parts of `siginfo_t` that mean something for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SigInfo {
    /// Which signal.
    pub signal: Signal,
    /// `si_code`.
    pub code: i32,
    /// The union's meaning.
    pub detail: SigDetail,
}

/// The union part of `siginfo_t`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SigDetail {
    /// Nothing more (SI_KERNEL, timers).
    None,
    /// Who sent it: kill(2), tkill(2).
    Sender {
        /// `si_pid`.
        pid: i32,
        /// `si_uid`.
        uid: u32,
    },
    /// SIGCHLD.
    Child {
        /// `si_pid`.
        pid: i32,
        /// `si_uid`.
        uid: u32,
        /// `si_status`.
        status: i32,
    },
    /// Sent with a value: rt_sigqueueinfo(2).
    Queued {
        /// `si_pid`.
        pid: i32,
        /// `si_uid`.
        uid: u32,
        /// `si_value`.
        value: u64,
    },
    /// A timer of timer_create(2).
    Timer {
        /// `si_timerid`.
        id: i32,
        /// `si_overrun`.
        overrun: u32,
        /// `si_value`.
        value: u64,
    },
    /// A fault: SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP.
    Fault {
        /// `si_addr`.
        address: u64,
    },
}

impl SigInfo {
    /// Bytes of `siginfo_t`.
    pub const SIZE: usize = 128;

    /// A signal the kernel sends on its own.
    pub const fn kernel(signal: Signal) -> Self {
        Self { signal, code: SI_KERNEL, detail: SigDetail::None }
    }

    /// Its bytes in user memory.
    pub fn to_bytes(&self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(0, &i32::from(self.signal.number()).to_le_bytes());
        put(8, &self.code.to_le_bytes());
        match self.detail {
            SigDetail::None => {}
            SigDetail::Sender { pid, uid } => {
                put(16, &pid.to_le_bytes());
                put(20, &uid.to_le_bytes());
            }
            SigDetail::Child { pid, uid, status } => {
                put(16, &pid.to_le_bytes());
                put(20, &uid.to_le_bytes());
                put(24, &status.to_le_bytes());
            }
            SigDetail::Queued { pid: id, uid: word, value }
            | SigDetail::Timer { id, overrun: word, value } => {
                put(16, &id.to_le_bytes());
                put(20, &word.to_le_bytes());
                put(24, &value.to_le_bytes());
            }
            SigDetail::Fault { address } => put(16, &address.to_le_bytes()),
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_follow_the_abi_bit_order() {
        let mut set = SignalSet::EMPTY;
        set.insert(Signal::SIGKILL);
        set.insert(Signal::SIGSTOP);
        assert_eq!(set, SignalSet::UNBLOCKABLE);
        assert_eq!(set.first(), Some(Signal::SIGKILL));
        set.remove(Signal::SIGKILL);
        assert!(!set.contains(Signal::SIGKILL));
    }
}
