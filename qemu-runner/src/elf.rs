//! Whether a file is a program that a node can run (`elf(5)`).

/// `e_ident`: magic, 64-bit, little-endian.
const IDENT: [u8; 6] = [0x7f, b'E', b'L', b'F', 2, 1];
const TYPE_EXECUTABLE: u16 = 2;
const TYPE_SHARED: u16 = 3;
const MACHINE_X86_64: u16 = 62;
const SEGMENT_INTERPRETER: u32 = 3;
/// `sizeof(Elf64_Phdr)`.
const SEGMENT_HEADER: usize = 56;

/// Why a file cannot run on a node.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotRunnable {
    /// It is no ELF file at all.
    #[error("not an executable (no ELF header)")]
    NotElf,
    /// It begins with `#!`.
    #[error("a script; run it as 'run busybox sh SCRIPT' with --file SCRIPT:/SCRIPT")]
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
    /// It asks for this dynamic linker.
    #[error(
        "dynamically linked (needs {0}); only static programs run so far, dynamic ones come later"
    )]
    Dynamic(String),
}

/// Checks that `file` is a static x86-64 program.
///
/// # Errors
/// [`NotRunnable`] says what it is instead.
pub fn check_static(file: &[u8]) -> Result<(), NotRunnable> {
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
    match interpreter(file)? {
        Some(path) => Err(NotRunnable::Dynamic(path)),
        None => Ok(()),
    }
}

/// The path in the program's `PT_INTERP` segment.
fn interpreter(file: &[u8]) -> Result<Option<String>, NotRunnable> {
    let table = offset(file, 32)?;
    let count = usize::from(half(file, 56)?);
    for index in 0..count {
        let at = table.checked_add(index * SEGMENT_HEADER).ok_or(NotRunnable::Damaged)?;
        if u32::from_le_bytes(bytes(file, at)?) == SEGMENT_INTERPRETER {
            let start = offset(file, at + 8)?;
            let end = start.checked_add(offset(file, at + 32)?).ok_or(NotRunnable::Damaged)?;
            let path = file.get(start..end).ok_or(NotRunnable::Damaged)?;
            let text = String::from_utf8_lossy(path);
            return Ok(Some(text.trim_end_matches('\0').to_owned()));
        }
    }
    Ok(None)
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
