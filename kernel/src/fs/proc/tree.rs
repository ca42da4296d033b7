//! The files of `/proc` and `/sys` that are about the node: a table of paths.

use alloc::string::String;
use alloc::vec::Vec;

use super::{NodeFacts, ProcSource, net_text, node_text, system};

/// What a path of a tree leads to.
pub(super) enum Leaf {
    /// A text that is always the same.
    Constant(&'static str),
    /// A text about the node.
    Node(fn(&NodeFacts) -> String),
    /// A text about anything else.
    Made(fn(&dyn ProcSource) -> String),
    /// A link to this path.
    Link(&'static str),
    /// A link to the directory of whoever asks.
    Myself,
    /// A link to the directory of the thread that asks.
    MyThread,
    /// A directory without entries.
    Empty,
}

/// Paths in order, components parted by `/`, and what they lead to. A directory is there because
/// something is in it.
pub(super) type Tree = &'static [(&'static str, Leaf)];

/// A directory of a tree: the part of a path that its entries have in common.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Branch {
    /// The first entry with it.
    pub(super) first: usize,
    /// How many bytes of it, with the last `/`.
    pub(super) length: usize,
}

impl Branch {
    /// The topmost directory.
    pub(super) const ROOT: Self = Self { first: 0, length: 0 };

    /// The directory of `/proc/net`.
    pub(super) fn net() -> Self {
        let first = PROC.iter().position(|(path, _)| path.starts_with("net/")).unwrap_or(0);
        Self { first, length: "net/".len() }
    }

    /// The names in this directory, in order; `Ok` for an entry of the tree by its index, `Err`
    /// for a directory.
    pub(super) fn entries(self, tree: Tree) -> Vec<(&'static [u8], Result<usize, Self>)> {
        let prefix = &tree[self.first].0[..self.length];
        let mut entries: Vec<(&'static [u8], _)> = Vec::new();
        for (index, (path, _)) in tree.iter().enumerate().skip(self.first) {
            let Some(rest) = path.strip_prefix(prefix) else { break };
            let (name, is_branch) = match rest.split_once('/') {
                Some((name, _)) => (name, true),
                None => (rest, false),
            };
            if entries.last().is_some_and(|(last, _)| *last == name.as_bytes()) {
                continue;
            }
            let below = Self { first: index, length: self.length + name.len() + 1 };
            entries.push((name.as_bytes(), if is_branch { Err(below) } else { Ok(index) }));
        }
        entries
    }
}

/// `/proc`, but for the processes.
pub(super) const PROC: Tree = &[
    ("cmdline", Leaf::Made(|source| source.command_line() + "\n")),
    ("cpuinfo", Leaf::Node(node_text::cpu_info)),
    ("devices", Leaf::Constant(node_text::DEVICES)),
    ("diskstats", Leaf::Constant("")),
    ("filesystems", Leaf::Constant(node_text::FILE_SYSTEMS)),
    ("interrupts", Leaf::Constant("           CPU0       \n")),
    ("loadavg", Leaf::Node(node_text::load_average)),
    ("meminfo", Leaf::Node(node_text::mem_info)),
    ("modules", Leaf::Constant("")),
    ("mounts", Leaf::Link("self/mounts")),
    ("net/arp", Leaf::Constant(net_text::ARP)),
    ("net/dev", Leaf::Made(net_text::dev)),
    ("net/netstat", Leaf::Constant("")),
    ("net/protocols", Leaf::Constant(net_text::PROTOCOLS)),
    ("net/raw", Leaf::Constant(net_text::RAW)),
    ("net/route", Leaf::Made(net_text::route)),
    ("net/snmp", Leaf::Made(net_text::snmp)),
    ("net/sockstat", Leaf::Made(net_text::sockstat)),
    ("net/tcp", Leaf::Made(net_text::tcp)),
    ("net/udp", Leaf::Made(net_text::udp)),
    ("net/unix", Leaf::Made(net_text::unix)),
    ("partitions", Leaf::Constant("major minor  #blocks  name\n\n")),
    ("self", Leaf::Myself),
    ("stat", Leaf::Node(node_text::stat)),
    ("swaps", Leaf::Constant("Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n")),
    ("sys/fs/aio-max-nr", Leaf::Constant("65536\n")),
    ("sys/fs/aio-nr", Leaf::Constant("0\n")),
    ("sys/fs/epoll/max_user_watches", Leaf::Constant("1048576\n")),
    ("sys/fs/file-max", Leaf::Constant("1048576\n")),
    ("sys/fs/file-nr", Leaf::Node(|node| alloc::format!("{}\t0\t1048576\n", node.open_files))),
    ("sys/fs/inotify/max_queued_events", Leaf::Constant("16384\n")),
    ("sys/fs/inotify/max_user_instances", Leaf::Constant("128\n")),
    ("sys/fs/inotify/max_user_watches", Leaf::Constant("1048576\n")),
    ("sys/fs/lease-break-time", Leaf::Constant("45\n")),
    ("sys/fs/mqueue/msg_default", Leaf::Constant("10\n")),
    ("sys/fs/mqueue/msg_max", Leaf::Constant("10\n")),
    ("sys/fs/mqueue/msgsize_default", Leaf::Constant("8192\n")),
    ("sys/fs/mqueue/msgsize_max", Leaf::Constant("8192\n")),
    ("sys/fs/mqueue/queues_max", Leaf::Constant("256\n")),
    ("sys/fs/nr_open", Leaf::Constant("1048576\n")),
    ("sys/fs/overflowgid", Leaf::Constant("65534\n")),
    ("sys/fs/overflowuid", Leaf::Constant("65534\n")),
    ("sys/fs/pipe-max-size", Leaf::Constant("1048576\n")),
    ("sys/fs/protected_hardlinks", Leaf::Constant("0\n")),
    ("sys/fs/protected_symlinks", Leaf::Constant("0\n")),
    ("sys/fs/suid_dumpable", Leaf::Constant("0\n")),
    ("sys/kernel/cap_last_cap", Leaf::Constant("40\n")),
    ("sys/kernel/core_pattern", Leaf::Constant("core\n")),
    ("sys/kernel/core_uses_pid", Leaf::Constant("0\n")),
    ("sys/kernel/domainname", Leaf::Constant("(none)\n")),
    ("sys/kernel/hostname", Leaf::Node(|node| alloc::format!("{}\n", node.host))),
    ("sys/kernel/msgmax", Leaf::Constant("8192\n")),
    ("sys/kernel/msgmnb", Leaf::Constant("16384\n")),
    ("sys/kernel/msgmni", Leaf::Constant("32000\n")),
    ("sys/kernel/ngroups_max", Leaf::Constant("65536\n")),
    ("sys/kernel/osrelease", Leaf::Node(|node| alloc::format!("{}\n", node.release))),
    ("sys/kernel/ostype", Leaf::Constant("Linux\n")),
    ("sys/kernel/overflowgid", Leaf::Constant("65534\n")),
    ("sys/kernel/overflowuid", Leaf::Constant("65534\n")),
    ("sys/kernel/pid_max", Leaf::Constant("32768\n")),
    ("sys/kernel/printk", Leaf::Constant("4\t4\t1\t7\n")),
    ("sys/kernel/random/boot_id", Leaf::Made(|source| source.uuid(true) + "\n")),
    ("sys/kernel/random/entropy_avail", Leaf::Constant("256\n")),
    ("sys/kernel/random/poolsize", Leaf::Constant("256\n")),
    ("sys/kernel/random/uuid", Leaf::Made(|source| source.uuid(false) + "\n")),
    ("sys/kernel/randomize_va_space", Leaf::Constant("0\n")),
    ("sys/kernel/sem", Leaf::Constant("32000\t1024000000\t500\t32000\n")),
    ("sys/kernel/shmall", Leaf::Constant("18446744073692774399\n")),
    ("sys/kernel/shmmax", Leaf::Constant("18446744073692774399\n")),
    ("sys/kernel/shmmni", Leaf::Constant("4096\n")),
    ("sys/kernel/tainted", Leaf::Constant("0\n")),
    ("sys/kernel/threads-max", Leaf::Constant("32768\n")),
    ("sys/kernel/version", Leaf::Node(|node| alloc::format!("{}\n", node.version))),
    ("sys/net/core/rmem_default", Leaf::Constant("212992\n")),
    ("sys/net/core/rmem_max", Leaf::Constant("212992\n")),
    ("sys/net/core/somaxconn", Leaf::Constant("4096\n")),
    ("sys/net/core/wmem_default", Leaf::Constant("212992\n")),
    ("sys/net/core/wmem_max", Leaf::Constant("212992\n")),
    ("sys/net/ipv4/ip_forward", Leaf::Constant("0\n")),
    ("sys/net/ipv4/ip_local_port_range", Leaf::Constant("32768\t60999\n")),
    ("sys/net/ipv4/ip_unprivileged_port_start", Leaf::Constant("1024\n")),
    ("sys/net/ipv4/tcp_fin_timeout", Leaf::Constant("60\n")),
    ("sys/net/ipv4/tcp_keepalive_intvl", Leaf::Constant("75\n")),
    ("sys/net/ipv4/tcp_keepalive_probes", Leaf::Constant("9\n")),
    ("sys/net/ipv4/tcp_keepalive_time", Leaf::Constant("7200\n")),
    ("sys/net/ipv4/tcp_max_syn_backlog", Leaf::Constant("4096\n")),
    ("sys/net/unix/max_dgram_qlen", Leaf::Constant("10\n")),
    ("sys/vm/max_map_count", Leaf::Constant("65530\n")),
    ("sys/vm/mmap_min_addr", Leaf::Constant("65536\n")),
    ("sys/vm/nr_hugepages", Leaf::Constant("0\n")),
    ("sys/vm/overcommit_memory", Leaf::Constant("0\n")),
    ("sys/vm/overcommit_ratio", Leaf::Constant("50\n")),
    ("sys/vm/swappiness", Leaf::Constant("60\n")),
    ("thread-self", Leaf::MyThread),
    ("tty/drivers", Leaf::Constant(system::TTY_DRIVERS)),
    ("uptime", Leaf::Node(node_text::uptime)),
    ("version", Leaf::Node(node_text::version)),
    ("vmstat", Leaf::Node(node_text::vm_stat)),
    ("wayfarer", Leaf::Made(node_text::wayfarer)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_in_order_and_none_is_a_file_and_a_directory() {
        for tree in [PROC, system::SYS] {
            for pair in tree.windows(2) {
                assert!(pair[0].0 < pair[1].0, "{} {}", pair[0].0, pair[1].0);
                assert!(!pair[1].0.starts_with(&alloc::format!("{}/", pair[0].0)));
            }
        }
    }
}
