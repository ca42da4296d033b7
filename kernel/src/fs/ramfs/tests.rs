//! Files and directories in memory.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;
use wayfarer_proto::linux::fcntl::{OpenFlags, Whence};

use super::*;
use crate::fs::OpenFile;
use crate::fs::dirent::DirentFormat;
use crate::fs::testing::{TEST_PAGES, TestTree};

const READ_WRITE_NEW: OpenFlags = OpenFlags::CREATE.union(OpenFlags::READ_WRITE);

#[test]
fn holes_read_as_zeroes_and_take_no_memory() {
    let tree = TestTree::new();
    let file = tree.open("/sparse", READ_WRITE_NEW).unwrap();
    let io = file.io(&tree.asker);
    assert_eq!(file.write_at(1 << 40, b"far", &io), Ok(3));
    let metadata = file.metadata();
    assert_eq!(metadata.size, (1 << 40) + 3);
    assert_eq!(metadata.blocks, 8);
    let mut buffer = [1; 16];
    assert_eq!(file.read_at(100, &mut buffer, &io), Ok(16));
    assert_eq!(buffer, [0; 16]);
    assert_eq!(file.seek(0, Whence::Data), Ok(1 << 40));
    assert_eq!(file.seek(0, Whence::Hole), Ok(0));
    assert_eq!(file.seek(1 << 40, Whence::Hole), Ok((1 << 40) + 3));
    assert_eq!(file.seek(1 << 41, Whence::Data), Err(Errno::ENXIO));
}

#[test]
fn reading_stops_at_the_end() {
    let tree = TestTree::new();
    tree.write("/file", b"0123456789");
    let file = tree.open("/file", OpenFlags::empty()).unwrap();
    let io = file.io(&tree.asker);
    let mut buffer = [0; 100];
    assert_eq!(file.read_at(7, &mut buffer, &io), Ok(3));
    assert_eq!(file.read_at(10, &mut buffer, &io), Ok(0));
    assert_eq!(file.read_at(u64::MAX, &mut buffer, &io), Ok(0));
    assert_eq!(file.write(b"x", &io), Err(Errno::EBADF));
}

#[test]
fn the_largest_offset_is_efbig() {
    let tree = TestTree::new();
    let file = tree.open("/file", READ_WRITE_NEW).unwrap();
    let io = file.io(&tree.asker);
    assert_eq!(file.write_at(i64::MAX as u64, b"x", &io), Err(Errno::EFBIG));
    assert_eq!(file.write_at(i64::MAX as u64 - 1, b"xy", &io), Ok(1));
    assert_eq!(file.set_size(1 << 63, &tree.asker), Err(Errno::EFBIG));
}

#[test]
fn a_full_file_system_is_enospc_after_what_fits() {
    let tree = TestTree::new();
    let file = tree.open("/big", READ_WRITE_NEW).unwrap();
    let io = file.io(&tree.asker);
    let room = TEST_PAGES as usize * 4096;
    assert_eq!(file.write(&vec![7; room + 1], &io), Ok(room), "a short count first");
    assert_eq!(file.write(b"x", &io), Err(Errno::ENOSPC));
    assert_eq!(file.inode().file_system().unwrap().blocks_free, 0);
    file.set_size(4096, &tree.asker).unwrap();
    assert_eq!(file.inode().file_system().unwrap().blocks_free, TEST_PAGES - 1);
    assert_eq!(file.write_at(4096, b"x", &io), Ok(1));
}

#[test]
fn frames_and_inodes_return_when_the_last_user_goes() {
    let tree = TestTree::new();
    let before = (tree.pool.counts().free, tree.stat("/").links);
    let free_inodes = || tree.vfs.root().inode().file_system().unwrap().files_free;
    let inodes = free_inodes();
    tree.write("/file", &[1; 10_000]);
    let root = tree.vfs.root();
    let source = tree.vfs.resolve(root, b"/file", crate::fs::FollowLast::No, &tree.asker).unwrap();
    tree.vfs.link(&source, root, b"/again", &tree.asker).unwrap();
    drop(source);
    assert_eq!(free_inodes(), inodes - 2, "a further name takes memory too");
    let open = tree.open("/file", OpenFlags::empty()).unwrap();
    tree.vfs.unlink(root, b"/file", &tree.asker).unwrap();
    tree.vfs.unlink(root, b"/again", &tree.asker).unwrap();
    assert_eq!(open.metadata().links, 0);
    let mut buffer = [0; 4];
    assert_eq!(open.read(&mut buffer, &open.io(&tree.asker)), Ok(4), "still there while open");
    assert_ne!(tree.pool.counts().free, before.0);
    drop(open);
    assert_eq!((tree.pool.counts().free, tree.stat("/").links), before);
    assert_eq!(free_inodes(), inodes);
}

#[test]
fn inodes_run_out_as_enospc() {
    let tree = TestTree::new();
    let mut made = 0;
    let error = loop {
        match tree.open(&format!("/f{made}"), READ_WRITE_NEW) {
            Ok(_) => made += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error, Errno::ENOSPC);
    assert_eq!(made, 998, "the root and /dev are inodes too");
    assert_eq!(tree.make_symlink("x", "/link"), Err(Errno::ENOSPC));
}

#[test]
fn directories_count_their_subdirectories() {
    let tree = TestTree::new();
    let links = tree.stat("/").links;
    tree.make_directory("/d").unwrap();
    tree.make_directory("/d/e").unwrap();
    assert_eq!(tree.stat("/").links, links + 1);
    assert_eq!(tree.stat("/d").links, 3);
    assert_eq!(tree.stat("/d/e").links, 2);
    let root = tree.vfs.root();
    assert_eq!(tree.vfs.remove_directory(root, b"/d", &tree.asker), Err(Errno::ENOTEMPTY));
    tree.vfs.remove_directory(root, b"/d/e", &tree.asker).unwrap();
    assert_eq!(tree.stat("/d").links, 2);
}

#[test]
fn times_follow_what_happens() {
    let tree = TestTree::new();
    tree.clock.0.set(1000);
    tree.write("/file", b"x");
    tree.clock.0.set(2000);
    tree.read("/file").unwrap();
    let times = tree.stat("/file").attributes;
    assert_eq!((times.accessed.seconds, times.modified.seconds), (2000, 1000));
    tree.clock.0.set(3000);
    tree.read("/file").unwrap();
    assert_eq!(tree.stat("/file").attributes.accessed.seconds, 2000, "relatime");
    tree.clock.0.set(2000 + 24 * 3600);
    tree.read("/file").unwrap();
    assert_eq!(tree.stat("/file").attributes.accessed.seconds, 2000 + 24 * 3600);
    let change = crate::fs::AttributeChange { permissions: Some(0o600), ..Default::default() };
    tree.clock.0.set(100_000);
    tree.stat_inode("/file").change_attributes(&change).unwrap();
    let times = tree.stat("/file").attributes;
    assert_eq!((times.changed.seconds, times.modified.seconds), (100_000, 1000));
    assert_eq!(times.permissions, 0o600);
}

#[test]
fn mapped_pages_are_the_files_own() {
    let tree = TestTree::new();
    tree.write("/file", &[1; 5000]);
    let inode = tree.stat_inode("/file");
    let page = inode.page(1).unwrap().unwrap();
    page.write(0, b"seen");
    let mut buffer = [0; 5];
    inode.read_at(4096, &mut buffer).unwrap();
    assert_eq!(&buffer, b"seen\x01");
    assert!(inode.page(2).unwrap().is_none(), "beyond the end");
    let mut tail = [1; 10];
    page.read(5000 - 4096, &mut tail);
    assert_eq!(tail, [0; 10], "zeroes after the end");
    assert_eq!(tree.stat_inode("/").page(0).err(), Some(Errno::ENODEV));
}

#[test]
fn a_listing_survives_changes() {
    let tree = TestTree::new();
    tree.make_directory("/d").unwrap();
    for index in 0..10 {
        tree.write(&format!("/d/{index}"), b"");
    }
    let directory = tree.open("/d", OpenFlags::DIRECTORY).unwrap();
    let read = |size| {
        crate::fs::testing::dirent_names(
            &directory.read_directory(size, DirentFormat::Dirent64, &tree.asker).unwrap(),
        )
    };
    assert_eq!(read(24 * 4), [".", "..", "0", "1"]);
    let position = directory.offset();
    let root = tree.vfs.root();
    for gone in ["/d/1", "/d/3"] {
        tree.vfs.unlink(root, gone.as_bytes(), &tree.asker).unwrap();
    }
    tree.write("/d/new", b"");
    assert_eq!(read(24 * 3), ["2", "4", "5"]);
    assert_eq!(read(4096), ["6", "7", "8", "9", "new"]);
    assert_eq!(read(4096), Vec::<alloc::string::String>::new());
    directory.seek(position as i64, Whence::Start).unwrap();
    assert_eq!(read(24)[0], "2", "a cookie stays valid");
    directory.seek(0, Whence::Start).unwrap();
    assert_eq!(read(4096).len(), 11);
    assert_eq!(
        directory.read_directory(8, DirentFormat::Dirent64, &tree.asker),
        Ok(Vec::new()),
        "at the end"
    );
    directory.seek(0, Whence::Start).unwrap();
    assert_eq!(
        directory.read_directory(8, DirentFormat::Dirent64, &tree.asker),
        Err(Errno::EINVAL)
    );
}

/// An operation on a file, and on the vector that says what the file should hold.
#[derive(Clone, Debug)]
enum Operation {
    Write(u16, Vec<u8>),
    SetSize(u16),
    MapPage(u8),
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        (0u16..20_000, proptest::collection::vec(any::<u8>(), 0..6000))
            .prop_map(|(at, data)| Operation::Write(at, data)),
        (0u16..20_000).prop_map(Operation::SetSize),
        (0u8..6).prop_map(Operation::MapPage),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn content_is_what_a_vector_would_hold(
        lent in proptest::collection::vec(any::<u8>(), 0..10_000),
        operations in proptest::collection::vec(operation(), 1..12),
    ) {
        let tree = TestTree::new();
        let mut expected = lent.clone();
        let root: Rc<dyn core::any::Any> = tree.vfs.root().inode().clone();
        let root = root.downcast::<RamInode>().unwrap();
        let new = NewInode { content: NewContent::File, permissions: 0o644 };
        let inode: Rc<dyn core::any::Any> = root.create(b"file", &new).unwrap();
        inode.downcast::<RamInode>().unwrap().lend(lent.leak()).unwrap();
        let file = tree.open("/file", OpenFlags::READ_WRITE).unwrap();
        for operation in operations {
            match operation {
                Operation::Write(at, data) => {
                    file.write_at(u64::from(at), &data, &file.io(&tree.asker)).unwrap();
                    let end = usize::from(at) + data.len();
                    if !data.is_empty() {
                        expected.resize(expected.len().max(end), 0);
                        expected[usize::from(at)..end].copy_from_slice(&data);
                    }
                }
                Operation::SetSize(size) => {
                    file.set_size(u64::from(size), &tree.asker).unwrap();
                    expected.resize(usize::from(size), 0);
                }
                Operation::MapPage(index) => {
                    let page = file.inode().page(u64::from(index)).unwrap();
                    prop_assert_eq!(page.is_some(), usize::from(index) * 4096 < expected.len());
                }
            }
            prop_assert_eq!(tree.read("/file").unwrap(), expected.clone());
        }
    }
}

#[test]
fn what_was_lent_can_be_mapped_when_the_file_system_is_full() {
    let tree = TestTree::new();
    tree.write("/program", b"");
    let lent: &'static [u8] = vec![3; 10_000].leak();
    let program: Rc<dyn core::any::Any> = tree.stat_inode("/program");
    program.downcast::<RamInode>().unwrap().lend(lent).unwrap();
    let full = tree.open("/full", READ_WRITE_NEW).unwrap();
    full.write(&vec![7; (TEST_PAGES as usize + 1) * 4096], &full.io(&tree.asker)).unwrap();
    let program = tree.open("/program", OpenFlags::READ_WRITE).unwrap();
    let frames: Vec<_> = (0..3).map(|index| program.inode().page(index).unwrap()).collect();
    assert!(frames.iter().all(Option::is_some));
    assert_eq!(program.metadata().blocks, 3 * 8);
    program.set_size(12_289, &tree.asker).unwrap();
    assert_eq!(program.inode().page(3).err(), Some(Errno::ENOSPC), "a hole needs room");
    let free = |at: &OpenFile| at.inode().file_system().unwrap().blocks_free;
    full.set_size(0, &tree.asker).unwrap();
    program.inode().page(3).unwrap();
    assert_eq!(free(&full), TEST_PAGES - 1);
    program.set_size(5_000, &tree.asker).unwrap();
    assert_eq!(free(&full), TEST_PAGES, "pages lent are given back without having been counted");
    program.set_size(20_000, &tree.asker).unwrap();
    assert!(program.write_at(8_192, b"x", &program.io(&tree.asker)).is_ok());
    assert_eq!(free(&full), TEST_PAGES - 1);
}
