//! Pipes against pipe(7), and against a model.

use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;
use wayfarer_proto::linux::fcntl::OpenFlags;
use wayfarer_proto::linux::stat::{DeviceNumber, FileType};

use super::*;
use crate::fs::OpenFile;
use crate::fs::testing::TestTree;

fn pipe(tree: &TestTree) -> (Rc<OpenFile>, Rc<OpenFile>) {
    tree.vfs.make_pipe(OpenFlags::empty()).unwrap()
}

fn read(tree: &TestTree, file: &OpenFile, count: usize) -> Result<Vec<u8>, Errno> {
    let mut buffer = vec![0; count];
    let count = file.read(&mut buffer, &file.io(&tree.asker))?;
    buffer.truncate(count);
    Ok(buffer)
}

fn write(tree: &TestTree, file: &OpenFile, data: &[u8]) -> Result<usize, Errno> {
    file.write(data, &file.io(&tree.asker))
}

#[test]
fn what_goes_in_comes_out_and_then_the_end() {
    let tree = TestTree::new();
    let (reader, writer) = pipe(&tree);
    assert_eq!(read(&tree, &reader, 10), Err(Errno::EAGAIN));
    assert_eq!(write(&tree, &writer, b"hello"), Ok(5));
    assert_eq!(reader.object().bytes_readable(), Some(5));
    assert_eq!(read(&tree, &reader, 3).unwrap(), b"hel");
    assert_eq!(read(&tree, &reader, 10).unwrap(), b"lo");
    drop(writer);
    assert_eq!(read(&tree, &reader, 10).unwrap(), b"");
    assert_eq!(reader.poll(), PollEvents::HUP);
}

#[test]
fn ends_permit_one_direction() {
    let tree = TestTree::new();
    let (reader, writer) = pipe(&tree);
    assert_eq!(write(&tree, &reader, b"x"), Err(Errno::EBADF));
    assert_eq!(read(&tree, &writer, 1), Err(Errno::EBADF));
    let io = writer.io(&tree.asker);
    assert_eq!(writer.write_at(0, b"x", &io), Err(Errno::ESPIPE));
    assert_eq!(reader.seek(0, wayfarer_proto::linux::fcntl::Whence::Start), Err(Errno::ESPIPE));
    assert_eq!(reader.metadata().file_type, FileType::Fifo);
    assert_eq!(reader.dentry().path(), b"pipe:[1]");
    assert_eq!(reader.flags(), OpenFlags::empty());
    assert_eq!(writer.flags(), OpenFlags::WRITE_ONLY);
}

#[test]
fn the_only_writer_has_sure_room_and_what_it_is_promised_is_taken() {
    let tree = TestTree::new();
    let (reader, writer) = pipe(&tree);
    assert_eq!(reader.sure_room(), 0, "nothing can be written there");
    assert_eq!(writer.sure_room(), PIPE_SIZE);
    write(&tree, &writer, b"four").unwrap();
    assert_eq!(writer.sure_room(), PIPE_SIZE - 4);
    // Somebody takes the room that was promised.
    let rest = vec![7; PIPE_SIZE - 4];
    write(&tree, &writer, &rest).unwrap();
    writer.take(b"more").unwrap();
    assert_eq!(reader.object().bytes_readable(), Some(PIPE_SIZE + 4));
    assert_eq!(write(&tree, &writer, b"x"), Err(Errno::EAGAIN));
    assert_eq!(read(&tree, &reader, 2 * PIPE_SIZE).unwrap()[PIPE_SIZE..], *b"more");
    // The last reader closes while it is on its way.
    drop(reader);
    assert_eq!(writer.sure_room(), 0);
    writer.take(b"late").unwrap();
    assert_eq!(write(&tree, &writer, b"x"), Err(Errno::EPIPE));
}

#[test]
fn a_second_writer_leaves_no_sure_room() {
    let tree = TestTree::new();
    let (_reader, writer) = pipe(&tree);
    let second =
        PipeEnd::complete(PipeEnd::of(&**writer.object()).unwrap().pipe.clone(), Access::Write);
    assert_eq!(writer.sure_room(), 0);
    drop(second);
    assert_eq!(writer.sure_room(), PIPE_SIZE);
}

#[test]
fn nobody_to_read_is_epipe() {
    let tree = TestTree::new();
    let (reader, writer) = pipe(&tree);
    drop(reader);
    assert_eq!(write(&tree, &writer, b"x"), Err(Errno::EPIPE));
    assert!(writer.poll().contains(PollEvents::ERR));
}

#[test]
fn small_writes_are_whole_or_not_at_all() {
    let tree = TestTree::new();
    let (reader, writer) = pipe(&tree);
    assert_eq!(write(&tree, &writer, &vec![1; PIPE_SIZE - 100]), Ok(PIPE_SIZE - 100));
    assert_eq!(writer.poll(), PollEvents::empty(), "room for less than PIPE_BUF");
    assert_eq!(write(&tree, &writer, &[2; 101]), Err(Errno::EAGAIN));
    assert_eq!(write(&tree, &writer, &[2; PIPE_BUF + 1]), Ok(100), "a large one is split");
    assert_eq!(write(&tree, &writer, &[2; 1]), Err(Errno::EAGAIN));
    read(&tree, &reader, PIPE_BUF).unwrap();
    assert_eq!(writer.poll(), PollEvents::WRITABLE);
    assert_eq!(write(&tree, &writer, &[3; PIPE_BUF]), Ok(PIPE_BUF));
}

#[test]
fn the_size_can_be_changed_within_bounds() {
    let tree = TestTree::new();
    let (reader, writer) = pipe(&tree);
    let end = PipeEnd::of(&**writer.object()).unwrap();
    assert_eq!(end.capacity(), PIPE_SIZE);
    assert_eq!(end.set_capacity(5000), Ok(8192));
    assert_eq!(write(&tree, &writer, &[0; 9000]), Ok(8192));
    assert_eq!(end.set_capacity(4096), Err(Errno::EBUSY));
    assert_eq!(end.set_capacity(PIPE_SIZE_MAX + 1), Err(Errno::EPERM));
    assert_eq!(read(&tree, &reader, 9000).unwrap().len(), 8192);
    assert_eq!(end.set_capacity(0), Ok(4096));
}

#[test]
fn frames_return_with_the_bytes() {
    let tree = TestTree::new();
    let free = tree.pool.counts().free;
    let (reader, writer) = pipe(&tree);
    write(&tree, &writer, &[0; 20_000]).unwrap();
    assert_eq!(tree.pool.counts().free, free - 5);
    read(&tree, &reader, 20_000).unwrap();
    assert!(tree.pool.counts().free >= free - 1);
    drop((reader, writer));
    assert_eq!(tree.pool.counts().free, free);
    assert_eq!(tree.vfs.open_files().count(), 0);
}

#[test]
fn no_frames_left_is_enomem() {
    let tree = TestTree::new();
    let (reader, writer) = pipe(&tree);
    let all: Vec<_> = core::iter::from_fn(|| tree.pool.allocate().ok()).collect();
    assert_eq!(write(&tree, &writer, b"x"), Err(Errno::ENOMEM));
    drop(all);
    assert_eq!(write(&tree, &writer, b"x"), Ok(1));
    assert_eq!(read(&tree, &reader, 2).unwrap(), b"x");
}

#[test]
fn only_known_flags_make_a_pipe() {
    let tree = TestTree::new();
    assert_eq!(tree.vfs.make_pipe(OpenFlags::APPEND).err(), Some(Errno::EINVAL));
    let (reader, _writer) =
        tree.vfs.make_pipe(OpenFlags::NONBLOCK | OpenFlags::CLOSE_ON_EXEC).unwrap();
    assert!(reader.is_nonblocking());
}

fn fifo(tree: &TestTree) {
    let root = tree.vfs.root();
    let number = DeviceNumber::default();
    tree.vfs.make_node(root, b"/fifo", 0o010644, number, &tree.asker).unwrap();
}

#[test]
fn a_fifo_opens_when_both_ends_are_there() {
    let tree = TestTree::new();
    fifo(&tree);
    let reader = tree.open("/fifo", OpenFlags::empty()).unwrap();
    assert!(!reader.object().is_open_complete());
    assert_eq!(reader.poll(), PollEvents::empty(), "no hang-up before the first writer");
    let writer = tree.open("/fifo", OpenFlags::WRITE_ONLY).unwrap();
    assert!(reader.object().is_open_complete() && writer.object().is_open_complete());
    write(&tree, &writer, b"through").unwrap();
    assert_eq!(read(&tree, &reader, 10).unwrap(), b"through");
    drop(writer);
    assert!(reader.object().is_open_complete(), "a writer that has gone was there");
    assert_eq!(read(&tree, &reader, 10).unwrap(), b"");
}

#[test]
fn a_nonblocking_writer_needs_a_reader() {
    let tree = TestTree::new();
    fifo(&tree);
    let flags = OpenFlags::WRITE_ONLY | OpenFlags::NONBLOCK;
    assert_eq!(tree.open("/fifo", flags).err(), Some(Errno::ENXIO));
    let both = tree.open("/fifo", OpenFlags::READ_WRITE).unwrap();
    assert!(both.object().is_open_complete());
    assert!(tree.open("/fifo", flags).is_ok());
    write(&tree, &both, b"self").unwrap();
    assert_eq!(read(&tree, &both, 10).unwrap(), b"self");
}

#[test]
fn a_fifo_forgets_when_nobody_has_it_open() {
    let tree = TestTree::new();
    fifo(&tree);
    let both = tree.open("/fifo", OpenFlags::READ_WRITE).unwrap();
    write(&tree, &both, b"lost").unwrap();
    drop(both);
    let again = tree.open("/fifo", OpenFlags::READ_WRITE).unwrap();
    assert_eq!(read(&tree, &again, 10), Err(Errno::EAGAIN));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn bytes_keep_their_order(
        sizes in proptest::collection::vec((1usize..9000, 1usize..9000), 1..40),
    ) {
        let tree = TestTree::new();
        let (reader, writer) = pipe(&tree);
        let (mut written, mut seen) = (0u32, 0u32);
        for (write_size, read_size) in sizes {
            let data: Vec<u8> = (0..write_size as u32).map(|at| (written + at) as u8).collect();
            match write(&tree, &writer, &data) {
                Ok(count) => written += count as u32,
                Err(error) => prop_assert_eq!(error, Errno::EAGAIN),
            }
            for byte in read(&tree, &reader, read_size).unwrap_or_default() {
                prop_assert_eq!(byte, seen as u8);
                seen += 1;
            }
        }
        prop_assert!(seen <= written);
    }
}
