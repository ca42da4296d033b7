//! `elf.h`: the headers of 64-bit ELF files (elf(5)), as far as execve(2) looks at them.

/// The first bytes of a 64-bit, little-endian, version 1 file.
pub const IDENT: [u8; 7] = [0x7f, b'E', b'L', b'F', 2, 1, 1];

/// `ET_EXEC`: an executable for fixed addresses.
pub const ET_EXEC: u16 = 2;
/// `ET_DYN`: a position-independent executable or a shared object.
pub const ET_DYN: u16 = 3;
/// `EM_X86_64`.
pub const EM_X86_64: u16 = 62;

/// `PT_LOAD`: to be mapped.
pub const PT_LOAD: u32 = 1;
/// `PT_INTERP`: path of the program interpreter.
pub const PT_INTERP: u32 = 3;
/// `PT_PHDR`: where the program headers themselves are in memory.
pub const PT_PHDR: u32 = 6;
/// `PT_GNU_STACK`: its flags are those of the stack.
pub const PT_GNU_STACK: u32 = 0x6474_e551;

/// `PF_X`: executable.
pub const PF_X: u32 = 1;
/// `PF_W`: writable.
pub const PF_W: u32 = 2;
/// `PF_R`: readable.
pub const PF_R: u32 = 4;

layout! {
    /// `Elf64_Ehdr`.
    FileHeader {
        /// Magic, class, byte order, version, ABI.
        ident: [u8; 16],
        /// `ET_*`.
        kind: u16,
        /// `EM_*`.
        machine: u16,
        /// 1.
        version: u32,
        /// Address of the first instruction.
        entry: u64,
        /// Offset of the program headers in the file.
        phoff: u64,
        /// Offset of the section headers in the file.
        shoff: u64,
        /// Flags of the processor.
        flags: u32,
        /// Bytes of this header.
        ehsize: u16,
        /// Bytes of a program header.
        phentsize: u16,
        /// How many program headers there are.
        phnum: u16,
        /// Bytes of a section header.
        shentsize: u16,
        /// How many section headers there are.
        shnum: u16,
        /// Which section holds the section names.
        shstrndx: u16,
    }
    /// `Elf64_Phdr`.
    ProgramHeader {
        /// `PT_*`.
        kind: u32,
        /// `PF_*`.
        flags: u32,
        /// Offset in the file.
        offset: u64,
        /// Address in memory, before relocation of the whole.
        vaddr: u64,
        /// Unused.
        paddr: u64,
        /// Bytes in the file.
        filesz: u64,
        /// Bytes in memory; what the file does not give is zero.
        memsz: u64,
        /// Alignment in memory.
        align: u64,
    }
}
