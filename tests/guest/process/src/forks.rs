//! What a child shares with its parent and what it has for itself (fork(2)).

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::path::Path;

use guest_common::child::{self, End};
use rustix::fs::Mode;
use rustix::process::umask;

use crate::waits::Held;

pub(crate) fn memory_is_copied() {
    let mut heap = vec![1_u8; 256 * 1024];
    let mut local = 5;
    let end = child::fork_and_wait(|| {
        heap.fill(2);
        local += 1;
        i32::from(heap.iter().all(|byte| *byte == 2) && local == 6)
    });
    assert_eq!(end, End::Exited(1));
    assert!(heap.iter().all(|byte| *byte == 1), "the child wrote into its own copy");
    assert_eq!(local, 5);
}

pub(crate) fn file_offset_is_shared() {
    let path = "offset.tmp";
    let mut file = File::create_new(path).unwrap();
    file.write_all(b"parent ").unwrap();
    assert_eq!(
        child::fork_and_wait(|| file.write_all(b"child ").map_or(1, |()| 0)),
        End::Exited(0)
    );
    assert_eq!(file.stream_position().unwrap(), 13);
    file.write_all(b"parent").unwrap();
    assert_eq!(fs::read(path).unwrap(), b"parent child parent");
    fs::remove_file(path).unwrap();
}

pub(crate) fn directory_and_umask_are_copied() {
    let here = std::env::current_dir().unwrap();
    let old = umask(Mode::from_raw_mode(0o027));
    let end = child::fork_and_wait(|| {
        let inherited = umask(Mode::from_raw_mode(0o077)) == Mode::from_raw_mode(0o027);
        std::env::set_current_dir("/").unwrap();
        i32::from(inherited && std::env::current_dir().unwrap() == Path::new("/"))
    });
    assert_eq!(end, End::Exited(1));
    assert_eq!(std::env::current_dir().unwrap(), here);
    assert_eq!(umask(old), Mode::from_raw_mode(0o027));
}

pub(crate) fn exit_closes_descriptors() {
    let (mut reader, writer) = io::pipe().unwrap();
    let mut writer = Some(writer);
    let pid = child::fork(|| {
        std::mem::forget(writer.take());
        0
    });
    drop(writer);
    assert_eq!(reader.read(&mut [0]).unwrap(), 0, "the child's exit closed the last writer");
    assert_eq!(child::wait(pid), End::Exited(0));
}

/// Each child forks the next and adds one to its status.
pub(crate) fn chain() {
    fn grow(depth: i32) -> i32 {
        if depth == 0 {
            return 0;
        }
        match child::fork_and_wait(|| grow(depth - 1)) {
            End::Exited(below) => below + 1,
            End::Killed(_) => 200,
        }
    }
    assert_eq!(grow(12), 12);
}

pub(crate) fn many_children() {
    let mut children: Vec<Held> = (0..40).map(|_| Held::fork(|| ())).collect();
    for (status, held) in (0..).zip(&mut children) {
        held.release(status);
    }
    for (status, held) in (0..).zip(&children) {
        assert_eq!(child::wait(held.pid), End::Exited(status));
    }
}
