//! Names, links and open files over the RAM file system.

mod oracle;

use alloc::format;
use alloc::string::String;

use wayfarer_proto::linux::fcntl::{Access, Whence};
use wayfarer_proto::linux::stat::DeviceNumber;

use super::*;
use crate::fs::dirent::DirentFormat;
use crate::fs::testing::TestTree;

const CREATE: OpenFlags = OpenFlags::CREATE.union(OpenFlags::READ_WRITE);

/// `/a/b/file`, `/link -> a/b`, `/dangling -> nowhere`, `/loop -> loop`.
fn tree() -> TestTree {
    let tree = TestTree::new();
    tree.make_directory("/a").unwrap();
    tree.make_directory("/a/b").unwrap();
    tree.write("/a/b/file", b"content");
    tree.make_symlink("a/b", "/link").unwrap();
    tree.make_symlink("nowhere", "/dangling").unwrap();
    tree.make_symlink("loop", "/loop").unwrap();
    tree
}

fn rename(tree: &TestTree, from: &str, to: &str) -> Result<(), Errno> {
    rename_as(tree, from, to, RenameMode::Replace)
}

fn rename_as(tree: &TestTree, from: &str, to: &str, mode: RenameMode) -> Result<(), Errno> {
    let root = tree.vfs.root();
    tree.vfs.rename((root, from.as_bytes()), (root, to.as_bytes()), mode, &tree.asker)
}

fn unlink(tree: &TestTree, path: &str) -> Result<(), Errno> {
    tree.vfs.unlink(tree.vfs.root(), path.as_bytes(), &tree.asker)
}

fn rmdir(tree: &TestTree, path: &str) -> Result<(), Errno> {
    tree.vfs.remove_directory(tree.vfs.root(), path.as_bytes(), &tree.asker)
}

fn resolve(tree: &TestTree, path: &str) -> Result<String, Errno> {
    let found = tree.resolve(path, FollowLast::Yes)?;
    Ok(String::from_utf8(found.path()).unwrap())
}

#[test]
fn paths_lead_where_linux_leads_them() {
    let tree = tree();
    for (path, expected) in [
        ("/", "/"),
        ("///", "/"),
        ("/..", "/"),
        ("/../../a/./b/", "/a/b"),
        ("//a//b///file", "/a/b/file"),
        ("/link/../b/file", "/a/b/file"),
        ("/link", "/a/b"),
        ("/dev/..", "/"),
        ("/dev/../dev/null", "/dev/null"),
        ("/a/b/..", "/a"),
    ] {
        assert_eq!(resolve(&tree, path).as_deref(), Ok(expected), "{path}");
    }
}

#[test]
fn paths_fail_as_in_linux() {
    let tree = tree();
    let long = format!("/{}", "n".repeat(256));
    let longest = "/".repeat(4096);
    for (path, error) in [
        ("", Errno::ENOENT),
        ("/missing", Errno::ENOENT),
        ("/missing/file", Errno::ENOENT),
        ("/a/b/file/", Errno::ENOTDIR),
        ("/a/b/file/x", Errno::ENOTDIR),
        ("/a/b/file/..", Errno::ENOTDIR),
        ("/a/b/file/.", Errno::ENOTDIR),
        ("/dangling", Errno::ENOENT),
        ("/loop", Errno::ELOOP),
        (&long, Errno::ENAMETOOLONG),
        (&longest, Errno::ENAMETOOLONG),
    ] {
        assert_eq!(resolve(&tree, path), Err(error), "{path}");
    }
}

#[test]
fn forty_links_are_followed_and_no_more() {
    let tree = tree();
    tree.make_symlink("/a/b/file", "/l1").unwrap();
    for index in 2..=41 {
        tree.make_symlink(&format!("l{}", index - 1), &format!("/l{index}")).unwrap();
    }
    assert_eq!(resolve(&tree, "/l40").as_deref(), Ok("/a/b/file"));
    assert_eq!(resolve(&tree, "/l41"), Err(Errno::ELOOP));
}

#[test]
fn the_last_link_is_followed_only_on_demand_or_before_a_slash() {
    let tree = tree();
    assert_eq!(tree.lstat("/link").unwrap().file_type, FileType::Symlink);
    assert_eq!(tree.lstat("/link").unwrap().size, 3);
    assert_eq!(tree.lstat("/link/").unwrap().file_type, FileType::Directory);
    assert_eq!(tree.read_link("/link").as_deref(), Ok("a/b"));
    assert_eq!(tree.read_link("/a"), Err(Errno::EINVAL));
}

#[test]
fn a_relative_path_begins_at_its_start() {
    let tree = tree();
    let start = tree.vfs.resolve_directory(tree.vfs.root(), b"/a/b", &tree.asker).unwrap();
    let file = tree.vfs.resolve(&start, b"file", FollowLast::Yes, &tree.asker).unwrap();
    assert_eq!(file.inode().metadata().size, 7);
    let below = tree.vfs.resolve(&file, b"x", FollowLast::Yes, &tree.asker);
    assert_eq!(below.err(), Some(Errno::ENOTDIR), "a dirfd that is no directory");
    let not = tree.vfs.resolve_directory(&start, b"file", &tree.asker);
    assert_eq!(not.err(), Some(Errno::ENOTDIR));
}

#[test]
fn opening_follows_the_flags() {
    let tree = tree();
    let error = |path, flags| tree.open(path, flags).err();
    let exclusive = CREATE | OpenFlags::EXCLUSIVE;
    assert_eq!(error("/missing", OpenFlags::empty()), Some(Errno::ENOENT));
    assert_eq!(error("/a", OpenFlags::WRITE_ONLY), Some(Errno::EISDIR));
    assert_eq!(error("/a", CREATE), Some(Errno::EISDIR));
    assert_eq!(error("/a", OpenFlags::CREATE), Some(Errno::EISDIR));
    assert_eq!(error("/a", OpenFlags::TRUNCATE), Some(Errno::EISDIR));
    assert_eq!(error("/a/", CREATE), Some(Errno::EISDIR));
    assert_eq!(error("/new/", CREATE), Some(Errno::EISDIR));
    assert_eq!(error("/a", exclusive), Some(Errno::EEXIST));
    assert_eq!(error("/.", exclusive), Some(Errno::EEXIST));
    assert_eq!(error("/a/b/file", exclusive), Some(Errno::EEXIST));
    assert_eq!(error("/dangling", exclusive), Some(Errno::EEXIST));
    assert_eq!(error("/a/b/file", OpenFlags::DIRECTORY), Some(Errno::ENOTDIR));
    assert_eq!(error("/link", OpenFlags::NO_FOLLOW), Some(Errno::ELOOP));
    assert_eq!(error("/link/", OpenFlags::NO_FOLLOW), None);
    assert_eq!(error("/a/b/file/", OpenFlags::empty()), Some(Errno::ENOTDIR));
    assert_eq!(error("/loop", OpenFlags::empty()), Some(Errno::ELOOP));
    let unnamed = OpenFlags::TMPFILE_BIT | OpenFlags::DIRECTORY;
    assert_eq!(error("/a", unnamed), Some(Errno::EINVAL), "it must be writable");
    assert_eq!(error("/a", unnamed | OpenFlags::READ_WRITE), None);
    assert_eq!(error("/a/b/file", unnamed | OpenFlags::READ_WRITE), Some(Errno::ENOTDIR));
    assert_eq!(error("/a", OpenFlags::CREATE | OpenFlags::DIRECTORY), Some(Errno::EINVAL));
    assert_eq!(error("/missing/new", CREATE), Some(Errno::ENOENT));
}

#[test]
fn creating_goes_through_a_dangling_link() {
    let tree = tree();
    tree.open("/dangling", CREATE).unwrap();
    assert_eq!(tree.stat("/nowhere").file_type, FileType::Regular);
    assert_eq!(tree.stat("/nowhere").mode(), 0o100644);
}

#[test]
fn truncating_and_appending() {
    let tree = tree();
    let log = tree.open("/a/b/file", OpenFlags::WRITE_ONLY | OpenFlags::APPEND).unwrap();
    let io = log.io(&tree.asker);
    log.seek(0, Whence::Start).unwrap();
    assert_eq!(log.write(b"!", &io), Ok(1));
    assert_eq!(log.offset(), 8);
    assert_eq!(log.write_at(0, b"?", &io), Ok(1));
    assert_eq!(tree.read_text("/a/b/file"), "content!?");
    assert_eq!(log.offset(), 8, "pwrite leaves the offset");
    tree.open("/a/b/file", OpenFlags::WRITE_ONLY | OpenFlags::TRUNCATE).unwrap();
    assert_eq!(tree.stat("/a/b/file").size, 0);
}

#[test]
fn a_name_only_descriptor_permits_no_input_or_output() {
    let tree = tree();
    let name = tree.open("/a/b/file", OpenFlags::PATH | OpenFlags::WRITE_ONLY).unwrap();
    let io = name.io(&tree.asker);
    assert_eq!(name.flags().access(), Access::Read);
    assert_eq!(name.read(&mut [0], &io), Err(Errno::EBADF));
    assert_eq!(name.write(b"x", &io), Err(Errno::EBADF));
    assert_eq!(name.seek(0, Whence::Start), Err(Errno::EBADF));
    assert_eq!(name.set_size(0, &tree.asker), Err(Errno::EBADF));
    assert_eq!(name.metadata().size, 7);
    let link = tree.open("/link", OpenFlags::PATH | OpenFlags::NO_FOLLOW).unwrap();
    assert_eq!(link.metadata().file_type, FileType::Symlink);
}

#[test]
fn status_flags_change_but_the_access_mode_does_not() {
    let tree = tree();
    let file = tree.open("/a/b/file", CREATE | OpenFlags::APPEND).unwrap();
    assert_eq!(file.flags(), OpenFlags::READ_WRITE | OpenFlags::APPEND);
    file.set_flags(OpenFlags::NONBLOCK | OpenFlags::WRITE_ONLY | OpenFlags::CREATE);
    assert_eq!(file.flags(), OpenFlags::READ_WRITE | OpenFlags::NONBLOCK);
}

#[test]
fn seeking_follows_lseek() {
    let tree = tree();
    let file = tree.open("/a/b/file", OpenFlags::empty()).unwrap();
    assert_eq!(file.seek(3, Whence::Start), Ok(3));
    assert_eq!(file.seek(-1, Whence::Current), Ok(2));
    assert_eq!(file.seek(-10, Whence::Current), Err(Errno::EINVAL));
    assert_eq!(file.seek(10, Whence::End), Ok(17));
    assert_eq!(file.seek(i64::MAX, Whence::Current), Err(Errno::EINVAL));
    assert_eq!(file.seek(1, Whence::Data), Ok(1));
    assert_eq!(file.seek(7, Whence::Hole), Err(Errno::ENXIO));
    assert_eq!(file.offset(), 1, "a failure leaves the offset");
}

#[test]
fn making_directories() {
    let tree = tree();
    assert_eq!(tree.make_directory("/a"), Err(Errno::EEXIST));
    assert_eq!(tree.make_directory("/dangling"), Err(Errno::EEXIST));
    assert_eq!(tree.make_directory("/dangling/"), Err(Errno::EEXIST));
    assert_eq!(tree.make_directory("/"), Err(Errno::EEXIST));
    assert_eq!(tree.make_directory("/a/."), Err(Errno::EEXIST));
    assert_eq!(tree.make_directory("/new/"), Ok(()));
    assert_eq!(tree.make_directory("/a/b/file/x"), Err(Errno::ENOTDIR));
    assert_eq!(tree.make_directory("/missing/x"), Err(Errno::ENOENT));
    let long = format!("/{}", "n".repeat(256));
    assert_eq!(tree.make_directory(&long), Err(Errno::ENAMETOOLONG));
}

#[test]
fn removing_names() {
    let tree = tree();
    assert_eq!(unlink(&tree, "/a"), Err(Errno::EISDIR));
    assert_eq!(unlink(&tree, "/link/"), Err(Errno::ENOTDIR));
    assert_eq!(unlink(&tree, "/a/b/file/"), Err(Errno::ENOTDIR));
    assert_eq!(unlink(&tree, "/missing"), Err(Errno::ENOENT));
    assert_eq!(unlink(&tree, "/a/."), Err(Errno::EISDIR));
    assert_eq!(unlink(&tree, "/link"), Ok(()), "the link, not what it leads to");
    assert_eq!(rmdir(&tree, "/a"), Err(Errno::ENOTEMPTY));
    assert_eq!(rmdir(&tree, "/a/b/file"), Err(Errno::ENOTDIR));
    assert_eq!(rmdir(&tree, "/a/b/."), Err(Errno::EINVAL));
    assert_eq!(rmdir(&tree, "/a/b/.."), Err(Errno::ENOTEMPTY));
    assert_eq!(rmdir(&tree, "/"), Err(Errno::EBUSY));
    assert_eq!(rmdir(&tree, "/dev"), Err(Errno::EBUSY));
    unlink(&tree, "/a/b/file").unwrap();
    assert_eq!(rmdir(&tree, "/a/b/"), Ok(()));
    assert_eq!(resolve(&tree, "/a/b"), Err(Errno::ENOENT));
}

#[test]
fn a_removed_current_directory_takes_no_new_names() {
    let tree = tree();
    tree.make_directory("/cwd").unwrap();
    let cwd = tree.vfs.resolve_directory(tree.vfs.root(), b"/cwd", &tree.asker).unwrap();
    assert_eq!(tree.vfs.path_of_directory(&cwd, &tree.asker).unwrap(), b"/cwd");
    rmdir(&tree, "/cwd").unwrap();
    assert_eq!(tree.vfs.path_of_directory(&cwd, &tree.asker), Err(Errno::ENOENT));
    assert_eq!(cwd.path(), b"/cwd (deleted)");
    let made = tree.vfs.make_directory(&cwd, b"x", 0o755, &tree.asker);
    assert_eq!(made, Err(Errno::ENOENT));
    let opened = tree.vfs.open(&cwd, b"x", CREATE, 0o644, &tree.asker);
    assert_eq!(opened.err(), Some(Errno::ENOENT));
    let up = tree.vfs.resolve(&cwd, b"..", FollowLast::Yes, &tree.asker).unwrap();
    assert_eq!(up.path(), b"/");
    let directory = tree.vfs.open(&cwd, b".", OpenFlags::DIRECTORY, 0, &tree.asker).unwrap();
    assert_eq!(
        directory.read_directory(512, DirentFormat::Dirent64, &tree.asker),
        Err(Errno::ENOENT)
    );
}

#[test]
fn hard_links_share_the_file() {
    let tree = tree();
    let root = tree.vfs.root();
    let link = |from: &str, to: &str| {
        let source = tree.resolve(from, FollowLast::No)?;
        tree.vfs.link(&source, root, to.as_bytes(), &tree.asker)
    };
    assert_eq!(link("/a/b/file", "/hard"), Ok(()));
    assert_eq!(tree.stat("/hard").inode, tree.stat("/a/b/file").inode);
    assert_eq!(tree.stat("/hard").links, 2);
    assert_eq!(link("/a", "/directory"), Err(Errno::EPERM));
    assert_eq!(link("/a/b/file", "/hard"), Err(Errno::EEXIST));
    assert_eq!(link("/a/b/file", "/dev/x"), Err(Errno::EXDEV));
    assert_eq!(link("/a/b/file", "/new/"), Err(Errno::ENOENT));
    assert_eq!(link("/link", "/hardlink"), Ok(()));
    assert_eq!(tree.lstat("/hardlink").unwrap().file_type, FileType::Symlink);
    unlink(&tree, "/a/b/file").unwrap();
    assert_eq!(tree.read_text("/hard"), "content");
}

#[test]
fn symbolic_links_have_limits() {
    let tree = tree();
    assert_eq!(tree.make_symlink("", "/x"), Err(Errno::ENOENT));
    assert_eq!(tree.make_symlink(&"t".repeat(4096), "/x"), Err(Errno::ENAMETOOLONG));
    assert_eq!(tree.make_symlink("t", "/link"), Err(Errno::EEXIST));
    assert_eq!(tree.make_symlink("t", "/x/"), Err(Errno::ENOENT));
}

#[test]
fn nodes_of_every_type() {
    let tree = tree();
    let root = tree.vfs.root();
    let make = |path: &str, mode| {
        tree.vfs.make_node(root, path.as_bytes(), mode, DeviceNumber::new(1, 3), &tree.asker)
    };
    assert_eq!(make("/plain", 0o600), Ok(()));
    assert_eq!(tree.stat("/plain").mode(), 0o100600);
    assert_eq!(make("/null", 0o020666), Ok(()));
    assert!(tree.open("/null", OpenFlags::READ_WRITE).is_ok());
    assert_eq!(make("/socket", 0o140666), Ok(()));
    assert_eq!(tree.open("/socket", OpenFlags::empty()).err(), Some(Errno::ENXIO));
    assert_eq!(make("/directory", 0o040755), Err(Errno::EPERM));
    assert_eq!(make("/odd", 0o050755), Err(Errno::EINVAL));
}

#[test]
fn renaming_moves_and_replaces() {
    let tree = tree();
    tree.write("/other", b"other");
    let open = tree.open("/a/b/file", OpenFlags::empty()).unwrap();
    assert_eq!(rename(&tree, "/a/b/file", "/moved"), Ok(()));
    assert_eq!(open.dentry().path(), b"/moved", "seen by who has it open");
    assert_eq!(tree.read_text("/moved"), "content");
    let replaced = tree.open("/other", OpenFlags::empty()).unwrap();
    assert_eq!(rename(&tree, "/moved", "/other"), Ok(()));
    assert_eq!(tree.read_text("/other"), "content");
    assert_eq!(replaced.dentry().path(), b"/other (deleted)");
    assert_eq!(replaced.metadata().links, 0);
    assert_eq!(open.dentry().path(), b"/other");
}

#[test]
fn renaming_directories() {
    let tree = tree();
    let links = tree.stat("/").links;
    tree.make_directory("/empty").unwrap();
    let inner = tree.open("/a/b/file", OpenFlags::empty()).unwrap();
    assert_eq!(rename(&tree, "/a/b", "/empty"), Ok(()), "an empty directory is replaced");
    assert_eq!(inner.dentry().path(), b"/empty/file");
    assert_eq!(tree.stat("/a").links, 2);
    assert_eq!(tree.stat("/").links, links + 1);
    assert_eq!(rename(&tree, "/empty/", "/named/"), Ok(()));
    let named = tree.vfs.resolve_directory(tree.vfs.root(), b"/named", &tree.asker).unwrap();
    assert_eq!(rename(&tree, "/named", "/a/c"), Ok(()));
    assert_eq!(named.parent().path(), b"/a");
    assert_eq!(tree.stat("/a").links, 3);
    assert_eq!(tree.stat("/a/c").links, 2);
}

#[test]
fn renaming_fails_as_in_linux() {
    let tree = tree();
    tree.make_directory("/full").unwrap();
    tree.write("/full/x", b"");
    tree.make_directory("/empty").unwrap();
    tree.write("/file", b"");
    for (from, to, error) in [
        ("/missing", "/x", Errno::ENOENT),
        ("/a", "/a/b/c", Errno::EINVAL),
        ("/a", "/a/b", Errno::EINVAL),
        ("/a/b", "/a", Errno::ENOTEMPTY),
        ("/empty", "/full", Errno::ENOTEMPTY),
        ("/file", "/empty", Errno::EISDIR),
        ("/empty", "/file", Errno::ENOTDIR),
        ("/file/", "/x", Errno::ENOTDIR),
        ("/file", "/x/", Errno::ENOTDIR),
        ("/file", "/empty/", Errno::ENOTDIR),
        ("/file", "/dev/x", Errno::EXDEV),
        ("/a/.", "/x", Errno::EBUSY),
        ("/a/..", "/x", Errno::EBUSY),
        ("/", "/x", Errno::EBUSY),
        ("/file", "/", Errno::EBUSY),
        ("/dev", "/x", Errno::EBUSY),
        ("/file", "/missing/x", Errno::ENOENT),
        ("/file", "/file/x", Errno::ENOTDIR),
    ] {
        assert_eq!(rename(&tree, from, to), Err(error), "{from} {to}");
    }
    assert_eq!(rename(&tree, "/file", "/file"), Ok(()));
    assert_eq!(rename(&tree, "/link", "/moved"), Ok(()), "the link itself");
}

#[test]
fn renaming_one_name_to_another_of_the_same_file_does_nothing() {
    let tree = tree();
    let root = tree.vfs.root();
    let source = tree.resolve("/a/b/file", FollowLast::No).unwrap();
    tree.vfs.link(&source, root, b"/hard", &tree.asker).unwrap();
    assert_eq!(rename(&tree, "/a/b/file", "/hard"), Ok(()));
    assert_eq!(tree.stat("/hard").links, 2);
    assert_eq!(resolve(&tree, "/a/b/file").as_deref(), Ok("/a/b/file"));
}

#[test]
fn renaming_without_replacing_and_exchanging() {
    let tree = tree();
    tree.write("/one", b"1");
    tree.write("/two", b"2");
    assert_eq!(rename_as(&tree, "/one", "/two", RenameMode::NoReplace), Err(Errno::EEXIST));
    assert_eq!(rename_as(&tree, "/one", "/", RenameMode::NoReplace), Err(Errno::EEXIST));
    assert_eq!(rename_as(&tree, "/one", "/free", RenameMode::NoReplace), Ok(()));
    assert_eq!(rename_as(&tree, "/free", "/none", RenameMode::Exchange), Err(Errno::ENOENT));
    let open = tree.open("/two", OpenFlags::empty()).unwrap();
    assert_eq!(rename_as(&tree, "/free", "/two", RenameMode::Exchange), Ok(()));
    assert_eq!((tree.read_text("/free"), tree.read_text("/two")), ("2".into(), "1".into()));
    assert_eq!(open.dentry().path(), b"/free");
    let links = tree.stat("/").links;
    assert_eq!(rename_as(&tree, "/a/b", "/two", RenameMode::Exchange), Ok(()));
    assert_eq!((tree.stat("/").links, tree.stat("/a").links), (links + 1, 2));
    assert_eq!(tree.read_text("/two/file"), "content");
    assert_eq!(rename_as(&tree, "/a", "/a/b", RenameMode::Exchange), Err(Errno::EINVAL));
    assert_eq!(RenameMode::from_flags(3), Err(Errno::EINVAL));
    assert_eq!(RenameMode::from_flags(4), Err(Errno::EINVAL));
}

#[test]
fn root_may_execute_what_anybody_may() {
    let tree = tree();
    assert!(!may_execute(&tree.stat("/a/b/file")));
    assert!(may_execute(&tree.stat("/a")));
}

#[test]
fn truncating_by_path() {
    let tree = tree();
    let root = tree.vfs.root();
    let truncate = |path: &str| tree.vfs.truncate(root, path.as_bytes(), 3, &tree.asker);
    assert_eq!(truncate("/a/b/file").map(drop), Ok(()));
    assert_eq!(tree.read_text("/a/b/file"), "con");
    assert_eq!(truncate("/a").map(drop), Err(Errno::EISDIR));
    assert_eq!(truncate("/dev/null").map(drop), Err(Errno::EINVAL));
}

#[test]
fn deep_directories_are_released_without_recursion() {
    let tree = TestTree::new();
    let mut at = tree.vfs.root().clone();
    for _ in 0..900 {
        tree.vfs.make_directory(&at, b"d", 0o755, &tree.asker).unwrap();
        at = tree.vfs.resolve_directory(&at, b"d", &tree.asker).unwrap();
    }
    assert_eq!(at.path().len(), 1800);
    let mut count = 0;
    while !at.is(tree.vfs.root()) {
        at = at.parent();
        rmdir_below(&tree, &at);
        count += 1;
    }
    assert_eq!(count, 900);
}

fn rmdir_below(tree: &TestTree, directory: &Rc<Dentry>) {
    tree.vfs.remove_directory(directory, b"d", &tree.asker).unwrap();
}

#[test]
fn mounts_are_listed() {
    let tree = tree();
    let expected = "tmpfs / tmpfs rw,relatime 0 0\ntmpfs /dev tmpfs rw,relatime 0 0\n\
        devpts /dev/pts devpts rw,relatime 0 0\n";
    assert_eq!(tree.vfs.mounts_text(), expected);
    let info = tree.vfs.mount_info_text();
    assert!(
        info.starts_with("1 0 0:20 / / rw,relatime - tmpfs tmpfs rw\n2 1 0:21 / /dev "),
        "{info}"
    );
}
