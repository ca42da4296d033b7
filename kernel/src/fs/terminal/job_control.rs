//! Sessions, the foreground group, and who may use the terminal (credentials(7), setpgid(2)).

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::Pid;
use wayfarer_proto::linux::signal::Signal;

use super::Terminal;
use crate::fs::Asker;

impl Terminal {
    /// The session that this is the controlling terminal of.
    pub fn session(&self) -> Option<Pid> {
        self.session.get()
    }

    /// The process group in the foreground.
    pub fn foreground(&self) -> Option<Pid> {
        self.foreground.get()
    }

    /// Makes it the controlling terminal of a session, with this group in the foreground; for the
    /// first program, which nobody opens a terminal for.
    pub fn control(&self, session: Pid, foreground: Pid) {
        self.session.set(Some(session));
        self.foreground.set(Some(foreground));
    }

    /// The session has ended, or its leader gives the terminal up: the foreground group gets SIGHUP
    /// and SIGCONT, and the session has no terminal any more. Nothing happens if it was not this.
    pub fn leave_session(&self, session: Pid) {
        if self.session.get() != Some(session) {
            return;
        }
        self.signal_foreground(Signal::SIGHUP);
        self.signal_foreground(Signal::SIGCONT);
        self.session.set(None);
        self.foreground.set(None);
    }

    pub(super) fn acquire(&self, asker: &dyn Asker) {
        self.control(asker.session(), asker.group());
    }

    /// Whether it is the controlling terminal of the asker.
    pub(super) fn controls(&self, asker: &dyn Asker) -> bool {
        self.session.get() == Some(asker.session())
    }

    /// Whether the asker is in the background of this, its controlling terminal.
    fn is_in_background(&self, asker: &dyn Asker) -> bool {
        let foreground = self.foreground.get();
        self.controls(asker) && foreground.is_some_and(|group| group != asker.group())
    }

    /// Whether `asker` may read (`job_control` of n_tty).
    ///
    /// # Errors
    /// `EIO` if stopping it would be in vain; else `ERESTARTSYS`, its group having been sent
    /// SIGTTIN.
    pub(super) fn check_reader(&self, asker: &dyn Asker) -> Result<(), Errno> {
        if !self.is_in_background(asker) {
            return Ok(());
        }
        if asker.ignores_or_blocks(Signal::SIGTTIN) || asker.is_group_orphaned() {
            return Err(Errno::EIO);
        }
        (self.signal_group)(asker.group(), Signal::SIGTTIN);
        Err(Errno::ERESTARTSYS)
    }

    /// Whether `asker` may change settings, or write where `TOSTOP` is set (`tty_check_change`).
    ///
    /// # Errors
    /// `EIO` for an orphaned group; else `ERESTARTSYS`, its group having been sent SIGTTOU. Whoever
    /// ignores or blocks that may.
    pub(super) fn check_changer(&self, asker: &dyn Asker) -> Result<(), Errno> {
        if !self.is_in_background(asker) || asker.ignores_or_blocks(Signal::SIGTTOU) {
            return Ok(());
        }
        if asker.is_group_orphaned() {
            return Err(Errno::EIO);
        }
        (self.signal_group)(asker.group(), Signal::SIGTTOU);
        Err(Errno::ERESTARTSYS)
    }

    /// `TIOCSCTTY`; `steal` takes it from another session, which root may.
    pub(super) fn become_controlling(&self, steal: bool, asker: &dyn Asker) -> Result<(), Errno> {
        if asker.leads_session() && self.controls(asker) {
            return Ok(());
        }
        if !asker.leads_session() || (self.session.get().is_some() && !steal) {
            return Err(Errno::EPERM);
        }
        self.acquire(asker);
        Ok(())
    }

    /// `TIOCNOTTY`. Only the leader's counts: others keep the terminal of their session.
    pub(super) fn give_up(&self, asker: &dyn Asker) -> Result<(), Errno> {
        if !self.controls(asker) {
            return Err(Errno::ENOTTY);
        }
        if asker.leads_session() {
            self.leave_session(asker.session());
        }
        Ok(())
    }

    /// `TIOCSPGRP`.
    pub(super) fn set_foreground(&self, group: Pid, asker: &dyn Asker) -> Result<(), Errno> {
        self.check_changer(asker).map_err(|error| match error {
            Errno::EIO => Errno::ENOTTY,
            other => other,
        })?;
        if !self.controls(asker) {
            return Err(Errno::ENOTTY);
        }
        if group.0 < 0 {
            return Err(Errno::EINVAL);
        }
        let session = asker.session_of_group(group).ok_or(Errno::ESRCH)?;
        if session != asker.session() {
            return Err(Errno::EPERM);
        }
        self.foreground.set(Some(group));
        Ok(())
    }
}
