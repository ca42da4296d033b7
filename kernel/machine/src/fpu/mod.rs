//! The floating-point and vector state of user contexts, switched lazily.
//!
//! Kernel code uses the SSE registers and nothing else of it. So a trap saves xmm0-15 with plain
//! moves (in the entry code), while x87, MXCSR, the upper halves of the AVX registers and all else
//! stay in the processor until another context runs, or until somebody wants to see them: a signal
//! frame, a fork, a migration. Under QEMU's TCG that is 80 ns for each trap instead of 460.
//!
//! Kernel code is not meant to compute with floats. If it does, MXCSR is the user's: rounding is as
//! the user set it, and exceptions the user unmasked are masked by the handler of the first one
//! (`trap::entry`), which puts the user's MXCSR aside; it is put back before user code runs.

pub mod image;

use alloc::alloc::{alloc_zeroed, dealloc, handle_alloc_error};
use alloc::rc::Rc;
use core::alloc::Layout;
use core::arch::asm;
use core::cell::{Cell, RefCell};
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

pub use image::BadFpuImage;
pub(crate) use image::Format;

use image::SSE;

use crate::cpu::features::cpuid;
use crate::cpu::{OneCpu, control};
use crate::trap::entry;

/// MXCSR at program start: all exceptions masked, round to nearest (System V ABI, 3.4.1).
pub(crate) const DEFAULT_MXCSR: u32 = 0x1f80;

/// State components the kernel switches when the processor has them: x87, SSE, AVX.
const WANTED_COMPONENTS: u64 = 0b111;

static COMPONENTS: AtomicU64 = AtomicU64::new(0);
static SIZE: AtomicUsize = AtomicUsize::new(image::LEGACY_SIZE);

/// Turns on the state components and settles the format of images.
///
/// # Safety
///
/// To be called once at start, before any user context exists.
pub(crate) unsafe fn start() {
    const XSAVE: u32 = 1 << 26;
    if cpuid(1, 0).ecx & XSAVE == 0 {
        return;
    }
    let offered = cpuid(0xd, 0);
    let components = (u64::from(offered.edx) << 32 | u64::from(offered.eax)) & WANTED_COMPONENTS;
    // SAFETY: XSAVE is announced, and the components are offered: AVX never without SSE and x87.
    unsafe {
        control::set_cr4(control::CR4_OSXSAVE);
        control::write_xcr0(components);
    }
    COMPONENTS.store(components, Ordering::Relaxed);
    // EBX of this leaf is the size for what XCR0 now enables.
    SIZE.store(cpuid(0xd, 0).ebx as usize, Ordering::Relaxed);
}

impl Format {
    /// The format this processor was set up for; on a host, the one without XSAVE.
    pub(crate) fn current() -> Format {
        Format::new(COMPONENTS.load(Ordering::Relaxed), SIZE.load(Ordering::Relaxed))
    }
}

/// Memory for one context's state, in the form XSAVE writes and XRSTOR reads.
pub(crate) struct Area {
    memory: NonNull<u8>,
    layout: Layout,
}

impl Area {
    /// The state at program start.
    pub(crate) fn initial() -> Area {
        let size = SIZE.load(Ordering::Relaxed);
        let invariant = "the size of the state image is small and not zero";
        let layout = Layout::from_size_align(size, 64).expect(invariant);
        // SAFETY: the size is at least that of the legacy image.
        let memory = unsafe { alloc_zeroed(layout) };
        let Some(memory) = NonNull::new(memory) else { handle_alloc_error(layout) };
        let area = Area { memory, layout };
        area.write(0, &image::INITIAL_CONTROL_WORD.to_le_bytes());
        area.write(image::MXCSR_OFFSET, &DEFAULT_MXCSR.to_le_bytes());
        area
    }

    /// A copy of the content.
    pub(crate) fn bytes(&self) -> alloc::vec::Vec<u8> {
        // SAFETY: the memory is ours and initialised; the instructions that write it run only
        // while no such borrow exists, as this one ends here.
        unsafe { core::slice::from_raw_parts(self.memory.as_ptr(), self.layout.size()) }.to_vec()
    }

    /// Overwrites part of the content; the whole must stay acceptable to XRSTOR.
    pub(crate) fn write(&self, offset: usize, bytes: &[u8]) {
        assert!(offset + bytes.len() <= self.layout.size(), "the state image is longer than this");
        // SAFETY: the range lies within the memory, which is ours and not borrowed.
        unsafe {
            self.memory.as_ptr().add(offset).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        }
    }

    /// Stores the processor's state here; with XSAVE, all but the SSE registers, whose content is
    /// kept elsewhere. (MXCSR belongs to AVX as well; but QEMU's TCG counts it to SSE only.)
    fn save(&self) {
        entry::give_back_mxcsr();
        let components = COMPONENTS.load(Ordering::Relaxed);
        // SAFETY: the memory is 64-byte aligned and as long as CPUID says the image is.
        unsafe {
            if components == 0 {
                asm!("fxsave64 [{}]", in(reg) self.memory.as_ptr(), options(nostack));
            } else {
                asm!(
                    "xsave64 [{area}]",
                    "stmxcsr [{area} + {mxcsr}]",
                    area = in(reg) self.memory.as_ptr(),
                    mxcsr = const image::MXCSR_OFFSET,
                    in("eax") (components & !SSE) as u32,
                    in("edx") 0,
                    options(nostack)
                );
            }
        }
    }

    /// Loads the processor's state from here.
    fn restore(&self) {
        let components = COMPONENTS.load(Ordering::Relaxed);
        // SAFETY: as in `save`; the content came from `save`, `initial` or a checked image, so it
        // raises no fault. The SSE registers are named as overwritten.
        unsafe {
            if components == 0 {
                asm!("fxrstor64 [{}]", in(reg) self.memory.as_ptr(), clobber_abi("sysv64"),
                    options(nostack, readonly));
            } else {
                asm!(
                    "xrstor64 [{area}]",
                    "ldmxcsr [{area} + {mxcsr}]",
                    area = in(reg) self.memory.as_ptr(),
                    mxcsr = const image::MXCSR_OFFSET,
                    in("eax") (components & !SSE) as u32,
                    in("edx") 0,
                    clobber_abi("sysv64"),
                    options(nostack, readonly)
                );
            }
        }
    }
}

impl Drop for Area {
    fn drop(&mut self) {
        // SAFETY: allocated in `initial` with this layout.
        unsafe { dealloc(self.memory.as_ptr(), self.layout) };
    }
}

/// Whose state the processor holds. The owner's area is kept alive even when its context is gone.
struct Owner {
    area: RefCell<Option<Rc<Area>>>,
    /// Where that is, for the look on every way to user mode; null if there is none.
    at: Cell<*const Area>,
}

impl Owner {
    fn replace(&self, area: Option<Rc<Area>>) {
        self.at.set(area.as_ref().map_or(ptr::null(), Rc::as_ptr));
        *self.area.borrow_mut() = area;
    }
}

static OWNER: OneCpu<Owner> =
    OneCpu::new(Owner { area: RefCell::new(None), at: Cell::new(ptr::null()) });

/// 0 if the processor holds all of this context's state.
#[inline]
pub(crate) fn difference(area: &Rc<Area>) -> u64 {
    let owner = OWNER.get().at.get().addr() ^ Rc::as_ptr(area).addr();
    owner as u64 | u64::from(entry::mxcsr_difference())
}

/// Brings a context's state into the processor; returns whether it was not there before, that is,
/// whether another context (or none) ran last.
pub(crate) fn switch_to(area: &Rc<Area>) -> bool {
    entry::give_back_mxcsr();
    if holds(area) {
        return false;
    }
    if let Some(current) = OWNER.get().area.take() {
        // Nobody will ask for the state of a context that is gone.
        if Rc::strong_count(&current) > 1 {
            current.save();
        }
    }
    area.restore();
    OWNER.get().replace(Some(area.clone()));
    true
}

/// Makes the memory of a context's state up to date, if the processor holds it.
pub(crate) fn flush(area: &Rc<Area>) {
    if holds(area) {
        area.save();
    }
}

/// Forgets the processor's state if it is this context's: its memory is about to be overwritten.
pub(crate) fn forget(area: &Rc<Area>) {
    if holds(area) {
        OWNER.get().replace(None);
    }
}

fn holds(area: &Rc<Area>) -> bool {
    OWNER.get().at.get() == Rc::as_ptr(area)
}
