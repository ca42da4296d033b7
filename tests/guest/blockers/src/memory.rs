//! Blocking on memory: a futex, and the arrival of pages of a mapped file.

use std::fs::{self, File};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use guest_common::signal;
use libc::SIGUSR1;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use rustix::process::Pid;
use rustix::thread::futex;

use crate::blocker::Blocker;
use crate::outcome::Effect;
use crate::pipes::Message;

/// The word waited on; another thread of the child changes it.
static WORD: AtomicU32 = AtomicU32::new(0);

/// futex(2), `FUTEX_WAIT`; its event is a message to another thread, which wakes this one.
pub(crate) struct Futex(Arc<Message>);

impl Futex {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Message::new()))
    }
}

impl Blocker for Futex {
    fn effect(&self) -> Effect {
        Effect::MayRestart
    }

    fn prepare(&mut self) {
        let message = Arc::clone(&self.0);
        // The signal is for the thread that waits.
        let before = signal::block(&[SIGUSR1]);
        thread::spawn(move || {
            message.receive().unwrap();
            WORD.store(1, Ordering::SeqCst);
            futex::wake(&WORD, futex::Flags::PRIVATE, 1).unwrap();
        });
        signal::set_mask(&before);
    }

    fn block(&mut self) -> Result<(), Errno> {
        while WORD.load(Ordering::SeqCst) == 0 {
            match futex::wait(&WORD, futex::Flags::PRIVATE, 0, None) {
                // A spurious wake is legal, and so is coming too late to sleep.
                Ok(()) | Err(Errno::AGAIN) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn cause(&mut self, _: Pid) {
        self.0.send();
    }
}

/// Reads a privately mapped file again and again, so that most of its time passes in waiting for
/// pages; ends when a message has come.
pub(crate) struct PageIn {
    file: File,
    message: Message,
}

impl PageIn {
    const LENGTH: usize = 1 << 20;
    const PAGE: usize = 4096;

    pub(crate) fn new() -> Self {
        let path = "page-in.tmp";
        let bytes: Vec<u8> = (0..Self::LENGTH).map(Self::byte).collect();
        fs::write(path, bytes).unwrap();
        let file = File::open(path).unwrap();
        fs::remove_file(path).unwrap();
        Self { file, message: Message::new() }
    }

    fn byte(offset: usize) -> u8 {
        (offset / Self::PAGE * 7 + offset % 251) as u8
    }

    /// Maps the file, looks at one byte of each page, unmaps it.
    fn read_through(&self) {
        // SAFETY: a new mapping, unmapped below before anything else can name it.
        let base = unsafe {
            let flags = MapFlags::PRIVATE;
            mmap(ptr::null_mut(), Self::LENGTH, ProtFlags::READ, flags, &self.file, 0).unwrap()
        };
        for offset in (0..Self::LENGTH).step_by(Self::PAGE + 1) {
            // SAFETY: inside the mapping, which nobody writes to.
            let byte = unsafe { base.cast::<u8>().add(offset).read_volatile() };
            assert_eq!(byte, Self::byte(offset), "byte {offset} of the mapped file");
        }
        // SAFETY: the mapping made above.
        unsafe { munmap(base, Self::LENGTH).unwrap() };
    }

    fn message_came(&self) -> bool {
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        let mut fds = [PollFd::new(&self.message.reader, PollFlags::IN)];
        poll(&mut fds, Some(&at_once)).unwrap() == 1
    }
}

impl Blocker for PageIn {
    fn effect(&self) -> Effect {
        Effect::Undisturbed
    }

    fn block(&mut self) -> Result<(), Errno> {
        while !self.message_came() {
            self.read_through();
        }
        self.message.receive()
    }

    fn cause(&mut self, _: Pid) {
        self.message.send();
    }
}
