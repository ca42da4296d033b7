//! Names: renaming, hard and symbolic links, removal.

use std::fs::{self, File};
use std::io::{Read, Seek};
use std::os::unix::fs::{MetadataExt, symlink};

use rustix::fs::{
    CWD, Mode, OFlags, RenameFlags, link, mkdir, open, readlink, rename, renameat_with,
};
use rustix::io::Errno;

use crate::Place;

const ALL: Mode = Mode::from_raw_mode(0o755);

pub(crate) fn renaming_files() {
    let place = Place::new("rename", &[("a", "from a"), ("b", "from b")]);
    let (a, b, c) = (place.at("a"), place.at("b"), place.at("c"));
    rename(&a, &c).unwrap();
    assert_eq!(fs::read(&c).unwrap(), b"from a");
    assert_eq!(rename(&a, &b), Err(Errno::NOENT));
    let mut old = File::open(&b).unwrap();
    rename(&c, &b).unwrap();
    assert_eq!(fs::read(&b).unwrap(), b"from a", "replaced");
    let mut content = String::new();
    old.read_to_string(&mut content).unwrap();
    assert_eq!(content, "from b", "who has the old one open keeps it");
    rename(&b, &b).unwrap();
    link(&b, &a).unwrap();
    rename(&a, &b).unwrap();
    assert_eq!(place.list(), ["a", "b"], "two names of one file: nothing happens");
    mkdir(place.at("d"), ALL).unwrap();
    assert_eq!(rename(&b, place.at("d")), Err(Errno::ISDIR));
    rename(&b, place.at("d/b")).unwrap();
    assert_eq!(rename(place.at("d/b"), place.at("none/b")), Err(Errno::NOENT));
    assert_eq!(rename(place.at("d/b"), place.at("a/b")), Err(Errno::NOTDIR));
}

pub(crate) fn renaming_directories() {
    let place = Place::new("rename-d", &[("file", "")]);
    for name in ["x", "x/inner", "y", "full"] {
        mkdir(place.at(name), ALL).unwrap();
    }
    fs::write(place.at("x/inner/f"), "kept").unwrap();
    fs::write(place.at("full/f"), "").unwrap();
    assert_eq!(rename(place.at("x"), place.at("full")), Err(Errno::NOTEMPTY));
    assert_eq!(rename(place.at("x"), place.at("file")), Err(Errno::NOTDIR));
    assert_eq!(rename(place.at("x"), place.at("x/inner/x")), Err(Errno::INVAL), "into itself");
    rename(place.at("x"), place.at("y")).unwrap();
    assert_eq!(fs::read(place.at("y/inner/f")).unwrap(), b"kept", "over an empty one");
    rename(place.at("y/inner"), place.at("moved")).unwrap();
    let parent = fs::metadata(place.at("moved/..")).unwrap().ino();
    assert_eq!(parent, fs::metadata(place.0).unwrap().ino(), "its .. is the new place");
    assert_eq!(place.list(), ["file", "full", "moved", "y"]);
}

pub(crate) fn rename_flags() {
    let place = Place::new("rename-flags", &[("a", "A"), ("b", "B")]);
    let (a, b, c) = (place.at("a"), place.at("b"), place.at("c"));
    let with = |from: &str, to: &str, flags| renameat_with(CWD, from, CWD, to, flags);
    assert_eq!(with(&a, &b, RenameFlags::NOREPLACE), Err(Errno::EXIST));
    with(&a, &c, RenameFlags::NOREPLACE).unwrap();
    with(&b, &c, RenameFlags::EXCHANGE).unwrap();
    assert_eq!((fs::read(&b).unwrap(), fs::read(&c).unwrap()), (b"A".into(), b"B".into()));
}

pub(crate) fn hard_links() {
    let place = Place::new("link", &[("a", "one")]);
    let (a, b) = (place.at("a"), place.at("b"));
    link(&a, &b).unwrap();
    assert_eq!(fs::metadata(&a).unwrap().nlink(), 2);
    assert_eq!(fs::metadata(&a).unwrap().ino(), fs::metadata(&b).unwrap().ino());
    fs::write(&b, "changed").unwrap();
    assert_eq!(fs::read(&a).unwrap(), b"changed");
    assert_eq!(link(&a, &b), Err(Errno::EXIST));
    assert_eq!(link("link", place.at("d")), Err(Errno::PERM), "not of directories");
    assert_eq!(link(place.at("none"), place.at("c")), Err(Errno::NOENT));
    fs::remove_file(&a).unwrap();
    assert_eq!((fs::read(&b).unwrap(), fs::metadata(&b).unwrap().nlink()), (b"changed".into(), 1));
}

pub(crate) fn symbolic_links() {
    let place = Place::new("symlink", &[("target", "content")]);
    symlink("target", place.at("link")).unwrap();
    assert_eq!(fs::read(place.at("link")).unwrap(), b"content");
    assert_eq!(readlink(place.at("link"), Vec::new()).unwrap().as_bytes(), b"target");
    let (link, target) = (place.at("link"), place.at("target"));
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::symlink_metadata(&link).unwrap().len(), 6);
    assert!(fs::metadata(&link).unwrap().is_file());
    assert_eq!(readlink(&target, Vec::new()).err(), Some(Errno::INVAL));
    let no_follow = open(&link, OFlags::RDONLY | OFlags::NOFOLLOW, Mode::empty());
    assert_eq!(no_follow.err(), Some(Errno::LOOP));
    symlink("nowhere", place.at("dangling")).unwrap();
    assert_eq!(fs::metadata(place.at("dangling")).unwrap_err().raw_os_error(), Some(libc::ENOENT));
    fs::write(place.at("dangling"), "through").unwrap();
    assert_eq!(fs::read(place.at("nowhere")).unwrap(), b"through", "creates what it names");
    let create = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
    assert_eq!(open(&link, create, ALL).err(), Some(Errno::EXIST), "exclusive does not follow");
    mkdir(place.at("d"), ALL).unwrap();
    symlink("../d", place.at("d/up")).unwrap();
    fs::write(place.at("d/up/up/f"), "deep").unwrap();
    assert_eq!(fs::read(place.at("d/f")).unwrap(), b"deep");
    fs::remove_file(&link).unwrap();
    assert_eq!(fs::read(&target).unwrap(), b"content", "removing a link removes the link");
    let mut short = [0; 3];
    let name = std::ffi::CString::new(place.at("d/up")).unwrap();
    // SAFETY: the buffer is as long as it says.
    let length = unsafe { libc::readlink(name.as_ptr(), short.as_mut_ptr().cast(), 3) };
    assert_eq!((length, &short), (3, b"../"), "cut to the buffer");
}

pub(crate) fn loops() {
    let place = Place::new("loops", &[("end", "found")]);
    symlink("itself", place.at("itself")).unwrap();
    symlink("b", place.at("a")).unwrap();
    symlink("a", place.at("b")).unwrap();
    for name in ["itself", "a", "b", "a/x"] {
        assert_eq!(fs::read(place.at(name)).unwrap_err().raw_os_error(), Some(libc::ELOOP));
    }
    symlink("end", place.at("link0")).unwrap();
    for index in 1..45 {
        symlink(format!("link{}", index - 1), place.at(&format!("link{index}"))).unwrap();
    }
    assert_eq!(fs::read(place.at("link30")).unwrap(), b"found");
    let error = fs::read(place.at("link44")).unwrap_err().raw_os_error();
    assert_eq!(error, Some(libc::ELOOP), "path_resolution(7): at most 40");
}

pub(crate) fn removed_but_open() {
    let place = Place::new("removed", &[("f", "still here")]);
    let path = place.at("f");
    let mut file = fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    fs::remove_file(&path).unwrap();
    assert!(!fs::exists(&path).unwrap());
    assert_eq!(file.metadata().unwrap().nlink(), 0);
    fs::write(&path, "another").unwrap();
    let mut content = String::new();
    file.read_to_string(&mut content).unwrap();
    assert_eq!(content, "still here");
    rustix::io::write(&file, b", and more").unwrap();
    file.rewind().unwrap();
    content.clear();
    file.read_to_string(&mut content).unwrap();
    assert_eq!(content, "still here, and more");
    assert_eq!(fs::read(&path).unwrap(), b"another");
}
