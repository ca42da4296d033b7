//! Texts about the network (proc_pid_net(5)).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::process_text::add;
use super::{ProcSource, SocketFacts};
use crate::socket::{Address, Family, InetAddress, Kind, UnixName};

/// `net/arp`: there is no ARP here.
pub(super) const ARP: &str =
    "IP address       HW type     Flags       HW address            Mask     Device\n";
/// `net/protocols`, as far as programs look: the names.
pub(super) const PROTOCOLS: &str = "protocol  size sockets  memory\nUNIX\nUDP\nTCP\n";
/// `net/raw`: there are no raw sockets.
pub(super) const RAW: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr \
    tm->when retrnsmt   uid  timeout inode ref pointer drops\n";
/// The counters of `net/snmp`, by protocol.
const COUNTERS: [(&str, &str); 3] = [
    (
        "Ip",
        "Forwarding DefaultTTL InReceives InHdrErrors InAddrErrors ForwDatagrams InUnknownProtos \
         InDiscards InDelivers OutRequests OutDiscards OutNoRoutes ReasmTimeout ReasmReqds \
         ReasmOKs ReasmFails FragOKs FragFails FragCreates OutTransmits",
    ),
    (
        "Tcp",
        "RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets \
         CurrEstab InSegs OutSegs RetransSegs InErrs OutRsts InCsumErrors",
    ),
    (
        "Udp",
        "InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors \
         IgnoredMulti MemErrors",
    ),
];

/// States of a TCP socket as `net/tcp` numbers them.
const ESTABLISHED: u8 = 1;
const CLOSED: u8 = 7;
const LISTENING: u8 = 10;

/// `net/dev`: the interfaces. What passes through them is not counted.
pub(super) fn dev(source: &dyn ProcSource) -> String {
    let mut text = String::from(
        "Inter-|   Receive                                                |  Transmit\n \
         face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs \
         drop fifo colls carrier compressed\n",
    );
    let cards = source.outside().map(|_| "eth0");
    for name in core::iter::once("lo").chain(cards) {
        add(&mut text, format_args!("{name:>6}:       0       0    0    0    0     0          0"));
        text += "         0        0       0    0    0    0     0       0          0\n";
    }
    text
}

/// `net/route`: the way to the outside.
pub(super) fn route(source: &dyn ProcSource) -> String {
    let mut text = format!(
        "{:127}\n",
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT"
    );
    if let Some(address) = source.outside() {
        let net = u32::from_le_bytes([address[0], address[1], address[2], 0]);
        add(&mut text, format_args!("eth0\t00000000\t{:08X}\t0003\t0\t0\t0\t", net | 2 << 24));
        add(
            &mut text,
            format_args!("00000000\t0\t0\t0\neth0\t{net:08X}\t00000000\t0001\t0\t0\t0\t"),
        );
        text += "00FFFFFF\t0\t0\t0\n";
    }
    text
}

/// `net/sockstat`.
pub(super) fn sockstat(source: &dyn ProcSource) -> String {
    let sockets = source.sockets();
    let used = |kind| of(&sockets, Family::Inet, kind).count();
    let (tcp, udp) = (used(Kind::Stream), used(Kind::Datagram));
    format!(
        "sockets: used {}\nTCP: inuse {tcp} orphan 0 tw 0 alloc {tcp} mem 0\nUDP: inuse {udp} mem \
         0\nUDPLITE: inuse 0\nRAW: inuse 0\nFRAG: inuse 0 memory 0\n",
        sockets.len()
    )
}

/// `net/snmp`: of what passes nothing is counted.
pub(super) fn snmp(source: &dyn ProcSource) -> String {
    let sockets = source.sockets();
    let connected = of(&sockets, Family::Inet, Kind::Stream).filter(|it| it.peer.is_some()).count();
    let value = |name: &str| match name {
        "Forwarding" => String::from("2"),
        "DefaultTTL" => String::from("64"),
        // By Van Jacobson, with Linux's bounds, and as many connections as there is room for.
        "RtoAlgorithm" => String::from("1"),
        "RtoMin" => String::from("200"),
        "RtoMax" => String::from("120000"),
        "MaxConn" => String::from("-1"),
        "CurrEstab" => format!("{connected}"),
        _ => String::from("0"),
    };
    let mut text = String::new();
    for (protocol, names) in COUNTERS {
        let values: Vec<_> = names.split(' ').map(value).collect();
        add(&mut text, format_args!("{protocol}: {names}\n{protocol}: {}\n", values.join(" ")));
    }
    text
}

/// `net/tcp`.
pub(super) fn tcp(source: &dyn ProcSource) -> String {
    let mut text = format!(
        "{:149}\n",
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  \
         timeout inode"
    );
    for (number, socket) in of(&source.sockets(), Family::Inet, Kind::Stream).enumerate() {
        let state = match (&socket.peer, socket.listens) {
            (_, true) => LISTENING,
            (Some(_), false) => ESTABLISHED,
            (None, false) => CLOSED,
        };
        let line = inet_line(number, socket, state) + " 1 0000000000000000 100 0 0 10 0";
        add(&mut text, format_args!("{line:149}\n"));
    }
    text
}

/// `net/udp`.
pub(super) fn udp(source: &dyn ProcSource) -> String {
    let mut text = format!(
        "{:127}\n",
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  \
         timeout inode ref pointer drops"
    );
    for (number, socket) in of(&source.sockets(), Family::Inet, Kind::Datagram).enumerate() {
        let state = if socket.peer.is_some() { ESTABLISHED } else { CLOSED };
        let line = inet_line(number, socket, state) + " 2 0000000000000000 0";
        add(&mut text, format_args!("{line:127}\n"));
    }
    text
}

/// `net/unix`.
pub(super) fn unix(source: &dyn ProcSource) -> String {
    let mut text = String::from("Num       RefCount Protocol Flags    Type St Inode Path\n");
    for socket in source.sockets().iter().filter(|socket| socket.family == Family::Unix) {
        let flags = if socket.listens { 1 << 16 } else { 0 };
        let state = if socket.peer.is_some() { 3 } else { 1 };
        let (kind, inode) = (socket.kind.number(), socket.inode);
        add(&mut text, format_args!("{:016x}: 00000002 00000000 {flags:08X} ", 0));
        add(&mut text, format_args!("{kind:04X} {state:02X} {inode:5}{}\n", unix_path(socket)));
    }
    text
}

/// What follows the inode number: a space and the path; an abstract name begins with `@`.
fn unix_path(socket: &SocketFacts) -> String {
    match &socket.local {
        Address::Unix(UnixName::Path(path, _)) => format!(" {}", String::from_utf8_lossy(path)),
        Address::Unix(UnixName::Abstract(name)) => {
            format!(" @{}", String::from_utf8_lossy(name).replace('\0', "@"))
        }
        _ => String::new(),
    }
}

fn of(sockets: &[SocketFacts], family: Family, kind: Kind) -> impl Iterator<Item = &SocketFacts> {
    sockets.iter().filter(move |socket| socket.family == family && socket.kind == kind)
}

/// What lines of TCP and UDP sockets have in common.
fn inet_line(number: usize, socket: &SocketFacts, state: u8) -> String {
    let (local, peer) = (inet(Some(&socket.local)), inet(socket.peer.as_ref()));
    let (readable, uid, inode) = (socket.readable, socket.uid, socket.inode);
    format!(
        "{number:4}: {local} {peer} {state:02X} 00000000:{readable:08X} 00:00000000 00000000 \
         {uid:5}        0 {inode}"
    )
}

/// An address as the machine keeps it, in hexadecimal.
fn inet(address: Option<&Address>) -> String {
    let InetAddress { ip, port } = match address {
        Some(Address::Inet(address)) => *address,
        _ => InetAddress::default(),
    };
    format!("{:08X}:{port:04X}", u32::from_le_bytes(ip))
}
