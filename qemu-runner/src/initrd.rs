//! What a node finds in its file system at boot: busybox and its applets, a few files that
//! programs expect, and whatever the caller adds; or the tree of a directory of the host.

mod mirror;
mod packing;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cpio::{Archive, Attributes};
use crate::elf::{self, NotRunnable};
use crate::libraries::MissingLibrary;

/// File type bits of a mode (`inode(7)`).
const REGULAR: u32 = 0o100_000;
const DIRECTORY: u32 = 0o040_000;
const SYMLINK: u32 = 0o120_000;

/// How many symbolic links a path may lead through (`path_resolution(7)`).
const MOST_LINKS: usize = 40;

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
    /// A library that a program needs is not where the dynamic linker would look.
    #[error(transparent)]
    MissingLibrary(#[from] MissingLibrary),
    /// A file too large for the archive, or an archive that could not be written.
    #[error("cannot pack {path}: {source}")]
    Unpackable {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A path of the host that cannot be repeated on a node.
    #[error("cannot pack {path}: {reason}")]
    BadPath {
        /// The path.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
}

#[derive(Clone, Debug)]
struct Entry {
    attributes: Attributes,
    content: Content,
}

#[derive(Clone, Debug)]
enum Content {
    /// Of a directory or a device.
    None,
    Bytes(Vec<u8>),
    /// The target of a symbolic link.
    Link(String),
    /// A file of the host, read when the archive is written, and its size.
    Host(PathBuf, u64),
}

impl Entry {
    fn new(kind: u32, permissions: u32, content: Content) -> Self {
        let attributes = Attributes { mode: kind | permissions, ..Attributes::default() };
        Self { attributes, content }
    }

    fn directory(permissions: u32) -> Self {
        Self::new(DIRECTORY, permissions, Content::None)
    }

    fn link(target: &str) -> Self {
        Self::new(SYMLINK, 0o777, Content::Link(target.to_owned()))
    }

    fn size(&self) -> u64 {
        match &self.content {
            Content::None => 0,
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::Link(target) => target.len() as u64,
            Content::Host(_, size) => *size,
        }
    }
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
            initrd.insert(path, Entry::directory(permissions));
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

    /// Whether a program can be executed by this path: it leads to a file.
    pub fn has_file(&self, path: &str) -> bool {
        let found = self.entries.get(&self.resolve(path)).map(|entry| &entry.content);
        matches!(found, Some(Content::Bytes(_) | Content::Host(..)))
    }

    /// Adds a file; what had this path before is replaced, missing directories are made.
    pub fn add_file(&mut self, path: &str, permissions: u32, content: Vec<u8>) {
        self.insert(path, Entry::new(REGULAR, permissions, Content::Bytes(content)));
    }

    /// Adds a directory, as [`add_file`](Self::add_file) does.
    pub fn add_directory(&mut self, path: &str) {
        self.insert(path, Entry::directory(0o755));
    }

    /// Adds a symbolic link, as [`add_file`](Self::add_file) does.
    pub fn add_link(&mut self, path: &str, target: &str) {
        self.insert(path, Entry::link(target));
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

    /// Bytes of all files.
    pub fn size(&self) -> u64 {
        self.entries.values().map(Entry::size).sum()
    }

    /// How many files it has, of any kind.
    pub fn count(&self) -> u64 {
        self.entries.len() as u64
    }

    /// The archive for QEMU's `-initrd`.
    ///
    /// # Errors
    /// As [`write_to`](Self::write_to).
    pub fn to_archive(&self) -> Result<Vec<u8>, InitrdError> {
        self.write_to(Vec::new())
    }

    /// Writes the archive for QEMU's `-initrd` to `out`, and gives that back.
    ///
    /// # Errors
    /// `Unpackable` when a file is 4 GiB or more, changes meanwhile, or `out` takes no more;
    /// `Unreadable` when a file of the host is.
    pub fn write_to<W: Write>(&self, out: W) -> Result<W, InitrdError> {
        let mut archive = Archive::new(out);
        for (path, Entry { attributes, content }) in &self.entries {
            let unpackable = |source| InitrdError::Unpackable { path: path.clone(), source };
            let name = path.as_bytes();
            match content {
                Content::None => archive.entry(name, *attributes, &[]),
                Content::Bytes(bytes) => archive.entry(name, *attributes, bytes),
                Content::Link(target) => archive.entry(name, *attributes, target.as_bytes()),
                Content::Host(host, size) => {
                    let mut file = File::open(host).map_err(unreadable(host))?;
                    archive.entry_from(name, *attributes, &mut file, *size)
                }
            }
            .map_err(unpackable)?;
        }
        let end = |source| InitrdError::Unpackable { path: "the files".to_owned(), source };
        archive.finish().map_err(end)
    }

    /// Where a path leads when the symbolic links of this file system are followed, as long as
    /// they lead to something; without a leading slash.
    fn resolve(&self, path: &str) -> String {
        let mut names: Vec<String> = path.rsplit('/').map(str::to_owned).collect();
        let mut found = String::new();
        let mut links = 0;
        while let Some(name) = names.pop() {
            match name.as_str() {
                "" | "." => continue,
                ".." => {
                    found.truncate(found.rfind('/').unwrap_or(0));
                    continue;
                }
                _ => {}
            }
            let next = join(&found, &name);
            match self.entries.get(&next).map(|entry| &entry.content) {
                Some(Content::Link(target)) if links < MOST_LINKS => {
                    links += 1;
                    if target.starts_with('/') {
                        found.clear();
                    }
                    names.extend(target.rsplit('/').map(str::to_owned));
                }
                _ => found = next,
            }
        }
        found
    }

    /// The map's order puts a directory before what it contains.
    fn insert(&mut self, path: &str, entry: Entry) {
        let path = path.trim_start_matches('/');
        for (slash, _) in path.match_indices('/') {
            self.entries.entry(path[..slash].to_owned()).or_insert_with(|| Entry::directory(0o755));
        }
        self.entries.insert(path.to_owned(), entry);
    }
}

fn join(directory: &str, name: &str) -> String {
    if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") }
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> InitrdError {
    |source| InitrdError::Unreadable { path: path.to_owned(), source }
}

/// The host's busybox, if it has one.
pub fn find_busybox() -> Option<PathBuf> {
    BUSYBOX_PATHS.iter().map(PathBuf::from).find(|path| path.is_file())
}

fn read(path: &Path) -> Result<Vec<u8>, InitrdError> {
    std::fs::read(path).map_err(unreadable(path))
}

/// The applets this busybox was built with, by its own word.
fn applets(busybox: &Path) -> Result<Vec<String>, InitrdError> {
    let output = Command::new(busybox).arg("--list").output().map_err(unreadable(busybox))?;
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
