//! What a thread must do at the end of its transaction.

use alloc::vec::Vec;

use wayfarer_proto::linux::process::WaitStatus;
use wayfarer_proto::linux::signal::{SA_NODEFER, SigAction, SigInfo, SignalSet};

use super::{Action, Disposition};
use crate::process::{Home, HomeThread};

/// Takes every signal that `thread` can take now and says what it must do, in order (rule 3).
///
/// Frames stack, so the handler of the last signal taken runs first, as on Linux.
pub fn take_actions(home: &Home, thread: &HomeThread) -> Vec<Action> {
    if let Some(status) = home.exiting() {
        return alloc::vec![Action::Exit(status)];
    }
    if thread.is_killed() {
        return alloc::vec![Action::ThreadExit];
    }
    let mut actions = Vec::new();
    while let Some(info) = take_one(home, thread) {
        match home.signals.disposition(info.signal) {
            Disposition::Ignored | Disposition::Continues => {}
            Disposition::Fatal => {
                let status = WaitStatus::Signaled(info.signal.number());
                home.begin_exit(status);
                return alloc::vec![Action::Exit(status)];
            }
            Disposition::Stops => {
                home.stop(info.signal);
                break;
            }
            Disposition::Caught(_) => actions.push(deliver(home, thread, info)),
        }
    }
    if let Some(mask) = thread.saved_mask.take() {
        thread.mask.set(mask);
    }
    actions
}

/// Whether there is nothing to take, as after most calls.
#[inline]
pub fn is_calm(home: &Home, thread: &HomeThread) -> bool {
    let ends = u8::from(home.exiting().is_some()) | u8::from(thread.is_killed());
    let changes = u8::from(thread.saved_mask.get().is_some());
    ends | changes == 0 && thread.pending.borrow().is_empty() && home.pending.borrow().is_empty()
}

fn take_one(home: &Home, thread: &HomeThread) -> Option<SigInfo> {
    let mask = thread.mask.get();
    let own = thread.pending.borrow_mut().take(mask);
    own.or_else(|| home.pending.borrow_mut().take(mask))
}

fn deliver(home: &Home, thread: &HomeThread, info: SigInfo) -> Action {
    let action: SigAction = home.signals.claim(info.signal);
    // sigsuspend(2) and its kin: the frame restores the mask from before the call.
    let before = thread.saved_mask.take().unwrap_or_else(|| thread.mask.get());
    let mut during = thread.mask.get().union(SignalSet(action.mask));
    if action.flags & SA_NODEFER == 0 {
        during.insert(info.signal);
    }
    thread.mask.set(during.without(SignalSet::UNBLOCKABLE));
    Action::Deliver { info, action, mask: before }
}
