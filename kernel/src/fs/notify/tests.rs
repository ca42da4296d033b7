//! Watches and their events; what Linux says is compared by a guest.

use alloc::string::String;
use alloc::vec;

use wayfarer_proto::linux::fcntl::OpenFlags;

use super::*;
use crate::fs::FileObject;
use crate::fs::testing::TestTree;

const CREATE: OpenFlags = OpenFlags::CREATE.union(OpenFlags::READ_WRITE);

fn watch(tree: &TestTree, instance: &Rc<Inotify>, path: &str, mask: Notice) -> i32 {
    let dentry = tree.resolve(path, crate::fs::FollowLast::Yes).unwrap();
    tree.vfs.open_files().watches().add(instance, &dentry, mask).unwrap()
}

/// The events that wait: number, what, name.
fn events(tree: &TestTree, instance: &Rc<Inotify>) -> Vec<(i32, Notice, String)> {
    let file = tree.open("/dev/null", OpenFlags::empty()).unwrap();
    let mut bytes = vec![0; 4096];
    let count = instance.read(0, &mut bytes, &file.io(&tree.asker)).unwrap_or(0);
    let (mut rest, mut events) = (&bytes[..count], Vec::new());
    while !rest.is_empty() {
        let word = |index: usize| u32::from_le_bytes(rest[index * 4..][..4].try_into().unwrap());
        let (number, notice) = (word(0).cast_signed(), Notice::from_bits(word(1)).unwrap());
        let end = 16 + word(3) as usize;
        let name = String::from_utf8_lossy(&rest[16..end]).trim_end_matches('\0').into();
        events.push((number, notice, name));
        rest = &rest[end..];
    }
    events
}

#[test]
fn a_directory_is_told_of_its_children() {
    let tree = TestTree::new();
    tree.make_directory("/d").unwrap();
    let instance = Inotify::new();
    let directory = watch(&tree, &instance, "/d", Notice::EVENTS);
    let file = tree.open("/d/a-name-of-more-than-16-bytes", CREATE).unwrap();
    file.write(b"x", &file.io(&tree.asker)).unwrap();
    file.write(b"y", &file.io(&tree.asker)).unwrap();
    drop(file);
    let told: Vec<_> = events(&tree, &instance);
    let whats: Vec<Notice> = told.iter().map(|(_, what, _)| *what).collect();
    let modified = Notice::MODIFY;
    assert_eq!(whats, [Notice::CREATE, Notice::OPEN, modified, Notice::CLOSE_WRITE]);
    assert!(told.iter().all(|(number, _, name)| {
        *number == directory && name == "a-name-of-more-than-16-bytes"
    }));
    assert_eq!(events(&tree, &instance), []);
}

#[test]
fn a_file_that_is_removed_while_open_is_gone_when_closed() {
    let tree = TestTree::new();
    tree.write("/file", b"x");
    let instance = Inotify::new();
    let number = watch(&tree, &instance, "/file", Notice::DELETE_SELF | Notice::ATTRIB);
    let file = tree.open("/file", OpenFlags::empty()).unwrap();
    tree.vfs.unlink(tree.vfs.root(), b"/file", &tree.asker).unwrap();
    assert_eq!(events(&tree, &instance), [(number, Notice::ATTRIB, String::new())]);
    drop(file);
    let end = [Notice::DELETE_SELF, Notice::IGNORED].map(|what| (number, what, String::new()));
    assert_eq!(events(&tree, &instance), end);
    assert!(tree.vfs.open_files().watches().is_idle());
}

#[test]
fn too_many_events_end_in_one_that_says_so() {
    let tree = TestTree::new();
    let instance = Inotify::new();
    watch(&tree, &instance, "/", Notice::OPEN | Notice::CLOSE_NOWRITE);
    for _ in 0..20_000 {
        drop(tree.open("/", OpenFlags::empty()).unwrap());
    }
    let mut last = None;
    loop {
        let some = events(&tree, &instance);
        if some.is_empty() {
            break;
        }
        last = some.last().cloned();
    }
    assert_eq!(last, Some((-1, Notice::Q_OVERFLOW, String::new())));
}
