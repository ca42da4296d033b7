use super::*;
#[test]
fn oneoff() {
    let mut seed = 12345u64;
    let mut next = |n: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed >> 11) % n
    };
    let bytes: &[&[u8]] = &[
        b"a",
        b"b",
        b"Z",
        b"_",
        b" ",
        b"\t",
        b"\x7f",
        b"\x7f",
        b"\x17",
        b"\x15",
        b"\x12",
        b"\x16",
        b"\x04",
        b"\r",
        b"\n",
        b"\x01",
        b"\xc3\xa4",
        b"\xe2\x82\xac",
        b"x",
    ];
    let lflags = [
        LocalFlags::ICANON,
        LocalFlags::ECHO,
        LocalFlags::ECHOE,
        LocalFlags::ECHOK,
        LocalFlags::ECHOCTL,
        LocalFlags::ECHOKE,
        LocalFlags::ECHOPRT,
        LocalFlags::ECHONL,
        LocalFlags::IEXTEN,
    ];
    let iflags = [
        InputFlags::ICRNL,
        InputFlags::INLCR,
        InputFlags::IGNCR,
        InputFlags::ISTRIP,
        InputFlags::IUTF8,
        InputFlags::IUCLC,
    ];
    let oflags = [
        OutputFlags::OPOST,
        OutputFlags::ONLCR,
        OutputFlags::OCRNL,
        OutputFlags::ONOCR,
        OutputFlags::ONLRET,
        OutputFlags::OLCUC,
        OutputFlags::XTABS,
    ];
    for _ in 0..20000 {
        let tty = Fixture::new();
        let mut t = Termios::STANDARD;
        t.local = 0;
        t.input = 0;
        t.output = 0;
        for f in lflags {
            if next(4) > 0 {
                t.local |= f.bits();
            }
        }
        if next(3) > 0 {
            t.local &= !LocalFlags::ECHOPRT.bits();
        }
        for f in iflags {
            if next(4) == 0 {
                t.input |= f.bits();
            }
        }
        for f in oflags {
            if next(4) == 0 {
                t.output |= f.bits();
            }
        }
        if next(2) == 0 {
            t.output |= 5;
            t.input |= 0o400;
        }
        if next(3) == 0 {
            t.special[11] = b'Z';
        }
        tty.ioctl(TCSETS, 0, &t.to_bytes()).unwrap();
        let prompt: &[u8] = if next(2) == 0 { b"$ " } else { b"" };
        if !prompt.is_empty() {
            tty.terminal.write(0, prompt, &tty.io()).unwrap();
        }
        let mut typed = Vec::new();
        for _ in 0..next(25) {
            typed.extend_from_slice(bytes[next(bytes.len() as u64) as usize]);
        }
        for b in &typed {
            tty.terminal.push_input(&[*b]);
        }
        let size = [1usize, 3, 100][next(3) as usize];
        let mut reads = Vec::new();
        let io = Io { nonblock: true, ..tty.io() };
        for _ in 0..60 {
            let mut buf = vec![0; size];
            match tty.terminal.read(0, &mut buf, &io) {
                Ok(n) => reads.push(std::format!("{:?}", &buf[..n])),
                Err(e) => {
                    reads.push(std::format!("{e}"));
                    break;
                }
            }
        }
        std::println!(
            "CASE {} {} {} {} {:?}|{:?}|{}|{:?}|{}",
            t.input,
            t.output,
            t.local,
            t.special[11],
            prompt,
            typed,
            size,
            tty.sink.bytes.take(),
            reads.join(";")
        );
    }
}
