//! Opening, reading, writing, positions and sizes.

use std::fs::{self, File};
use std::io::{IoSlice, IoSliceMut};

use rustix::fs::{
    FallocateFlags, Mode, OFlags, SeekFrom, fallocate, fdatasync, fstat, fsync, ftruncate, open,
    seek, sendfile,
};
use rustix::io::{Errno, pread, pwrite, read, readv, write, writev};

use crate::Place;

const RW: Mode = Mode::from_raw_mode(0o644);

pub(crate) fn open_flags() {
    let place = Place::new("open", &[("old", "content")]);
    let (old, new) = (place.at("old"), place.at("new"));
    let open_at = |path: &str, flags| open(path, flags, RW);
    assert_eq!(open_at(&new, OFlags::RDONLY).err(), Some(Errno::NOENT));
    let created = open_at(&new, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL).unwrap();
    assert_eq!(write(&created, b"x"), Ok(1));
    let again = open_at(&new, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL);
    assert_eq!(again.err(), Some(Errno::EXIST));
    open_at(&old, OFlags::WRONLY | OFlags::CREATE).unwrap();
    assert_eq!(fs::read(&old).unwrap(), b"content", "creating does not cut");
    open_at(&old, OFlags::WRONLY | OFlags::TRUNC).unwrap();
    assert_eq!(fs::read(&old).unwrap(), b"");
    assert_eq!(open_at(&old, OFlags::DIRECTORY).err(), Some(Errno::NOTDIR));
    assert_eq!(open_at("open", OFlags::WRONLY).err(), Some(Errno::ISDIR));
    assert_eq!(open_at("open/", OFlags::CREATE | OFlags::WRONLY).err(), Some(Errno::ISDIR));
    assert_eq!(open_at(&place.at("old/x"), OFlags::RDONLY).err(), Some(Errno::NOTDIR));
    assert_eq!(open_at("", OFlags::RDONLY).err(), Some(Errno::NOENT));
}

pub(crate) fn reading_and_writing() {
    let place = Place::new("io", &[("f", "hello world")]);
    let file = open(place.at("f"), OFlags::RDWR, RW).unwrap();
    let mut buffer = [0; 5];
    assert_eq!((read(&file, &mut buffer), &buffer), (Ok(5), b"hello"));
    assert_eq!(write(&file, b"-WORLD and more"), Ok(15));
    assert_eq!(read(&file, &mut buffer), Ok(0), "at the end");
    assert_eq!(read(&file, &mut [0; 0]), Ok(0));
    assert_eq!(write(&file, b""), Ok(0));
    assert_eq!(fs::read(place.at("f")).unwrap(), b"hello-WORLD and more");
}

pub(crate) fn positioned() {
    let place = Place::new("position", &[("f", "0123456789")]);
    let file = open(place.at("f"), OFlags::RDWR, RW).unwrap();
    let mut buffer = [0; 4];
    assert_eq!((pread(&file, &mut buffer, 3), &buffer), (Ok(4), b"3456"));
    assert_eq!(pread(&file, &mut buffer, 8), Ok(2));
    assert_eq!(pread(&file, &mut buffer, 100), Ok(0));
    assert_eq!(pwrite(&file, b"AB", 9), Ok(2));
    assert_eq!(seek(&file, SeekFrom::Current(0)), Ok(0), "the position did not move");
    assert_eq!(fs::read(place.at("f")).unwrap(), b"012345678AB");
    assert_eq!(pread(&file, &mut buffer, u64::MAX), Err(Errno::INVAL));
}

pub(crate) fn vectors() {
    let place = Place::new("vectors", &[("f", "")]);
    let file = open(place.at("f"), OFlags::RDWR, RW).unwrap();
    let parts = [IoSlice::new(b"abc"), IoSlice::new(b""), IoSlice::new(b"defgh")];
    assert_eq!(writev(&file, &parts), Ok(8));
    seek(&file, SeekFrom::Start(1)).unwrap();
    let (mut first, mut second) = ([0; 3], [0; 10]);
    let mut parts = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
    assert_eq!(readv(&file, &mut parts), Ok(7));
    assert_eq!((&first, &second[..4]), (b"bcd", &b"efgh"[..]));
    assert_eq!(rustix::io::pwritev(&file, &[IoSlice::new(b"XY")], 2), Ok(2));
    let mut back = [0; 4];
    let mut parts = [IoSliceMut::new(&mut back)];
    assert_eq!(rustix::io::preadv(&file, &mut parts, 1), Ok(4));
    assert_eq!(&back, b"bXYe");
    assert_eq!(writev(&file, &[]), Ok(0));
}

pub(crate) fn seeking() {
    let place = Place::new("seeking", &[("f", "0123456789")]);
    let file = open(place.at("f"), OFlags::RDONLY, RW).unwrap();
    assert_eq!(seek(&file, SeekFrom::Start(4)), Ok(4));
    assert_eq!(seek(&file, SeekFrom::Current(3)), Ok(7));
    assert_eq!(seek(&file, SeekFrom::Current(-2)), Ok(5));
    assert_eq!(seek(&file, SeekFrom::End(-1)), Ok(9));
    assert_eq!(seek(&file, SeekFrom::End(5)), Ok(15));
    assert_eq!(read(&file, &mut [0; 3]), Ok(0), "behind the end");
    assert_eq!(seek(&file, SeekFrom::Current(-100)), Err(Errno::INVAL));
    assert_eq!(seek(&file, SeekFrom::Current(0)), Ok(15), "unchanged");
    // SAFETY: takes numbers; there is no such way to count.
    let wrong = unsafe { libc::lseek(std::os::fd::AsRawFd::as_raw_fd(&file), 0, 99) };
    assert_eq!(wrong, -1);
}

pub(crate) fn holes() {
    let place = Place::new("holes", &[("f", "start")]);
    let file = open(place.at("f"), OFlags::RDWR, RW).unwrap();
    seek(&file, SeekFrom::Start(100_000)).unwrap();
    assert_eq!(write(&file, b"end"), Ok(3));
    assert_eq!(fstat(&file).unwrap().st_size, 100_003);
    let bytes = fs::read(place.at("f")).unwrap();
    assert!(bytes.starts_with(b"start") && bytes.ends_with(b"end"));
    assert!(bytes[5..100_000].iter().all(|byte| *byte == 0));
    let far = 3 << 30;
    assert_eq!(pwrite(&file, b"far", far), Ok(3), "three gigabytes, almost all of it a hole");
    let mut back = [0; 5];
    assert_eq!((pread(&file, &mut back, far - 2), &back), (Ok(5), b"\0\0far"));
    match fallocate(&file, FallocateFlags::empty(), 0, 10) {
        Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
        Err(error) => panic!("fallocate: {error}"),
    }
}

pub(crate) fn appending() {
    let place = Place::new("append", &[("f", "one ")]);
    let path = place.at("f");
    let first = open(&path, OFlags::WRONLY | OFlags::APPEND, RW).unwrap();
    let second = open(&path, OFlags::RDWR | OFlags::APPEND, RW).unwrap();
    write(&first, b"two ").unwrap();
    write(&second, b"three ").unwrap();
    seek(&first, SeekFrom::Start(0)).unwrap();
    write(&first, b"four").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"one two three four");
    assert_eq!(seek(&first, SeekFrom::Current(0)), Ok(18), "behind what it wrote");
}

pub(crate) fn truncating() {
    let place = Place::new("truncate", &[("f", "0123456789")]);
    let path = place.at("f");
    let file = open(&path, OFlags::RDWR, RW).unwrap();
    ftruncate(&file, 4).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"0123");
    ftruncate(&file, 8).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"0123\0\0\0\0", "what was cut does not come back");
    ftruncate(&file, 0).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().len(), 0);
    let reader = open(&path, OFlags::RDONLY, RW).unwrap();
    assert_eq!(ftruncate(&reader, 1), Err(Errno::INVAL));
    let name = std::ffi::CString::new(path).unwrap();
    // SAFETY: the names are terminated.
    let results = unsafe { [libc::truncate(name.as_ptr(), 5), libc::truncate(name.as_ptr(), -1)] };
    assert_eq!(results, [0, -1]);
    assert_eq!(fstat(&file).unwrap().st_size, 5);
}

pub(crate) fn wrong_way() {
    let place = Place::new("wrong", &[("f", "x")]);
    let reader = open(place.at("f"), OFlags::RDONLY, RW).unwrap();
    let writer = open(place.at("f"), OFlags::WRONLY, RW).unwrap();
    assert_eq!(write(&reader, b"x"), Err(Errno::BADF));
    assert_eq!(read(&writer, &mut [0]), Err(Errno::BADF));
    let directory = open("wrong", OFlags::RDONLY | OFlags::DIRECTORY, RW).unwrap();
    assert_eq!(read(&directory, &mut [0]), Err(Errno::ISDIR));
    assert_eq!(write(&directory, b"x"), Err(Errno::BADF));
}

/// Sizes around those of pages and of a message's limits.
pub(crate) fn many_sizes() {
    let place = Place::new("sizes", &[]);
    let path = place.at("f");
    let byte = |index: usize| (index * 7 % 253) as u8;
    for size in [1, 4095, 4096, 4097, 8192, 65_535, 65_536, 65_537, 300_001] {
        let data: Vec<u8> = (0..size).map(byte).collect();
        fs::write(&path, &data).unwrap();
        let file = File::open(&path).unwrap();
        let mut back = vec![0; size + 10];
        assert_eq!(read(&file, &mut back), Ok(size), "in one call");
        assert_eq!(back[..size], data);
        for chunk in [100, 4096, 70_000] {
            seek(&file, SeekFrom::Start(0)).unwrap();
            let mut joined = Vec::new();
            let mut buffer = vec![0; chunk];
            while let Ok(length @ 1..) = read(&file, &mut buffer) {
                joined.extend_from_slice(&buffer[..length]);
            }
            assert!(joined == data, "{size} bytes in pieces of {chunk}");
        }
    }
}

pub(crate) fn send_file() {
    let place = Place::new("send", &[("from", "0123456789")]);
    let from = open(place.at("from"), OFlags::RDONLY, RW).unwrap();
    let to = open(place.at("to"), OFlags::RDWR | OFlags::CREATE, RW).unwrap();
    let mut offset = 2;
    assert_eq!(sendfile(&to, &from, Some(&mut offset), 4), Ok(4));
    assert_eq!((offset, seek(&from, SeekFrom::Current(0))), (6, Ok(0)));
    assert_eq!(sendfile(&to, &from, None, 100), Ok(10));
    assert_eq!(fs::read(place.at("to")).unwrap(), b"23450123456789");
}

pub(crate) fn special_files() {
    let null = open("/dev/null", OFlags::RDWR, RW).unwrap();
    assert_eq!((write(&null, b"gone"), read(&null, &mut [0; 4])), (Ok(4), Ok(0)));
    let zero = open("/dev/zero", OFlags::RDONLY, RW).unwrap();
    let mut buffer = [1; 1000];
    assert_eq!(read(&zero, &mut buffer), Ok(1000));
    assert!(buffer.iter().all(|byte| *byte == 0));
    let full = open("/dev/full", OFlags::WRONLY, RW).unwrap();
    assert_eq!(write(&full, b"x"), Err(Errno::NOSPC));
    let random = open("/dev/urandom", OFlags::RDONLY, RW).unwrap();
    let (mut first, mut second) = ([0; 32], [0; 32]);
    assert_eq!((read(&random, &mut first), read(&random, &mut second)), (Ok(32), Ok(32)));
    assert_ne!(first, second);
}

pub(crate) fn syncing() {
    let place = Place::new("sync", &[("f", "x")]);
    let file = open(place.at("f"), OFlags::RDWR, RW).unwrap();
    assert_eq!((fsync(&file), fdatasync(&file)), (Ok(()), Ok(())));
    let (pipe, _other) = std::io::pipe().unwrap();
    assert_eq!(fsync(&pipe), Err(Errno::INVAL));
}
