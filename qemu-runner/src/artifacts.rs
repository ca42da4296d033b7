//! Builds what nodes run: the kernel, by a nested cargo, and guest programs, each with the flags
//! it needs (decision D9). Nothing is rebuilt when nothing changed.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// Why a build gave no program.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The tool could not be started.
    #[error("cannot run {tool}: {source}; ./setup names what is missing")]
    NoTool {
        /// The tool.
        tool: String,
        /// Why.
        source: io::Error,
    },
    /// The tool ran and failed.
    #[error("building {what} failed\n{output}")]
    Failed {
        /// The program.
        what: String,
        /// What the tool said.
        output: String,
    },
    /// Cargo succeeded but named no executable.
    #[error("cargo named no executable for {0}")]
    NoExecutable(String),
}

/// The checkout this command was built from.
pub fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// The package of the kernel.
pub const KERNEL: &str = "wayfarer-kernel";

/// A program that cargo builds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Artifact<'a> {
    /// A bootable image: a package of this workspace whose binary has its name and needs its
    /// feature `image`.
    Image(&'a str),
    /// A program of `tests/guest`, linked statically.
    Guest(&'a str),
}

/// Builds the kernel and gives its path.
///
/// # Errors
/// Any [`BuildError`].
pub fn kernel() -> Result<PathBuf, BuildError> {
    Artifact::Image(KERNEL).build(|_| {})
}

/// Builds the Rust program `name` of `tests/guest` and gives its path.
///
/// # Errors
/// Any [`BuildError`].
pub fn guest(name: &str) -> Result<PathBuf, BuildError> {
    Artifact::Guest(name).build(|_| {})
}

impl Artifact<'_> {
    /// Builds it, once in the life of this process, and gives its path. What cargo says meanwhile
    /// goes to `watch`, a line at a time.
    ///
    /// # Errors
    /// Any [`BuildError`].
    pub fn build(self, watch: impl FnMut(&str)) -> Result<PathBuf, BuildError> {
        static BUILT: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
        let name = self.name();
        // Held while building: whoever wants the same waits for it.
        let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(path) = built.get(name) {
            return Ok(path.clone());
        }
        let path = run_cargo(name, self.command(), watch)?;
        built.insert(name.to_owned(), path.clone());
        Ok(path)
    }

    fn name(&self) -> &str {
        match self {
            Self::Image(name) | Self::Guest(name) => name,
        }
    }

    fn command(self) -> Command {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        let mut command = Command::new(cargo);
        let messages = ["--message-format", "json-render-diagnostics", "--manifest-path"];
        match self {
            Self::Image(package) => {
                command.args(["build", "--release", "-p", package, "--bin", package]);
                command.args(["--features", "image"]);
                command.args(messages).arg(workspace().join("Cargo.toml"));
            }
            Self::Guest(name) => {
                command.args(["rustc", "--release", "-p", name, "--bin", name]);
                command.args(messages).arg(workspace().join("tests/guest/Cargo.toml"));
                command.arg("--target-dir").arg(guest_target());
                // Only here: the flag must reach no build script. A plain `-static` links and
                // then segfaults.
                command.args(["--", "-C", "target-feature=+crt-static"]);
            }
        }
        command
    }
}

/// Builds the C program `tests/guest/c/NAME.c` as a static executable and gives its path.
///
/// # Errors
/// Any [`BuildError`].
pub fn c_guest(name: &str) -> Result<PathBuf, BuildError> {
    c_program(&workspace().join("tests/guest/c").join(name).with_extension("c"))
}

/// Compiles the C program `source` as a static executable and gives its path.
///
/// # Errors
/// Any [`BuildError`].
pub fn c_program(source: &Path) -> Result<PathBuf, BuildError> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let name = &*source.file_stem().unwrap_or(source.as_os_str()).to_string_lossy();
    let directory = guest_target().join("c");
    let program = directory.join(name);
    let no_tool = |source| BuildError::NoTool { tool: "cc".to_owned(), source };
    std::fs::create_dir_all(&directory).map_err(no_tool)?;
    // Another process's build must not see a half-written file.
    let partial = directory.join(format!("{name}.{}", std::process::id()));
    let mut command = Command::new("cc");
    command.args(["-static", "-O1", "-g", "-Wall", "-pthread", "-o"]).arg(&partial).arg(source);
    let output = command.output().map_err(no_tool)?;
    if !output.status.success() {
        let output = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(BuildError::Failed { what: name.to_owned(), output });
    }
    std::fs::rename(&partial, &program).map_err(no_tool)?;
    Ok(program)
}

/// The target directory of guest programs: apart from the workspace's, whose flags differ.
fn guest_target() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    target.unwrap_or_else(|| workspace().join("target")).join("guest")
}

/// Runs cargo and gives the executable it names for `what`.
fn run_cargo(
    what: &str,
    mut command: Command,
    mut watch: impl FnMut(&str),
) -> Result<PathBuf, BuildError> {
    let no_tool = |source| BuildError::NoTool { tool: "cargo".to_owned(), source };
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(no_tool)?;
    let (stdout, stderr) =
        child.stdout.take().zip(child.stderr.take()).expect("both are piped just above");
    let messages = std::thread::spawn(move || io::read_to_string(stdout));
    let mut said = String::new();
    for line in BufReader::new(stderr).lines() {
        let line = line.map_err(no_tool)?;
        watch(line.trim());
        said += &line;
        said.push('\n');
    }
    let messages = messages.join().expect("reading does not panic").map_err(no_tool)?;
    if !child.wait().map_err(no_tool)?.success() {
        return Err(BuildError::Failed { what: what.to_owned(), output: said });
    }
    executable(&messages, what).ok_or_else(|| BuildError::NoExecutable(what.to_owned()))
}

/// Finds the path of the binary `name` in cargo's messages, one JSON object a line (The Cargo
/// Book, "External tools").
fn executable(messages: &str, name: &str) -> Option<PathBuf> {
    messages.lines().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        if message["target"]["name"] != name {
            return None;
        }
        message["executable"].as_str().map(PathBuf::from)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executable_is_the_named_binary() {
        let messages = concat!(
            "{\"target\":{\"name\":\"k\"},\"executable\":null}\n",
            "{\"target\":{\"name\":\"o\"},\"executable\":\"/o\"}\n",
            "not json\n",
            "{\"target\":{\"name\":\"k\"},\"executable\":\"/k\"}\n",
        );
        assert_eq!(executable(messages, "k"), Some(PathBuf::from("/k")));
        assert_eq!(executable(messages, "x"), None);
    }

    #[test]
    fn workspace_is_the_checkout() {
        assert!(workspace().join("proto/src/console.rs").is_file());
    }
}
