//! Whether a file is a program that a node can run, and what it needs besides itself (`elf(5)`).

/// `e_ident`: magic, 64-bit, little-endian.
const IDENT: [u8; 6] = [0x7f, b'E', b'L', b'F', 2, 1];
const TYPE_EXECUTABLE: u16 = 2;
const TYPE_SHARED: u16 = 3;
const MACHINE_X86_64: u16 = 62;
const SEGMENT_LOAD: u32 = 1;
const SEGMENT_DYNAMIC: u32 = 2;
const SEGMENT_INTERPRETER: u32 = 3;
/// Tags of the dynamic section.
const DYNAMIC_NEEDED: u64 = 1;
const DYNAMIC_STRINGS: u64 = 5;
const DYNAMIC_RPATH: u64 = 15;
const DYNAMIC_RUNPATH: u64 = 29;
/// `sizeof(Elf64_Dyn)`.
const DYNAMIC_ENTRY: usize = 16;
/// `sizeof(Elf64_Phdr)`.
const SEGMENT_HEADER: usize = 56;

/// Why a file cannot run on a node.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotRunnable {
    /// It is no ELF file at all.
    #[error("not an executable (no ELF header)")]
    NotElf,
    /// It begins with `#!`.
    #[error("a script, where a program is wanted")]
    Script,
    /// Another word size, byte order or processor.
    #[error("an executable for another machine; nodes are x86-64")]
    OtherMachine,
    /// A relocatable object or a core dump.
    #[error("an object file or a core dump, not a program")]
    NotProgram,
    /// Its headers point outside the file.
    #[error("a damaged executable (its headers point outside the file)")]
    Damaged,
    /// A script whose interpreter is not on this host.
    #[error("a script for '{0}', which is not on this host")]
    NoInterpreter(String),
    /// It asks for this dynamic linker.
    #[error("dynamically linked (needs {0}), where a static program is wanted")]
    Dynamic(String),
}

/// What a program or library needs besides itself.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Needs {
    /// The dynamic linker, of a program that has one.
    pub interpreter: Option<String>,
    /// Names of libraries (`DT_NEEDED`).
    pub libraries: Vec<String>,
    /// Where to look for them, by the older rule (`DT_RPATH`), with its `$ORIGIN` and the like.
    pub rpath: Option<String>,
    /// Where to look for them, by the newer rule (`DT_RUNPATH`).
    pub runpath: Option<String>,
}

/// Checks that `file` is a static x86-64 program.
///
/// # Errors
/// [`NotRunnable`] says what it is instead.
pub fn check_static(file: &[u8]) -> Result<(), NotRunnable> {
    match needs(file)?.interpreter {
        Some(path) => Err(NotRunnable::Dynamic(path)),
        None => Ok(()),
    }
}

/// What the x86-64 program or library `file` needs.
///
/// # Errors
/// [`NotRunnable`] says what it is instead.
pub fn needs(file: &[u8]) -> Result<Needs, NotRunnable> {
    if file.starts_with(b"#!") {
        return Err(NotRunnable::Script);
    }
    if !file.starts_with(&IDENT[..4]) {
        return Err(NotRunnable::NotElf);
    }
    if !file.starts_with(&IDENT) || half(file, 18)? != MACHINE_X86_64 {
        return Err(NotRunnable::OtherMachine);
    }
    if ![TYPE_EXECUTABLE, TYPE_SHARED].contains(&half(file, 16)?) {
        return Err(NotRunnable::NotProgram);
    }
    let segments = segments(file)?;
    let mut needs = Needs::default();
    for segment in &segments {
        let content = || segment.content(file);
        match segment.kind {
            SEGMENT_INTERPRETER => needs.interpreter = Some(text(content()?, 0)?),
            SEGMENT_DYNAMIC => read_dynamic(file, &segments, content()?, &mut needs)?,
            _ => {}
        }
    }
    Ok(needs)
}

/// Bytes of memory that the program `file` takes once it is loaded.
///
/// # Errors
/// [`NotRunnable::Damaged`] when it is none.
pub fn loaded_size(file: &[u8]) -> Result<u64, NotRunnable> {
    let segments = segments(file)?;
    let loads = segments.iter().filter(|segment| segment.kind == SEGMENT_LOAD);
    Ok(loads.map(|segment| segment.memory as u64).sum())
}

/// A program header.
struct Segment {
    kind: u32,
    offset: usize,
    address: usize,
    /// Bytes in the file, and in memory.
    size: usize,
    memory: usize,
}

impl Segment {
    fn content<'a>(&self, file: &'a [u8]) -> Result<&'a [u8], NotRunnable> {
        let end = self.offset.checked_add(self.size).ok_or(NotRunnable::Damaged)?;
        file.get(self.offset..end).ok_or(NotRunnable::Damaged)
    }
}

fn segments(file: &[u8]) -> Result<Vec<Segment>, NotRunnable> {
    let table = offset(file, 32)?;
    let count = usize::from(half(file, 56)?);
    let segment = |index: usize| {
        let at = table.checked_add(index * SEGMENT_HEADER).ok_or(NotRunnable::Damaged)?;
        Ok(Segment {
            kind: u32::from_le_bytes(bytes(file, at)?),
            offset: offset(file, at + 8)?,
            address: offset(file, at + 16)?,
            size: offset(file, at + 32)?,
            memory: offset(file, at + 40)?,
        })
    };
    (0..count).map(segment).collect()
}

/// Reads the dynamic section, whose strings are named by the address they have in memory.
fn read_dynamic(
    file: &[u8],
    segments: &[Segment],
    section: &[u8],
    needs: &mut Needs,
) -> Result<(), NotRunnable> {
    let entries = section.chunks_exact(DYNAMIC_ENTRY).map(|entry| {
        let (tag, value) = entry.split_at(8);
        Ok((u64::from_le_bytes(bytes(tag, 0)?), offset(value, 0)?))
    });
    let entries: Vec<(u64, usize)> = entries.collect::<Result<_, NotRunnable>>()?;
    let Some((_, address)) = entries.iter().find(|(tag, _)| *tag == DYNAMIC_STRINGS) else {
        return Ok(());
    };
    let strings = segments
        .iter()
        .filter(|segment| segment.kind == SEGMENT_LOAD)
        .find_map(|load| load.content(file).ok()?.get(address.checked_sub(load.address)?..))
        .ok_or(NotRunnable::Damaged)?;
    for (tag, value) in entries {
        match tag {
            DYNAMIC_NEEDED => needs.libraries.push(text(strings, value)?),
            DYNAMIC_RPATH => needs.rpath = Some(text(strings, value)?),
            DYNAMIC_RUNPATH => needs.runpath = Some(text(strings, value)?),
            _ => {}
        }
    }
    Ok(())
}

/// The text at `at`, which ends with a NUL.
fn text(strings: &[u8], at: usize) -> Result<String, NotRunnable> {
    let tail = strings.get(at..).ok_or(NotRunnable::Damaged)?;
    let end = tail.iter().position(|byte| *byte == 0).ok_or(NotRunnable::Damaged)?;
    Ok(String::from_utf8_lossy(&tail[..end]).into_owned())
}

fn bytes<const N: usize>(file: &[u8], at: usize) -> Result<[u8; N], NotRunnable> {
    let tail = file.get(at..).ok_or(NotRunnable::Damaged)?;
    tail.first_chunk().copied().ok_or(NotRunnable::Damaged)
}

fn half(file: &[u8], at: usize) -> Result<u16, NotRunnable> {
    bytes(file, at).map(u16::from_le_bytes)
}

fn offset(file: &[u8], at: usize) -> Result<usize, NotRunnable> {
    let value = u64::from_le_bytes(bytes(file, at)?);
    usize::try_from(value).map_err(|_| NotRunnable::Damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program with one segment header of this type, whose content is "/lib/ld\0".
    fn program(segment: u32) -> Vec<u8> {
        let mut file = vec![0; 128];
        file[..6].copy_from_slice(&IDENT);
        file[16] = 2;
        file[18] = 62;
        file[32] = 64;
        file[56] = 1;
        file[64..68].copy_from_slice(&segment.to_le_bytes());
        file[64 + 8] = 120;
        file[64 + 32] = 8;
        file[120..].copy_from_slice(b"/lib/ld\0");
        file
    }

    #[test]
    fn kinds_are_told_apart() {
        assert_eq!(check_static(&program(1)), Ok(()));
        let dynamic = Err(NotRunnable::Dynamic("/lib/ld".to_owned()));
        assert_eq!(check_static(&program(SEGMENT_INTERPRETER)), dynamic);
        assert_eq!(check_static(b"#!/bin/sh\n"), Err(NotRunnable::Script));
        assert_eq!(check_static(b"hello"), Err(NotRunnable::NotElf));
        let mut other = program(1);
        other[18] = 183;
        assert_eq!(check_static(&other), Err(NotRunnable::OtherMachine));
        other = program(1);
        other[16] = 1;
        assert_eq!(check_static(&other), Err(NotRunnable::NotProgram));
    }

    /// Against the host's own programs: every one has a dynamic linker and needs a C library.
    #[test]
    fn needs_of_a_program_of_this_host() {
        let this = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let needs = needs(&this).unwrap();
        assert!(needs.interpreter.is_some_and(|path| path.starts_with('/')));
        assert!(
            needs.libraries.iter().any(|name| name.starts_with("libc.")),
            "{:?}",
            needs.libraries
        );
    }

    #[test]
    fn cut_files_are_damaged_never_a_panic() {
        let whole = program(SEGMENT_INTERPRETER);
        for end in 20..whole.len() {
            assert_eq!(check_static(&whole[..end]), Err(NotRunnable::Damaged), "cut at {end}");
        }
        let mut wild = whole;
        wild[32..40].fill(0xff);
        assert_eq!(check_static(&wild), Err(NotRunnable::Damaged));
    }
}
