//! The guest programs under `tests/guest/`, and how each is run.

use std::path::PathBuf;
use std::time::Duration;

use wayfarer::Initrd;
use wayfarer::artifacts::{self, BuildError};
use wayfarer::program::command;

use crate::native::{self, Run};
use crate::terminal::Reply;
use crate::vm::{Start, VmError};

/// What a guest is written in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Language {
    /// A package of the workspace `tests/guest/`.
    Rust,
    /// A file `tests/guest/c/NAME.c`.
    C,
}

/// A guest program and a way to run it, natively or on a node, in an empty directory.
#[derive(Clone, Copy, Debug)]
pub struct Guest {
    /// Its name, and its executable's.
    pub name: &'static str,
    /// What it is written in.
    pub language: Language,
    /// Its arguments.
    pub args: &'static [&'static str],
    /// Bytes of the file `input.bin` it wants in its directory (see [`input`]).
    pub input_bytes: usize,
    /// How long it may take on the host's Linux, at most.
    pub limit: Duration,
}

const fn rust(name: &'static str, args: &'static [&'static str]) -> Guest {
    Guest { name, language: Language::Rust, args, input_bytes: 0, limit: Duration::from_secs(300) }
}

const fn c(name: &'static str) -> Guest {
    Guest { language: Language::C, ..rust(name, &[]) }
}

/// The demo's first act: `wander` with a file of 16 MiB, over three nodes and back.
pub const WANDER: Guest =
    Guest { input_bytes: 16 << 20, ..rust("wander", &["input.bin", "output.txt", "1,2,3,2,1"]) };

/// All that `hostile` can do, which takes long where processes move.
pub const HOSTILE: Guest = rust("hostile", &["1", "1"]);

/// Wants too much of everything, which takes long where every process moves.
pub const GREEDY: Guest = c("greedy");

/// The same where others move it, too.
const WANDER_ANYWHERE: Guest =
    Guest { args: &["input.bin", "output.txt", "1,2,3,2,1", "anywhere"], ..WANDER };

/// Every guest that needs no terminal. Each ends with status 0, and its standard output is always
/// the same.
pub const GUESTS: &[Guest] = &[
    WANDER_ANYWHERE,
    rust("clocks", &[]),
    rust("files", &[]),
    rust("filesystem", &[]),
    rust("fpu", &[]),
    rust("hop", &["12", "2,3,1", "256", "anywhere"]),
    rust("hostile", &["1", "1", "7"]),
    rust("memory", &[]),
    rust("pipes", &[]),
    rust("process", &[]),
    rust("pulse", &["20"]),
    rust("signals", &[]),
    rust("threads", &[]),
    rust("transfers", &[]),
    c("across"),
    c("calls"),
    Guest { args: &["8", "2", "13"], ..c("choir") },
    c("clones"),
    c("closes"),
    c("cputime"),
    c("events"),
    c("exec"),
    c("futex"),
    c("identity"),
    c("inet"),
    c("ipc"),
    c("kinship"),
    c("leavers"),
    c("longjmp"),
    c("mapped"),
    c("privileged"),
    c("pthread"),
    c("pty"),
    c("robust"),
    c("schedule"),
    c("sharing"),
    c("startup"),
    c("stdio"),
    c("timers"),
    c("unixsock"),
    c("vfork"),
];

/// The guest `terminal` needs one, and these keys.
pub const TERMINAL: Guest = rust("terminal", &[]);

/// What to type for [`TERMINAL`]: the carriage return is what the return key sends.
pub const TERMINAL_KEYS: &[Reply] = &[
    Reply { after: "press line", keys: b"one two\r" },
    Reply { after: "press edited", keys: b"one\x7fx\x15two\x7f\x7foo\r" },
    Reply { after: "press end", keys: b"word\x04\x04" },
    Reply { after: "press end again", keys: b"\x04" },
    Reply { after: "press long", keys: &LONG_LINE },
    Reply { after: "press raw", keys: b"a\x03\r" },
    Reply { after: "press interrupt", keys: b"\x03" },
    Reply { after: "press quit", keys: b"\x1c" },
    Reply { after: "press suspend", keys: b"\x1a" },
    Reply { after: "press flush", keys: b"lost\r" },
];

const LONG_LINE: [u8; 301] = {
    let mut line = [b'x'; 301];
    line[300] = b'\r';
    line
};

/// The file `input.bin` of that many bytes: always the same, and not compressible.
pub fn input(bytes: usize) -> Vec<u8> {
    // The 64-bit variant of Marsaglia's xorshift ("Xorshift RNGs", 2003).
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.by_ref().flatten().take(bytes).collect()
}

impl Guest {
    /// Builds it, static; gives the path of the executable.
    ///
    /// # Errors
    /// Any [`BuildError`].
    pub fn build(&self) -> Result<PathBuf, BuildError> {
        match self.language {
            Language::Rust => artifacts::guest(self.name),
            Language::C => artifacts::c_guest(self.name),
        }
    }

    /// Its directory on a node.
    pub fn directory(&self) -> String {
        format!("/home/{}", self.name)
    }

    /// Builds it and adds it, and its directory with all it wants, to what nodes find.
    ///
    /// # Errors
    /// If it cannot be built or read.
    pub fn pack(&self, initrd: &mut Initrd) -> Result<(), VmError> {
        initrd.add_program(&format!("/bin/{}", self.name), &self.build()?)?;
        initrd.add_directory(&self.directory());
        if self.input_bytes > 0 {
            let path = format!("{}/input.bin", self.directory());
            initrd.add_file(&path, 0o644, input(self.input_bytes));
        }
        Ok(())
    }

    /// How nodes run it, in its directory.
    pub fn start(&self) -> Start {
        let argv: Vec<&str> = [self.name].iter().chain(self.args).copied().collect();
        Start { cwd: self.directory().into(), ..command(&argv) }
    }

    /// Runs it on the host's Linux, in a directory that is gone afterwards: the reference.
    ///
    /// # Errors
    /// Any [`BuildError`]; what [`native::run`] says.
    pub fn run_natively(&self) -> Result<Run, NativeError> {
        let program = self.build()?;
        let directory = tempfile::tempdir()?;
        if self.input_bytes > 0 {
            std::fs::write(directory.path().join("input.bin"), input(self.input_bytes))?;
        }
        let program = program.to_string_lossy();
        let argv: Vec<&str> = [&*program].iter().chain(self.args).copied().collect();
        Ok(native::run(&argv, directory.path(), self.limit)?)
    }
}

/// Why a guest did not run on the host's Linux.
#[derive(Debug, thiserror::Error)]
pub enum NativeError {
    /// It could not be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// It could not be started, or did not end.
    #[error(transparent)]
    Run(#[from] std::io::Error),
}
