//! Reads that a body away need not ask for (decision 0018): home lends it what comes next of a file
//! with the reply to a read, and is told later how much of that was read.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::Cell;

use wayfarer_deputy::Input;
use wayfarer_proto::id::{CallSeq, Fd, Tid, UserAddr};
use wayfarer_proto::limits;
use wayfarer_proto::message::{Args, FileBytes};
use wayfarer_proto::table::Sysno;

use super::ahead::owns;
use super::{BodyDriver, DeputyDriver};
use crate::fs::Lease;
use crate::memory::AccessKind;
use crate::process::Running;
use crate::syscall::{Call, Reply, SysResult};

/// Bytes of files that a node lends to bodies at most, all together.
const TOTAL: usize = 1 << 20;
/// Bytes that are lent at first.
const FIRST: usize = 4096;
/// Reads in a row that a process must ask for at most, after loans that it left unread.
const MOST_PENANCE: u32 = 64;

/// What the reads of a process were like of late.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Reading {
    /// What it reads: asked for by this call last.
    fd: Option<Fd>,
    seq: CallSeq,
    /// How many bytes.
    length: usize,
    /// Reads in a row, without another call but writes.
    streak: u32,
    /// Bytes to be lent.
    window: usize,
    /// Bytes that were lent last.
    lent: usize,
    /// How many of them were read.
    taken: usize,
    /// Reads that must follow one another, beside two, before more is lent.
    penance: u32,
}

impl Reading {
    /// A read(2) is asked for.
    fn read(&mut self, seq: CallSeq, fd: Fd, length: usize) {
        if self.fd != Some(fd) {
            *self = Self { fd: Some(fd), ..Self::default() };
        }
        (self.seq, self.length) = (seq, length);
        self.streak = self.streak.saturating_add(1);
    }

    /// Another call is asked for: who reads on after that does not read one after the other.
    pub(super) fn interrupt(&mut self) {
        self.streak = 0;
    }

    /// How much to lend of a file of which `left` bytes are left; `None` for nothing. The end of a
    /// file is no bytes, and always worth it.
    fn lend(&mut self, left: u64) -> Option<usize> {
        if left == 0 {
            return Some(0);
        }
        self.judge();
        let left = usize::try_from(left).unwrap_or(usize::MAX);
        if self.streak < 2 + self.penance || self.length == 0 {
            return None;
        }
        let window = self.window.max(FIRST).max(4 * self.length.min(limits::AHEAD));
        self.window = window.min(limits::AHEAD);
        if left <= self.window {
            return Some(left);
        }
        // What is less than a read is of no use.
        Some(self.window / self.length * self.length).filter(|length| *length > 0)
    }

    /// Learns from how much was read of what was lent last.
    fn judge(&mut self) {
        let (lent, taken) = (core::mem::take(&mut self.lent), core::mem::take(&mut self.taken));
        if lent == 0 {
            return;
        }
        if taken == 0 {
            self.penance = (self.penance * 2).clamp(4, MOST_PENANCE);
            (self.streak, self.window) = (1, 0);
        } else if taken + self.length > lent {
            self.penance = 0;
            self.window *= 2;
        } else {
            self.window = taken;
        }
    }
}

/// Bytes of a file that are lent, or about to be; they are counted.
pub(super) struct Lent {
    lease: Lease,
    bytes: usize,
    total: Rc<Cell<usize>>,
}

impl Lent {
    fn new(lease: Lease, bytes: usize, total: &Rc<Cell<usize>>) -> Self {
        total.set(total.get() + bytes);
        Self { lease, bytes, total: Rc::clone(total) }
    }

    /// Whether somebody waits for their return.
    pub(super) fn is_wanted(&self) -> bool {
        self.lease.is_wanted()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.total.set(self.total.get() - self.bytes);
    }
}

impl DeputyDriver {
    /// Notes a call of the body.
    pub(super) fn note_read(&self, seq: CallSeq, sysno: Option<Sysno>, args: &Args) {
        let mut reading = self.ahead.reading.get();
        match sysno {
            Some(Sysno::read) => {
                let length = usize::try_from(args.get(2)).unwrap_or(usize::MAX);
                reading.read(seq, Fd(args.get(0) as i32), length);
            }
            // Only one that must be asked for takes what was lent; see `lend`.
            Some(Sysno::write) => {}
            _ => reading.interrupt(),
        }
        self.ahead.reading.set(reading);
    }

    /// Lends what comes next of a file with the reply to a read of it.
    pub(super) fn lend_bytes(&self, thread: Tid, seq: CallSeq, result: SysResult) {
        let mut reading = self.ahead.reading.get();
        let asked = reading.fd.filter(|_| reading.seq == seq);
        let (Some(fd), Ok(1..)) = (asked, result) else { return };
        if !self.kernel.ahead || self.partner.borrow().is_some() {
            return;
        }
        let Ok(file) = self.home.files.descriptors().get(fd) else { return };
        let left = file.object().size().saturating_sub(file.offset());
        if !file.object().has_position() || !owns(&self.home, &file) {
            return;
        }
        let total = &self.kernel.returns.lent;
        let most = reading.lend(left).filter(|bytes| total.get() + bytes <= TOTAL);
        if let Some((bytes, end, lease)) = most.and_then(|most| file.next_bytes(most)) {
            let lent = bytes.len();
            let next = FileBytes { fd, bytes, end };
            if self.session.borrow_mut().lend_bytes(thread, seq, next) {
                reading.lent = lent;
                *self.ahead.lent.borrow_mut() = Some(Lent::new(lease, lent, total));
            }
        }
        self.ahead.reading.set(reading);
    }

    /// Takes in what the process has read of what was lent.
    pub(super) fn took(&self, fd: Fd, bytes: u32, calls: u32) {
        let mut reading = self.ahead.reading.get();
        reading.taken += bytes as usize;
        self.ahead.reading.set(reading);
        let away = &self.home.away;
        away.remote.set(away.remote.get() + u64::from(calls));
        // The descriptor is what it was: what changes it is a request, which ends the loan.
        if let Ok(file) = self.home.files.descriptors().get(fd) {
            file.advance(bytes as usize);
        }
    }

    /// Has what was lent returned, if somebody waits for it.
    pub(super) async fn fetch_bytes(self: &Rc<Self>) {
        let is_wanted = || self.ahead.lent.borrow().as_ref().is_some_and(Lent::is_wanted);
        if is_wanted() {
            self.input(Input::WantBack);
            self.kernel.returns.ended.wait_until(|| (!is_wanted()).then_some(())).await;
        }
    }
}

impl Running {
    /// Reads what came along with the reply to another read, if this is one of that.
    pub(crate) async fn read_ahead(&self, driver: &Rc<BodyDriver>, call: &Call) -> Option<Reply> {
        if call.sysno != Sysno::read || self.thread.attention.get() {
            return None;
        }
        let (fd, address) = (Fd(call.args[0] as i32), UserAddr(call.args[1]));
        let length = usize::try_from(call.args[2]).ok()?;
        address.checked_add(call.args[2])?;
        let count = driver.session.borrow().ahead(fd, length)?.len();
        if self.body.memory().space.borrow().is_shared() {
            return None;
        }
        // As much as home would: a part that cannot be written to is for home to judge.
        let (memory, window) = (self.local_memory(), length.min(limits::WINDOW));
        if memory.prepare(address, window, AccessKind::Write).await.ok()? < window {
            return None;
        }
        // It may have been ended while a page came.
        let bytes = Vec::from(driver.session.borrow().ahead(fd, length)?);
        if bytes.len() != count || !memory.write_now(address, &bytes) {
            return None;
        }
        driver.session.borrow_mut().take(count);
        Some(Reply { result: Ok(count as u64), actions: Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A read that home is asked for, and what is lent with its reply.
    fn read(reading: &mut Reading, seq: u32, length: usize, left: u64) -> Option<usize> {
        reading.read(CallSeq(seq), Fd(3), length);
        let lent = reading.lend(left);
        reading.lent = lent.unwrap_or(0);
        lent
    }

    #[test]
    fn what_is_read_makes_the_window_grow() {
        let mut reading = Reading::default();
        assert_eq!(read(&mut reading, 1, 4096, 1 << 20), None, "one read is not a row");
        let mut windows = Vec::new();
        for seq in 2..5 {
            let lent = read(&mut reading, seq, 4096, 1 << 20).unwrap();
            windows.push(lent);
            reading.taken = lent;
        }
        assert_eq!(windows, [16 << 10, 32 << 10, limits::AHEAD]);
        assert_eq!(read(&mut reading, 6, 4096, 5000), Some(5000), "the end is worth a part");
    }

    #[test]
    fn what_nobody_reads_is_not_lent() {
        let mut reading = Reading::default();
        let lent = |reading: &mut Reading, seq| read(reading, seq, 1000, 1 << 20).is_some();
        let times: Vec<_> = (0..200).filter(|seq| lent(&mut reading, *seq)).collect();
        assert!(times.len() < 10, "{times:?}");
        assert_eq!(read(&mut reading, 200, 1000, 0), Some(0), "the end costs nothing");
    }

    #[test]
    fn other_calls_between_reads_and_reads_that_are_large_get_nothing() {
        let mut reading = Reading::default();
        for seq in 0..10 {
            assert_eq!(read(&mut reading, seq, 1000, 1 << 20), None);
            reading.interrupt();
        }
        for seq in 10..20 {
            assert_eq!(read(&mut reading, seq, limits::AHEAD + 1, 1 << 20), None);
        }
    }
}
