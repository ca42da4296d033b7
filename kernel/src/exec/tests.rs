//! Programs made of hand-written headers, and what becomes of them.

use std::string::String;
use std::vec::Vec;

use proptest::prelude::*;
use wayfarer_machine::{FramePool, KernelHalf};
use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{MapId, UserAddr};
use wayfarer_proto::linux::Layout;
use wayfarer_proto::linux::elf::{FileHeader, ProgramHeader};

use super::*;
use crate::memory::{AddressSpace, Blocked, Installed, MMAP_BASE, MemorySource, PAGE};

const R: u32 = 4;
const RX: u32 = 5;
const RW: u32 = 6;

fn header(kind: u16, phnum: u16) -> FileHeader {
    let mut ident = [0; 16];
    ident[..7].copy_from_slice(&wayfarer_proto::linux::elf::IDENT);
    FileHeader {
        ident,
        kind,
        machine: 62,
        version: 1,
        entry: 0x40_1000,
        phoff: 64,
        shoff: 0,
        flags: 0,
        ehsize: 64,
        phentsize: 56,
        phnum,
        shentsize: 0,
        shnum: 0,
        shstrndx: 0,
    }
}

fn load(flags: u32, vaddr: u64, offset: u64, filesz: u64, memsz: u64) -> ProgramHeader {
    ProgramHeader { kind: 1, flags, offset, vaddr, paddr: 0, filesz, memsz, align: PAGE }
}

/// A file with these headers; byte `n` of the rest is a function of `n`.
fn file(kind: u16, headers: &[ProgramHeader], len: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..len).map(|index| (index * 7 + index / 4096) as u8).collect();
    let mut head = header(kind, headers.len() as u16).to_bytes();
    headers.iter().for_each(|header| head.extend(header.to_bytes()));
    bytes[..head.len()].copy_from_slice(&head);
    bytes
}

/// Text, and data that ends in the middle of a page before three pages of zeroes.
fn usual(kind: u16, base: u64) -> Vec<u8> {
    let headers = [
        load(R, base, 0, 0x500, 0x500),
        load(RX, base + 0x1000, 0x1000, 0x1800, 0x1800),
        load(RW, base + 0x3800, 0x2800, 0x1200, 0x3000),
    ];
    file(kind, &headers, 0x4000)
}

fn program(bytes: &[u8]) -> Program {
    match inspect(bytes).unwrap() {
        Executable::Elf(program) => program,
        Executable::Script(script) => panic!("{script:?}"),
    }
}

fn start(argv: &[&str], envp: &[&str]) -> Start {
    let list = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    Start {
        path: b"/bin/prog".to_vec(),
        argv: list(argv),
        envp: list(envp),
        random: *b"0123456789abcdef",
        stack_limit: 8 << 20,
        ..Start::default()
    }
}

fn build(bytes: &[u8], start: &Start) -> Result<ExecImage, ExecError> {
    let program = program(bytes);
    let file = Bytes(bytes);
    let loadable = Loadable { program: &program, file: &file, map: MapId(1), path: "/bin/prog" };
    ExecImage::build(loadable, None, start)
}

struct Bytes<'a>(&'a [u8]);

impl ProgramFile for Bytes<'_> {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, Errno> {
        self.0.read_at(offset, buffer)
    }
}

fn source() -> MemorySource {
    MemorySource::new(&FramePool::arena(1024), &KernelHalf::empty()).unwrap()
}

fn read(space: &mut AddressSpace, address: u64, len: usize, file: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; len];
    loop {
        match space.read(UserAddr(address), &mut bytes).blocked_on {
            None => return bytes,
            Some(Blocked::NeedsPage(request)) => {
                let rest = &file[(request.file_page * PAGE) as usize..];
                assert_eq!(space.install(&request, rest).unwrap(), Installed::Done);
            }
            Some(other) => panic!("{other:?} at {address:#x}"),
        }
    }
}

fn word(space: &mut AddressSpace, address: u64) -> u64 {
    u64::from_le_bytes(read(space, address, 8, &[]).try_into().unwrap())
}

fn text(space: &mut AddressSpace, address: u64) -> String {
    let mut bytes = Vec::new();
    let progress = space.read_string(UserAddr(address), &mut bytes, 4096);
    assert_eq!(progress, crate::memory::StringProgress::Complete);
    String::from_utf8(bytes).unwrap()
}

#[test]
fn segments_hold_the_file_and_then_zeroes() {
    let bytes = usual(2, 0x40_0000);
    let image = build(&bytes, &start(&["prog"], &[])).unwrap();
    assert_eq!((image.entry, image.brk), (UserAddr(0x40_1000), UserAddr(0x40_7000)));
    let mut space = image.apply(&source()).unwrap();
    assert_eq!(read(&mut space, 0x40_1000, 0x1800, &bytes), bytes[0x1000..0x2800]);
    assert_eq!(read(&mut space, 0x40_3800, 0x1200, &bytes), bytes[0x2800..0x3a00]);
    assert_eq!(read(&mut space, 0x40_4a00, 0x2600, &bytes), vec![0; 0x2600]);
    let maps = space.maps_text();
    let expected = "\
00400000-00401000 r--p 00000000 00:00 0                                  /bin/prog
00401000-00403000 r-xp 00001000 00:00 0                                  /bin/prog
00403000-00404000 rw-p 00002000 00:00 0                                  /bin/prog
00404000-00407000 rw-p 00000000 00:00 0 \n";
    assert!(maps.starts_with(expected), "{maps}");
    assert!(maps.ends_with("[stack]\n"));
    assert_eq!(space.set_break(UserAddr(0x40_8000)), UserAddr(0x40_8000));
}

#[test]
fn relocatable_programs_go_two_thirds_up() {
    assert_eq!(PIE_BASE, 0x5555_5555_4000);
    let bytes = usual(3, 0x10_0000);
    let image = build(&bytes, &start(&["prog"], &[])).unwrap();
    assert_eq!(image.regions[0].start, UserAddr(PIE_BASE));
    assert_eq!(image.entry.0, 0x40_1000 + PIE_BASE - 0x10_0000);
    assert_eq!(image.brk.0, PIE_BASE + 0x7000);
}

#[test]
fn the_stack_is_what_the_abi_says() {
    let bytes = usual(2, 0x40_0000);
    let mut request = start(&["prog", "-x", ""], &["HOME=/", "A=b"]);
    request.credentials = Credentials { uid: 1, euid: 2, gid: 3, egid: 4, secure: true };
    request.processor = Processor { hwcap: 0x78bfbff, hwcap2: 2, signal_frame_bytes: 3632 };
    let image = build(&bytes, &request).unwrap();
    let mut space = image.apply(&source()).unwrap();
    let sp = image.stack.0;
    assert_eq!((sp % 16, word(&mut space, sp)), (0, 3));
    let mut at = sp + 8;
    let mut strings = Vec::new();
    for _ in 0..2 {
        loop {
            let pointer = word(&mut space, at);
            at += 8;
            if pointer == 0 {
                break;
            }
            strings.push(text(&mut space, pointer));
        }
    }
    assert_eq!(strings, ["prog", "-x", "", "HOME=/", "A=b"]);
    let mut auxv = std::collections::BTreeMap::new();
    loop {
        let (key, value) = (word(&mut space, at), word(&mut space, at + 8));
        at += 16;
        if key == 0 {
            break;
        }
        auxv.insert(key, value);
    }
    let expected = [
        (3, 0x40_0040),
        (4, 56),
        (5, 3),
        (6, 4096),
        (7, 0),
        (8, 0),
        (9, 0x40_1000),
        (11, 1),
        (12, 2),
        (13, 3),
        (14, 4),
        (16, 0x78bfbff),
        (17, 100),
        (23, 1),
        (26, 2),
        (51, 3632),
    ];
    for (key, value) in expected {
        assert_eq!(auxv[&key], value, "AT {key}");
    }
    assert_eq!(text(&mut space, auxv[&15]), "x86_64");
    assert_eq!(text(&mut space, auxv[&31]), "/bin/prog");
    assert_eq!(read(&mut space, auxv[&25], 16, &[]), b"0123456789abcdef");
    assert_eq!(auxv.len(), expected.len() + 3);
}

#[test]
fn arguments_have_a_limit() {
    let bytes = usual(2, 0x40_0000);
    let long = "x".repeat(STRING_MAX);
    assert_eq!(build(&bytes, &start(&[&long], &[])), Err(ExecError::ArgumentsTooLong));
    assert!(build(&bytes, &start(&[&long[1..]], &[])).is_ok());
    let many = vec![&long[1..]; 17];
    assert_eq!(build(&bytes, &start(&many, &[])), Err(ExecError::ArgumentsTooLong));
    let image = build(&bytes, &start(&many[..15], &[])).unwrap();
    assert!(image.apply(&source()).is_ok());
    assert_eq!(build(&bytes, &start(&[], &[])).unwrap().stack.0 % 16, 0);
}

#[test]
fn interpreters_are_loaded_where_mmap_begins() {
    let mut dynamic = usual(3, 0);
    let headers = [
        load(RX, 0, 0, 0x3000, 0x3000),
        ProgramHeader { kind: 3, ..load(R, 0x3000, 0x3000, 11, 11) },
    ];
    let head = file(3, &headers, 0x4000);
    dynamic[..176].copy_from_slice(&head[..176]);
    dynamic[0x3000..0x300b].copy_from_slice(b"/lib/ld.so\0");
    let (main, linker_bytes) = (program(&dynamic), usual(3, 0));
    assert_eq!(main.interpreter.as_deref(), Some(&b"/lib/ld.so"[..]));
    let linker = program(&linker_bytes);
    let (file, linker_file) = (Bytes(&dynamic), Bytes(&linker_bytes));
    let of = |program, file, map, path| Loadable { program, file, map: MapId(map), path };
    let request = start(&["prog"], &[]);
    let main_part = of(&main, &file, 1, "/bin/prog");
    let image =
        ExecImage::build(main_part, Some(of(&linker, &linker_file, 2, "/lib/ld.so")), &request)
            .unwrap();
    let base = MMAP_BASE.0 - 0x7000;
    assert_eq!(image.entry.0, base + 0x40_1000);
    assert!(
        image.regions.iter().any(|region| region.start.0 == base && region.name == "/lib/ld.so")
    );
    assert_eq!(image.brk.0, PIE_BASE + 0x3000);
    assert_eq!(ExecImage::build(main_part, None, &request), Err(ExecError::BadInterpreter));
    let own = ExecImage::build(main_part, Some(main_part), &request);
    assert_eq!(own.map_err(Errno::from), Err(Errno::ELIBBAD));
}

#[test]
fn a_message_carries_what_apply_needs() {
    let bytes = usual(2, 0x40_0000);
    let image = build(&bytes, &start(&["prog"], &[])).unwrap();
    let message = image.to_message("prog".into(), wayfarer_proto::id::Tid(5));
    let away = ExecImage::from(&message);
    let mut space = away.apply(&source()).unwrap();
    for (address, content) in &image.writes {
        assert_eq!(space.write(*address, content).blocked_on, None);
    }
    assert_eq!(space.maps_text(), image.apply(&source()).unwrap().maps_text());
}

#[test]
fn broken_files_are_refused() {
    let refuse =
        |headers: &[ProgramHeader]| Program::parse(&file(2, headers, 0x4000)[..]).unwrap_err();
    let base = 0x40_0000;
    assert_eq!(inspect(&b""[..]), Err(ExecError::UnknownFormat));
    assert_eq!(
        inspect(&b"plain text, long enough to hold a header of an ELF file if it were"[..]),
        Err(ExecError::UnknownFormat)
    );
    assert_eq!(inspect(&usual(2, base)[..63]), Err(ExecError::BadHeader));
    assert_eq!(inspect(&usual(1, base)[..]), Err(ExecError::NotExecutable));
    for (at, value) in [(4, 1), (5, 2), (18, 3)] {
        let mut bytes = usual(2, base);
        bytes[at] = value;
        assert_eq!(inspect(&bytes[..]), Err(ExecError::WrongMachine));
    }
    let bad = [
        load(R, base + 1, 0, 1, 1),
        load(R, base, 0, 2, 1),
        load(R, UserAddr::END.0 - 0x1000, 0, 1, 0x1001),
        load(R, !0xfff, 0, 1, 0x2000),
        load(R, base, !0xfff, 0x2000, 0x2000),
        ProgramHeader { align: 3, ..load(R, base, 0, 1, 1) },
        ProgramHeader { align: 1 << 63, ..load(R, base, 0, 1, 1) },
    ];
    for header in bad {
        assert_eq!(refuse(&[header]), ExecError::BadSegment, "{header:?}");
    }
    assert_eq!(refuse(&[load(R, base, 0, 0, 0)]), ExecError::BadSegment);
    let twice = [load(R, base, 0, 0x10, 0x10), load(RW, base + 0x20, 0x20, 0x10, 0x10)];
    assert_eq!(refuse(&twice), ExecError::BadSegment);
    let low = file(2, &[load(R, 0x1000, 0, 1, 1)], 0x4000);
    assert_eq!(build(&low, &start(&[], &[])), Err(ExecError::BadSegment));
    let beyond = file(2, &[load(RW, base + 0x800, 0x3800, 0x1000, 0x2000)], 0x4000);
    assert_eq!(build(&beyond, &start(&[], &[])), Err(ExecError::BadSegment));
    let stack = file(2, &[load(RW, UserAddr::END.0 - 0x1000, 0, 1, 1)], 0x4000);
    assert_eq!(build(&stack, &start(&[], &[])), Err(ExecError::BadSegment));
}

/// The programs of this machine are accepted, as Linux accepts them.
#[test]
fn real_programs_parse() {
    let bytes = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    let test = program(&bytes);
    assert!(test.relocatable && test.interpreter.is_some() && !test.executable_stack);
    assert!(test.segments.len() >= 2 && test.headers == 64);
}

proptest! {
    #[test]
    fn damaged_files_never_panic(
        kind in 2..4u16,
        damage in prop::collection::vec((0..232usize, any::<u8>()), 1..6),
    ) {
        let mut bytes = usual(kind, 0x40_0000);
        damage.iter().for_each(|(at, value)| bytes[*at] = *value);
        if let Ok(Executable::Elf(program)) = inspect(&bytes[..]) {
            let file = Bytes(&bytes);
            let loadable = Loadable { program: &program, file: &file, map: MapId(1), path: "x" };
            if let Ok(image) = ExecImage::build(loadable, None, &start(&["x"], &[])) {
                let _ = image.apply(&source());
            }
        }
    }
}
