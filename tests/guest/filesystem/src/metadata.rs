//! What is known about a file.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::{Duration, SystemTime};

use guest_common::child::{self, End};
use rustix::fs::{
    Access, AtFlags, CWD, FileType, Mode, OFlags, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT,
    chmod, fchmod, fstat, fstatfs, mkdir, mknodat, open, statat, utimensat,
};
use rustix::io::Errno;
use rustix::process::umask;

use crate::Place;

pub(crate) fn status() {
    let place = Place::new("status", &[("f", "12345")]);
    let file = fs::metadata(place.at("f")).unwrap();
    assert!(file.is_file());
    assert_eq!((file.len(), file.nlink(), file.mode() & 0o170_000), (5, 1, 0o100_000));
    let directory = fs::metadata(place.0).unwrap();
    assert!(directory.is_dir());
    assert_ne!(file.ino(), directory.ino());
    assert_eq!(file.dev(), directory.dev());
    let by_descriptor = fstat(File::open(place.at("f")).unwrap()).unwrap();
    assert_eq!((by_descriptor.st_ino, by_descriptor.st_size), (file.ino(), 5));
    assert!(by_descriptor.st_blksize > 0);
    let (pipe, _other) = std::io::pipe().unwrap();
    assert_eq!(FileType::from_raw_mode(fstat(&pipe).unwrap().st_mode), FileType::Fifo);
    let null = statat(CWD, "/dev/null", AtFlags::empty()).unwrap();
    assert_eq!(FileType::from_raw_mode(null.st_mode), FileType::CharacterDevice);
    assert_eq!((rustix::fs::major(null.st_rdev), rustix::fs::minor(null.st_rdev)), (1, 3));
    let created = file.modified().unwrap();
    let age = SystemTime::now().duration_since(created).unwrap_or_default();
    assert!(age < Duration::from_secs(60), "{age:?}");
}

pub(crate) fn modes() {
    let place = Place::new("modes", &[("f", "")]);
    let path = place.at("f");
    let mode = |path: &str| fs::metadata(path).unwrap().mode() & 0o7777;
    for wanted in [0o600, 0o755, 0o4711, 0o1777, 0o000] {
        chmod(&path, Mode::from_raw_mode(wanted)).unwrap();
        assert_eq!(mode(&path), wanted);
    }
    let file = open(&path, OFlags::PATH, Mode::empty());
    drop(file);
    chmod(&path, Mode::from_raw_mode(0o644)).unwrap();
    fchmod(File::open(&path).unwrap(), Mode::from_raw_mode(0o640)).unwrap();
    assert_eq!(mode(&path), 0o640);
    fs::set_permissions(place.0, Permissions::from_mode(0o700)).unwrap();
    assert_eq!(mode(place.0), 0o700);
    assert_eq!(chmod(place.at("none"), Mode::empty()), Err(Errno::NOENT));
}

pub(crate) fn access() {
    let place = Place::new("access", &[("f", "")]);
    let check = |name: &str, access| rustix::fs::access(place.at(name), access);
    assert_eq!(check("f", Access::EXISTS), Ok(()));
    assert_eq!(check("f", Access::READ_OK | Access::WRITE_OK), Ok(()));
    assert_eq!(check("f", Access::EXEC_OK), Err(Errno::ACCESS), "for root, too");
    assert_eq!(check("none", Access::EXISTS), Err(Errno::NOENT));
    chmod(place.at("f"), Mode::from_raw_mode(0o755)).unwrap();
    assert_eq!(check("f", Access::EXEC_OK), Ok(()));
}

pub(crate) fn times() {
    let place = Place::new("times", &[("f", "")]);
    let path = place.at("f");
    let set = |access: Timespec, modification: Timespec| {
        let times = Timestamps { last_access: access, last_modification: modification };
        utimensat(CWD, &path, &times, AtFlags::empty()).unwrap();
        let now = fs::metadata(&path).unwrap();
        (now.atime(), now.atime_nsec(), now.mtime(), now.mtime_nsec())
    };
    let at = |seconds, nanoseconds| Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
    assert_eq!(set(at(1000, 5), at(2000, 7)), (1000, 5, 2000, 7));
    assert_eq!(set(at(0, UTIME_OMIT), at(3000, 0)), (1000, 5, 3000, 0));
    let (_, _, modified, _) = set(at(0, UTIME_OMIT), at(0, UTIME_NOW));
    assert!(modified > 1_700_000_000);
    set(at(1, 0), at(1, 0));
    fs::write(&path, "x").unwrap();
    assert!(fs::metadata(&path).unwrap().mtime() > 1, "writing is a modification");
    let directory = fs::metadata(place.0).unwrap();
    assert!(directory.mtime() > 1_700_000_000);
}

pub(crate) fn new_file_modes() {
    let place = Place::new("umask", &[]);
    let end = child::fork_and_wait(|| {
        umask(Mode::from_raw_mode(0o027));
        open(place.at("f"), OFlags::CREATE, Mode::from_raw_mode(0o666)).unwrap();
        mkdir(place.at("d"), Mode::from_raw_mode(0o777)).unwrap();
        0
    });
    assert_eq!(end, End::Exited(0));
    let mode = |name: &str| fs::metadata(place.at(name)).unwrap().mode() & 0o7777;
    assert_eq!((mode("f"), mode("d")), (0o640, 0o750));
    assert_eq!(
        child::fork_and_wait(|| {
            umask(Mode::empty());
            i32::from(fs::exists("umask").is_err())
        }),
        End::Exited(0)
    );
}

pub(crate) fn special_nodes() {
    let place = Place::new("nodes", &[]);
    let make = |name: &str, kind| mknodat(CWD, place.at(name), kind, Mode::from_raw_mode(0o600), 0);
    make("fifo", FileType::Fifo).unwrap();
    make("file", FileType::RegularFile).unwrap();
    assert_eq!(make("fifo", FileType::Fifo), Err(Errno::EXIST));
    let kind =
        |name: &str| FileType::from_raw_mode(fs::symlink_metadata(place.at(name)).unwrap().mode());
    assert_eq!((kind("fifo"), kind("file")), (FileType::Fifo, FileType::RegularFile));
    let no_reader = open(place.at("fifo"), OFlags::WRONLY | OFlags::NONBLOCK, Mode::empty());
    assert_eq!(no_reader.err(), Some(Errno::NXIO));
    open(place.at("fifo"), OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty()).unwrap();
}

pub(crate) fn file_system() {
    let place = Place::new("statfs", &[("f", "")]);
    let facts = fstatfs(File::open(place.at("f")).unwrap()).unwrap();
    assert!(facts.f_bsize > 0);
    assert!(facts.f_namelen >= 255);
}

/// Whoever made it owns it; giving it to oneself changes nothing.
pub(crate) fn owners() {
    let place = Place::new("owners", &[("f", "")]);
    let facts = fs::metadata(place.at("f")).unwrap();
    let own = rustix::process::geteuid().as_raw();
    assert_eq!(facts.uid(), own);
    std::os::unix::fs::chown(place.at("f"), Some(own), None).unwrap();
    let same = fs::metadata(place.at("f")).unwrap();
    assert_eq!((same.uid(), same.gid()), (facts.uid(), facts.gid()));
}
