//! Names of things: small newtypes, so that a pid is never taken for a descriptor.

use core::fmt;

/// Defines an integer newtype that prints as its number.
macro_rules! id {
    ($(#[$meta:meta])* $name:ident($inner:ty)) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// A node (one microVM), numbered from 1 in a cluster. 0 is never a node.
    NodeId(u16)
}
id! {
    /// A process id, unique on the process's home node (`getpid(2)`).
    Pid(i32)
}
id! {
    /// A thread id (`gettid(2)`); the leader's equals the process id. 0 names no thread: on a
    /// channel it stands for the control stream.
    Tid(i32)
}
id! {
    /// A file descriptor as a program names it (`open(2)`).
    Fd(i32)
}
id! {
    /// The generation of a body: raised by the deputy at each committed migration (decision D6).
    Epoch(u32)
}
id! {
    /// The number of a transaction of one process, counted from 1 over all its threads (an exec
    /// may give a thread another's id); 0 on the control stream.
    CallSeq(u32)
}
id! {
    /// A file that a process has mapped, named by its deputy for page-ins.
    MapId(u32)
}
id! {
    /// A connection of this node, numbered by the kernel that owns it; it never travels.
    ChannelId(u32)
}
id! {
    /// An address in a program's memory: an allegation until it is looked up.
    UserAddr(u64)
}

impl Tid {
    /// The control stream of a channel.
    pub const CONTROL: Self = Self(0);
}

impl Pid {
    /// The thread id of this process's leader.
    pub const fn leader(self) -> Tid {
        Tid(self.0)
    }
}

impl UserAddr {
    /// The null pointer.
    pub const NULL: Self = Self(0);
    /// One past the highest address a program may use: 47 bits less one page, as Linux has it.
    pub const END: Self = Self(0x7fff_ffff_f000);

    /// Whether this is the null pointer.
    pub const fn is_null(self) -> bool {
        self.0 == 0
    }

    /// The address `bytes` further, or `None` past the end of the address space.
    pub const fn checked_add(self, bytes: u64) -> Option<Self> {
        match self.0.checked_add(bytes) {
            Some(sum) if sum <= Self::END.0 => Some(Self(sum)),
            _ => None,
        }
    }

    /// The address `bytes` further, wrapping; a later lookup refuses what lies outside.
    #[must_use]
    pub const fn offset(self, bytes: u64) -> Self {
        Self(self.0.wrapping_add(bytes))
    }
}

/// A process anywhere in the cluster: its home and its pid there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ProcessKey {
    /// The node the process was created on.
    pub home: NodeId,
    /// Its pid there.
    pub pid: Pid,
}

impl fmt::Display for ProcessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.pid, self.home)
    }
}
