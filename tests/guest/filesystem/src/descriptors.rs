//! Descriptors: numbers for open files.

use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use guest_common::child::{self, End};
use rustix::fs::{
    FlockOperation, Mode, OFlags, SeekFrom, fcntl_getfl, fcntl_setfl, flock, open, seek,
};
use rustix::io::{DupFlags, Errno, FdFlags, dup, dup2, dup3, fcntl_dupfd_cloexec};
use rustix::io::{fcntl_getfd, fcntl_setfd, read, write};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::Place;

const RW: Mode = Mode::from_raw_mode(0o644);

fn null() -> OwnedFd {
    open("/dev/null", OFlags::RDWR, RW).unwrap()
}

pub(crate) fn duplicates_share() {
    let place = Place::new("dup", &[("f", "0123456789")]);
    let file = open(place.at("f"), OFlags::RDWR, RW).unwrap();
    let copy = dup(&file).unwrap();
    read(&file, &mut [0; 4]).unwrap();
    assert_eq!(seek(&copy, SeekFrom::Current(0)), Ok(4), "one position for both");
    let flags = fcntl_getfl(&file).unwrap();
    fcntl_setfl(&copy, flags | OFlags::APPEND).unwrap();
    assert!(fcntl_getfl(&file).unwrap().contains(OFlags::APPEND), "one set of flags");
    drop(file);
    assert_eq!(write(&copy, b"!"), Ok(1));
    let other = open(place.at("f"), OFlags::RDWR, RW).unwrap();
    assert_eq!(seek(&other, SeekFrom::Current(0)), Ok(0), "another opening, another position");
}

pub(crate) fn duplicate_to_a_number() {
    let place = Place::new("dup2", &[("a", "a"), ("b", "b")]);
    let first = open(place.at("a"), OFlags::RDONLY, RW).unwrap();
    let mut second = open(place.at("b"), OFlags::RDONLY, RW).unwrap();
    let number = second.as_raw_fd();
    dup2(&first, &mut second).unwrap();
    assert_eq!(second.as_raw_fd(), number);
    let mut byte = [0];
    assert_eq!((read(&second, &mut byte), &byte), (Ok(1), b"a"), "the old file was closed");
    dup2(second.try_clone().unwrap(), &mut second).unwrap();
    dup3(&first, &mut second, DupFlags::CLOEXEC).unwrap();
    assert_eq!(fcntl_getfd(&second), Ok(FdFlags::CLOEXEC));
    // SAFETY: takes numbers: one that is not open, and the same twice.
    let (unopened, same) = unsafe { (libc::dup2(1000, number), libc::dup3(number, number, 0)) };
    assert_eq!((unopened, same), (-1, -1));
    // SAFETY: takes numbers; both are the same open descriptor.
    assert_eq!(unsafe { libc::dup2(number, number) }, number);
}

pub(crate) fn lowest_number() {
    let files = [null(), null(), null()];
    let numbers = files.each_ref().map(AsRawFd::as_raw_fd);
    assert!(numbers[0] < numbers[1] && numbers[1] < numbers[2]);
    let [first, second, _third] = files;
    drop(second);
    drop(first);
    assert_eq!(null().as_raw_fd(), numbers[0], "the lowest that is free");
    let high = fcntl_dupfd_cloexec(null(), 200).unwrap();
    assert_eq!(high.as_raw_fd(), 200);
}

pub(crate) fn descriptor_flags() {
    let file = null();
    assert_eq!(fcntl_getfd(&file), Ok(FdFlags::empty()));
    fcntl_setfd(&file, FdFlags::CLOEXEC).unwrap();
    assert_eq!(fcntl_getfd(&file), Ok(FdFlags::CLOEXEC));
    assert_eq!(fcntl_getfd(dup(&file).unwrap()), Ok(FdFlags::empty()), "a copy has its own");
    let closing = open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, RW).unwrap();
    assert_eq!(fcntl_getfd(&closing), Ok(FdFlags::CLOEXEC));
}

pub(crate) fn status_flags() {
    let place = Place::new("flags", &[("f", "")]);
    let file = open(place.at("f"), OFlags::WRONLY | OFlags::APPEND, RW).unwrap();
    let flags = fcntl_getfl(&file).unwrap();
    assert_eq!(flags & OFlags::ACCMODE, OFlags::WRONLY);
    assert!(flags.contains(OFlags::APPEND));
    fcntl_setfl(&file, OFlags::NONBLOCK).unwrap();
    let flags = fcntl_getfl(&file).unwrap();
    assert!(flags.contains(OFlags::NONBLOCK) && !flags.contains(OFlags::APPEND));
    assert_eq!(flags & OFlags::ACCMODE, OFlags::WRONLY, "the way it was opened stays");
}

pub(crate) fn closed_descriptor() {
    let number = null().as_raw_fd();
    // SAFETY: takes numbers and a valid buffer; the descriptor is not open.
    let results = unsafe {
        let mut byte = 0_u8;
        let buffer = (&raw mut byte).cast();
        [
            i64::from(libc::close(number)),
            libc::read(number, buffer, 1) as i64,
            libc::write(number, buffer, 1) as i64,
            libc::lseek(number, 0, 0),
            i64::from(libc::fcntl(number, libc::F_GETFD)),
            i64::from(libc::fsync(number)),
            i64::from(libc::dup(number)),
            i64::from(libc::close(-1)),
        ]
    };
    assert_eq!(results, [-1; 8]);
    assert_eq!(Errno::from_io_error(&std::io::Error::last_os_error()), Some(Errno::BADF));
}

pub(crate) fn too_many() {
    let end = child::fork_and_wait(|| {
        let limit = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: Some(20), ..limit }).unwrap();
        let mut files = Vec::new();
        let error = loop {
            match open("/dev/null", OFlags::RDONLY, RW) {
                Ok(file) => files.push(file),
                Err(error) => break error,
            }
        };
        assert_eq!(error, Errno::MFILE);
        assert!(files.iter().all(|file| file.as_raw_fd() < 20));
        assert_eq!(std::io::pipe().unwrap_err().raw_os_error(), Some(libc::EMFILE));
        files.pop();
        i32::from(dup(files[0].as_fd()).is_err())
    });
    assert_eq!(end, End::Exited(0));
}

pub(crate) fn close_a_range() {
    let end = child::fork_and_wait(|| {
        let numbers: Vec<_> = (0..5).map(|_| std::os::fd::IntoRawFd::into_raw_fd(null())).collect();
        let (first, last) = (numbers[1] as u32, numbers[3] as u32);
        // SAFETY: closes descriptors that nothing owns any more.
        assert_eq!(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) }, 0);
        // SAFETY: takes numbers.
        let is_open = |number: &i32| unsafe { libc::fcntl(*number, libc::F_GETFD) } != -1;
        let open: Vec<bool> = numbers.iter().map(is_open).collect();
        i32::from(open != [true, false, false, false, true])
    });
    assert_eq!(end, End::Exited(0));
}

pub(crate) fn locks() {
    let place = Place::new("locks", &[("f", "")]);
    let path = place.at("f");
    let (first, second) = (File::open(&path).unwrap(), File::open(&path).unwrap());
    flock(&first, FlockOperation::LockShared).unwrap();
    flock(&second, FlockOperation::LockShared).unwrap();
    let exclusive = FlockOperation::NonBlockingLockExclusive;
    assert_eq!(flock(&first, exclusive), Err(Errno::AGAIN));
    flock(&second, FlockOperation::Unlock).unwrap();
    // Turning a shared lock into another may lose it, so take it anew.
    assert_eq!(flock(&first, exclusive), Ok(()));
    assert_eq!(flock(&second, exclusive), Err(Errno::AGAIN));
    drop(first);
    assert_eq!(flock(&second, exclusive), Ok(()), "closing lets go");
    assert_eq!(fs::read(&path).unwrap(), b"");
}
