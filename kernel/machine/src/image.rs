//! Making an image: the macro that turns a `main` into a bootable binary, and what it expands to
//! calls of.
//!
//! Everything with a fixed symbol name (the entry, the allocator, the panic handler, `memcpy`) is
//! defined in the final binary only: the kernel is built for the host target, so a library that
//! defined them would break every host test it is linked into.

use core::panic::PanicInfo;

pub use crate::boot::ImageLayout;
pub use crate::boot::start::start;
pub use crate::memory::bytes;
pub use crate::memory::heap::KernelHeap;

use crate::machine::Machine;
use crate::{exit, serial};

/// The machine, for the entry that the macro declares.
///
/// # Panics
///
/// When it was taken before: an image has one entry.
pub fn take_machine() -> Machine {
    crate::boot::start::take_machine().expect("the machine is taken once, by the image's entry")
}

/// Reports a panic on the log and ends the machine with status 37.
pub fn panicked(info: &PanicInfo<'_>) -> ! {
    serial::write_after_fault(format_args!("\nkernel {info}\n"));
    exit::exit(exit::PANIC)
}

/// Turns `main` into the entry of a bootable image. For use once, in a binary with `#![no_std]` and
/// `#![no_main]` whose build script calls `wayfarer_image_build::configure()`.
///
/// ```ignore
/// wayfarer_machine::image!(main);
///
/// fn main(boot: &'static mut BootInfo, machine: Machine) -> ! {
///     println!("{} frames", machine.frames.counts().total);
///     exit(SUCCESS)
/// }
/// ```
///
/// It expands to the PVH note and boot code, a `bootloader_api` entry point that calls `main`, the
/// panic handler, the global allocator, and the functions compiled code expects to exist: `mem*`,
/// `strlen`, and the two symbols of unwinding that precompiled libraries name but never use.
#[macro_export]
macro_rules! image {
    ($main:path) => {
        /// What `image!` expands to.
        mod wayfarer_image {
            use super::*;
            use $crate::bootloader_api;

            $crate::boot_code!(wayfarer_start);

            fn entry(boot: &'static mut bootloader_api::BootInfo) -> ! {
                let main: fn(&'static mut bootloader_api::BootInfo, $crate::Machine) -> ! = $main;
                main(boot, $crate::image::take_machine())
            }

            bootloader_api::entry_point!(entry);

            unsafe extern "C" {
                static __image_start: u8;
                static __text_end: u8;
                static __rodata_end: u8;
                static __image_end: u8;
                safe fn _start(boot: &'static mut bootloader_api::BootInfo) -> !;
            }

            unsafe extern "sysv64" fn wayfarer_start(info: u64) -> ! {
                let layout = $crate::image::ImageLayout {
                    start: (&raw const __image_start) as u64,
                    text_end: (&raw const __text_end) as u64,
                    rodata_end: (&raw const __rodata_end) as u64,
                    end: (&raw const __image_end) as u64,
                };
                // SAFETY: called once, by the boot code, in the state it promises.
                unsafe { $crate::image::start(info, layout, _start) }
            }

            #[global_allocator]
            static HEAP: $crate::image::KernelHeap = $crate::image::KernelHeap;

            #[panic_handler]
            fn panicked(info: &core::panic::PanicInfo<'_>) -> ! {
                $crate::image::panicked(info)
            }

            $crate::c_symbols! {
                memcpy = copy, memmove = copy_either_way, memset = fill, memcmp = compare,
                bcmp = compare, strlen = text_length,
            }

            #[unsafe(no_mangle)]
            extern "C" fn _Unwind_Resume() -> ! {
                ::core::unreachable!("this kernel does not unwind")
            }

            #[unsafe(no_mangle)]
            extern "C" fn rust_eh_personality() -> ! {
                ::core::unreachable!("this kernel does not unwind")
            }
        }
    };
}

/// Gives byte routines their C names, each as a jump to the routine: part of [`image!`].
#[doc(hidden)]
#[macro_export]
macro_rules! c_symbols {
    ($($name:ident = $routine:ident,)*) => {
        $(
            #[unsafe(no_mangle)]
            #[unsafe(naked)]
            unsafe extern "C" fn $name() {
                ::core::arch::naked_asm!("jmp {}", sym $crate::image::bytes::$routine)
            }
        )*
    };
}

/// The PVH note, the 32-bit entry, its page tables and the jump to `$start` in 64-bit mode: part of
/// [`image!`]. AT&T syntax, the one dialect with a plain far jump.
///
/// The loader enters with flat 32-bit segments, paging off, interrupts off, and the address of its
/// start information in ebx (Xen's `docs/misc/pvh.pandoc`). The tables map the first 4 GiB at 0 (to
/// go on running when paging begins) and in the map of physical memory, and the first 2 GiB where
/// the image is linked.
#[doc(hidden)]
#[macro_export]
macro_rules! boot_code {
    ($start:ident) => {
        ::core::arch::global_asm!(
            ".pushsection .note.Xen, \"a\", @note",
            ".balign 4",
            ".long 4, 8, 18", // Name and description sizes; XEN_ELFNOTE_PHYS32_ENTRY.
            ".asciz \"Xen\"",
            ".quad wayfarer_pvh_entry",
            ".popsection",
            ".pushsection .boot.text, \"ax\", @progbits",
            ".code32",
            ".global wayfarer_pvh_entry",
            "wayfarer_pvh_entry:",
            "cld",
            // Level 2: 2048 pages of 2 MiB, present, writable, large.
            "movl $wayfarer_boot_pages, %edi",
            "movl $0x83, %eax",
            "movl $2048, %ecx",
            "1:",
            "movl %eax, (%edi)",
            "addl $8, %edi",
            "addl $0x200000, %eax",
            "loop 1b",
            // Level 3: the four tables just filled, for the first 4 GiB; two for the image.
            "movl $wayfarer_boot_pages + 0x3, %eax",
            "movl %eax, wayfarer_boot_low",
            "movl %eax, wayfarer_boot_high + 510 * 8",
            "addl $0x1000, %eax",
            "movl %eax, wayfarer_boot_low + 8",
            "movl %eax, wayfarer_boot_high + 511 * 8",
            "addl $0x1000, %eax",
            "movl %eax, wayfarer_boot_low + 16",
            "addl $0x1000, %eax",
            "movl %eax, wayfarer_boot_low + 24",
            // Level 4: at 0, in the map of physical memory (slot 256), the image (slot 511).
            "movl $wayfarer_boot_low + 0x3, wayfarer_boot_top",
            "movl $wayfarer_boot_low + 0x3, wayfarer_boot_top + 256 * 8",
            "movl $wayfarer_boot_high + 0x3, wayfarer_boot_top + 511 * 8",
            // CR4: physical address extension, and SSE for Rust code.
            "movl %cr4, %eax",
            "orl $0x620, %eax",
            "movl %eax, %cr4",
            "movl $wayfarer_boot_top, %eax",
            "movl %eax, %cr3",
            // EFER: long mode, no-execute.
            "movl $0xc0000080, %ecx",
            "rdmsr",
            "orl $0x900, %eax",
            "wrmsr",
            // CR0: paging, write protection, native x87 errors, protected mode; no emulation.
            "movl %cr0, %eax",
            "andl $~0xc, %eax",
            "orl $0x80010023, %eax",
            "movl %eax, %cr0",
            "lgdt wayfarer_boot_descriptor_pointer",
            "ljmp $0x8, $wayfarer_boot_64",
            ".code64",
            "wayfarer_boot_64:",
            "xorl %eax, %eax",
            "movw %ax, %ds",
            "movw %ax, %es",
            "movw %ax, %fs",
            "movw %ax, %gs",
            "movw %ax, %ss",
            "movabsq $wayfarer_boot_stack_top, %rsp",
            "movl %ebx, %edi",
            "xorl %ebp, %ebp",
            "movabsq ${start}, %rax",
            "call *%rax",
            "ud2",
            ".popsection",
            ".pushsection .boot.data, \"aw\", @progbits",
            ".balign 16",
            "wayfarer_boot_descriptors:",
            ".quad 0, 0x00af9b000000ffff",
            "wayfarer_boot_descriptor_pointer:",
            ".word 15",
            ".long wayfarer_boot_descriptors",
            ".balign 4096",
            "wayfarer_boot_top: .zero 4096",
            "wayfarer_boot_low: .zero 4096",
            "wayfarer_boot_high: .zero 4096",
            "wayfarer_boot_pages: .zero 4 * 4096",
            ".popsection",
            ".pushsection .bss.wayfarer_boot_stack, \"aw\", @nobits",
            ".balign 16",
            ".zero 65536",
            "wayfarer_boot_stack_top:",
            ".popsection",
            start = sym $start,
            options(att_syntax),
        );
    };
}
