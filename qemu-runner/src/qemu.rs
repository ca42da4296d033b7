//! The command line of one node's QEMU.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use wayfarer_proto::boot::{BootWords, UPLINK};
use wayfarer_proto::node;

use crate::share::Share;
use crate::shared::Layout;
use crate::uplink::{self, Published};
use crate::wiring::Port;

/// QEMU's program for this processor.
pub(crate) const PROGRAM: &str = "qemu-system-x86_64";

/// How QEMU executes guest instructions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub enum Accel {
    /// What is tested: tcg.
    #[default]
    Auto,
    /// Translation in software; needs no rights.
    Tcg,
    /// The host's KVM. Accepted, and untested.
    Kvm,
}

impl Accel {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Auto | Self::Tcg => "tcg",
            Self::Kvm => "kvm",
        }
    }

    /// One model for all nodes, since programs keep the features they once saw; TCG's default
    /// lacks SMEP, SMAP, UMIP and RDRAND.
    pub(crate) fn processor(self) -> &'static str {
        match self {
            Self::Auto | Self::Tcg => "max",
            Self::Kvm => "host",
        }
    }
}

/// One node's machine.
#[derive(Debug)]
pub(crate) struct Machine<'a> {
    pub(crate) kernel: &'a Path,
    pub(crate) initrd: &'a Path,
    pub(crate) words: &'a BootWords,
    /// More words for the kernel's command line.
    pub(crate) extra_words: &'a str,
    pub(crate) memory_mib: u32,
    /// Where the files shared with its peers lie in its memory, and which they are.
    pub(crate) shared: Option<(Layout, Vec<PathBuf>)>,
    pub(crate) accel: Accel,
    /// Packet ports in device order.
    pub(crate) ports: &'a [Port],
    /// The ports that lead here from the outside, if there is a way.
    pub(crate) uplink: Option<&'a [Published]>,
    /// Directories of this host that are mounted.
    pub(crate) shares: &'a [Share],
    /// Where the serial port's bytes go.
    pub(crate) serial: &'a Path,
    /// Where each port's frames go, if they are wanted.
    pub(crate) captures: &'a [PathBuf],
    /// The TCP port on which QEMU waits for a debugger before it starts.
    pub(crate) debugger: Option<u16>,
}

impl Machine<'_> {
    /// The arguments of [`PROGRAM`]. The console is QEMU's own standard input and output.
    pub(crate) fn arguments(&self) -> Vec<OsString> {
        let mut line = Line::default();
        self.board(&mut line);
        line.pair("-kernel", self.kernel);
        line.pair("-initrd", self.initrd);
        line.pair("-append", self.command_line());
        // Packet devices first, so that their order is that of the slots.
        for (index, port) in self.ports.iter().enumerate() {
            self.packet_device(&mut line, index, port);
        }
        if let Some(published) = self.uplink {
            line.pair("-netdev", uplink::netdev("uplink", published));
            line.pair("-device", "virtio-net-device,netdev=uplink");
        }
        line.pair("-chardev", "stdio,id=console,signal=off");
        // Not a virtconsole: that drops what its other end does not take at once.
        line.pair("-device", "virtio-serial-device,max_ports=2");
        line.pair("-device", "virtserialport,nr=1,chardev=console");
        line.pair("-device", "virtio-rng-device");
        for (index, share) in self.shares.iter().enumerate() {
            let [fsdev, device] = share.arguments(index);
            line.pair("-fsdev", fsdev);
            line.pair("-device", device);
        }
        line.pair("-serial", option("file:", self.serial));
        if let Some(port) = self.debugger {
            line.pair("-gdb", format!("tcp:127.0.0.1:{port}"));
            line.0.push("-S".into());
        }
        line.0
    }

    fn command_line(&self) -> String {
        let mut words = vec![self.words.to_string()];
        words.extend((!self.extra_words.is_empty()).then(|| self.extra_words.to_owned()));
        words.extend(self.uplink.map(|_| UPLINK.to_owned()));
        words.extend(self.shared.as_ref().map(|(layout, _)| layout.to_string()));
        let shares = self.shares.iter().enumerate();
        words.extend(shares.map(|(index, share)| share.word(index).to_string()));
        words.join(" ")
    }

    /// The machine without what no node uses: no firmware tables, no legacy timers, no defaults.
    fn board(&self, line: &mut Line) {
        let accel = self.accel.name();
        let off = "pcie=off,acpi=off,ioapic2=off,pic=off,pit=off,rtc=off";
        line.pair("-M", format!("microvm,accel={accel},isa-serial=on,{off}"));
        line.pair("-cpu", self.accel.processor());
        line.pair("-smp", "1");
        let layout = self.shared.as_ref().map(|(layout, _)| *layout);
        let memory_mib = layout.map_or(self.memory_mib, Layout::total_mib);
        line.pair("-m", format!("{memory_mib}M"));
        if let Some((layout, files)) = &self.shared {
            line.0.extend(layout.arguments(files).into_iter().map(OsString::from));
        }
        for alone in ["-nodefaults", "-no-user-config", "-no-reboot"] {
            line.0.push(alone.into());
        }
        line.pair("-name", format!("node{},debug-threads=on", self.words.node));
        line.pair("-display", "none");
        line.pair("-monitor", "none");
        line.pair("-device", "isa-debug-exit,iobase=0xf4,iosize=4");
        line.pair("-global", "virtio-mmio.force-legacy=false");
        // An emulated processor would wake the main loop through the descriptor only to make it
        // call what it can call itself.
        line.pair("-global", "virtio-mmio.ioeventfd=off");
    }

    fn packet_device(&self, line: &mut Line, index: usize, port: &Port) {
        line.pair("-netdev", netdev(index, port));
        let [a, b, c, d, e, f] = node::mac(self.words.node);
        let mac = format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}");
        let mtu = self.words.mtu;
        let device = format!("virtio-net-device,netdev=net{index},mac={mac},host_mtu={mtu}");
        line.pair("-device", device);
        if let Some(capture) = self.captures.get(index) {
            let filter = format!("filter-dump,id=dump{index},netdev=net{index},file=");
            line.pair("-object", option(&filter, capture));
        }
    }
}

/// The host's side of the packet device `net{index}`.
pub(crate) fn netdev(index: usize, port: &Port) -> OsString {
    let mut netdev = OsString::from(match port {
        Port::Dgram { .. } => format!("dgram,id=net{index}"),
        Port::Stream { listens, .. } => {
            let server = if *listens { "on" } else { "off" };
            format!("stream,id=net{index},server={server}")
        }
        Port::Tap { interface } => {
            format!("tap,id=net{index},ifname={interface},script=no,downscript=no")
        }
    });
    match port {
        Port::Dgram { local, remote } => {
            netdev.push(option(",local.type=unix,local.path=", local));
            netdev.push(option(",remote.type=unix,remote.path=", remote));
        }
        Port::Stream { path, .. } => netdev.push(option(",addr.type=unix,addr.path=", path)),
        Port::Tap { .. } => {}
    }
    netdev
}

#[derive(Default)]
struct Line(Vec<OsString>);

impl Line {
    fn pair(&mut self, flag: &str, value: impl Into<OsString>) {
        self.0.push(flag.into());
        self.0.push(value.into());
    }
}

/// An option that ends in a path; QEMU reads a doubled comma as one that separates nothing.
pub(crate) fn option(prefix: &str, path: &Path) -> OsString {
    OsString::from(format!("{prefix}{}", path.to_string_lossy().replace(',', ",,")))
}

#[cfg(test)]
mod tests {
    use wayfarer_proto::boot::NetKind;
    use wayfarer_proto::id::NodeId;

    use super::*;
    use crate::wiring;

    fn line(net: NetKind, debugger: Option<u16>) -> String {
        let words = BootWords {
            node: NodeId(2),
            nodes: 3,
            epoch_ns: 5,
            net,
            peers: wiring::peers(NodeId(2), 3),
            mtu: 9000,
            keepalive_ms: 30_000,
        };
        let ports = wiring::ports(NodeId(2), 3, net, Path::new("/run/a,b"));
        let machine = Machine {
            kernel: Path::new("/k"),
            initrd: Path::new("/i"),
            words: &words,
            extra_words: "",
            uplink: None,
            shares: &[],
            memory_mib: 64,
            shared: None,
            accel: Accel::Auto,
            ports: &ports,
            serial: Path::new("/run/serial"),
            captures: &[PathBuf::from("/run/p0")],
            debugger,
        };
        let words = machine.arguments().into_iter().map(|word| word.into_string().unwrap());
        words.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn dgram_ports_come_in_the_order_of_peers() {
        let line = line(NetKind::Dgram, None);
        assert!(line.contains("-append node=2 nodes=3 epoch=5 net=dgram peers=1,3 mtu=9000"));
        let first = "dgram,id=net0,local.type=unix,local.path=/run/a,,b/d2-1,\
                     remote.type=unix,remote.path=/run/a,,b/d1-2";
        assert!(line.contains(first), "{line}");
        assert!(line.find("d2-1") < line.find("d2-3"), "{line}");
        assert!(line.contains("virtio-net-device,netdev=net1,mac=52:54:00:57:46:02"), "{line}");
        assert!(line.contains("filter-dump,id=dump0,netdev=net0,file=/run/p0"), "{line}");
    }

    #[test]
    fn stream_listens_for_higher_nodes_only() {
        let line = line(NetKind::Stream, None);
        assert!(line.contains("stream,id=net0,server=off,addr.type=unix,addr.path=/run/a,,b/s1-2"));
        assert!(line.contains("stream,id=net1,server=on,addr.type=unix,addr.path=/run/a,,b/s2-3"));
    }

    #[test]
    fn tap_and_debugger() {
        let line = line(NetKind::Tap, Some(1234));
        assert!(line.contains("tap,id=net0,ifname=tap2,script=no,downscript=no"), "{line}");
        assert!(line.ends_with("-gdb tcp:127.0.0.1:1234 -S"), "{line}");
    }
}
