//! Programs of this host, dynamic ones among them: scripts under `tests/programs/` in the languages
//! that Debian ships, each run by its own interpreter with the host's own tools; and sources that
//! the host's compilers make executables of.
//!
//! The first line of a script names the interpreter. Lines that begin with `# needs:` name tools of
//! `/usr/bin`, lines that begin with `# files:` whatever else a node must have, by path. What a
//! program does is observed as the corpus's scripts are.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use wayfarer::artifacts::workspace;
use wayfarer::{Initrd, InitrdError};

use crate::corpus::Script;

/// Where the tools are.
const TOOLS: &str = "/usr/bin";

/// How a kind of source becomes an executable.
struct Compiler {
    extension: &'static str,
    /// The compiler, and its arguments up to the executable's name.
    command: &'static [&'static str],
}

const COMPILERS: &[Compiler] = &[
    // Dynamic, with musl's loader: what is linked with glibc is all else.
    Compiler { extension: "c", command: &["/usr/bin/musl-gcc", "-O1", "-pthread", "-o"] },
    Compiler {
        extension: "cpp",
        command: &["/usr/bin/g++", "-std=c++20", "-O1", "-pthread", "-o"],
    },
    // Without C a Go program is static.
    Compiler {
        extension: "go",
        command: &[
            "/usr/bin/env",
            "CGO_ENABLED=0",
            "GO111MODULE=off",
            "/usr/bin/go",
            "build",
            "-o",
        ],
    },
];

/// What runs a program.
#[derive(Clone, Debug)]
enum Runner {
    /// Its interpreter.
    Interpreter(PathBuf),
    /// The executable that this command makes of it.
    Compiled { command: &'static [&'static str], executable: PathBuf },
}

/// One script or source.
#[derive(Clone, Debug)]
pub struct Program {
    /// The file, on the host and on a node.
    pub path: PathBuf,
    runner: Runner,
    tools: Vec<PathBuf>,
    files: Vec<PathBuf>,
}

/// All of them, sorted by name.
///
/// # Errors
/// Fails if the directory or a file cannot be read.
pub fn programs() -> io::Result<Vec<Program>> {
    let mut programs = Vec::new();
    for entry in fs::read_dir(workspace().join("tests/programs"))? {
        programs.push(Program::read(entry?.path())?);
    }
    programs.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(programs)
}

impl Program {
    fn read(path: PathBuf) -> io::Result<Self> {
        let text = fs::read_to_string(&path)?;
        let runner = match compiled(&path) {
            Some(runner) => runner,
            None => {
                let first = text.lines().next().and_then(|line| line.strip_prefix("#!"));
                let bad = || format!("{}: it names no interpreter", path.display());
                Runner::Interpreter(first.ok_or_else(|| io::Error::other(bad()))?.into())
            }
        };
        let tools = words(&text, "needs:").map(|tool| Path::new(TOOLS).join(tool)).collect();
        let files = words(&text, "files:").map(PathBuf::from).collect();
        Ok(Self { path, runner, tools, files })
    }

    /// Its file's name.
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// What of it this host does not have.
    pub fn missing(&self) -> Vec<String> {
        let first = match &self.runner {
            Runner::Interpreter(interpreter) => interpreter.clone(),
            Runner::Compiled { command, .. } => {
                let compiler = command.iter().rfind(|word| word.starts_with('/'));
                compiler.map(PathBuf::from).unwrap_or_default()
            }
        };
        let all = std::iter::once(&first).chain(&self.tools).chain(&self.files);
        all.filter(|path| !path.exists()).map(|path| path.display().to_string()).collect()
    }

    /// Adds it and all it needs to a node's file system; compiles it first if that is its kind.
    ///
    /// # Errors
    /// As [`Initrd::add_host_program`]; `Unreadable` if it cannot be compiled.
    pub fn pack(&self, initrd: &mut Initrd) -> Result<(), InitrdError> {
        match &self.runner {
            Runner::Interpreter(interpreter) => {
                initrd.add_host_program(interpreter)?;
                initrd.add_host_path(&self.path, false)?;
            }
            Runner::Compiled { command, executable } => {
                let unreadable =
                    |source| InitrdError::Unreadable { path: self.path.clone(), source };
                compile(command, executable, &self.path).map_err(unreadable)?;
                initrd.add_host_program(executable)?;
            }
        }
        for tool in &self.tools {
            initrd.add_host_program(tool)?;
        }
        self.files.iter().try_for_each(|file| initrd.add_host_path(file, false))
    }

    /// A script of the corpus's kind that becomes this program, once it is packed.
    pub fn script(&self) -> Script {
        let program = match &self.runner {
            Runner::Interpreter(interpreter) => {
                format!("{} {}", interpreter.display(), self.path.display())
            }
            Runner::Compiled { executable, .. } => executable.display().to_string(),
        };
        Script { name: self.name(), text: format!("export PATH={TOOLS}; exec {program}") }
    }
}

/// What follows `mark` in the comments that consist of it.
fn words<'a>(text: &'a str, mark: &'static str) -> impl Iterator<Item = &'a str> {
    let marked = text.lines().filter_map(move |line| {
        let comment = line.trim_start_matches(['#', '-', '/']);
        (comment.len() < line.len()).then(|| comment.trim_start().strip_prefix(mark)).flatten()
    });
    marked.flat_map(str::split_whitespace)
}

fn compiled(path: &Path) -> Option<Runner> {
    let extension = path.extension().and_then(OsStr::to_str)?;
    let compiler = COMPILERS.iter().find(|compiler| compiler.extension == extension)?;
    let name = path.file_stem()?;
    let executable = workspace().join("target/programs").join(name);
    Some(Runner::Compiled { command: compiler.command, executable })
}

/// Compiles a source unless that was done since it changed. Others may run the executable already,
/// so it takes its place at once.
fn compile(command: &[&str], executable: &Path, source: &Path) -> io::Result<()> {
    let changed = |path: &Path| path.metadata().and_then(|metadata| metadata.modified());
    if changed(executable).is_ok_and(|at| changed(source).is_ok_and(|since| at >= since)) {
        return Ok(());
    }
    let place = executable.parent().unwrap_or(executable);
    fs::create_dir_all(place)?;
    let directory = tempfile::tempdir_in(place)?;
    let made = directory.path().join("made");
    let mut compiler = Command::new(command[0]);
    let output = compiler.args(&command[1..]).arg(&made).arg(source).output()?;
    if !output.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    fs::rename(made, executable)
}
