//! `/sys`: what programs ask of the machine a node is: one processor, one memory node, a loopback.

use super::tree::{Leaf, Tree};

/// `/proc/tty/drivers`, by which ps(1) names terminals (proc_tty(5)).
pub(super) const TTY_DRIVERS: &str = "\
/dev/tty             /dev/tty        5       0 system:/dev/tty
/dev/console         /dev/console    5       1 system:console
/dev/ptmx            /dev/ptmx       5       2 system
pty_slave            /dev/pts      136 0-1048575 pty:slave
pty_master           /dev/ptm      128 0-1048575 pty:master
";

/// `/sys`.
pub(super) const SYS: Tree = &[
    ("block", Leaf::Empty),
    ("class/net/lo/address", Leaf::Constant("00:00:00:00:00:00\n")),
    ("class/net/lo/carrier", Leaf::Constant("1\n")),
    ("class/net/lo/flags", Leaf::Constant("0x9\n")),
    ("class/net/lo/ifindex", Leaf::Constant("1\n")),
    ("class/net/lo/mtu", Leaf::Constant("65536\n")),
    ("class/net/lo/operstate", Leaf::Constant("unknown\n")),
    ("class/net/lo/type", Leaf::Constant("772\n")),
    ("devices/system/cpu/cpu0/topology/cluster_id", Leaf::Constant("65535\n")),
    ("devices/system/cpu/cpu0/topology/core_cpus", Leaf::Constant("1\n")),
    ("devices/system/cpu/cpu0/topology/core_cpus_list", Leaf::Constant("0\n")),
    ("devices/system/cpu/cpu0/topology/core_id", Leaf::Constant("0\n")),
    ("devices/system/cpu/cpu0/topology/core_siblings", Leaf::Constant("1\n")),
    ("devices/system/cpu/cpu0/topology/core_siblings_list", Leaf::Constant("0\n")),
    ("devices/system/cpu/cpu0/topology/package_cpus", Leaf::Constant("1\n")),
    ("devices/system/cpu/cpu0/topology/package_cpus_list", Leaf::Constant("0\n")),
    ("devices/system/cpu/cpu0/topology/physical_package_id", Leaf::Constant("0\n")),
    ("devices/system/cpu/cpu0/topology/thread_siblings", Leaf::Constant("1\n")),
    ("devices/system/cpu/cpu0/topology/thread_siblings_list", Leaf::Constant("0\n")),
    ("devices/system/cpu/isolated", Leaf::Constant("\n")),
    ("devices/system/cpu/kernel_max", Leaf::Constant("0\n")),
    ("devices/system/cpu/offline", Leaf::Constant("\n")),
    ("devices/system/cpu/online", Leaf::Constant("0\n")),
    ("devices/system/cpu/possible", Leaf::Constant("0\n")),
    ("devices/system/cpu/present", Leaf::Constant("0\n")),
    ("devices/system/node/has_cpu", Leaf::Constant("0\n")),
    ("devices/system/node/has_memory", Leaf::Constant("0\n")),
    ("devices/system/node/node0/cpulist", Leaf::Constant("0\n")),
    ("devices/system/node/node0/cpumap", Leaf::Constant("1\n")),
    ("devices/system/node/node0/distance", Leaf::Constant("10\n")),
    ("devices/system/node/online", Leaf::Constant("0\n")),
    ("devices/system/node/possible", Leaf::Constant("0\n")),
    ("kernel/mm/transparent_hugepage/enabled", Leaf::Constant("always madvise [never]\n")),
];
