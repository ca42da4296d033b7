//! `asm-generic/termbits.h` and `asm-generic/ioctls.h`: terminals (termios(3), ioctl_tty(2)).

use bitflags::bitflags;

bitflags! {
    /// `c_iflag`: how input is changed before it is queued.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct InputFlags: u32 {
        /// `IGNBRK`.
        const IGNBRK = 0o1;
        /// `BRKINT`.
        const BRKINT = 0o2;
        /// `IGNPAR`.
        const IGNPAR = 0o4;
        /// `PARMRK`.
        const PARMRK = 0o10;
        /// `INPCK`.
        const INPCK = 0o20;
        /// `ISTRIP`: clear the eighth bit.
        const ISTRIP = 0o40;
        /// `INLCR`: NL becomes CR.
        const INLCR = 0o100;
        /// `IGNCR`: CR is dropped.
        const IGNCR = 0o200;
        /// `ICRNL`: CR becomes NL.
        const ICRNL = 0o400;
        /// `IUCLC`: upper case becomes lower case.
        const IUCLC = 0o1000;
        /// `IXON`: ^S and ^Q stop and start output.
        const IXON = 0o2000;
        /// `IXANY`: any character starts output.
        const IXANY = 0o4000;
        /// `IXOFF`.
        const IXOFF = 0o10000;
        /// `IMAXBEL`: ring the bell when the input queue is full.
        const IMAXBEL = 0o20000;
        /// `IUTF8`: erase whole UTF-8 characters.
        const IUTF8 = 0o40000;
        const _ = !0;
    }

    /// `c_oflag`: how output is changed.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct OutputFlags: u32 {
        /// `OPOST`: change output at all.
        const OPOST = 0o1;
        /// `OLCUC`: lower case becomes upper case.
        const OLCUC = 0o2;
        /// `ONLCR`: NL becomes CR NL.
        const ONLCR = 0o4;
        /// `OCRNL`: CR becomes NL.
        const OCRNL = 0o10;
        /// `ONOCR`: no CR at column 0.
        const ONOCR = 0o20;
        /// `ONLRET`: NL does what CR does.
        const ONLRET = 0o40;
        /// `TABDLY`, as `XTABS`: tabs become spaces.
        const XTABS = 0o14000;
        const _ = !0;
    }

    /// `c_lflag`: editing, echo and signals.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct LocalFlags: u32 {
        /// `ISIG`: special characters send signals.
        const ISIG = 0o1;
        /// `ICANON`: input is edited and given out line by line.
        const ICANON = 0o2;
        /// `ECHO`.
        const ECHO = 0o10;
        /// `ECHOE`: an erased character is rubbed out.
        const ECHOE = 0o20;
        /// `ECHOK`: NL after KILL.
        const ECHOK = 0o40;
        /// `ECHONL`: NL is echoed even without ECHO.
        const ECHONL = 0o100;
        /// `NOFLSH`: signals do not flush the queues.
        const NOFLSH = 0o200;
        /// `TOSTOP`: background output stops the writer.
        const TOSTOP = 0o400;
        /// `ECHOCTL`: control characters are echoed as ^X.
        const ECHOCTL = 0o1000;
        /// `ECHOPRT`: erased characters are printed between \ and /.
        const ECHOPRT = 0o2000;
        /// `ECHOKE`: KILL rubs out each character of the line.
        const ECHOKE = 0o4000;
        /// `FLUSHO`.
        const FLUSHO = 0o10000;
        /// `PENDIN`.
        const PENDIN = 0o40000;
        /// `IEXTEN`: werase, reprint, lnext.
        const IEXTEN = 0o100000;
        /// `EXTPROC`: whoever types has done all editing and echo (`TIOCPKT_IOCTL`).
        const EXTPROC = 0o200000;
        const _ = !0;
    }
}

/// `CS8 | CREAD | B38400 | HUPCL`: what a console's `c_cflag` starts as.
pub const CONTROL_FLAGS: u32 = 0o2277;

/// How many special characters `struct termios` holds (`NCCS` of the kernel).
pub const SPECIAL_CHARACTERS: usize = 19;

/// The special characters, by their index in `c_cc`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Special {
    /// `VINTR`: ^C.
    Interrupt = 0,
    /// `VQUIT`: ^\.
    Quit = 1,
    /// `VERASE`: DEL.
    Erase = 2,
    /// `VKILL`: ^U.
    Kill = 3,
    /// `VEOF`: ^D.
    EndOfFile = 4,
    /// `VTIME`: tenths of a second a raw read waits.
    Time = 5,
    /// `VMIN`: bytes a raw read waits for.
    Minimum = 6,
    /// `VSTART`: ^Q.
    Start = 8,
    /// `VSTOP`: ^S.
    Stop = 9,
    /// `VSUSP`: ^Z.
    Suspend = 10,
    /// `VEOL`.
    EndOfLine = 11,
    /// `VREPRINT`: ^R.
    Reprint = 12,
    /// `VWERASE`: ^W.
    EraseWord = 14,
    /// `VLNEXT`: ^V.
    LiteralNext = 15,
    /// `VEOL2`.
    EndOfLine2 = 16,
}

/// `_POSIX_VDISABLE`: a special character with this value never matches.
pub const DISABLED: u8 = 0;

layout! {
    /// The kernel's `struct termios` (not the C library's).
    Termios {
        /// `c_iflag`.
        input: u32,
        /// `c_oflag`.
        output: u32,
        /// `c_cflag`.
        control: u32,
        /// `c_lflag`.
        local: u32,
        /// `c_line`: the line discipline; 0 is n_tty.
        discipline: u8,
        /// `c_cc`: see [`Special`].
        special: [u8; SPECIAL_CHARACTERS],
    }
    /// `struct termios2`: with line speeds in numbers.
    Termios2 {
        /// `c_iflag`.
        input: u32,
        /// `c_oflag`.
        output: u32,
        /// `c_cflag`.
        control: u32,
        /// `c_lflag`.
        local: u32,
        /// `c_line`.
        discipline: u8,
        /// `c_cc`.
        special: [u8; SPECIAL_CHARACTERS],
        /// `c_ispeed`, bits per second.
        input_speed: u32,
        /// `c_ospeed`, bits per second.
        output_speed: u32,
    }
    /// `struct winsize`.
    WindowSize {
        /// Lines.
        rows: u16,
        /// Columns.
        columns: u16,
        /// Pixels, unused.
        x_pixels: u16,
        /// Pixels, unused.
        y_pixels: u16,
    }
}

impl Termios {
    /// `INIT_C_CC` and the flags of `tty_std_termios`: a terminal as it starts.
    pub const STANDARD: Self = Self {
        input: InputFlags::ICRNL.bits() | InputFlags::IXON.bits(),
        output: OutputFlags::OPOST.bits() | OutputFlags::ONLCR.bits(),
        control: CONTROL_FLAGS,
        local: LocalFlags::ISIG.bits()
            | LocalFlags::ICANON.bits()
            | LocalFlags::ECHO.bits()
            | LocalFlags::ECHOE.bits()
            | LocalFlags::ECHOK.bits()
            | LocalFlags::ECHOCTL.bits()
            | LocalFlags::ECHOKE.bits()
            | LocalFlags::IEXTEN.bits(),
        discipline: 0,
        special: *b"\x03\x1c\x7f\x15\x04\x00\x01\x00\x11\x13\x1a\x00\x12\x0f\x17\x16\x00\x00\x00",
    };

    /// `c_iflag` as flags.
    pub const fn input_flags(&self) -> InputFlags {
        InputFlags::from_bits_retain(self.input)
    }

    /// `c_oflag` as flags.
    pub const fn output_flags(&self) -> OutputFlags {
        OutputFlags::from_bits_retain(self.output)
    }

    /// `c_lflag` as flags.
    pub const fn local_flags(&self) -> LocalFlags {
        LocalFlags::from_bits_retain(self.local)
    }

    /// Whether input is edited here and given out line by line.
    pub const fn edits(&self) -> bool {
        let local = self.local_flags();
        local.contains(LocalFlags::ICANON) && !local.contains(LocalFlags::EXTPROC)
    }

    /// The special character with this meaning; [`DISABLED`] if there is none.
    pub const fn special(&self, which: Special) -> u8 {
        self.special[which as usize]
    }

    /// Whether `byte` is the special character with this meaning.
    pub const fn is_special(&self, which: Special, byte: u8) -> bool {
        byte != DISABLED && self.special(which) == byte
    }
}

impl From<Termios> for Termios2 {
    fn from(termios: Termios) -> Self {
        let Termios { input, output, control, local, discipline, special } = termios;
        let (input_speed, output_speed) = (38_400, 38_400);
        Self { input, output, control, local, discipline, special, input_speed, output_speed }
    }
}

impl From<Termios2> for Termios {
    fn from(termios: Termios2) -> Self {
        let Termios2 { input, output, control, local, discipline, special, .. } = termios;
        Self { input, output, control, local, discipline, special }
    }
}

/// `TCGETS`.
pub const TCGETS: u32 = 0x5401;
/// `TCSETS`.
pub const TCSETS: u32 = 0x5402;
/// `TCSETSW`.
pub const TCSETSW: u32 = 0x5403;
/// `TCSETSF`.
pub const TCSETSF: u32 = 0x5404;
/// `TCSBRK`; with a nonzero argument it is tcdrain(3).
pub const TCSBRK: u32 = 0x5409;
/// `TCXONC`.
pub const TCXONC: u32 = 0x540a;
/// `TCFLSH`.
pub const TCFLSH: u32 = 0x540b;
/// `TIOCEXCL`.
pub const TIOCEXCL: u32 = 0x540c;
/// `TIOCPKT`.
pub const TIOCPKT: u32 = 0x5420;
/// `TIOCGPKT`.
pub const TIOCGPKT: u32 = 0x8004_5438;
/// `TIOCPKT_DATA`: a packet holds what the terminal shows.
pub const TIOCPKT_DATA: u8 = 0;
/// `TIOCPKT_FLUSHREAD`: its input was thrown away.
pub const TIOCPKT_FLUSHREAD: u8 = 1;
/// `TIOCPKT_FLUSHWRITE`: its output was.
pub const TIOCPKT_FLUSHWRITE: u8 = 2;
/// `TIOCPKT_STOP`: its output is stopped.
pub const TIOCPKT_STOP: u8 = 4;
/// `TIOCPKT_START`: it goes on.
pub const TIOCPKT_START: u8 = 8;
/// `TIOCPKT_NOSTOP`: ^S and ^Q do not stop it any more.
pub const TIOCPKT_NOSTOP: u8 = 16;
/// `TIOCPKT_DOSTOP`: they do.
pub const TIOCPKT_DOSTOP: u8 = 32;
/// `TIOCPKT_IOCTL`: settings have changed, with `EXTPROC` before or after.
pub const TIOCPKT_IOCTL: u8 = 64;
/// `TIOCSIG`.
pub const TIOCSIG: u32 = 0x4004_5436;
/// `TIOCGPTPEER`.
pub const TIOCGPTPEER: u32 = 0x5441;
/// `TIOCGPTN`.
pub const TIOCGPTN: u32 = 0x8004_5430;
/// `TIOCSPTLCK`.
pub const TIOCSPTLCK: u32 = 0x4004_5431;
/// `TIOCGPTLCK`.
pub const TIOCGPTLCK: u32 = 0x8004_5439;
/// `TIOCNXCL`.
pub const TIOCNXCL: u32 = 0x540d;
/// `TIOCSCTTY`.
pub const TIOCSCTTY: u32 = 0x540e;
/// `TIOCGPGRP`.
pub const TIOCGPGRP: u32 = 0x540f;
/// `TIOCSPGRP`.
pub const TIOCSPGRP: u32 = 0x5410;
/// `TIOCOUTQ`.
pub const TIOCOUTQ: u32 = 0x5411;
/// `TIOCSTI`.
pub const TIOCSTI: u32 = 0x5412;
/// `TIOCGWINSZ`.
pub const TIOCGWINSZ: u32 = 0x5413;
/// `TIOCSWINSZ`.
pub const TIOCSWINSZ: u32 = 0x5414;
/// `FIONREAD`, the same as `TIOCINQ`.
pub const FIONREAD: u32 = 0x541b;
/// `FIONBIO`.
pub const FIONBIO: u32 = 0x5421;
/// `TIOCNOTTY`.
pub const TIOCNOTTY: u32 = 0x5422;
/// `TIOCSETD`.
pub const TIOCSETD: u32 = 0x5423;
/// `TIOCGETD`.
pub const TIOCGETD: u32 = 0x5424;
/// `TCSBRKP`.
pub const TCSBRKP: u32 = 0x5425;
/// `TCGETS2`.
pub const TCGETS2: u32 = 0x802c_542a;
/// `TCSETS2`.
pub const TCSETS2: u32 = 0x402c_542b;
/// `TCSETSW2`.
pub const TCSETSW2: u32 = 0x402c_542c;
/// `TCSETSF2`.
pub const TCSETSF2: u32 = 0x402c_542d;
/// `TIOCGSID`.
pub const TIOCGSID: u32 = 0x5429;
/// `FIONCLEX`.
pub const FIONCLEX: u32 = 0x5450;
/// `FIOCLEX`.
pub const FIOCLEX: u32 = 0x5451;
/// `FIOASYNC`.
pub const FIOASYNC: u32 = 0x5452;

/// `TCOOFF` of `TCXONC`: stop output.
pub const TCOOFF: u64 = 0;
/// `TCOON`: start output.
pub const TCOON: u64 = 1;
/// `TCIOFF`: send a STOP character.
pub const TCIOFF: u64 = 2;
/// `TCION`: send a START character.
pub const TCION: u64 = 3;
/// `TCIFLUSH`.
pub const TCIFLUSH: u64 = 0;
/// `TCOFLUSH`.
pub const TCOFLUSH: u64 = 1;
/// `TCIOFLUSH`.
pub const TCIOFLUSH: u64 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux::Layout;

    #[test]
    fn the_kernels_termios_is_36_bytes() {
        assert_eq!(Termios::SIZE, 36);
        assert_eq!(Termios2::SIZE, 44);
        assert_eq!(WindowSize::SIZE, 8);
    }

    #[test]
    fn the_standard_terminal_has_the_characters_of_init_c_cc() {
        let terminal = Termios::STANDARD;
        assert!(terminal.is_special(Special::Interrupt, 3));
        assert!(terminal.is_special(Special::EndOfFile, 4));
        assert!(terminal.is_special(Special::EraseWord, 23));
        assert!(!terminal.is_special(Special::EndOfLine, 0), "a disabled one matches nothing");
        assert_eq!(terminal.special(Special::Minimum), 1);
    }
}
