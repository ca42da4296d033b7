//! User contexts: user mode as a function call that returns.
//!
//! There is no kernel stack for each thread and nothing of a thread hides in the processor:
//! [`UserContext::run`] enters user mode and returns on the next trap, with everything user code
//! can see in the context. That is what makes a thread movable.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::Cell;
use core::fmt;

use crate::cpu::control::{self, FS_BASE, GS_BASE};
use crate::cpu::{OneCpu, segments};
use crate::fpu::image::XMM_SIZE;
use crate::fpu::{self, Area, BadFpuImage, Format};
use crate::interrupts::local;
use crate::memory::page_table::{PageTable, UserPage};
use crate::trap::{self, entry};

/// The general registers of user code.
#[expect(missing_docs, reason = "the names are the processor's")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Registers {
    pub rax: u64,
    pub rbx: u64,
    pub rcx: u64,
    pub rdx: u64,
    pub rsi: u64,
    pub rdi: u64,
    pub rbp: u64,
    pub rsp: u64,
    pub r8: u64,
    pub r9: u64,
    pub r10: u64,
    pub r11: u64,
    pub r12: u64,
    pub r13: u64,
    pub r14: u64,
    pub r15: u64,
    pub rip: u64,
    pub rflags: u64,
    pub fs_base: u64,
    pub gs_base: u64,
}

/// Why user code stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trap {
    /// It executed SYSCALL. `rip` is behind the instruction; rcx and r11 are overwritten with rip
    /// and rflags, as the processor does.
    Syscall,
    /// It used an address in a way the page table does not allow.
    PageFault {
        /// The address used: of data, or of the instruction.
        address: u64,
        /// It was a store.
        write: bool,
        /// It was an instruction fetch.
        instruction: bool,
        /// Something is mapped there, with less access than was needed.
        present: bool,
    },
    /// It caused another exception, with `rip` as the Intel SDM says for that vector.
    Exception {
        /// The number of the exception.
        vector: u8,
        /// What the processor adds to some of them; otherwise 0.
        error_code: u64,
    },
    /// A device or the timer wants attention. User code knows nothing of it.
    Interrupt,
}

/// Flags user code may set: carry, parity, adjust, zero, sign, trap, direction, overflow, resume,
/// alignment check, identification.
const USER_FLAGS: u64 = 0x0025_0dd5;
/// Interrupts on, and the bit that is always set.
const FORCED_FLAGS: u64 = 1 << 9 | 1 << 1;

/// The state of one user thread.
///
/// A clone is a second thread with equal state, as fork makes it.
#[repr(C)]
pub struct UserContext {
    /// The general registers; to be changed freely. Values the processor would choke on make
    /// [`run`](UserContext::run) report a general protection fault.
    pub registers: Registers,
    /// The SSE registers at the last trap. They are not up to date in `area`.
    pub(crate) xmm: [u8; XMM_SIZE],
    /// The rest of the floating-point and vector state, unless the processor has it.
    area: Rc<Area>,
}

/// Bases of FS and GS in the processor.
static BASES: OneCpu<Cell<[u64; 2]>> = OneCpu::new(Cell::new([0; 2]));

impl UserContext {
    /// The state at program start: all registers 0.
    pub fn new() -> UserContext {
        UserContext {
            registers: Registers::default(),
            xmm: [0; XMM_SIZE],
            area: Rc::new(Area::initial()),
        }
    }

    /// Runs user code in the address space of `table` until a trap, and says which.
    ///
    /// To be called with interrupts off, as they always are in the kernel; an interrupt that is
    /// already pending makes it return [`Trap::Interrupt`] at once.
    #[inline]
    pub fn run(&mut self, table: &PageTable) -> Trap {
        let r = &mut self.registers;
        if UserPage::containing(r.rip.max(r.fs_base).max(r.gs_base)).is_none() {
            return Trap::Exception { vector: trap::GENERAL_PROTECTION, error_code: 0 };
        }
        r.rflags = r.rflags & USER_FLAGS | FORCED_FLAGS;
        let by_sysret = u64::from(r.rcx == r.rip && r.r11 == r.rflags);
        // After most calls nothing has changed.
        if table.difference() | self.difference() != 0 {
            table.load();
            self.load_state();
        }
        // SAFETY: the table is loaded, rip is canonical, rflags are masked, and the state is in
        // the processor. The entry code writes to the context only until it returns.
        let vector = unsafe { entry::enter_user(self, by_sysret) };
        if vector == trap::SYSCALL { Trap::Syscall } else { trap_of(vector) }
    }

    /// 0 if what is switched lazily is in the processor.
    #[inline]
    fn difference(&self) -> u64 {
        let [fs, gs] = BASES.get().get();
        let bases = (fs ^ self.registers.fs_base) | (gs ^ self.registers.gs_base);
        bases | fpu::difference(&self.area)
    }

    /// Brings what is switched lazily into the processor.
    #[cold]
    fn load_state(&self) {
        let bases = [self.registers.fs_base, self.registers.gs_base];
        let switched = fpu::switch_to(&self.area);
        if switched {
            segments::reset_data_segments();
        }
        let loaded = BASES.get().replace(bases);
        for (register, index) in [(FS_BASE, 0), (GS_BASE, 1)] {
            if switched || loaded[index] != bases[index] {
                // SAFETY: the bases are canonical: `run` has checked them.
                unsafe { control::write_msr(register, bases[index]) };
            }
        }
    }

    /// The floating-point and vector state in the form of XSAVE's standard format (of FXSAVE, on a
    /// processor without XSAVE). Its size is [`CpuFeatures::state_size`](crate::CpuFeatures).
    pub fn fpu_image(&self) -> Vec<u8> {
        fpu::flush(&self.area);
        let mut image = self.area.bytes();
        Format::current().insert_sse(&mut image, &self.xmm);
        image
    }

    /// Replaces the floating-point and vector state; accepts what
    /// [`fpu_image`](UserContext::fpu_image) yields on any node whose features ours cover, and the
    /// 512-byte FXSAVE form.
    ///
    /// # Errors
    ///
    /// [`BadFpuImage`] when the processor would not accept it; nothing changes.
    pub fn set_fpu_image(&mut self, image: &[u8]) -> Result<(), BadFpuImage> {
        let format = Format::current();
        let accepted = format.accept(image)?;
        fpu::forget(&self.area);
        self.area.write(0, &accepted);
        self.xmm = format.extract_sse(&accepted);
        Ok(())
    }

    /// Puts the floating-point and vector state back to that of program start.
    pub fn reset_fpu(&mut self) {
        self.area = Rc::new(Area::initial());
        self.xmm = [0; XMM_SIZE];
    }
}

/// Interprets what the entry code returned, and acknowledges interrupts.
fn trap_of(vector: u64) -> Trap {
    match vector {
        trap::PAGE_FAULT => page_fault(entry::error_code()),
        trap::FIRST_INTERRUPT.. => {
            trap::note(vector);
            local::end_of_interrupt();
            Trap::Interrupt
        }
        // Below 32, so it fits.
        _ => Trap::Exception { vector: vector as u8, error_code: entry::error_code() },
    }
}

/// Decodes a page fault's error code (Intel SDM, volume 3, figure 4-12).
fn page_fault(error_code: u64) -> Trap {
    Trap::PageFault {
        address: control::fault_address(),
        present: error_code & 1 << 0 != 0,
        write: error_code & 1 << 1 != 0,
        instruction: error_code & 1 << 4 != 0,
    }
}

impl Default for UserContext {
    fn default() -> UserContext {
        UserContext::new()
    }
}

impl Clone for UserContext {
    fn clone(&self) -> UserContext {
        fpu::flush(&self.area);
        let area = Area::initial();
        area.write(0, &self.area.bytes());
        UserContext { registers: self.registers, xmm: self.xmm, area: Rc::new(area) }
    }
}

impl fmt::Debug for UserContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserContext").field("registers", &self.registers).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_context_has_the_abis_initial_state() {
        let image = UserContext::new().fpu_image();
        assert_eq!(image.len(), 512);
        assert_eq!(&image[..2], &0x37f_u16.to_le_bytes());
        assert_eq!(&image[24..28], &0x1f80_u32.to_le_bytes());
    }

    #[test]
    fn an_image_survives_the_round_trip_and_a_clone() {
        let mut context = UserContext::new();
        let mut image = context.fpu_image();
        image[32..464].fill(0x5a);
        context.set_fpu_image(&image).unwrap();
        let copy = context.clone();
        context.reset_fpu();
        assert_eq!(copy.fpu_image(), image);
        assert_ne!(context.fpu_image(), image);
    }

    #[test]
    fn a_bad_image_changes_nothing() {
        let mut context = UserContext::new();
        let before = context.fpu_image();
        let mut bad = before.clone();
        bad[27] = 0xff;
        assert_eq!(context.set_fpu_image(&bad), Err(BadFpuImage::BadMxcsr));
        assert_eq!(context.fpu_image(), before);
    }

    #[test]
    fn user_code_cannot_set_privileged_flags() {
        let (interrupt, privilege, nested, virtual_8086) = (1 << 9, 3 << 12, 1 << 14, 1 << 17);
        assert_eq!(USER_FLAGS & (interrupt | privilege | nested | virtual_8086), 0);
        assert_eq!(USER_FLAGS & (1 << 10 | 1 << 8), 1 << 10 | 1 << 8, "direction and trap");
    }

    #[test]
    fn registers_the_processor_would_choke_on_are_reported() {
        let pool = crate::FramePool::arena(2);
        let table = PageTable::new(&pool, &crate::KernelHalf::empty()).unwrap();
        let fault = Trap::Exception { vector: 13, error_code: 0 };
        for bad in [0x8000_0000_0000, 0xffff_8000_0000_0000, u64::MAX] {
            let mut context = UserContext::new();
            context.registers.rip = bad;
            assert_eq!(context.run(&table), fault);
            context.registers.rip = 0;
            context.registers.fs_base = bad;
            assert_eq!(context.run(&table), fault);
            context.registers.fs_base = 0;
            context.registers.gs_base = bad;
            assert_eq!(context.run(&table), fault);
        }
    }
}
