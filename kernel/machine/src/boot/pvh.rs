//! What a PVH loader tells the kernel: `hvm_start_info` (Xen's public header
//! `arch-x86/hvm/start_info.h`; QEMU and other VMMs fill it in for a kernel with a PVH note).

use core::mem::offset_of;

use crate::memory::kernel_map::DirectMap;

/// "xEn3" with the top bit of the E set.
const MAGIC: u32 = 0x336e_c578;

/// Entries a memory map may have; the rest is ignored. QEMU's have 6 to 9.
const MAX_ENTRIES: u32 = 64;
/// Memory map entries of this type are RAM.
const TYPE_RAM: u32 = 1;
/// The command line is cut at this length.
const MAX_COMMAND_LINE: usize = 4096;

#[repr(C)]
#[derive(Clone, Copy)]
struct StartInfo {
    magic: u32,
    version: u32,
    flags: u32,
    module_count: u32,
    modules: u64,
    command_line: u64,
    rsdp: u64,
    memory_map: u64,
    memory_map_entries: u32,
    reserved: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Module {
    address: u64,
    size: u64,
    command_line: u64,
    reserved: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct MemoryMapEntry {
    address: u64,
    size: u64,
    kind: u32,
    reserved: u32,
}

/// The loader's description of the machine.
pub(crate) struct Loader {
    info: StartInfo,
    map: DirectMap,
}

/// A range of physical addresses and what the firmware says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reported {
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// It is RAM; else this is the type the firmware gave.
    pub(crate) kind: Result<(), u32>,
}

impl Loader {
    /// Reads the description at a physical address; `None` when it is not one.
    ///
    /// # Safety
    ///
    /// A PVH loader must have passed this address, and the first 4 GiB be mapped.
    pub(crate) unsafe fn read(address: u64, map: DirectMap) -> Option<Loader> {
        // SAFETY: the loader promises a structure there, below 4 GiB.
        let info: StartInfo = unsafe { map.address(address).cast::<StartInfo>().read_unaligned() };
        (info.magic == MAGIC).then_some(Loader { info, map })
    }

    /// Physical address of the ACPI root pointer, if there is one.
    pub(crate) fn rsdp(&self) -> Option<u64> {
        (self.info.rsdp != 0).then_some(self.info.rsdp)
    }

    /// Physical range of the first module: the initial file system.
    pub(crate) fn ramdisk(&self) -> Option<(u64, u64)> {
        if self.info.module_count == 0 {
            return None;
        }
        // SAFETY: the loader promises a list of that many modules, below 4 GiB.
        let module: Module =
            unsafe { self.map.address(self.info.modules).cast::<Module>().read_unaligned() };
        Some((module.address, module.address + module.size))
    }

    /// Physical address and length of the command line.
    pub(crate) fn command_line(&self) -> (u64, usize) {
        let address = self.info.command_line;
        if address == 0 {
            return (0, 0);
        }
        let text = self.map.address(address);
        // SAFETY: the loader promises a NUL-terminated text below 1 MiB, which is mapped beyond.
        let ends_at = |index: usize| unsafe { text.add(index).read() == 0 };
        let length = (0..MAX_COMMAND_LINE).find(|index| ends_at(*index));
        (address, length.unwrap_or(MAX_COMMAND_LINE))
    }

    /// The memory map, as reported. QEMU's ends in an entry of size 0, which is left out.
    pub(crate) fn memory(&self) -> impl Iterator<Item = Reported> + '_ {
        let entries = self.map.address(self.info.memory_map).cast::<MemoryMapEntry>();
        (0..self.info.memory_map_entries.min(MAX_ENTRIES))
            // SAFETY: the loader promises a list of that many entries, below 4 GiB.
            .map(move |index| unsafe { entries.add(index as usize).read_unaligned() })
            .filter(|entry| entry.size != 0)
            .map(|entry| Reported {
                start: entry.address,
                end: entry.address.saturating_add(entry.size),
                kind: if entry.kind == TYPE_RAM { Ok(()) } else { Err(entry.kind) },
            })
    }
}

// The layout is the loader's.
const _: () = assert!(offset_of!(StartInfo, command_line) == 24);
const _: () = assert!(offset_of!(StartInfo, memory_map) == 40);
const _: () = assert!(size_of::<StartInfo>() == 56);
const _: () = assert!(size_of::<Module>() == 32);
const _: () = assert!(size_of::<MemoryMapEntry>() == 24);
