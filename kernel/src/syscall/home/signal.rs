//! sigaction(2) and its kin: handlers, masks and pending sets are home state.

use alloc::vec::Vec;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{Pid, Tid, UserAddr};
use wayfarer_proto::linux::Layout;
use wayfarer_proto::linux::signal::{
    SI_TKILL, SI_USER, SIG_BLOCK, SIG_IGN, SIG_SETMASK, SIG_UNBLOCK, SigAction, SigDetail, SigInfo,
    Signal, SignalSet,
};
use wayfarer_proto::linux::time::Timespec;

use crate::process::Home;
use crate::signal::Disposition;
use crate::syscall::{Call, Caller, SysResult};

/// The only size of a signal set that Linux accepts, in bytes.
const SET_SIZE: u64 = 8;

fn check_set_size(size: u64) -> Result<(), Errno> {
    if size == SET_SIZE { Ok(()) } else { Err(Errno::EINVAL) }
}

async fn read_set(c: &Caller, address: UserAddr) -> Result<SignalSet, Errno> {
    let mut bytes = [0; SET_SIZE as usize];
    c.memory.copy_in(address, &mut bytes).await?;
    Ok(SignalSet(u64::from_le_bytes(bytes)))
}

/// rt_sigaction(2).
pub(super) async fn rt_sigaction(c: &Caller, call: &Call) -> SysResult {
    check_set_size(call.args[3])?;
    let signal = Signal::new(call.args[0]).ok_or(Errno::EINVAL)?;
    let mut new = None;
    if !call.addr(1).is_null() {
        if SignalSet::UNBLOCKABLE.contains(signal) {
            return Err(Errno::EINVAL);
        }
        let mut bytes = [0; SigAction::SIZE];
        c.memory.copy_in(call.addr(1), &mut bytes).await?;
        new = Some(SigAction::from_bytes(&bytes));
    }
    let old = c.home.signals.get(signal);
    if let Some(action) = new {
        c.home.signals.set(signal, action);
        let effect = c.home.signals.disposition(signal);
        if action.handler == SIG_IGN || effect == Disposition::Ignored {
            c.home.discard_pending(SignalSet::only(signal));
        }
    }
    if !call.addr(2).is_null() {
        c.memory.copy_out(call.addr(2), &old.to_bytes()).await?;
    }
    Ok(0)
}

/// rt_sigprocmask(2).
pub(super) async fn rt_sigprocmask(c: &Caller, call: &Call) -> SysResult {
    check_set_size(call.args[3])?;
    let old = c.thread.mask.get();
    if !call.addr(1).is_null() {
        let set = read_set(c, call.addr(1)).await?;
        let new = match call.args[0] {
            SIG_BLOCK => old.union(set),
            SIG_UNBLOCK => old.without(set),
            SIG_SETMASK => set,
            _ => return Err(Errno::EINVAL),
        };
        c.thread.mask.set(new.without(SignalSet::UNBLOCKABLE));
    }
    if !call.addr(2).is_null() {
        c.memory.copy_out(call.addr(2), &old.0.to_le_bytes()).await?;
    }
    Ok(0)
}

/// rt_sigpending(2).
pub(super) async fn rt_sigpending(c: &Caller, call: &Call) -> SysResult {
    if call.args[1] > SET_SIZE {
        return Err(Errno::EINVAL);
    }
    let pending = c.thread.pending.borrow().set().union(c.home.pending.borrow().set());
    let blocked = SignalSet(pending.0 & c.thread.mask.get().0);
    let length = call.args[1] as usize;
    c.memory.copy_out(call.addr(0), &blocked.0.to_le_bytes()[..length]).await?;
    Ok(0)
}

/// rt_sigsuspend(2): always ends with `EINTR`, after a handler has run under the given mask.
pub(super) async fn rt_sigsuspend(c: &Caller, call: &Call) -> SysResult {
    check_set_size(call.args[1])?;
    let mask = read_set(c, call.addr(0)).await?;
    suspend_mask(c, mask);
    forever(c).await
}

/// Blocks `mask` until the call ends; a handler's frame restores what was blocked before.
pub(super) fn suspend_mask(c: &Caller, mask: SignalSet) {
    c.thread.saved_mask.set(Some(c.thread.mask.get()));
    c.thread.mask.set(mask.without(SignalSet::UNBLOCKABLE));
}

/// pause(2).
pub(super) async fn pause(c: &Caller) -> SysResult {
    forever(c).await
}

async fn forever(c: &Caller) -> SysResult {
    match c.interruptible(core::future::pending::<core::convert::Infallible>()).await {
        Ok(never) => match never {},
        Err(_) => Err(Errno::ERESTARTNOHAND),
    }
}

/// rt_sigtimedwait(2).
pub(super) async fn rt_sigtimedwait(c: &Caller, call: &Call) -> SysResult {
    check_set_size(call.args[3])?;
    let wanted = read_set(c, call.addr(0)).await?.without(SignalSet::UNBLOCKABLE);
    let mut deadline = None;
    if !call.addr(2).is_null() {
        let mut bytes = [0; Timespec::SIZE];
        c.memory.copy_in(call.addr(2), &mut bytes).await?;
        deadline = Some(c.kernel.now() + Timespec::from_bytes(&bytes).to_duration()?);
    }
    // Wanted signals are blocked, so they interrupt nothing: this wait looks for them itself.
    let before = c.thread.mask.get();
    c.thread.mask.set(before.without(wanted));
    c.thread.awaited.set(wanted);
    let wait = c.thread.interrupt.wait_until(|| take_wanted(c, wanted).or_else(|| other(c)));
    let taken = c.kernel.timers.timeout(deadline, wait).await;
    c.thread.mask.set(before);
    c.thread.awaited.take();
    let info = match taken {
        Ok(Some(info)) => info,
        Ok(None) => return Err(Errno::EINTR),
        Err(_) => return Err(Errno::EAGAIN),
    };
    if !call.addr(1).is_null() {
        c.memory.copy_out(call.addr(1), &info.to_bytes()).await?;
    }
    Ok(info.signal.number().into())
}

fn take_wanted(c: &Caller, wanted: SignalSet) -> Option<Option<SigInfo>> {
    let unwanted = SignalSet(!wanted.0);
    let own = c.thread.pending.borrow_mut().take(unwanted);
    own.or_else(|| c.home.pending.borrow_mut().take(unwanted)).map(Some)
}

/// Whether something else ends the wait.
fn other(c: &Caller) -> Option<Option<SigInfo>> {
    c.thread.must_interrupt(&c.home).then_some(None)
}

/// The signal argument of kill(2) and its kin; `None` is 0, which only checks.
pub(super) fn signal_argument(raw: u64) -> Result<Option<Signal>, Errno> {
    match raw as u32 {
        0 => Ok(None),
        number => Signal::new(number.into()).map(Some).ok_or(Errno::EINVAL),
    }
}

/// A signal as a process sends it.
pub(super) fn sent_by(c: &Caller, signal: Signal, code: i32) -> SigInfo {
    let uid = c.home.credentials.borrow().user.real;
    SigInfo { signal, code, detail: SigDetail::Sender { pid: c.home.pid.0, uid } }
}

/// kill(2).
pub(super) fn kill(c: &Caller, call: &Call) -> SysResult {
    let signal = signal_argument(call.args[1])?;
    let processes = &c.kernel.processes;
    let targets = match call.int(0) {
        pid if pid > 0 => processes.home(Pid(pid)).into_iter().collect(),
        0 => c.kernel.group_members(c.home.group.get()),
        -1 => {
            let mut all = processes.homes();
            all.retain(|home| home.pid != Pid(1) && home.pid != c.home.pid);
            all
        }
        i32::MIN => return Err(Errno::ESRCH),
        group => c.kernel.group_members(Pid(-group)),
    };
    if targets.is_empty() {
        return Err(Errno::ESRCH);
    }
    let targets: Vec<_> = targets.into_iter().filter(|home| may_signal(c, home, signal)).collect();
    // That there is nobody but others' processes is no error to a call that means everybody.
    if targets.is_empty() && call.int(0) != -1 {
        return Err(Errno::EPERM);
    }
    if let Some(signal) = signal {
        for target in targets {
            target.post(sent_by(c, signal, SI_USER));
        }
    }
    Ok(0)
}

/// Whether the caller may send a process this signal: SIGCONT goes to a whole session (kill(2)).
pub(super) fn may_signal(c: &Caller, target: &Home, signal: Option<Signal>) -> bool {
    let continues = signal == Some(Signal::SIGCONT) && target.session.get() == c.home.session.get();
    continues
        || target.pid == c.home.pid
        || c.home.credentials.borrow().may_signal(&target.credentials.borrow())
}

/// tkill(2).
pub(super) fn tkill(c: &Caller, call: &Call) -> SysResult {
    send_to_thread(c, None, Tid(call.int(0)), call.args[1])
}

/// tgkill(2).
pub(super) fn tgkill(c: &Caller, call: &Call) -> SysResult {
    if call.int(0) <= 0 {
        return Err(Errno::EINVAL);
    }
    send_to_thread(c, Some(Pid(call.int(0))), Tid(call.int(1)), call.args[2])
}

fn send_to_thread(c: &Caller, process: Option<Pid>, tid: Tid, signal: u64) -> SysResult {
    if tid.0 <= 0 {
        return Err(Errno::EINVAL);
    }
    let signal = signal_argument(signal)?;
    let homes = match process {
        Some(pid) => c.kernel.processes.home(pid).into_iter().collect(),
        None => c.kernel.processes.homes(),
    };
    let found = homes.iter().find_map(|home| Some((home, home.thread(tid)?)));
    let (home, thread) = found.ok_or(Errno::ESRCH)?;
    if !may_signal(c, home, signal) {
        return Err(Errno::EPERM);
    }
    if let Some(signal) = signal {
        home.post_to(&thread, sent_by(c, signal, SI_TKILL));
    }
    Ok(0)
}
