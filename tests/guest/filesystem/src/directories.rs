//! Directories and paths.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::Path;

use guest_common::child::{self, End};
use rustix::fs::{
    AtFlags, CWD, Dir, Mode, OFlags, fstat, mkdir, mkdirat, open, openat, rmdir, statat, unlink,
    unlinkat,
};
use rustix::io::Errno;
use rustix::process::fchdir;

use crate::Place;

const ALL: Mode = Mode::from_raw_mode(0o755);

fn open_directory(path: &str) -> std::os::fd::OwnedFd {
    open(path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap()
}

pub(crate) fn making_and_removing() {
    let place = Place::new("making", &[("file", "")]);
    let (d, inner) = (place.at("d"), place.at("d/inner"));
    assert_eq!(mkdir(&inner, ALL), Err(Errno::NOENT));
    mkdir(&d, ALL).unwrap();
    assert_eq!(mkdir(&d, ALL), Err(Errno::EXIST));
    assert_eq!(mkdir(place.at("file"), ALL), Err(Errno::EXIST));
    assert_eq!(mkdir(place.at("file/d"), ALL), Err(Errno::NOTDIR));
    mkdir(format!("{inner}/"), ALL).unwrap();
    assert_eq!(rmdir(&d), Err(Errno::NOTEMPTY));
    assert_eq!(unlink(&d), Err(Errno::ISDIR));
    assert_eq!(rmdir(place.at("file")), Err(Errno::NOTDIR));
    assert_eq!(rmdir(format!("{inner}/.")), Err(Errno::INVAL));
    rmdir(&inner).unwrap();
    rmdir(&d).unwrap();
    assert_eq!(rmdir(&d), Err(Errno::NOENT));
    assert_eq!(place.list(), ["file"]);
}

pub(crate) fn listing() {
    let place = Place::new("listing", &[("one", ""), ("two", "")]);
    mkdir(place.at("d"), ALL).unwrap();
    std::os::unix::fs::symlink("one", place.at("link")).unwrap();
    let mut entries: Vec<_> = Dir::read_from(open_directory("listing"))
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().to_str().unwrap().to_owned();
            assert_ne!(entry.ino(), 0);
            (name, format!("{:?}", entry.file_type()))
        })
        .collect();
    entries.sort();
    let expected = [
        (".", "Directory"),
        ("..", "Directory"),
        ("d", "Directory"),
        ("link", "Symlink"),
        ("one", "RegularFile"),
        ("two", "RegularFile"),
    ];
    assert!(entries.iter().map(|(name, kind)| (&**name, &**kind)).eq(expected), "{entries:?}");
    let file = open(place.at("one"), OFlags::RDONLY, ALL).unwrap();
    let not = rustix::fs::RawDir::new(&file, &mut [std::mem::MaybeUninit::uninit(); 256])
        .next()
        .map(|entry| entry.err());
    assert_eq!(not, Some(Some(Errno::NOTDIR)));
}

/// More than one call's worth of names; none twice, none left out.
pub(crate) fn listing_a_large_one() {
    let place = Place::new("large", &[]);
    let names: BTreeSet<String> =
        (0..400).map(|index| format!("a rather long name {index}")).collect();
    names.iter().for_each(|name| fs::write(place.at(name), "").unwrap());
    let directory = open_directory("large");
    let mut buffer = [std::mem::MaybeUninit::uninit(); 600];
    let mut found = Vec::new();
    let mut raw = rustix::fs::RawDir::new(&directory, &mut buffer);
    while let Some(entry) = raw.next() {
        found.push(entry.unwrap().file_name().to_str().unwrap().to_owned());
    }
    found.retain(|name| name != "." && name != "..");
    assert_eq!(found.len(), names.len());
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), names);
}

pub(crate) fn listing_again() {
    let place = Place::new("again", &[("a", ""), ("b", "")]);
    let mut directory = Dir::read_from(open_directory("again")).unwrap();
    assert_eq!(directory.by_ref().count(), 4);
    fs::remove_file(place.at("a")).unwrap();
    directory.rewind();
    let mut names: Vec<_> =
        directory.map(|entry| entry.unwrap().file_name().to_str().unwrap().to_owned()).collect();
    names.sort();
    assert_eq!(names, [".", "..", "b"]);
    let tiny = &mut [std::mem::MaybeUninit::uninit(); 8];
    let directory = open_directory("again");
    let too_small = rustix::fs::RawDir::new(&directory, tiny).next().map(|entry| entry.err());
    assert_eq!(too_small, Some(Some(Errno::INVAL)), "a buffer too small for one name");
}

pub(crate) fn working_directory() {
    let place = Place::new("work", &[("f", "here")]);
    let start = env::current_dir().unwrap();
    env::set_current_dir("work").unwrap();
    assert_eq!(env::current_dir().unwrap(), start.join("work"));
    assert_eq!(fs::read("f").unwrap(), b"here");
    assert_eq!(fs::read("../work/./f").unwrap(), b"here");
    let not = env::set_current_dir("f").unwrap_err();
    assert_eq!(not.raw_os_error(), Some(libc::ENOTDIR));
    env::set_current_dir("/").unwrap();
    assert_eq!(env::current_dir().unwrap(), Path::new("/"));
    env::set_current_dir("/..").unwrap();
    assert_eq!(env::current_dir().unwrap(), Path::new("/"), "the root is its own parent");
    env::set_current_dir(&start).unwrap();
    fchdir(open_directory(place.0)).unwrap();
    assert_eq!(env::current_dir().unwrap(), start.join("work"));
    let mut small = [0_u8; 1];
    // SAFETY: the buffer is as long as it says.
    let result = unsafe { libc::getcwd(small.as_mut_ptr().cast(), small.len()) };
    assert!(result.is_null(), "ERANGE");
    env::set_current_dir(&start).unwrap();
}

pub(crate) fn relative_to_a_descriptor() {
    let place = Place::new("at", &[("f", "content")]);
    let directory = open_directory("at");
    mkdirat(&directory, "sub", ALL).unwrap();
    let flags = OFlags::CREATE | OFlags::WRONLY;
    let file = openat(&directory, "sub/new", flags, Mode::from_raw_mode(0o600)).unwrap();
    rustix::io::write(&file, b"x").unwrap();
    assert_eq!(statat(&directory, "sub/new", AtFlags::empty()).unwrap().st_size, 1);
    let itself = statat(&directory, "", AtFlags::EMPTY_PATH).unwrap();
    assert_eq!(itself.st_ino, fstat(&directory).unwrap().st_ino);
    assert_eq!(unlinkat(&directory, "sub", AtFlags::empty()), Err(Errno::ISDIR));
    assert_eq!(unlinkat(&directory, "sub", AtFlags::REMOVEDIR), Err(Errno::NOTEMPTY));
    unlinkat(&directory, "sub/new", AtFlags::empty()).unwrap();
    unlinkat(&directory, "sub", AtFlags::REMOVEDIR).unwrap();
    let not = openat(&file, "x", OFlags::RDONLY, Mode::empty());
    assert_eq!(not.err(), Some(Errno::NOTDIR), "not relative to a file");
    let absolute = fs::canonicalize(place.at("f")).unwrap();
    assert!(openat(&file, &absolute, OFlags::RDONLY, Mode::empty()).is_ok(), "not looked at");
    assert!(openat(CWD, place.at("f"), OFlags::RDONLY, Mode::empty()).is_ok());
}

pub(crate) fn path_lookup() {
    let place = Place::new("lookup", &[("f", "x")]);
    mkdir(place.at("d"), ALL).unwrap();
    for path in ["lookup/f", "./lookup/f", "lookup//f", "lookup/d/../f", "lookup/./d/.././f"] {
        assert_eq!(fs::read(path).unwrap(), b"x", "{path}");
    }
    let error = |path: &str| fs::metadata(path).unwrap_err().raw_os_error().unwrap();
    assert_eq!(error("lookup/f/"), libc::ENOTDIR);
    assert_eq!(error("lookup/f/.."), libc::ENOTDIR);
    assert_eq!(error("lookup/none/.."), libc::ENOENT);
    assert_eq!(error(&format!("lookup/{}", "n".repeat(256))), libc::ENAMETOOLONG);
    assert_eq!(error(&"lookup/d/../d/../".repeat(300)), libc::ENAMETOOLONG);
    fs::write(format!("lookup/{}", "n".repeat(255)), "").unwrap();
}

pub(crate) fn removed_working_directory() {
    let end = child::fork_and_wait(|| {
        fs::create_dir("gone").unwrap();
        env::set_current_dir("gone").unwrap();
        fs::remove_dir("../gone").unwrap();
        let error =
            |result: std::io::Result<_>| result.err().and_then(|error| error.raw_os_error());
        assert_eq!(error(env::current_dir().map(drop)), Some(libc::ENOENT));
        assert_eq!(error(fs::write("f", "")), Some(libc::ENOENT));
        assert_eq!(fs::read_dir(".").unwrap().count(), 0);
        env::set_current_dir("..").unwrap();
        0
    });
    assert_eq!(end, End::Exited(0));
}
