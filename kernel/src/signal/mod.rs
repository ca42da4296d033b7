//! Signals, the part that stays home: pending sets, dispositions, and what a thread must do next.
//!
//! A signal is posted at home, waits in a [`Pending`] set, and is taken at the end of one of its
//! thread's transactions ([`take_actions`]). What the body must then do travels as [`Action`]s; a
//! whole process applies the same actions by the same code, so there is one way signals happen.

pub mod frame;
mod pending;
mod take;

pub use pending::Pending;
pub use take::{is_calm, take_actions};

use alloc::vec::Vec;
use core::cell::RefCell;

use wayfarer_proto::linux::process::WaitStatus;
use wayfarer_proto::linux::signal::{
    DefaultAction, SA_RESETHAND, SIG_DFL, SIG_IGN, SigAction, SigInfo, Signal, SignalSet,
};

/// What a body must do for an asynchronous event, in the order given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Build a frame for a handler and continue there.
    Deliver {
        /// Which signal and why.
        info: SigInfo,
        /// The handler and its flags.
        action: SigAction,
        /// The mask that rt_sigreturn(2) shall restore.
        mask: SignalSet,
    },
    /// The whole process ends.
    Exit(WaitStatus),
    /// Only this thread ends (another thread executes a new program).
    ThreadExit,
}

/// What a signal would do to a process now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Disposition {
    /// Nothing.
    Ignored,
    /// A handler runs.
    Caught(SigAction),
    /// The process ends.
    Fatal,
    /// The process stops.
    Stops,
    /// The process continues, which happened when the signal was sent.
    Continues,
}

/// The handlers of a process (sigaction(2)), shared by its threads.
#[derive(Default)]
pub struct Handlers {
    /// Of the signals up to the last that ever had one; the others have the default.
    actions: RefCell<Vec<SigAction>>,
}

impl Clone for Handlers {
    fn clone(&self) -> Self {
        Self { actions: RefCell::new(self.actions.borrow().clone()) }
    }
}

impl Handlers {
    /// The action for `signal`.
    pub fn get(&self, signal: Signal) -> SigAction {
        let actions = self.actions.borrow();
        actions.get(usize::from(signal.number()) - 1).copied().unwrap_or(SigAction::DEFAULT)
    }

    /// Sets the action for `signal` and gives the old one.
    pub fn set(&self, signal: Signal, action: SigAction) -> SigAction {
        let mut actions = self.actions.borrow_mut();
        let index = usize::from(signal.number()) - 1;
        if actions.len() <= index {
            if action == SigAction::DEFAULT {
                return action;
            }
            actions.resize(index + 1, SigAction::DEFAULT);
        }
        core::mem::replace(&mut actions[index], action)
    }

    /// What `signal` does now.
    pub fn disposition(&self, signal: Signal) -> Disposition {
        let action = self.get(signal);
        match action.handler {
            SIG_IGN => Disposition::Ignored,
            SIG_DFL => match signal.default_action() {
                DefaultAction::Terminate | DefaultAction::Core => Disposition::Fatal,
                DefaultAction::Ignore => Disposition::Ignored,
                DefaultAction::Stop => Disposition::Stops,
                DefaultAction::Continue => Disposition::Continues,
            },
            _ => Disposition::Caught(action),
        }
    }

    /// After execve(2): caught signals go back to the default, ignored ones stay ignored.
    pub fn reset_caught(&self) {
        for action in self.actions.borrow_mut().iter_mut() {
            if action.handler != SIG_IGN {
                *action = SigAction::DEFAULT;
            }
        }
    }

    /// The action of a caught signal, put back to the default if it was set with `SA_RESETHAND`.
    fn claim(&self, signal: Signal) -> SigAction {
        let action = self.get(signal);
        if action.flags & SA_RESETHAND != 0 {
            self.set(signal, SigAction { handler: SIG_DFL, ..action });
        }
        action
    }
}

/// Signals that can interrupt: not blocked, and not without effect.
pub fn wants_attention(handlers: &Handlers, pending: SignalSet, mask: SignalSet) -> bool {
    let mut left = pending.without(mask);
    while let Some(signal) = left.first() {
        left.remove(signal);
        match handlers.disposition(signal) {
            Disposition::Ignored | Disposition::Continues => {}
            Disposition::Caught(_) | Disposition::Fatal | Disposition::Stops => return true,
        }
    }
    false
}
