//! What a node finds in its file system at boot: busybox and its applets, a few files that
//! programs expect, and whatever the caller adds.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cpio::{Archive, TooLarge};
use crate::elf::{self, NotRunnable};

/// Where distributions put a static busybox.
const BUSYBOX_PATHS: [&str; 3] = ["/bin/busybox", "/usr/bin/busybox", "/usr/local/bin/busybox"];

const DIRECTORIES: [(&str, u32); 8] = [
    ("bin", 0o755),
    ("dev", 0o755),
    ("etc", 0o755),
    ("home", 0o755),
    ("proc", 0o555),
    ("root", 0o700),
    ("tmp", 0o1777),
    ("usr", 0o755),
];

const FILES: [(&str, &str); 4] = [
    ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"),
    ("etc/group", "root:x:0:\nnogroup:x:65534:\n"),
    ("etc/hosts", "127.0.0.1 localhost\n"),
    ("etc/shells", "/bin/sh\n"),
];

const LINKS: [(&str, &str); 2] = [("sbin", "bin"), ("usr/bin", "../bin")];

/// Why an initial file system could not be made.
#[derive(Debug, thiserror::Error)]
pub enum InitrdError {
    /// No static busybox on this host.
    #[error("no busybox on this host (looked for /bin/busybox, /usr/bin/busybox); run ./setup")]
    NoBusybox,
    /// A host file could not be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A program that no node can run.
    #[error("{path}: {reason}")]
    NotRunnable {
        /// The program.
        path: PathBuf,
        /// What it is instead.
        reason: NotRunnable,
    },
    /// A file too large for the archive.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
}

#[derive(Clone, Debug)]
enum Entry {
    Directory { permissions: u32 },
    File { permissions: u32, content: Vec<u8> },
    Link { target: String },
}

/// An initial file system being put together. Paths are absolute, as the program will see them.
#[derive(Clone, Debug)]
pub struct Initrd {
    entries: BTreeMap<String, Entry>,
}

impl Initrd {
    /// One that holds busybox with a link for each applet, and the files every node has.
    ///
    /// # Errors
    /// [`InitrdError::NoBusybox`] or `Unreadable`; `NotRunnable` when the host's is dynamic.
    pub fn new() -> Result<Self, InitrdError> {
        let busybox = find_busybox().ok_or(InitrdError::NoBusybox)?;
        let mut initrd = Self::bare();
        initrd.add_program("/bin/busybox", &busybox)?;
        for applet in applets(&busybox)? {
            initrd.add_link(&format!("/bin/{applet}"), "busybox");
        }
        Ok(initrd)
    }

    /// One without busybox, for programs that need none.
    pub fn bare() -> Self {
        let mut initrd = Self { entries: BTreeMap::new() };
        for (path, permissions) in DIRECTORIES {
            initrd.insert(path, Entry::Directory { permissions });
        }
        for (path, text) in FILES {
            initrd.add_file(path, 0o644, text.into());
        }
        for (path, target) in LINKS {
            initrd.add_link(path, target);
        }
        initrd
    }

    /// Whether something has this path.
    pub fn contains(&self, path: &str) -> bool {
        self.entries.contains_key(path.trim_start_matches('/'))
    }

    /// Adds a file; what had this path before is replaced, missing directories are made.
    pub fn add_file(&mut self, path: &str, permissions: u32, content: Vec<u8>) {
        self.insert(path, Entry::File { permissions, content });
    }

    /// Adds a directory, as [`add_file`](Self::add_file) does.
    pub fn add_directory(&mut self, path: &str) {
        self.insert(path, Entry::Directory { permissions: 0o755 });
    }

    /// Adds a symbolic link, as [`add_file`](Self::add_file) does.
    pub fn add_link(&mut self, path: &str, target: &str) {
        self.insert(path, Entry::Link { target: target.to_owned() });
    }

    /// Adds the host's program `host` as `path`.
    ///
    /// # Errors
    /// `Unreadable`, or `NotRunnable` when it is no static x86-64 executable.
    pub fn add_program(&mut self, path: &str, host: &Path) -> Result<(), InitrdError> {
        let content = read(host)?;
        elf::check_static(&content)
            .map_err(|reason| InitrdError::NotRunnable { path: host.to_owned(), reason })?;
        self.add_file(path, 0o755, content);
        Ok(())
    }

    /// Adds any file of the host as `path`, executable so that scripts run.
    ///
    /// # Errors
    /// `Unreadable`.
    pub fn add_host_file(&mut self, path: &str, host: &Path) -> Result<(), InitrdError> {
        self.add_file(path, 0o755, read(host)?);
        Ok(())
    }

    /// The archive for QEMU's `-initrd`.
    ///
    /// # Errors
    /// [`InitrdError::TooLarge`] when a file is 4 GiB or more.
    pub fn to_archive(&self) -> Result<Vec<u8>, InitrdError> {
        let mut archive = Archive::new();
        for (path, entry) in &self.entries {
            match entry {
                Entry::Directory { permissions } => archive.directory(path, *permissions),
                Entry::File { permissions, content } => archive.file(path, *permissions, content),
                Entry::Link { target } => archive.symlink(path, target),
            }?;
        }
        Ok(archive.finish())
    }

    /// The map's order puts a directory before what it contains.
    fn insert(&mut self, path: &str, entry: Entry) {
        let path = path.trim_start_matches('/');
        for (slash, _) in path.match_indices('/') {
            let parent = Entry::Directory { permissions: 0o755 };
            self.entries.entry(path[..slash].to_owned()).or_insert(parent);
        }
        self.entries.insert(path.to_owned(), entry);
    }
}

/// The host's busybox, if it has one.
pub fn find_busybox() -> Option<PathBuf> {
    BUSYBOX_PATHS.iter().map(PathBuf::from).find(|path| path.is_file())
}

fn read(path: &Path) -> Result<Vec<u8>, InitrdError> {
    std::fs::read(path).map_err(|source| InitrdError::Unreadable { path: path.to_owned(), source })
}

/// The applets this busybox was built with, by its own word.
fn applets(busybox: &Path) -> Result<Vec<String>, InitrdError> {
    let output = Command::new(busybox)
        .arg("--list")
        .output()
        .map_err(|source| InitrdError::Unreadable { path: busybox.to_owned(), source })?;
    let list = String::from_utf8_lossy(&output.stdout);
    Ok(list.lines().filter(|name| *name != "busybox").map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_come_before_children() {
        let mut initrd = Initrd::bare();
        initrd.add_file("/a/b/c", 0o600, b"x".to_vec());
        initrd.add_file("/a-b", 0o600, Vec::new());
        let order: Vec<&str> = initrd.entries.keys().map(String::as_str).collect();
        let place = |name| order.iter().position(|path| *path == name);
        assert!(place("a") < place("a/b") && place("a/b") < place("a/b/c"), "{order:?}");
        assert!(initrd.contains("/a/b") && !initrd.contains("/b"));
    }

    #[test]
    fn a_program_replaces_the_applet_of_its_name() {
        let mut initrd = Initrd::bare();
        initrd.add_link("/bin/wander", "busybox");
        initrd.add_file("/bin/wander", 0o755, b"program".to_vec());
        let archive = initrd.to_archive().unwrap();
        assert!(archive.windows(7).any(|bytes| bytes == b"program"));
    }

    #[test]
    fn missing_program_is_named() {
        let error = Initrd::bare().add_program("/bin/x", Path::new("/no/such/program"));
        let text = error.unwrap_err().to_string();
        assert!(text.starts_with("cannot read /no/such/program"), "{text}");
    }
}
