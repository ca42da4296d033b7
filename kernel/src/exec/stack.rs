//! The stack a program begins with: argument count, arguments, environment, auxiliary vector and
//! their strings (System V ABI, AMD64 supplement, figure 3.9; `create_elf_tables()` of Linux).

use alloc::vec::Vec;

use wayfarer_proto::id::UserAddr;

use super::auxv::{Credentials, Placed, Processor, Strings, vector};
use super::error::ExecError;
use crate::memory::PAGE;

/// Bytes of one argument or variable, its NUL counted (`MAX_ARG_STRLEN`).
pub const STRING_MAX: usize = 32 * PAGE as usize;

/// Bytes of all strings and of the pointers to them, whatever the stack limit (three quarters of
/// `_STK_LIM`), and what is always allowed (`ARG_MAX`).
const ARGUMENTS_MAX: u64 = 6 << 20;
const ARGUMENTS_ALWAYS: u64 = 128 << 10;

/// The string of `AT_PLATFORM`.
const PLATFORM: &[u8] = b"x86_64";

/// What a program is started with.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// Its path as given to execve(2).
    pub path: Vec<u8>,
    /// Its arguments, without NULs.
    pub argv: Vec<Vec<u8>>,
    /// Its environment, without NULs.
    pub envp: Vec<Vec<u8>>,
    /// On whose behalf it runs.
    pub credentials: Credentials,
    /// What it can see of the processor.
    pub processor: Processor,
    /// `AT_RANDOM`.
    pub random: [u8; 16],
    /// `RLIMIT_STACK`, bytes.
    pub stack_limit: u64,
}

/// The content of a new stack: `bytes` lie from `pointer` up to the end of the stack.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct NewStack {
    pub(super) pointer: UserAddr,
    pub(super) bytes: Vec<u8>,
    /// The auxiliary vector in them.
    pub(super) auxiliary: Vec<u8>,
}

/// Lays out the stack of a new program, ending at `top`.
///
/// # Errors
/// [`ExecError::ArgumentsTooLong`] as execve(2) says under E2BIG.
pub(super) fn build(start: &Start, placed: &Placed, top: u64) -> Result<NewStack, ExecError> {
    check_size(start)?;
    let argv = if start.argv.is_empty() { &[Vec::new()][..] } else { &start.argv };
    // The last 8 bytes are zero; below them path, environment, arguments, in this order downwards.
    let mut block = Block { bytes: Vec::new(), first: 0 };
    let argv_at = block.push_all(argv);
    let envp_at = block.push_all(&start.envp);
    let path_at = block.push(&start.path);
    block.bytes.extend([0; 8]);
    block.first = top - block.bytes.len() as u64;

    let mut extra = Block { bytes: start.random.to_vec(), first: 0 };
    let platform_at = extra.push(PLATFORM);
    extra.first = (block.first - extra.bytes.len() as u64) & !15;

    let strings = Strings {
        random: extra.first,
        path: block.first + path_at,
        platform: extra.first + platform_at,
    };
    let auxv = vector(&start.processor, &start.credentials, placed, &strings);
    // The count of arguments, and a zero behind each list.
    let words = 1 + (argv_at.len() + 1) + (envp_at.len() + 1) + 2 * auxv.len();
    let pointer = (extra.first - words as u64 * 8) & !15;
    let mut bytes = Vec::with_capacity((top - pointer) as usize);
    push_word(&mut bytes, argv_at.len() as u64);
    for list in [&argv_at, &envp_at] {
        list.iter().for_each(|at| push_word(&mut bytes, block.first + at));
        push_word(&mut bytes, 0);
    }
    let auxiliary_at = bytes.len();
    for (key, value) in auxv.iter() {
        push_word(&mut bytes, *key);
        push_word(&mut bytes, *value);
    }
    let auxiliary = bytes[auxiliary_at..].to_vec();
    for block in [&extra, &block] {
        bytes.resize((block.first - pointer) as usize, 0);
        bytes.extend_from_slice(&block.bytes);
    }
    Ok(NewStack { pointer: UserAddr(pointer), bytes, auxiliary })
}

#[inline(never)]
fn push_word(bytes: &mut Vec<u8>, word: u64) {
    bytes.extend_from_slice(&word.to_le_bytes());
}

/// Bytes that go to one place.
struct Block {
    bytes: Vec<u8>,
    /// Address of the first.
    first: u64,
}

impl Block {
    /// Appends strings; returns their offsets.
    #[inline(never)]
    fn push_all(&mut self, texts: &[Vec<u8>]) -> Vec<u64> {
        let mut offsets = Vec::with_capacity(texts.len());
        for text in texts {
            offsets.push(self.push(text));
        }
        offsets
    }

    /// Appends a string and its NUL; returns its offset.
    #[inline(never)]
    fn push(&mut self, text: &[u8]) -> u64 {
        let at = self.bytes.len() as u64;
        self.bytes.extend(text);
        self.bytes.push(0);
        at
    }
}

fn check_size(start: &Start) -> Result<(), ExecError> {
    let limit = (start.stack_limit / 4).clamp(ARGUMENTS_ALWAYS, ARGUMENTS_MAX);
    let mut total = start.path.len() as u64 + 1;
    for text in start.argv.iter().chain(&start.envp) {
        if text.len() >= STRING_MAX {
            return Err(ExecError::ArgumentsTooLong);
        }
        total += text.len() as u64 + 1 + 8;
    }
    if total > limit { Err(ExecError::ArgumentsTooLong) } else { Ok(()) }
}
