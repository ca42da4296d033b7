//! What page faults do: copies, growth, refusals.

use std::io;
use std::ptr;

use guest_common::child::{self, End};
use guest_common::signal;
use libc::SIGSEGV;
use rustix::io::Errno;
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect};

use crate::{PAGE, Region};

pub(crate) fn copy_on_write() {
    let region = Region::new(16);
    for page in 0..16 {
        region.write(page * PAGE, page as u8);
    }
    let end = child::fork_and_wait(|| {
        let same = (0..16).all(|page| region.read(page * PAGE) == page as u8);
        (0..16).step_by(2).for_each(|page| region.write(page * PAGE, 100));
        i32::from(same && region.read(PAGE) == 1 && region.read(2 * PAGE) == 100)
    });
    assert_eq!(end, End::Exited(1));
    assert!((0..16).all(|page| region.read(page * PAGE) == page as u8));
}

/// Three generations hold three versions of one page at the same time.
pub(crate) fn copy_on_write_chain() {
    let region = Region::new(1);
    region.write(0, 1);
    let end = child::fork_and_wait(|| {
        region.write(0, 2);
        let below = child::fork_and_wait(|| {
            let inherited = region.read(0);
            region.write(0, 3);
            i32::from(inherited) * 10 + i32::from(region.read(0))
        });
        assert_eq!(below, End::Exited(23));
        i32::from(region.read(0))
    });
    assert_eq!(end, End::Exited(2));
    assert_eq!(region.read(0), 1);
}

pub(crate) fn shared_after_fork() {
    let access = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a new mapping at an address the kernel picks.
    let base =
        unsafe { mmap_anonymous(ptr::null_mut(), 2 * PAGE, access, MapFlags::SHARED).unwrap() };
    let region = Region { base: base.cast(), length: 2 * PAGE };
    region.write(0, 1);
    let end = child::fork_and_wait(|| {
        region.write(PAGE, 7);
        i32::from(region.read(0))
    });
    assert_eq!(end, End::Exited(1));
    assert_eq!(region.read(PAGE), 7, "written by the child");
}

/// How a child ends that does this.
fn outcome(work: impl FnOnce()) -> End {
    child::fork_and_wait(|| {
        signal::default(SIGSEGV);
        work();
        0
    })
}

pub(crate) fn protections() {
    let region = Region::new(1);
    region.write(0, 0xc3); // `ret`
    // SAFETY: one page of code, `ret`, if it may be executed at all.
    let code: extern "C" fn() = unsafe { std::mem::transmute(region.page(0)) };
    assert_eq!(outcome(|| code()), End::Killed(SIGSEGV), "not executable");
    // SAFETY: our own mapping.
    let protect = |access| unsafe { mprotect(region.page(0), PAGE, access).unwrap() };
    protect(MprotectFlags::READ | MprotectFlags::EXEC);
    assert_eq!(outcome(|| code()), End::Exited(0), "executable");
    assert_eq!(outcome(|| region.write(0, 1)), End::Killed(SIGSEGV), "read-only");
    protect(MprotectFlags::empty());
    assert_eq!(outcome(|| _ = region.read(0)), End::Killed(SIGSEGV), "no access");
    protect(MprotectFlags::READ | MprotectFlags::WRITE);
    assert_eq!(outcome(|| region.write(0, 1)), End::Exited(0));
}

/// Uses 64 KiB of stack a level.
#[inline(never)]
fn dig(levels: u32) -> u32 {
    let mut frame = [0_u8; 64 * 1024];
    std::hint::black_box(&mut frame)[0] = 1;
    let below = if levels == 0 { 0 } else { dig(levels - 1) };
    below + u32::from(std::hint::black_box(&frame)[0])
}

/// The first thread's stack grows as it is used, up to RLIMIT_STACK (8 MiB by default).
pub(crate) fn stack_grows() {
    assert_eq!(dig(80), 81, "5 MiB");
}

pub(crate) fn guard_below_the_stack() {
    assert_eq!(outcome(|| _ = dig(100_000)), End::Killed(SIGSEGV));
}

/// A bad pointer makes a call fail; it does not signal.
pub(crate) fn bad_pointers() {
    let (reader, writer) = io::pipe().unwrap();
    let region = Region::new(2);
    // SAFETY: our own mapping; its second page is hidden.
    unsafe { mprotect(region.page(1), PAGE, MprotectFlags::empty()).unwrap() };
    for bad in [ptr::null_mut(), region.page(1), ptr::without_provenance_mut(1 << 63)] {
        // SAFETY: the kernel refuses the pointer.
        let result = unsafe { libc::write(fd(&writer), bad, 8) };
        assert_eq!((result, Errno::from_io_error(&io::Error::last_os_error())), FAULT);
    }
    rustix::io::write(&writer, b"data").unwrap();
    // SAFETY: the kernel refuses the pointer.
    let result = unsafe { libc::read(fd(&reader), region.page(1), 4) };
    assert_eq!((result, Errno::from_io_error(&io::Error::last_os_error())), FAULT);
}

const FAULT: (isize, Option<Errno>) = (-1, Some(Errno::FAULT));

fn fd(pipe: &impl std::os::fd::AsRawFd) -> i32 {
    pipe.as_raw_fd()
}
