//! The rows of sockets (socket(7)).

/// Adds the rows of sockets to those given and hands all to the next macro.
macro_rules! socket_rows {
    ([$next:ident $($then:ident)*] { $($rows:tt)* }) => { $next! { [$($then)*] {
        $($rows)*
        41 socket Remote (domain: Int, kind: Hex, protocol: Int);
        42 connect Remote (sockfd: Fd, addr: InBuffer { len: 2 }, addrlen: Size);
        43 accept Remote (sockfd: Fd, addr: OutStruct(128), addrlen: InOutStruct(4));
        44 sendto Remote (
            sockfd: Fd,
            buf: InBuffer { len: 2 },
            len: Size,
            flags: Hex,
            dest_addr: InBuffer { len: 5 },
            addrlen: Size
        );
        45 recvfrom Remote (
            sockfd: Fd,
            buf: OutBuffer { len: 2 },
            len: Size,
            flags: Hex,
            src_addr: OutStruct(128),
            addrlen: InOutStruct(4)
        );
        46 sendmsg Remote (sockfd: Fd, msg: InMessage, flags: Hex);
        47 recvmsg Remote (sockfd: Fd, msg: OutMessage, flags: Hex);
        48 shutdown Remote (sockfd: Fd, how: Int);
        49 bind Remote (sockfd: Fd, addr: InBuffer { len: 2 }, addrlen: Size);
        50 listen Remote (sockfd: Fd, backlog: Int);
        51 getsockname Remote (sockfd: Fd, addr: OutStruct(128), addrlen: InOutStruct(4));
        52 getpeername Remote (sockfd: Fd, addr: OutStruct(128), addrlen: InOutStruct(4));
        53 socketpair Remote (domain: Int, kind: Hex, protocol: Int, sv: OutStruct(8));
        54 setsockopt Remote (
            sockfd: Fd,
            level: Int,
            optname: Int,
            optval: InBuffer { len: 4 },
            optlen: Size
        );
        55 getsockopt Remote (
            sockfd: Fd,
            level: Int,
            optname: Int,
            optval: OutStruct(16),
            optlen: InOutStruct(4)
        );
        288 accept4 Remote (
            sockfd: Fd,
            addr: OutStruct(128),
            addrlen: InOutStruct(4),
            flags: Hex
        );
        299 recvmmsg Remote (
            sockfd: Fd,
            msgvec: OutMessages { count: 2 },
            vlen: Size,
            flags: Hex,
            timeout: InOutStruct(16)
        );
        307 sendmmsg Remote (sockfd: Fd, msgvec: InMessages { count: 2 }, vlen: Size, flags: Hex);
    } } };
}
