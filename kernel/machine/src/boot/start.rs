//! The first Rust code: builds the kernel's address space, starts the devices every machine has,
//! and calls the image's entry with a [`BootInfo`].

use alloc::vec::Vec;
use core::arch::asm;
use core::cell::Cell;
use core::ops::Range;
use core::ptr::NonNull;

use bootloader_api::BootInfo;
use bootloader_api::info::{MemoryRegion, MemoryRegionKind, MemoryRegions, Optional};

use super::pvh::Loader;
use super::regions::{LOW_MEMORY, Regions};
use super::{ImageLayout, set_aside, stacks};
use crate::cpu::{OneCpu, control, segments};
use crate::interrupts::devices::IoApic;
use crate::interrupts::local;
use crate::machine::Machine;
use crate::memory::kernel_map::{self, DirectMap, IMAGE_OFFSET, KernelMap, Kind};
use crate::memory::pool::{FramePool, FrameRecord, OutOfFrames};
use crate::memory::shared::SharedMemory;
use crate::memory::{PAGE_SIZE, heap, tlb};
use crate::time::Calibration;
use crate::trap::{entry, gates};
use crate::{exit, fpu, serial};

/// The entry point's type: the one `bootloader_api::entry_point!` declares.
pub(crate) type Entry = extern "C" fn(&'static mut BootInfo) -> !;

/// The boot code maps this much.
const BOOT_MAPPED: u64 = 1 << 32;
/// The heap's first memory; it grows later.
const FIRST_HEAP: usize = 1 << 20;
/// The heap keeps this part of memory for itself, within these bounds (in frames).
const HEAP_SHARE: u64 = 64;
const HEAP_KEEPS: Range<u64> = 1024..32768;

/// What the boot code hands out once, to the image's entry.
static MACHINE: OneCpu<Cell<Option<Machine>>> = OneCpu::new(Cell::new(None));

/// Takes the machine; `None` the second time.
pub(crate) fn take_machine() -> Option<Machine> {
    MACHINE.get().take()
}

/// Starts the machine and calls the entry.
///
/// # Safety
///
/// To be called once, by the boot code of the `image!` macro: in 64-bit mode with interrupts off,
/// the first 4 GiB mapped at 0 and in the map of physical memory, `info` from the PVH loader.
pub unsafe fn start(info: u64, image: ImageLayout, main: Entry) -> ! {
    // SAFETY: the caller's promise; each step runs once, in the order its own contract demands.
    unsafe {
        control::protect_kernel();
        serial::start();
        let map = DirectMap::new();
        // The timer is compared with the counter while the machine is set up.
        local::start(map);
        let calibration = Calibration::begin();
        let Some(loader) = Loader::read(info, map) else { fail("the loader is not a PVH loader") };
        let shared = shared_range(&loader, map, image);
        let mut memory = free_memory(&loader, image, shared.as_ref());
        let Ok(space) = build_space(map, image, &mut memory, &loader) else {
            fail("not enough memory for the kernel itself")
        };
        enter_space(Rest { space, map, loader, memory, image, shared, calibration, main })
    }
}

fn fail(reason: &str) -> ! {
    crate::println!("boot failed: {reason}");
    exit::exit(exit::FAILURE)
}

/// All memory that is not in use already.
fn free_memory(loader: &Loader, image: ImageLayout, shared: Option<&Range<u64>>) -> Regions {
    let mut memory = Regions::of_ram(loader.memory());
    // In whole large pages, as the image is left out of the map of physical memory.
    let image_end = (image.end - IMAGE_OFFSET).next_multiple_of(kernel_map::LARGE_PAGE);
    memory.remove(0, image_end);
    if let Some((start, end)) = loader.ramdisk() {
        memory.remove(start, end);
    }
    if let Some(shared) = shared {
        memory.remove(shared.start, shared.end);
    }
    memory
}

/// The RAM that the command line says is shared, if nothing else lies there.
fn shared_range(loader: &Loader, map: DirectMap, image: ImageLayout) -> Option<Range<u64>> {
    let range = set_aside::range(command_line(loader, map))?;
    let image_end = (image.end - IMAGE_OFFSET).next_multiple_of(kernel_map::LARGE_PAGE);
    let ramdisk = loader.ramdisk().unwrap_or_default();
    let is_ram = loader
        .memory()
        .any(|ram| ram.kind.is_ok() && ram.start <= range.start && range.end <= ram.end);
    let is_free = range.start >= image_end && (range.end <= ramdisk.0 || range.start >= ramdisk.1);
    (is_ram && is_free).then_some(range)
}

/// The shared memory itself; [`free_memory`] has left it out.
fn shared_memory(range: Range<u64>, map: DirectMap) -> Option<SharedMemory> {
    let base = NonNull::new(map.address(range.start))?;
    // SAFETY: all RAM is mapped writable, this is on page boundaries, and nobody else is given it.
    Some(unsafe { SharedMemory::new(base, (range.end - range.start) as usize) })
}

/// What is made before there is a heap.
struct Space {
    map: KernelMap,
    stacks: stacks::Stacks,
    records: NonNull<[FrameRecord]>,
}

/// Builds the kernel's address space from the first frames.
fn build_space(
    map: DirectMap,
    image: ImageLayout,
    memory: &mut Regions,
    loader: &Loader,
) -> Result<Space, OutOfFrames> {
    let end_of_memory = memory.end();
    let frame_count = (end_of_memory / PAGE_SIZE as u64) as usize;
    let records = (frame_count * size_of::<FrameRecord>()) as u64;
    let records = memory.take(records, BOOT_MAPPED).ok_or(OutOfFrames)?;
    let records = core::ptr::slice_from_raw_parts_mut(map.address(records).cast(), frame_count);
    let records = NonNull::new(records).ok_or(OutOfFrames)?;
    let heap = memory.take(FIRST_HEAP as u64, BOOT_MAPPED).ok_or(OutOfFrames)?;
    // Beside the initial file system: a host that backs memory with large pages has one there
    // already, and most of a stack is never touched.
    let stacks = memory.take_last(stacks::SIZE, BOOT_MAPPED).ok_or(OutOfFrames)?;
    let mut frames = || memory.take(PAGE_SIZE as u64, BOOT_MAPPED).ok_or(OutOfFrames);
    let mut kernel = KernelMap::new(map, &mut frames)?;
    map_image(&mut kernel, image, &mut frames)?;
    // Low memory holds the loader's structures, and the initial file system lies near the top.
    let image_end = (image.end - IMAGE_OFFSET).next_multiple_of(kernel_map::LARGE_PAGE);
    kernel.map_physical(0, LOW_MEMORY, Kind::Data, &mut frames)?;
    for range in loader.memory().filter(|range| range.kind.is_ok()) {
        kernel.map_physical(range.start.max(image_end), range.end, Kind::Data, &mut frames)?;
    }
    let (devices, devices_end) = (kernel_map::DEVICES_START, kernel_map::DEVICES_END);
    kernel.map_physical(devices, devices_end, Kind::Registers, &mut frames)?;
    kernel.map_run(kernel_map::HEAP, heap, FIRST_HEAP as u64, Kind::Data, &mut frames)?;
    let stacks = stacks::map(&mut kernel, stacks, &mut frames)?;
    Ok(Space { map: kernel, stacks, records })
}

/// Maps the image with the protection each part needs.
fn map_image(
    kernel: &mut KernelMap,
    image: ImageLayout,
    frames: kernel_map::FrameSource<'_>,
) -> Result<(), OutOfFrames> {
    let parts = [
        (image.start..image.text_end, Kind::Text),
        (image.text_end..image.rodata_end, Kind::Constants),
        (image.rodata_end..image.end, Kind::Data),
    ];
    for (part, kind) in parts {
        let bytes = part.end - part.start;
        kernel.map_run(part.start, part.start - IMAGE_OFFSET, bytes, kind, frames)?;
    }
    Ok(())
}

/// Leaves the boot code's address space and stack, and goes on in [`run`].
///
/// # Safety
///
/// As [`start`]; the space must map the kernel.
unsafe fn enter_space(mut rest: Rest) -> ! {
    let (root, stack) = (rest.space.map.root(), rest.space.stacks.main);
    // SAFETY: the new space maps the boot stack too (it is part of the image), so `rest` stays
    // readable; the new stack is mapped and unused.
    unsafe {
        tlb::adopt(root);
        asm!(
            "mov rsp, {stack}",
            "xor ebp, ebp",
            "call {run}",
            "ud2",
            stack = in(reg) stack,
            run = sym run,
            in("rdi") &raw mut rest,
            options(noreturn)
        )
    }
}

/// What [`run`] needs from the first stack.
struct Rest {
    space: Space,
    map: DirectMap,
    loader: Loader,
    memory: Regions,
    image: ImageLayout,
    shared: Option<Range<u64>>,
    calibration: Calibration,
    main: Entry,
}

/// The second half of the start, on the final stack.
///
/// # Safety
///
/// As [`start`], with `rest` as [`enter_space`] made it.
unsafe extern "sysv64" fn run(rest: *mut Rest) -> ! {
    // SAFETY: the structure lies on the boot stack, which nothing uses any more.
    let Rest { space, map, loader, memory, image, shared, calibration, main } =
        unsafe { rest.read() };
    // SAFETY: each is called once, in this order, with interrupts off.
    let interrupts = unsafe {
        segments::load(space.stacks.interrupt);
        gates::load();
        segments::set_syscall_entry(entry::syscall_entry as *const () as u64);
        fpu::start();
        heap::start(FIRST_HEAP);
        IoApic::new(map)
    };
    let half = space.map.half();
    // SAFETY: the ranges are RAM nothing else uses, mapped in the map of physical memory; the
    // records were taken for this and cover all of memory.
    let frames = unsafe {
        let base = NonNull::new(map.address(0)).unwrap_or(NonNull::dangling());
        FramePool::over_physical(base, space.records, frame_ranges(&memory))
    };
    let keeps = frames.counts().total as u64 / HEAP_SHARE;
    let keeps = keeps.clamp(HEAP_KEEPS.start, HEAP_KEEPS.end) as usize;
    let Ok(kept) = frames.reserve(keeps) else { fail("not enough memory for the heap") };
    heap::enable_growth(FIRST_HEAP, space.map, frames.clone(), kept);
    let boot_info = boot_info(&loader, &memory, image, map, space.stacks.main);
    let command_line = command_line(&loader, map);
    let initial_files = initial_files(&loader, map);
    let mut machine =
        Machine::new(command_line, initial_files, frames, half, calibration, interrupts, map);
    machine.shared = shared.and_then(|range| shared_memory(range, map));
    MACHINE.get().set(Some(machine));
    main(boot_info)
}

/// The frame numbers of free memory.
fn frame_ranges(memory: &Regions) -> Vec<Range<u32>> {
    let number = |address: u64| u32::try_from(address / PAGE_SIZE as u64).unwrap_or(u32::MAX - 1);
    memory.iter().map(|(from, to)| number(from)..number(to)).collect()
}

/// The command line, as text; what is not UTF-8 ends it.
fn command_line(loader: &Loader, map: DirectMap) -> &'static str {
    let (address, length) = loader.command_line();
    if length == 0 {
        return "";
    }
    // SAFETY: the loader put it in low memory, which is mapped and never handed out.
    let bytes = unsafe { core::slice::from_raw_parts(map.address(address), length) };
    bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid())
}

/// The initial file system.
fn initial_files(loader: &Loader, map: DirectMap) -> &'static [u8] {
    let Some((start, end)) = loader.ramdisk() else { return &[] };
    // SAFETY: the loader put it in RAM, which is mapped, and `free_memory` never hands it out.
    unsafe { core::slice::from_raw_parts(map.address(start), (end - start) as usize) }
}

/// What the machine looks like, in the words of the `bootloader` crate.
fn boot_info(
    loader: &Loader,
    free: &Regions,
    image: ImageLayout,
    map: DirectMap,
    stack_top: u64,
) -> &'static mut BootInfo {
    let usable = free.iter().map(|(start, end)| (start, end, MemoryRegionKind::Usable));
    let other = loader.memory().filter_map(|range| {
        let kind = MemoryRegionKind::UnknownBios(range.kind.err()?);
        Some((range.start, range.end, kind))
    });
    let image_start = image.start - IMAGE_OFFSET;
    let used = [(0, LOW_MEMORY), (image_start, image.end - IMAGE_OFFSET)]
        .into_iter()
        .chain(loader.ramdisk())
        .map(|(start, end)| (start, end, MemoryRegionKind::Bootloader));
    let all = usable.chain(other).chain(used);
    let mut regions: Vec<MemoryRegion> =
        all.map(|(start, end, kind)| MemoryRegion { start, end, kind }).collect();
    regions.sort_by_key(|region| region.start);
    let regions: MemoryRegions = regions.leak().into();
    let mut info = BootInfo::new(regions);
    info.physical_memory_offset = Optional::Some(map.address(0) as u64);
    info.rsdp_addr = loader.rsdp().into();
    if let Some((start, end)) = loader.ramdisk() {
        info.ramdisk_addr = Optional::Some(map.address(start) as u64);
        info.ramdisk_len = end - start;
    }
    info.kernel_addr = image_start;
    info.kernel_len = image.end - image.start;
    info.kernel_image_offset = image.start;
    info.kernel_stack_bottom = stack_top - stacks::MAIN_SIZE as u64;
    info.kernel_stack_len = stacks::MAIN_SIZE as u64;
    alloc::boxed::Box::leak(alloc::boxed::Box::new(info))
}
