//! The address space of a new program, as data that can travel (architecture, section 4, rule 8).

use alloc::string::String;
use alloc::vec::Vec;

use wayfarer_proto::id::{MapId, Tid, UserAddr};
use wayfarer_proto::image::Region;
use wayfarer_proto::linux::mman::{MapFlags, Protection};
use wayfarer_proto::message;

use super::auxv::Placed;
use super::elf::{LOWEST, Program, Segment};
use super::error::ExecError;
use super::file::ProgramFile;
use super::stack::{self, Start};
use crate::memory::{AddressSpace, MMAP_BASE, MemorySource, PAGE, STACK_NAME};

/// Where position-independent programs are put: two thirds up user space, as Linux does without
/// randomisation (`ELF_ET_DYN_BASE`).
pub const PIE_BASE: u64 = (UserAddr::END.0 / 3 * 2) & !(PAGE - 1);

/// Pages of stack below the first stack pointer that are mapped from the beginning
/// (`setup_arg_pages()` of Linux: 128 KiB).
const STACK_ROOM: u64 = 128 << 10;

/// An ELF file to be mapped.
#[derive(Clone, Copy)]
pub struct Loadable<'a> {
    /// What its headers say.
    pub program: &'a Program,
    /// Its bytes.
    pub file: &'a dyn ProgramFile,
    /// What its deputy calls it.
    pub map: MapId,
    /// Its path, for `/proc/PID/maps`.
    pub path: &'a str,
}

/// The address space of a new program. Every write goes to private anonymous memory that the
/// program may write to: applying an image needs no page of any file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExecImage {
    /// Its regions, in order of address.
    pub regions: Vec<Region>,
    /// What stands in memory from the beginning.
    pub writes: Vec<(UserAddr, Vec<u8>)>,
    /// Where the heap begins.
    pub brk: UserAddr,
    /// The first instruction.
    pub entry: UserAddr,
    /// The first stack pointer.
    pub stack: UserAddr,
    /// The auxiliary vector, which is among the writes too.
    pub auxiliary: Vec<u8>,
}

impl ExecImage {
    /// Lays out a program, with its interpreter if it names one, and its stack.
    ///
    /// # Errors
    /// [`ExecError`].
    pub fn build(
        program: Loadable<'_>,
        interpreter: Option<Loadable<'_>>,
        start: &Start,
    ) -> Result<Self, ExecError> {
        if program.program.interpreter.is_some() != interpreter.is_some() {
            return Err(ExecError::BadInterpreter);
        }
        let mut parts = Parts::default();
        let bias = main_bias(program.program)?;
        parts.load(&program, bias)?;
        let interpreter_bias = match &interpreter {
            Some(interpreter) => {
                let bias = interpreter_bias(interpreter.program)?;
                parts.load(interpreter, bias)?;
                Some(bias)
            }
            None => None,
        };
        let main = program.program;
        let placed = Placed {
            headers: if main.headers == 0 { 0 } else { main.headers.wrapping_add(bias) },
            header_count: main.header_count,
            interpreter: interpreter_bias.unwrap_or(0),
            entry: main.entry.wrapping_add(bias),
        };
        let entry = match (&interpreter, interpreter_bias) {
            (Some(interpreter), Some(bias)) => interpreter.program.entry.wrapping_add(bias),
            _ => placed.entry,
        };
        let stack = parts.add_stack(main, start, &placed)?;
        let brk = main.segments.last().map_or(0, Segment::end_page) * PAGE;
        parts.finish(UserAddr(brk.wrapping_add(bias)), UserAddr(entry), stack)
    }

    /// Makes the address space: the one way it is done, at home and away.
    ///
    /// # Errors
    /// [`ExecError::OutOfMemory`], and [`ExecError::BadSegment`] for an image that contradicts
    /// itself, as one that came from a peer may.
    pub fn apply(&self, source: &MemorySource) -> Result<AddressSpace, ExecError> {
        let mut space = AddressSpace::new(source).map_err(|_| ExecError::OutOfMemory)?;
        for region in &self.regions {
            space.add_region(region)?;
        }
        space.set_heap(self.brk, self.brk)?;
        for (address, bytes) in &self.writes {
            match space.write(*address, bytes).blocked_on {
                None => {}
                Some(crate::memory::Blocked::OutOfMemory) => return Err(ExecError::OutOfMemory),
                Some(_) => return Err(ExecError::BadSegment),
            }
        }
        Ok(space)
    }

    /// The message that has it made away from home; the writes follow as copyouts.
    pub fn to_message(&self, name: String, leader: Tid) -> message::ExecImage {
        message::ExecImage {
            regions: self.regions.clone(),
            brk: self.brk,
            entry: self.entry,
            stack: self.stack,
            name,
            leader,
        }
    }
}

impl From<&message::ExecImage> for ExecImage {
    fn from(image: &message::ExecImage) -> Self {
        Self {
            regions: image.regions.clone(),
            writes: Vec::new(),
            brk: image.brk,
            entry: image.entry,
            stack: image.stack,
            auxiliary: Vec::new(),
        }
    }
}

/// What to add to a program's addresses.
fn main_bias(program: &Program) -> Result<u64, ExecError> {
    if program.relocatable {
        let base = PIE_BASE & !(program.align() - 1);
        return Ok(base.wrapping_sub(program.first_page() * PAGE));
    }
    if program.first_page() * PAGE < LOWEST { Err(ExecError::BadSegment) } else { Ok(0) }
}

/// What to add to an interpreter's addresses: it goes where mmap(2) would put it first.
fn interpreter_bias(program: &Program) -> Result<u64, ExecError> {
    if !program.relocatable || program.interpreter.is_some() {
        return Err(ExecError::BadInterpreter);
    }
    let bytes = program.span() * PAGE;
    let base = MMAP_BASE.0.checked_sub(bytes).ok_or(ExecError::BadSegment)?;
    let base = base & !(program.align() - 1);
    Ok(base.wrapping_sub(program.first_page() * PAGE))
}

/// Regions and writes being collected.
#[derive(Default)]
struct Parts {
    auxiliary: Vec<u8>,
    regions: Vec<Region>,
    writes: Vec<(UserAddr, Vec<u8>)>,
}

impl Parts {
    fn load(&mut self, loadable: &Loadable<'_>, bias: u64) -> Result<(), ExecError> {
        for segment in &loadable.program.segments {
            self.load_segment(loadable, segment, bias)?;
        }
        Ok(())
    }

    /// Maps a segment: whole pages of the file from the file, the rest as zeroes. The page where
    /// the file's part ends and zeroes begin is written out if the program may write to it, and
    /// left as the file has it if not, as Linux does.
    fn load_segment(
        &mut self,
        loadable: &Loadable<'_>,
        segment: &Segment,
        bias: u64,
    ) -> Result<(), ExecError> {
        let start = segment.first_page() * PAGE;
        let end = segment.end_page() * PAGE;
        let file_end = segment.address + segment.file_len;
        let cut = segment.file_len < segment.memory_len
            && segment.file_len > 0
            && segment.protection.contains(Protection::WRITE)
            && !file_end.is_multiple_of(PAGE);
        let mapped_end = match segment.file_len {
            0 => start,
            _ if cut => file_end & !(PAGE - 1),
            _ => file_end.next_multiple_of(PAGE),
        };
        let offset = segment.offset & !(PAGE - 1);
        if mapped_end > start {
            self.add_region(segment, (start, mapped_end), bias, Some((loadable, offset)))?;
        }
        if end > mapped_end {
            self.add_region(segment, (mapped_end, end), bias, None)?;
        }
        if cut {
            let mut bytes = alloc::vec![0; (file_end - mapped_end) as usize];
            if loadable.file.read_at(offset + (mapped_end - start), &mut bytes)? != bytes.len() {
                return Err(ExecError::BadSegment);
            }
            self.writes.push((UserAddr(mapped_end.wrapping_add(bias)), bytes));
        }
        Ok(())
    }

    fn add_region(
        &mut self,
        segment: &Segment,
        (start, end): (u64, u64),
        bias: u64,
        file: Option<(&Loadable<'_>, u64)>,
    ) -> Result<(), ExecError> {
        let placed = start.wrapping_add(bias);
        if placed.checked_add(end - start).is_none_or(|end| end > UserAddr::END.0) {
            return Err(ExecError::BadSegment);
        }
        self.regions.push(Region {
            start: UserAddr(placed),
            len: end - start,
            prot: segment.protection.bits(),
            flags: MapFlags::PRIVATE.bits(),
            file: file.map(|(loadable, offset)| (loadable.map, offset)),
            name: file.map(|(loadable, _)| loadable.path.into()).unwrap_or_default(),
        });
        Ok(())
    }

    /// Adds the stack; returns the first stack pointer.
    fn add_stack(
        &mut self,
        program: &Program,
        start: &Start,
        placed: &Placed,
    ) -> Result<UserAddr, ExecError> {
        let top = UserAddr::END.0;
        let stack = stack::build(start, placed, top)?;
        let lowest = (stack.pointer.0 & !(PAGE - 1)) - STACK_ROOM;
        let mut protection = Protection::READ | Protection::WRITE;
        protection.set(Protection::EXECUTE, program.executable_stack);
        self.regions.push(Region {
            start: UserAddr(lowest),
            len: top - lowest,
            prot: protection.bits(),
            flags: (MapFlags::PRIVATE | MapFlags::GROWS_DOWN).bits(),
            file: None,
            name: STACK_NAME.into(),
        });
        self.writes.push((stack.pointer, stack.bytes));
        self.auxiliary = stack.auxiliary;
        Ok(stack.pointer)
    }

    /// The image, its regions in order.
    fn finish(
        mut self,
        brk: UserAddr,
        entry: UserAddr,
        stack: UserAddr,
    ) -> Result<ExecImage, ExecError> {
        let in_order = |pair: &[Region]| pair[0].start.0 + pair[0].len <= pair[1].start.0;
        // They usually are.
        if !self.regions.windows(2).all(in_order) {
            self.regions.sort_by_key(|region| region.start);
            if !self.regions.windows(2).all(in_order) {
                return Err(ExecError::BadSegment);
            }
        }
        let Self { regions, writes, auxiliary, .. } = self;
        Ok(ExecImage { regions, writes, brk, entry, stack, auxiliary })
    }
}
