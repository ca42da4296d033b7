//! signalfd(2): signals as something to read.

use alloc::rc::{Rc, Weak};
use core::any::Any;
use core::cell::Cell;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::Layout;
use wayfarer_proto::linux::event::SignalfdSiginfo;
use wayfarer_proto::linux::poll::PollEvents;
use wayfarer_proto::linux::signal::{SigDetail, SigInfo, SignalSet};

use crate::executor::WaitQueue;
use crate::fs::{FileObject, Io};
use crate::process::Home;

/// The object behind a signal descriptor. It gives the signals of the process that made it, those
/// sent to one thread of it included.
pub struct SignalFd {
    home: Weak<Home>,
    mask: Cell<SignalSet>,
    arrived: Rc<WaitQueue>,
}

impl SignalFd {
    /// A descriptor for these signals of a process.
    pub fn new(home: &Rc<Home>, mask: SignalSet) -> Rc<Self> {
        let arrived = Rc::clone(&home.signal_arrived);
        Rc::new(Self { home: Rc::downgrade(home), mask: Cell::new(mask), arrived })
    }

    /// The signal descriptor behind an open file, if it is one.
    pub fn of(object: &dyn FileObject) -> Option<&Self> {
        let any: &dyn Any = object;
        any.downcast_ref()
    }

    /// Changes which signals it gives.
    pub fn set_mask(&self, mask: SignalSet) {
        self.mask.set(mask);
        self.arrived.wake(PollEvents::READABLE);
    }

    fn take(&self) -> Option<SigInfo> {
        let home = self.home.upgrade()?;
        let unwanted = SignalSet(!self.mask.get().0);
        let own =
            home.threads.borrow().values().find_map(|t| t.pending.borrow_mut().take(unwanted));
        own.or_else(|| home.pending.borrow_mut().take(unwanted))
    }
}

impl FileObject for SignalFd {
    fn read(&self, _offset: u64, buffer: &mut [u8], _io: &Io<'_>) -> Result<usize, Errno> {
        if buffer.len() < SignalfdSiginfo::SIZE {
            return Err(Errno::EINVAL);
        }
        let mut count = 0;
        for place in buffer.chunks_exact_mut(SignalfdSiginfo::SIZE) {
            let Some(info) = self.take() else { break };
            place.copy_from_slice(&describe(&info).to_bytes());
            count += place.len();
        }
        if count == 0 { Err(Errno::EAGAIN) } else { Ok(count) }
    }

    fn poll(&self) -> PollEvents {
        let Some(home) = self.home.upgrade() else { return PollEvents::empty() };
        let threads = home.threads.borrow();
        let own = threads.values().map(|thread| thread.pending.borrow().set());
        let pending = own.fold(home.pending.borrow().set(), SignalSet::union);
        let wanted = SignalSet(pending.0 & self.mask.get().0);
        if wanted.is_empty() { PollEvents::empty() } else { PollEvents::READABLE }
    }

    fn changes(&self) -> Option<&WaitQueue> {
        Some(&self.arrived)
    }
}

fn describe(info: &SigInfo) -> SignalfdSiginfo {
    let mut siginfo = SignalfdSiginfo {
        signal: info.signal.number().into(),
        errno: 0,
        code: info.code,
        pid: 0,
        uid: 0,
        fd: 0,
        timer: 0,
        band: 0,
        overrun: 0,
        trap: 0,
        status: 0,
        int: 0,
        pointer: 0,
        times: [0; 16],
        address: 0,
        padding: [0; 48],
    };
    match info.detail {
        SigDetail::Sender { pid, uid } => {
            (siginfo.pid, siginfo.uid) = (pid.cast_unsigned(), uid);
        }
        SigDetail::Child { pid, uid, status } => {
            (siginfo.pid, siginfo.uid, siginfo.status) = (pid.cast_unsigned(), uid, status);
        }
        SigDetail::Queued { pid, uid, value } => {
            (siginfo.pid, siginfo.uid) = (pid.cast_unsigned(), uid);
            (siginfo.int, siginfo.pointer) = (value as i32, value);
        }
        SigDetail::Timer { id, overrun, value } => {
            (siginfo.timer, siginfo.overrun) = (id.cast_unsigned(), overrun);
            (siginfo.int, siginfo.pointer) = (value as i32, value);
        }
        SigDetail::Fault { address } => siginfo.address = address,
        _ => {}
    }
    siginfo
}
