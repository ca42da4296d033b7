//! Signals that a thread's own instruction raises, and what their handlers may mend.

use std::arch::asm;
use std::num::NonZeroUsize;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

use guest_common::child::{self, End};
use guest_common::signal;
use libc::{SIGFPE, SIGILL, SIGSEGV, SIGTRAP, c_int, siginfo_t, ucontext_t};
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};

const PAGE: usize = 4096;

/// Faults until a handler mends the page: reads a byte through a pointer the compiler cannot see.
fn read(address: usize) -> u8 {
    let byte: u8;
    // SAFETY: the fault, if any, is what the case is about; nothing is written.
    unsafe { asm!("mov {0}, byte ptr [{1}]", out(reg_byte) byte, in(reg) address) };
    byte
}

fn write(address: usize, byte: u8) {
    // SAFETY: as in `read`; cases pass addresses in mappings of their own.
    unsafe { asm!("mov byte ptr [{1}], {0}", in(reg_byte) byte, in(reg) address) };
}

/// A page of our own, without access.
fn page() -> NonZeroUsize {
    // SAFETY: a new mapping, at an address the kernel picks.
    let page = unsafe {
        mmap_anonymous(ptr::null_mut(), PAGE, ProtFlags::empty(), MapFlags::PRIVATE).unwrap()
    };
    NonZeroUsize::new(page.addr()).expect("mmap does not place at zero")
}

extern "C" fn unprotect(signal: c_int, info: &mut siginfo_t, context: &mut ucontext_t) {
    signal::record_one(signal, info, context);
    let page = ptr::without_provenance_mut(signal::last().address & !(PAGE - 1));
    // SAFETY: only cases below fault, each in a page of its own.
    unsafe { mprotect(page, PAGE, MprotectFlags::READ | MprotectFlags::WRITE).unwrap() };
}

extern "C" fn map_there(signal: c_int, info: &mut siginfo_t, context: &mut ucontext_t) {
    signal::record_one(signal, info, context);
    let page = ptr::without_provenance_mut(signal::last().address & !(PAGE - 1));
    let access = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: nothing is mapped there: the fault says so.
    unsafe { mmap_anonymous(page, PAGE, access, MapFlags::PRIVATE | MapFlags::FIXED).unwrap() };
}

/// `SEGV_MAPERR`, `SEGV_ACCERR` (sigaction(2)).
const MAPERR: i32 = 1;
const ACCERR: i32 = 2;

pub(crate) fn segv_unmapped() {
    let address = page().get() + 123;
    // SAFETY: the mapping is ours and nothing points into it.
    unsafe { munmap(ptr::without_provenance_mut(address - 123), PAGE).unwrap() };
    signal::count(SIGSEGV, 0);
    signal::handle(SIGSEGV, 0, map_there);
    assert_eq!(read(address), 0, "read again after the handler mapped it");
    assert_eq!((signal::last().code, signal::last().address), (MAPERR, address));
    assert_eq!(signal::caught(SIGSEGV), 1);
    write(address, 7);
    assert_eq!(read(address), 7);
    signal::default(SIGSEGV);
}

pub(crate) fn segv_protected() {
    let address = page().get() + 45;
    signal::count(SIGSEGV, 0);
    signal::handle(SIGSEGV, 0, unprotect);
    write(address, 9);
    assert_eq!((signal::last().code, signal::last().address), (ACCERR, address));
    assert_eq!((read(address), signal::caught(SIGSEGV)), (9, 1));
    signal::default(SIGSEGV);
}

/// Bytes to skip in the instruction that faulted.
static SKIP: AtomicUsize = AtomicUsize::new(0);

extern "C" fn skip(signal: c_int, info: &mut siginfo_t, context: &mut ucontext_t) {
    signal::record_one(signal, info, context);
    let skip = i64::try_from(SKIP.load(Ordering::SeqCst)).unwrap();
    context.uc_mcontext.gregs[libc::REG_RIP as usize] += skip;
}

/// Catches `number` with a handler that goes on `bytes` further on.
fn skipping(number: c_int, bytes: usize) {
    SKIP.store(bytes, Ordering::SeqCst);
    signal::count(number, 0);
    signal::handle(number, 0, skip);
}

fn caught_once(number: c_int, code: i32) {
    assert_eq!((signal::caught(number), signal::last().code), (1, code));
    signal::default(number);
}

/// `SI_KERNEL`: the kernel has no better word.
const SI_KERNEL: i32 = 0x80;

pub(crate) fn segv_not_canonical() {
    // `mov al, [rdx]` is 8a 02: two bytes.
    skipping(SIGSEGV, 2);
    // SAFETY: the handler skips the access.
    unsafe { asm!("mov al, byte ptr [rdx]", in("rdx") 0x8000_0000_0000_0000_u64, out("al") _) };
    caught_once(SIGSEGV, SI_KERNEL);
    assert_eq!(signal::last().address, 0, "the CPU does not say which");
}

pub(crate) fn divide_error() {
    // `div ecx` is f7 f1.
    skipping(SIGFPE, 2);
    // SAFETY: the handler skips the division.
    unsafe { asm!("div ecx", in("ecx") 0, inout("eax") 1 => _, inout("edx") 0 => _) };
    caught_once(SIGFPE, 1);
}

pub(crate) fn illegal_instruction() {
    skipping(SIGILL, 2);
    // SAFETY: the handler skips the instruction.
    unsafe { asm!("ud2") };
    caught_once(SIGILL, 2);
}

pub(crate) fn breakpoint() {
    // A trap, not a fault: the context already stands behind it.
    skipping(SIGTRAP, 0);
    // SAFETY: the handler returns behind the instruction.
    unsafe { asm!("int3") };
    caught_once(SIGTRAP, SI_KERNEL);
}

pub(crate) fn without_handler() {
    assert_eq!(fault_in_child(|| ()), End::Killed(SIGSEGV));
    assert_eq!(fault_in_child(|| signal::ignore(SIGSEGV)), End::Killed(SIGSEGV), "not ignored");
}

pub(crate) fn while_blocked() {
    let end = fault_in_child(|| {
        signal::count(SIGSEGV, 0);
        signal::block(&[SIGSEGV]);
    });
    assert_eq!(end, End::Killed(SIGSEGV), "a blocked fault kills, handler or not");
}

fn fault_in_child(prepare: impl FnOnce()) -> End {
    child::fork_and_wait(|| {
        // The standard library catches SIGSEGV for its own message.
        signal::default(SIGSEGV);
        prepare();
        i32::from(read(8))
    })
}

extern "C" fn leave(_: c_int, _: &mut siginfo_t, _: &mut ucontext_t) {
    child::exit_now(77);
}

#[expect(unconditional_recursion, reason = "the stack shall overflow")]
fn descend(depth: u64) -> u64 {
    std::hint::black_box(descend(std::hint::black_box(depth + 1))) + 1
}

/// The standard library gives the main thread an alternate stack.
pub(crate) fn stack_overflow() {
    let end = child::fork_and_wait(|| {
        signal::handle(SIGSEGV, libc::SA_ONSTACK, leave);
        i32::try_from(descend(0) & 1).unwrap()
    });
    assert_eq!(end, End::Exited(77));
}
