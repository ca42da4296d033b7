//! From the execution of QEMU to the first user instruction.

use std::collections::BTreeMap;
use std::io;

use wayfarer::{Initrd, ProgramError};
use wayfarer_proto::console::FromNode;

use super::figure::Figure;
use super::lab::{self, HOME, Lab, PROGRAM};
use crate::command::failure::Failure;

/// The program's code: sched_yield(), after which the runner can hear of it at once, and exit(0)
/// (x86-64 machine code; syscall(2)).
const CODE: [u8; 16] = [0xb8, 24, 0, 0, 0, 0x0f, 0x05, 0x31, 0xff, 0xb8, 60, 0, 0, 0, 0x0f, 0x05];

/// Where the program's file is mapped.
const ADDRESS: u64 = 0x40_0000;

/// Bytes of the headers of its file (elf(5)).
const HEADERS: u64 = 64 + 56;

/// Boots a node again and again, and runs a program that begins with a system call. The first user
/// instruction is taken to be over when the runner hears of that call, which is a little later.
pub(crate) fn measure(lab: &Lab<'_>) -> Result<BTreeMap<String, Figure>, Failure> {
    let mut files = Initrd::bare();
    files.add_file(PROGRAM, 0o755, program());
    let builder = lab.builder(1, &files);
    let mut start = lab::order(&[]);
    start.trace = true;
    let mut times = Vec::new();
    for turn in 0..lab.repetitions(21, 2) {
        lab.progress.say(format!("boot {}", turn + 1));
        let mut cluster = lab.start(&builder, &files)?;
        let began = cluster.began();
        let mut first = None;
        // Its end would be news for the node, which it need not have before the program runs.
        let (input, _open) = io::pipe().map_err(ProgramError::from)?;
        let outcome = cluster.observe(HOME, &start, input, |_, frame| {
            if matches!(frame, FromNode::Trace(_)) {
                first.get_or_insert_with(|| began.elapsed());
            }
        })?;
        lab::check(&outcome)?;
        cluster.shutdown()?;
        times.extend(first.map(|time| time.as_secs_f64() * 1000.0));
    }
    let figure = Figure::new(times, "ms");
    Ok(figure.into_iter().map(|figure| ("first_user".to_owned(), figure)).collect())
}

/// An executable of one segment: its headers, and [`CODE`].
fn program() -> Vec<u8> {
    let mut file = Vec::from(*b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    let size = HEADERS + CODE.len() as u64;
    // A program for x86-64; where it begins; where the one segment's header is, and no section's.
    let words = [(2, 2), (62, 2), (1, 4), (ADDRESS + HEADERS, 8), (64, 8), (0, 8), (0, 4)];
    // Sizes and counts of headers; then the segment: read, execute, all of the file.
    let sizes = [(64, 2), (56, 2), (1, 2), (64, 2), (0, 2), (0, 2)];
    let segment =
        [(1, 4), (5, 4), (0, 8), (ADDRESS, 8), (ADDRESS, 8), (size, 8), (size, 8), (4096, 8)];
    for (number, width) in words.into_iter().chain(sizes).chain(segment) {
        file.extend(&u64::to_le_bytes(number)[..width]);
    }
    file.extend(CODE);
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_one() {
        let file = program();
        assert_eq!(file.len() as u64, HEADERS + CODE.len() as u64);
        assert_eq!(wayfarer::elf::loaded_size(&file).unwrap(), file.len() as u64);
    }
}
