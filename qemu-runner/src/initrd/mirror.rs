//! Files and trees of the host, at the same path on a node or elsewhere.
//!
//! A path of the host leads to the same file on a node: symbolic links on the way are repeated, and
//! so is what they lead to. Where the node's file system has something by that name already (its
//! `/usr/bin` is a link to `/bin`, wherever the host's leads) it stays, and the rest of the path
//! goes below it.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Component, Path, PathBuf};

use super::{Content, DIRECTORY, Entry, Initrd, InitrdError, MOST_LINKS, join, unreadable};
use crate::cpio::Attributes;

/// The file type bits of a mode.
const FORMAT: u32 = 0o170_000;

/// Permissions of directories on the way to a mirrored file; the host's may keep others out.
const ON_THE_WAY: u32 = 0o755;

/// What is taken of a directory.
#[derive(Clone, Copy)]
struct Choice {
    /// Whether it takes the place of what is there.
    replace: bool,
    /// Refuses files and directories by name.
    keep: fn(&str) -> bool,
}

impl Choice {
    const EVERYTHING: Self = Self { replace: true, keep: |_| true };
}

impl Initrd {
    /// The file system that the directory `root` of the host holds. Sockets are left out.
    ///
    /// # Errors
    /// `Unreadable`, `BadPath` for a name that is not UTF-8.
    pub fn from_root(root: &Path) -> Result<Self, InitrdError> {
        let mut initrd = Self { entries: BTreeMap::new() };
        initrd.add_contents("", root, Choice::EVERYTHING)?;
        Ok(initrd)
    }

    /// Adds the directory `host` with all it holds as `path`; what had such a path is replaced.
    ///
    /// # Errors
    /// As [`from_root`](Self::from_root).
    pub fn add_tree(&mut self, path: &str, host: &Path) -> Result<(), InitrdError> {
        let metadata = fs::metadata(host).map_err(unreadable(host))?;
        let path = self.resolve(path);
        self.insert(&path, entry(host, &metadata)?);
        self.add_contents(&path, host, Choice::EVERYTHING)
    }

    /// Adds the host's file or directory at the same path, and whatever symbolic links of the host
    /// lead to. With `replace` a file takes the place of what is there, else that stays.
    ///
    /// # Errors
    /// As [`from_root`](Self::from_root); `BadPath` when links lead in circles.
    pub fn mirror(&mut self, host: &Path, replace: bool) -> Result<(), InitrdError> {
        self.mirror_part(host, replace, |_| true)
    }

    /// The same of a directory, without those files and directories that `keep` refuses by name.
    pub(super) fn mirror_part(
        &mut self,
        host: &Path,
        replace: bool,
        keep: fn(&str) -> bool,
    ) -> Result<(), InitrdError> {
        let mut host = host.to_owned();
        for _ in 0..MOST_LINKS {
            let metadata = fs::symlink_metadata(&host).map_err(unreadable(&host))?;
            if metadata.is_dir() {
                let path = self.mirror_directory(&host)?;
                return self.add_contents(&path, &host, Choice { replace: false, keep });
            }
            let path = self.place(&host)?;
            if self.entries.contains_key(&path) && !replace {
                return Ok(());
            }
            self.insert(&path, entry(&host, &metadata)?);
            if !metadata.is_symlink() {
                return Ok(());
            }
            host = target(&host)?;
        }
        Err(InitrdError::BadPath { path: host, reason: "its symbolic links lead in circles" })
    }

    /// Makes sure that the host's directory exists at the same path, without what it holds; gives
    /// the path it has here.
    ///
    /// # Errors
    /// As [`mirror`](Self::mirror).
    pub fn mirror_directory(&mut self, host: &Path) -> Result<String, InitrdError> {
        self.walk(host, MOST_LINKS)
    }

    /// Where the host's file belongs; directories on the way are made.
    fn place(&mut self, host: &Path) -> Result<String, InitrdError> {
        let bad = || InitrdError::BadPath { path: host.to_owned(), reason: "no file name" };
        let (parent, name) = host.parent().zip(host.file_name()).ok_or_else(bad)?;
        let directory = self.mirror_directory(parent)?;
        Ok(join(&directory, utf8(Path::new(name))?))
    }

    fn walk(&mut self, host: &Path, links: usize) -> Result<String, InitrdError> {
        let (mut here, mut there) = (String::new(), PathBuf::from("/"));
        for component in host.components() {
            match component {
                Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
                Component::ParentDir => {
                    there = fs::canonicalize(&there).map_err(unreadable(&there))?;
                    there.pop();
                    here.truncate(here.rfind('/').unwrap_or(0));
                }
                Component::Normal(name) => {
                    there.push(name);
                    let next = join(&here, utf8(Path::new(name))?);
                    here = self.step(next, &there, links)?;
                }
            }
        }
        Ok(here)
    }

    /// Enters the directory `path`, which is `host` there.
    fn step(&mut self, path: String, host: &Path, links: usize) -> Result<String, InitrdError> {
        if self.entries.contains_key(&path) {
            return Ok(self.resolve(&path));
        }
        let metadata = fs::symlink_metadata(host).map_err(unreadable(host))?;
        if !metadata.is_symlink() {
            self.insert(&path, Entry::directory(ON_THE_WAY));
            return Ok(path);
        }
        let circles = || InitrdError::BadPath {
            path: host.to_owned(),
            reason: "its symbolic links lead in circles",
        };
        let links = links.checked_sub(1).ok_or_else(circles)?;
        self.insert(&path, entry(host, &metadata)?);
        self.walk(&target(host)?, links)
    }

    fn add_contents(&mut self, path: &str, host: &Path, choice: Choice) -> Result<(), InitrdError> {
        for found in fs::read_dir(host).map_err(unreadable(host))? {
            let found = found.map_err(unreadable(host))?.path();
            let name = utf8(Path::new(found.file_name().unwrap_or_default()))?;
            let metadata = fs::symlink_metadata(&found).map_err(unreadable(&found))?;
            if metadata.file_type().is_socket() || !(choice.keep)(name) {
                continue;
            }
            let path = join(path, name);
            if choice.replace || !self.entries.contains_key(&path) {
                self.insert(&path, entry(&found, &metadata)?);
            }
            if metadata.is_dir() && self.is_directory(&path) {
                self.add_contents(&path, &found, choice)?;
            }
        }
        Ok(())
    }

    fn is_directory(&self, path: &str) -> bool {
        self.entries.get(path).is_some_and(|entry| entry.attributes.mode & FORMAT == DIRECTORY)
    }
}

/// What a symbolic link of the host leads to.
fn target(link: &Path) -> Result<PathBuf, InitrdError> {
    let target = fs::read_link(link).map_err(unreadable(link))?;
    Ok(link.parent().unwrap_or_else(|| Path::new("/")).join(target))
}

/// The entry of a file of the host. Its owner and times come along: what is compiled beside its
/// source is only believed when the times agree.
fn entry(host: &Path, metadata: &Metadata) -> Result<Entry, InitrdError> {
    let attributes = Attributes {
        mode: metadata.mode(),
        uid: metadata.uid(),
        gid: metadata.gid(),
        modified: u32::try_from(metadata.mtime().max(0)).unwrap_or(u32::MAX),
        device: [rustix::fs::major(metadata.rdev()), rustix::fs::minor(metadata.rdev())],
    };
    let content = if metadata.is_symlink() {
        Content::Link(utf8(&fs::read_link(host).map_err(unreadable(host))?)?.to_owned())
    } else if metadata.is_file() {
        Content::Host(host.to_owned(), metadata.len())
    } else {
        Content::None
    };
    Ok(Entry { attributes, content })
}

fn utf8(path: &Path) -> Result<&str, InitrdError> {
    let bad = || InitrdError::BadPath { path: path.to_owned(), reason: "a name that is not UTF-8" };
    path.to_str().ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn listing(initrd: &Initrd, below: &str) -> Vec<String> {
        let line = |(path, entry): (&String, &Entry)| match &entry.content {
            Content::Link(target) => format!("{path} -> {target}"),
            Content::Host(..) => format!("{path} {:o}", entry.attributes.mode & 0o7777),
            _ => format!("{path}/"),
        };
        let below = below.trim_start_matches('/');
        let inside = initrd.entries.iter().filter(|(path, _)| path.starts_with(below));
        inside.map(line).map(|line| line.replace(below, "T")).collect()
    }

    /// `real/dir/file`, reached through `way -> real` and `way/dir/link -> ../../also`.
    fn host() -> (tempfile::TempDir, String) {
        let host = tempfile::tempdir().unwrap();
        let at = |path: &str| host.path().join(path);
        fs::create_dir_all(at("real/dir")).unwrap();
        fs::write(at("real/dir/file"), "x").unwrap();
        fs::write(at("also"), "yz").unwrap();
        symlink("real", at("way")).unwrap();
        symlink("../../also", at("real/dir/link")).unwrap();
        let path = host.path().to_str().unwrap().to_owned();
        (host, path)
    }

    #[test]
    fn links_on_the_way_are_kept_and_followed() {
        let (host, path) = host();
        let mut initrd = Initrd::bare();
        initrd.mirror(&host.path().join("way/dir/link"), false).unwrap();
        let expected = [
            "T/",
            "T/also 644",
            "T/real/",
            "T/real/dir/",
            "T/real/dir/link -> ../../also",
            "T/way -> real",
        ];
        assert_eq!(listing(&initrd, &path), expected);
    }

    #[test]
    fn what_is_there_stays_unless_it_is_replaced() {
        let (host, path) = host();
        let file = host.path().join("way/dir/file");
        let mut initrd = Initrd::bare();
        initrd.add_link(&format!("{path}/way"), "/bin");
        initrd.add_file("/bin/dir/file", 0o755, b"ours".to_vec());
        initrd.mirror(&file, false).unwrap();
        assert!(matches!(initrd.entries["bin/dir/file"].content, Content::Bytes(_)));
        initrd.mirror(&file, true).unwrap();
        assert!(matches!(initrd.entries["bin/dir/file"].content, Content::Host(..)));
    }

    #[test]
    fn trees_come_whole() {
        let (host, _) = host();
        let mut initrd = Initrd::bare();
        initrd.add_tree("/data", host.path()).unwrap();
        let expected = [
            "T/",
            "T/also 644",
            "T/real/",
            "T/real/dir/",
            "T/real/dir/file 644",
            "T/real/dir/link -> ../../also",
            "T/way -> real",
        ];
        assert_eq!(listing(&initrd, "/data"), expected);
        let root = Initrd::from_root(host.path()).unwrap();
        assert!(root.contains("/real/dir/file") && !root.contains("/etc"));
    }

    #[test]
    fn circles_are_refused() {
        let host = tempfile::tempdir().unwrap();
        symlink("b", host.path().join("a")).unwrap();
        symlink("a", host.path().join("b")).unwrap();
        let mut initrd = Initrd::bare();
        assert!(initrd.mirror(&host.path().join("a"), true).is_err());
        assert!(initrd.mirror(&host.path().join("a/file"), false).is_err());
    }
}
