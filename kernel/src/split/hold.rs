//! Holding moves in a phase, for tests of what fails then.
//!
//! A deputy that holds a move does not hear what its peers say: they do all they can do in that
//! phase, and the deputy does not know. Released it hears all of it, in order.

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;

use wayfarer_proto::console::{FromNode, Held};
use wayfarer_proto::id::ChannelId;
use wayfarer_proto::session::MovePhase;

use super::deputy::DeputyDriver;
use super::wire::Heard;
use crate::kernel::Kernel;
use crate::net::ReadError;

/// Bytes that came on a channel, or the reason of its end.
type Said = (ChannelId, Result<Vec<u8>, ReadError>);

/// What came while a move was held; `None` while it is not.
#[derive(Default)]
pub(super) struct Hold(RefCell<Option<VecDeque<Said>>>);

impl Hold {
    /// Keeps what was heard, if the move is held; else gives it back.
    fn keep<'a>(&self, channel: ChannelId, heard: Heard<'a>) -> Option<Heard<'a>> {
        let mut held = self.0.borrow_mut();
        let Some(held) = &mut *held else { return Some(heard) };
        held.push_back((
            channel,
            match heard {
                Heard::Bytes(bytes) => Ok(bytes.to_vec()),
                Heard::Broken(reason) => Err(reason),
            },
        ));
        None
    }
}

impl DeputyDriver {
    /// Begins to hold the move if it is in the phase that was asked for.
    pub(super) fn hold_in(&self, phase: Option<MovePhase>) {
        let (Some(phase), Some(wanted)) = (phase, self.kernel.hold.get()) else { return };
        if phase != wanted || self.hold.0.borrow().is_some() {
            return;
        }
        *self.hold.0.borrow_mut() = Some(VecDeque::new());
        self.tell_held(phase);
    }

    fn tell_held(&self, phase: MovePhase) {
        let said = self.hold.0.borrow().as_ref().map_or(0, VecDeque::len);
        let said = u32::try_from(said).unwrap_or(u32::MAX);
        self.kernel.console.send(&FromNode::Held(Held { pid: self.home.pid, phase, said }));
    }

    /// Hears what came on a channel, unless the move is held: then it is kept, and told.
    pub(super) fn hear_or_hold(self: &Rc<Self>, channel: ChannelId, heard: Heard<'_>) {
        match (self.hold.keep(channel, heard), self.kernel.hold.get()) {
            (Some(heard), _) => self.heard(channel, heard),
            (None, Some(phase)) => self.tell_held(phase),
            (None, None) => {}
        }
    }

    /// Hears all that came meanwhile.
    fn release(self: &Rc<Self>) {
        for (channel, said) in self.hold.0.take().into_iter().flatten() {
            match said {
                Ok(bytes) => self.heard(channel, Heard::Bytes(&bytes)),
                Err(reason) => self.heard(channel, Heard::Broken(reason)),
            }
        }
    }
}

impl Kernel {
    /// Holds moves no longer.
    pub fn release_moves(&self) {
        self.hold.set(None);
        for deputy in self.processes.cells().iter().filter_map(|cell| cell.deputy_driver()) {
            deputy.release();
        }
    }
}
