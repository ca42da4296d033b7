//! The tree against the file system of the host's Linux: random calls give the same answers and
//! leave the same names.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::string::{String, ToString};
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::fs::testing::TestTree;

/// A call on names.
#[derive(Clone, Debug)]
enum Operation {
    MakeDirectory(String),
    RemoveDirectory(String),
    Create(String),
    CreateExclusive(String),
    Unlink(String),
    Symlink(String, String),
    Link(String, String),
    Rename(String, String),
    ReadLink(String),
    Look(String),
}

/// Paths of few names, so that calls meet; with all endings that mean something.
fn path() -> impl Strategy<Value = String> {
    let name = prop::sample::select(&["a", "b", "c", "..", "."][..]);
    let names = prop::collection::vec(name, 1..4);
    let ending = prop::sample::select(&["", "", "", "/", "/.", "/.."][..]);
    // The first name keeps the path in the directory.
    let first = prop::sample::select(&["a", "b", "c"][..]);
    (first, names, ending, any::<bool>()).prop_map(|(first, names, ending, short)| {
        let rest: Vec<_> = if short { Vec::new() } else { names };
        let mut path = String::from(first);
        for name in rest {
            path.push('/');
            path += name;
        }
        path + ending
    })
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        4 => path().prop_map(Operation::MakeDirectory),
        1 => path().prop_map(Operation::RemoveDirectory),
        3 => path().prop_map(Operation::Create),
        1 => path().prop_map(Operation::CreateExclusive),
        1 => path().prop_map(Operation::Unlink),
        2 => (path(), path()).prop_map(|(target, path)| Operation::Symlink(target, path)),
        2 => (path(), path()).prop_map(|(from, to)| Operation::Link(from, to)),
        4 => (path(), path()).prop_map(|(from, to)| Operation::Rename(from, to)),
        1 => path().prop_map(Operation::ReadLink),
        2 => path().prop_map(Operation::Look),
    ]
}

/// A path can lead out of the test's directory by `..`; such a call is left out.
fn stays_inside(path: &str) -> bool {
    let mut depth = 0;
    for name in path.split('/') {
        match name {
            ".." => depth -= 1,
            "." | "" => {}
            _ => depth += 1,
        }
        if depth < 1 {
            return false;
        }
    }
    true
}

impl Operation {
    fn paths(&self) -> Vec<&str> {
        match self {
            Self::MakeDirectory(path)
            | Self::RemoveDirectory(path)
            | Self::Create(path)
            | Self::CreateExclusive(path)
            | Self::Unlink(path)
            | Self::ReadLink(path)
            | Self::Look(path) => [path.as_str()].into(),
            Self::Symlink(one, other) | Self::Link(one, other) | Self::Rename(one, other) => {
                [one.as_str(), other.as_str()].into()
            }
        }
    }

    fn on_host(&self, root: &Path) -> Result<String, u16> {
        let done: io::Result<String> = match self {
            Self::MakeDirectory(path) => fs::create_dir(raw(root, path)).map(|()| String::new()),
            Self::RemoveDirectory(path) => fs::remove_dir(raw(root, path)).map(|()| String::new()),
            Self::Create(path) => fs::OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .open(raw(root, path))
                .map(|_| String::new()),
            Self::CreateExclusive(path) => {
                fs::File::create_new(raw(root, path)).map(|_| String::new())
            }
            Self::Unlink(path) => fs::remove_file(raw(root, path)).map(|()| String::new()),
            Self::Symlink(target, path) => symlink(target, raw(root, path)).map(|()| String::new()),
            Self::Link(from, to) => {
                fs::hard_link(raw(root, from), raw(root, to)).map(|()| String::new())
            }
            Self::Rename(from, to) => {
                fs::rename(raw(root, from), raw(root, to)).map(|()| String::new())
            }
            Self::ReadLink(path) => {
                fs::read_link(raw(root, path)).map(|target| target.display().to_string())
            }
            Self::Look(path) => fs::metadata(raw(root, path)).map(|metadata| kind(&metadata)),
        };
        done.map_err(|error| error.raw_os_error().unwrap_or(0) as u16)
    }

    fn on_tree(&self, tree: &TestTree) -> Result<String, u16> {
        let root = tree.vfs.root();
        let create = OpenFlags::CREATE | OpenFlags::WRITE_ONLY;
        let nothing = |()| String::new();
        let done = match self {
            Self::MakeDirectory(path) => tree.make_directory(path).map(nothing),
            Self::RemoveDirectory(path) => {
                tree.vfs.remove_directory(root, path.as_bytes(), &tree.asker).map(nothing)
            }
            Self::Create(path) => tree.open(path, create).map(drop).map(nothing),
            Self::CreateExclusive(path) => {
                tree.open(path, create | OpenFlags::EXCLUSIVE).map(drop).map(nothing)
            }
            Self::Unlink(path) => tree.vfs.unlink(root, path.as_bytes(), &tree.asker).map(nothing),
            Self::Symlink(target, path) => tree.make_symlink(target, path).map(nothing),
            Self::Link(from, to) => tree.resolve(from, FollowLast::No).and_then(|source| {
                tree.vfs.link(&source, root, to.as_bytes(), &tree.asker).map(nothing)
            }),
            Self::Rename(from, to) => tree
                .vfs
                .rename(
                    (root, from.as_bytes()),
                    (root, to.as_bytes()),
                    RenameMode::Replace,
                    &tree.asker,
                )
                .map(nothing),
            Self::ReadLink(path) => tree.read_link(path),
            Self::Look(path) => tree.resolve(path, FollowLast::Yes).map(|found| {
                let metadata = found.inode().metadata();
                let links = metadata.links;
                match metadata.file_type {
                    FileType::Directory => "directory".to_string(),
                    _ => std::format!("file with {links} names"),
                }
            }),
        };
        done.map_err(|errno| errno.0)
    }
}

/// A path below `root` as it is: `Path::join` keeps the endings that matter here.
fn raw(root: &Path, path: &str) -> PathBuf {
    PathBuf::from(std::format!("{}/{path}", root.display()))
}

fn kind(metadata: &fs::Metadata) -> String {
    let file_type = metadata.file_type();
    assert!(!file_type.is_fifo(), "none is made");
    match file_type.is_dir() {
        true => "directory".to_string(),
        false => std::format!("file with {} names", metadata.nlink()),
    }
}

/// What every name below a directory is.
fn host_names(root: &Path, below: &str, names: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(raw(root, below)).unwrap() {
        let entry = entry.unwrap();
        let path = std::format!("{below}/{}", entry.file_name().display());
        let metadata = fs::symlink_metadata(entry.path()).unwrap();
        if metadata.is_symlink() {
            let target = fs::read_link(entry.path()).unwrap();
            names.insert(path, std::format!("link to {}", target.display()));
            continue;
        }
        if metadata.is_dir() {
            host_names(root, &path, names);
        }
        names.insert(path, kind(&metadata));
    }
}

fn tree_names(tree: &TestTree, below: &str, names: &mut BTreeMap<String, String>) {
    for name in tree.list(if below.is_empty() { "/" } else { below }) {
        let path = std::format!("{below}/{name}");
        if path == "/dev" {
            continue;
        }
        let metadata = tree.lstat(&path).unwrap();
        let what = match metadata.file_type {
            FileType::Symlink => std::format!("link to {}", tree.read_link(&path).unwrap()),
            FileType::Directory => {
                tree_names(tree, &path, names);
                "directory".to_string()
            }
            _ => std::format!("file with {} names", metadata.links),
        };
        names.insert(path, what);
    }
}

/// An empty directory of the host's that goes with the test.
struct HostDirectory(PathBuf);

impl HostDirectory {
    fn new() -> Self {
        use std::sync::atomic::{AtomicU32, Ordering};

        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = std::format!("wayfarer-oracle-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for HostDirectory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(300)
    })]

    #[test]
    fn random_calls_answer_as_linux_does(
        operations in prop::collection::vec(operation(), 1..40),
    ) {
        let host = HostDirectory::new();
        let tree = TestTree::new();
        for operation in operations {
            if !operation.paths().iter().all(|path| stays_inside(path)) {
                continue;
            }
            let (ours, theirs) = (operation.on_tree(&tree), operation.on_host(&host.0));
            prop_assert_eq!(ours, theirs, "{:?}", operation);
        }
        let (mut expected, mut found) = (BTreeMap::new(), BTreeMap::new());
        host_names(&host.0, "", &mut expected);
        tree_names(&tree, "", &mut found);
        prop_assert_eq!(found, expected);
    }
}
