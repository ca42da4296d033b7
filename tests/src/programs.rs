//! Programs of this host, dynamic ones among them: scripts under `tests/programs/` in the languages
//! that Debian ships, each run by its own interpreter with the host's own tools.
//!
//! The first line names the interpreter, lines that begin with `# needs:` the tools of `/usr/bin`.
//! What it does is observed as the corpus's scripts are.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use wayfarer::artifacts::workspace;
use wayfarer::{Initrd, InitrdError};

use crate::corpus::Script;

/// Where the tools are.
const TOOLS: &str = "/usr/bin";

/// One script.
#[derive(Clone, Debug)]
pub struct Program {
    /// The file, on the host and on a node.
    pub path: PathBuf,
    /// The interpreter and the tools, by path.
    pub needs: Vec<PathBuf>,
}

/// All scripts, sorted by name.
///
/// # Errors
/// Fails if the directory or a script cannot be read.
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
        let interpreter = text.lines().next().and_then(|line| line.strip_prefix("#!"));
        let bad = || io::Error::other(format!("{}: it names no interpreter", path.display()));
        let interpreter = interpreter.ok_or_else(bad)?;
        let tools = text.lines().filter_map(|line| line.strip_prefix("# needs:"));
        let tools = tools.flat_map(str::split_whitespace).map(|tool| Path::new(TOOLS).join(tool));
        let needs = std::iter::once(PathBuf::from(interpreter)).chain(tools).collect();
        Ok(Self { path, needs })
    }

    /// Its file's name.
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// What of it this host does not have.
    pub fn missing(&self) -> Vec<String> {
        let missing = self.needs.iter().filter(|path| !path.exists());
        missing.map(|path| path.display().to_string()).collect()
    }

    /// Adds it and all it needs to a node's file system.
    ///
    /// # Errors
    /// As [`Initrd::add_host_program`].
    pub fn pack(&self, initrd: &mut Initrd) -> Result<(), InitrdError> {
        for path in &self.needs {
            initrd.add_host_program(path)?;
        }
        initrd.add_host_path(&self.path)
    }

    /// A script of the corpus's kind that becomes this program.
    pub fn script(&self) -> Script {
        let (path, interpreter) = (self.path.display(), self.needs[0].display());
        let text = format!("export PATH={TOOLS}; exec {interpreter} {path}");
        Script { name: self.name(), text }
    }
}
