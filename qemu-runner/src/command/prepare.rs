//! What is made, or found missing, before nodes are booted: nobody waits for a run whose report
//! cannot be written.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use wayfarer::artifacts::{self, Artifact};
use wayfarer::{Accel, ClusterError, Share};

use super::cli::{Common, Defaults};
use super::failure::Failure;
use super::progress::Progress;

/// QEMU's program when `--qemu` names none.
const QEMU: &str = "qemu-system-x86_64";

/// Checks what the options name, and gives the kernel, built first if it is a package.
pub(crate) fn kernel(common: &Common, defaults: Defaults) -> Result<PathBuf, Failure> {
    common.check_nodes(defaults).map_err(ClusterError::from)?;
    Share::check(&common.share).map_err(ClusterError::from)?;
    if let Some(file) = &common.pcap {
        writable(file)?;
    }
    let emulator = common.qemu.as_deref().unwrap_or_else(|| Path::new(QEMU));
    if find(&emulator.to_string_lossy()).is_none_or(|path| !path.is_file()) {
        return Err(Failure::NoEmulator(emulator.to_owned()));
    }
    if common.accel == Accel::Kvm {
        eprintln!("wayfarer: --accel kvm is untested");
    }
    let named = &common.kernel;
    match named.to_str() {
        // A path has a slash or names a file.
        Some(package) if !package.contains('/') && !named.is_file() => {
            if !is_package(package) {
                return Err(Failure::NoKernel(named.clone()));
            }
            build(Artifact::Image(package))
        }
        _ => readable(named).map(|()| named.clone()),
    }
}

/// Builds a program, showing a person how far it is.
pub(crate) fn build(artifact: Artifact<'_>) -> Result<PathBuf, Failure> {
    let progress = Progress::new("building");
    let compiling = |line: &str| {
        if let Some(package) = line.strip_prefix("Compiling ") {
            progress.say(format!("building: {package}"));
        }
    };
    Ok(artifact.build(compiling)?)
}

/// Whether `path` can be written later on; it is made now if it is missing.
pub(crate) fn writable(path: &Path) -> Result<(), Failure> {
    let opened = OpenOptions::new().append(true).create(true).open(path);
    opened.map(drop).map_err(|source| Failure::Unwritable { path: path.to_owned(), source })
}

/// Whether `path` is a file that can be read.
pub(crate) fn readable(path: &Path) -> Result<(), Failure> {
    let opened = File::open(path).and_then(|file| file.metadata());
    match opened {
        Ok(metadata) if metadata.is_dir() => {
            let source = std::io::Error::from(std::io::ErrorKind::IsADirectory);
            Err(Failure::Unreadable { path: path.to_owned(), source })
        }
        Ok(_) => Ok(()),
        Err(source) => Err(Failure::Unreadable { path: path.to_owned(), source }),
    }
}

/// Where a program is, looked up as a shell does: a name with a slash is a path.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(PathBuf::from(program));
    }
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path).map(|directory| directory.join(program));
    found.into_iter().find(|candidate| candidate.is_file())
}

/// Whether the workspace has a package of this name. Where cargo itself is missing, building says
/// so better.
fn is_package(name: &str) -> bool {
    let known = Command::new("cargo")
        .args(["pkgid", "--manifest-path"])
        .arg(artifacts::workspace().join("Cargo.toml"))
        .args(["--package", name])
        .stdin(Stdio::null())
        .output();
    name == artifacts::KERNEL || known.is_ok_and(|output| output.status.success())
}
