//! ELF executables (elf(5)): headers in, a checked description out.
//!
//! What a [`Program`] says of its segments holds: they are in ascending order, do not share pages,
//! lie within user space once placed, and their file offsets agree with their addresses.

use alloc::vec::Vec;

use wayfarer_proto::limits;
use wayfarer_proto::linux::Layout;
use wayfarer_proto::linux::elf::{
    EM_X86_64, ET_DYN, ET_EXEC, FileHeader, IDENT, PF_R, PF_W, PF_X, PT_GNU_STACK, PT_INTERP,
    PT_LOAD, ProgramHeader,
};
use wayfarer_proto::linux::mman::{MMAP_MIN_ADDRESS, Protection};

use super::error::ExecError;
use super::file::ProgramFile;
use crate::memory::{END_PAGE, PAGE};

/// Bytes of program headers at most (`ELF_MIN_ALIGN` of Linux's loader: one page for the
/// interpreter, 64 KiB for a program).
const HEADERS_MAX: usize = 64 * 1024;

/// A checked ELF executable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Program {
    /// Whether it can be placed anywhere (`ET_DYN`): its addresses are then relative to where.
    pub relocatable: bool,
    /// Address of the first instruction.
    pub entry: u64,
    /// Address of the program headers in memory, 0 if no segment holds them.
    pub headers: u64,
    /// How many program headers there are.
    pub header_count: u16,
    /// What to map, at least one segment.
    pub segments: Vec<Segment>,
    /// Path of the program interpreter, for dynamic programs.
    pub interpreter: Option<Vec<u8>>,
    /// Whether it wants to execute instructions on its stack.
    pub executable_stack: bool,
}

/// A part of the file and where it goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment {
    /// First address.
    pub address: u64,
    /// Bytes in memory, not 0.
    pub memory_len: u64,
    /// First byte in the file.
    pub offset: u64,
    /// Bytes in the file; the rest in memory is zero.
    pub file_len: u64,
    /// What the program may do with it.
    pub protection: Protection,
    /// Alignment it asks for, a power of two.
    pub align: u64,
}

impl Segment {
    /// Number of its first page.
    pub fn first_page(&self) -> u64 {
        self.address / PAGE
    }

    /// Number of the page after its last.
    pub fn end_page(&self) -> u64 {
        (self.address + self.memory_len).div_ceil(PAGE)
    }
}

impl Program {
    /// Reads and checks the headers of a file that begins with [`IDENT`].
    ///
    /// # Errors
    /// [`ExecError`]; nothing in the file is believed.
    pub fn parse(file: &(impl ProgramFile + ?Sized)) -> Result<Self, ExecError> {
        let header = file_header(file)?;
        let headers = program_headers(file, &header)?;
        let segments = segments(&headers)?;
        let holder = segments.iter().find(|segment| {
            header.phoff >= segment.offset && header.phoff - segment.offset < segment.file_len
        });
        Ok(Self {
            relocatable: header.kind == ET_DYN,
            entry: header.entry,
            headers: holder.map_or(0, |segment| segment.address + (header.phoff - segment.offset)),
            header_count: header.phnum,
            interpreter: interpreter(file, &headers)?,
            executable_stack: headers
                .iter()
                .any(|header| header.kind == PT_GNU_STACK && header.flags & PF_X != 0),
            segments,
        })
    }

    /// Number of the first page of the first segment.
    pub fn first_page(&self) -> u64 {
        self.segments.first().map_or(0, Segment::first_page)
    }

    /// Pages from the first segment's first to the last one's last.
    pub fn span(&self) -> u64 {
        self.segments.last().map_or(0, Segment::end_page) - self.first_page()
    }

    /// The largest alignment a segment asks for, at least a page.
    pub fn align(&self) -> u64 {
        self.segments.iter().map(|segment| segment.align).fold(PAGE, u64::max)
    }
}

/// Reads exactly `len` bytes.
fn read_exact(
    file: &(impl ProgramFile + ?Sized),
    offset: u64,
    len: usize,
) -> Result<Vec<u8>, ExecError> {
    let mut bytes = alloc::vec![0; len];
    if file.read_at(offset, &mut bytes)? == len { Ok(bytes) } else { Err(ExecError::BadHeader) }
}

fn file_header(file: &(impl ProgramFile + ?Sized)) -> Result<FileHeader, ExecError> {
    let header = FileHeader::from_bytes(&read_exact(file, 0, FileHeader::SIZE)?);
    if header.ident[..4] != IDENT[..4] {
        return Err(ExecError::UnknownFormat);
    }
    if header.ident[..IDENT.len()] != IDENT || header.machine != EM_X86_64 {
        return Err(ExecError::WrongMachine);
    }
    if header.kind != ET_EXEC && header.kind != ET_DYN {
        return Err(ExecError::NotExecutable);
    }
    Ok(header)
}

fn program_headers(
    file: &(impl ProgramFile + ?Sized),
    header: &FileHeader,
) -> Result<Vec<ProgramHeader>, ExecError> {
    let bytes = usize::from(header.phnum) * ProgramHeader::SIZE;
    if usize::from(header.phentsize) != ProgramHeader::SIZE || bytes == 0 || bytes > HEADERS_MAX {
        return Err(ExecError::BadHeader);
    }
    let bytes = read_exact(file, header.phoff, bytes)?;
    Ok(bytes.chunks_exact(ProgramHeader::SIZE).map(ProgramHeader::from_bytes).collect())
}

fn segments(headers: &[ProgramHeader]) -> Result<Vec<Segment>, ExecError> {
    let mut segments: Vec<Segment> = Vec::with_capacity(headers.len());
    for header in headers.iter().filter(|header| header.kind == PT_LOAD && header.memsz != 0) {
        segments.push(segment(header)?);
    }
    let in_order = segments.windows(2).all(|pair| pair[0].end_page() <= pair[1].first_page());
    if segments.is_empty() || !in_order {
        return Err(ExecError::BadSegment);
    }
    Ok(segments)
}

fn segment(header: &ProgramHeader) -> Result<Segment, ExecError> {
    let end = header.vaddr.checked_add(header.memsz).ok_or(ExecError::BadSegment)?;
    let sound = header.filesz <= header.memsz
        && end <= END_PAGE * PAGE
        && header.vaddr % PAGE == header.offset % PAGE
        && header.offset.checked_add(header.filesz).is_some()
        && (header.align <= 1 || header.align.is_power_of_two())
        && header.align <= END_PAGE * PAGE;
    if !sound {
        return Err(ExecError::BadSegment);
    }
    Ok(Segment {
        address: header.vaddr,
        memory_len: header.memsz,
        offset: header.offset,
        file_len: header.filesz,
        protection: protection(header.flags),
        align: header.align.max(1),
    })
}

fn protection(flags: u32) -> Protection {
    let mut protection = Protection::empty();
    protection.set(Protection::READ, flags & PF_R != 0);
    protection.set(Protection::WRITE, flags & PF_W != 0);
    protection.set(Protection::EXECUTE, flags & PF_X != 0);
    protection
}

/// The path in the first `PT_INTERP`, which ends with its only NUL.
fn interpreter(
    file: &(impl ProgramFile + ?Sized),
    headers: &[ProgramHeader],
) -> Result<Option<Vec<u8>>, ExecError> {
    let Some(header) = headers.iter().find(|header| header.kind == PT_INTERP) else {
        return Ok(None);
    };
    let len = usize::try_from(header.filesz).unwrap_or(usize::MAX);
    if !(2..=limits::PATH).contains(&len) {
        return Err(ExecError::BadInterpreterPath);
    }
    let mut path = read_exact(file, header.offset, len)?;
    if path.pop() != Some(0) {
        return Err(ExecError::BadInterpreterPath);
    }
    path.truncate(path.iter().position(|byte| *byte == 0).unwrap_or(path.len()));
    Ok(Some(path))
}

/// The lowest address at which a program for fixed addresses may begin.
pub(super) const LOWEST: u64 = MMAP_MIN_ADDRESS;
