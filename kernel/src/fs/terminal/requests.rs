//! What ioctl(2) asks of a terminal (ioctl_tty(2)).

use alloc::vec::Vec;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::Pid;
use wayfarer_proto::linux::Layout;
use wayfarer_proto::linux::termios::{
    FIONREAD, InputFlags, LocalFlags, Special, TCFLSH, TCGETS, TCGETS2, TCIFLUSH, TCIOFF,
    TCIOFLUSH, TCION, TCOFLUSH, TCOOFF, TCOON, TCSBRK, TCSBRKP, TCSETS, TCSETS2, TCSETSF, TCSETSF2,
    TCSETSW, TCSETSW2, TCXONC, TIOCEXCL, TIOCGETD, TIOCGPGRP, TIOCGSID, TIOCGWINSZ, TIOCNOTTY,
    TIOCNXCL, TIOCOUTQ, TIOCPKT_DOSTOP, TIOCPKT_FLUSHREAD, TIOCPKT_FLUSHWRITE, TIOCPKT_IOCTL,
    TIOCPKT_NOSTOP, TIOCSCTTY, TIOCSETD, TIOCSPGRP, TIOCSTI, TIOCSWINSZ, Termios, Termios2,
    WindowSize,
};

use super::Terminal;
use crate::fs::ioctl::Ioctl;
use crate::fs::{Asker, FileObject};

/// Whether the usual keys, ^S and ^Q, stop output and let it go on.
fn has_flow_keys(termios: &Termios) -> bool {
    let keys = [Special::Stop, Special::Start].map(|key| termios.special(key));
    termios.input_flags().contains(InputFlags::IXON) && keys == [0o23, 0o21]
}

/// Nothing to copy out.
const DONE: Vec<u8> = Vec::new();

fn number(value: usize) -> Vec<u8> {
    i32::try_from(value).unwrap_or(i32::MAX).to_le_bytes().to_vec()
}

impl Terminal {
    /// Serves a request; what is to be copied to its argument.
    pub(super) fn serve(&self, request: &Ioctl<'_>, asker: &dyn Asker) -> Result<Vec<u8>, Errno> {
        match request.number {
            TCGETS => Ok(self.termios().to_bytes()),
            TCGETS2 => Ok(Termios2::from(self.termios()).to_bytes()),
            TCSETS | TCSETSW | TCSETSF | TCSETS2 | TCSETSW2 | TCSETSF2 => {
                self.set_termios(request, asker).map(|()| DONE)
            }
            TIOCGWINSZ => Ok(self.window().to_bytes()),
            TIOCSWINSZ => {
                self.set_window(WindowSize::from_bytes(request.data));
                Ok(DONE)
            }
            FIONREAD => Ok(number(self.bytes_readable().unwrap_or_default())),
            TIOCOUTQ => Ok(number(self.state.borrow().output.length())),
            TCFLSH => self.flush(request.argument, asker).map(|()| DONE),
            TCXONC => self.flow(request.argument, asker).map(|()| DONE),
            TCSBRK | TCSBRKP => self.drain(asker).map(|()| DONE),
            TIOCSTI => {
                self.push_input(request.data);
                Ok(DONE)
            }
            TIOCGETD => Ok(number(0)),
            TIOCSETD if request.data == [0; 4] => Ok(DONE),
            TIOCSETD => Err(Errno::EINVAL),
            TIOCEXCL | TIOCNXCL => Ok(DONE),
            _ => self.serve_job_control(request, asker),
        }
    }

    fn serve_job_control(&self, request: &Ioctl<'_>, asker: &dyn Asker) -> Result<Vec<u8>, Errno> {
        let own = |pid: Option<Pid>| {
            if !self.controls(asker) {
                return Err(Errno::ENOTTY);
            }
            Ok(pid.unwrap_or_default().0.to_le_bytes().to_vec())
        };
        match request.number {
            TIOCGPGRP => own(self.foreground()),
            TIOCGSID => own(self.session()),
            TIOCSPGRP => {
                let mut group = [0; 4];
                group.copy_from_slice(request.data);
                self.set_foreground(Pid(i32::from_le_bytes(group)), asker).map(|()| DONE)
            }
            TIOCSCTTY => self.become_controlling(request.argument == 1, asker).map(|()| DONE),
            TIOCNOTTY => self.give_up(asker).map(|()| DONE),
            _ => Err(Errno::ENOTTY),
        }
    }

    /// `TCSETS` and its relatives: W waits for output, F flushes input as well.
    fn set_termios(&self, request: &Ioctl<'_>, asker: &dyn Asker) -> Result<(), Errno> {
        self.check_changer(asker)?;
        let number = request.number;
        if !matches!(number, TCSETS | TCSETS2) {
            self.require_drained()?;
        }
        let new = if matches!(number, TCSETS2 | TCSETSW2 | TCSETSF2) {
            Termios2::from_bytes(request.data).into()
        } else {
            Termios::from_bytes(request.data)
        };
        let was_stopped = self.is_stopped();
        if matches!(number, TCSETSF | TCSETSF2) {
            self.state.borrow_mut().input.clear();
            self.sink.tell(TIOCPKT_FLUSHREAD, 0);
        }
        let old = {
            let mut state = self.state.borrow_mut();
            let old = core::mem::replace(&mut state.termios, new);
            state.input.change_mode(&old, &new);
            if !new.input_flags().contains(InputFlags::IXON) {
                state.output.stopped = false;
            }
            old
        };
        match (has_flow_keys(&old), has_flow_keys(&new)) {
            (false, true) => self.sink.tell(TIOCPKT_DOSTOP, TIOCPKT_NOSTOP),
            (true, false) => self.sink.tell(TIOCPKT_NOSTOP, TIOCPKT_DOSTOP),
            _ => {}
        }
        if [old, new].iter().any(|it| it.local_flags().contains(LocalFlags::EXTPROC)) {
            self.sink.tell(TIOCPKT_IOCTL, 0);
        }
        self.tell_stopped(was_stopped);
        self.settle();
        Ok(())
    }

    fn flush(&self, which: u64, asker: &dyn Asker) -> Result<(), Errno> {
        self.check_changer(asker)?;
        if !matches!(which, TCIFLUSH | TCOFLUSH | TCIOFLUSH) {
            return Err(Errno::EINVAL);
        }
        {
            let mut state = self.state.borrow_mut();
            if which != TCOFLUSH {
                state.input.clear();
                self.sink.tell(TIOCPKT_FLUSHREAD, 0);
            }
            if which != TCIFLUSH {
                state.output.clear();
                self.sink.tell(TIOCPKT_FLUSHWRITE, 0);
            }
        }
        self.settle();
        Ok(())
    }

    fn flow(&self, action: u64, asker: &dyn Asker) -> Result<(), Errno> {
        self.check_changer(asker)?;
        let was_stopped = self.is_stopped();
        {
            let mut state = self.state.borrow_mut();
            let termios = state.termios;
            match action {
                TCOOFF => state.output.stopped = true,
                TCOON => state.output.stopped = false,
                TCIOFF => state.output.put(termios.special(Special::Stop), &termios),
                TCION => state.output.put(termios.special(Special::Start), &termios),
                _ => return Err(Errno::EINVAL),
            }
        }
        self.tell_stopped(was_stopped);
        self.settle();
        Ok(())
    }

    /// tcdrain(3), and a break, which a console cannot send.
    fn drain(&self, asker: &dyn Asker) -> Result<(), Errno> {
        self.check_changer(asker)?;
        self.require_drained()
    }

    /// `EAGAIN` until all output has been sent.
    fn require_drained(&self) -> Result<(), Errno> {
        self.flush_output();
        match self.state.borrow().output.length() {
            0 => Ok(()),
            _ => Err(Errno::EAGAIN),
        }
    }

    /// Sends what may be sent now, and lets everyone look again.
    fn settle(&self) {
        self.flush_output();
        self.changes.wake_all();
    }
}
