//! Memory that is a file's, or another process's too.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::MetadataExt;
use std::ptr;
use std::time::Duration;

use guest_common::child::{self, End};
use guest_common::{node, signal};
use rustix::io::Errno;
use rustix::mm::{MapFlags, MprotectFlags, MsyncFlags, ProtFlags, mmap, mprotect, msync};

use crate::{PAGE, Region};

const READ_WRITE: ProtFlags = ProtFlags::READ.union(ProtFlags::WRITE);

/// A new file of that many bytes, each 7, with a name that the caller removes.
fn named(path: &str, length: usize) -> File {
    fs::write(path, vec![7; length]).unwrap();
    OpenOptions::new().read(true).write(true).open(path).unwrap()
}

/// Such a file that has no name any more.
fn file(length: usize) -> File {
    let file = named("shared.tmp", length);
    fs::remove_file("shared.tmp").unwrap();
    file
}

fn try_map(file: &File, access: ProtFlags, flags: MapFlags) -> Result<Region, Errno> {
    let length = 3 * PAGE;
    // SAFETY: a new mapping at an address the kernel picks.
    let base = unsafe { mmap(ptr::null_mut(), length, access, flags, file, 0) }?;
    Ok(Region { base: base.cast(), length })
}

fn shared(file: &File) -> Region {
    try_map(file, READ_WRITE, MapFlags::SHARED).unwrap()
}

fn on_disk(file: &File, offset: usize) -> u8 {
    let mut byte = [0];
    assert_eq!(rustix::io::pread(file, &mut byte, offset as u64), Ok(1));
    byte[0]
}

/// Whether reading the byte ends the process that does it with SIGBUS.
fn is_beyond_end(region: &Region, offset: usize) -> bool {
    let end = child::fork_and_wait(|| {
        signal::default(libc::SIGBUS);
        std::hint::black_box(region.read(offset));
        0
    });
    assert!(matches!(end, End::Exited(0) | End::Killed(libc::SIGBUS)), "{end:?}");
    end == End::Killed(libc::SIGBUS)
}

/// A file that is cut takes its pages out of every mapping; grown again it has none of the old
/// bytes.
pub(crate) fn cut_file() {
    let file = file(3 * PAGE);
    let (region, private) = (shared(&file), try_map(&file, READ_WRITE, MapFlags::PRIVATE).unwrap());
    region.write(2 * PAGE, 1);
    region.write(PAGE + 200, 2);
    private.write(2 * PAGE, 3);
    file.set_len(PAGE as u64 + 100).unwrap();
    assert_eq!([PAGE + 99, PAGE + 200].map(|offset| region.read(offset)), [7, 0]);
    assert!(!is_beyond_end(&region, PAGE));
    assert!(is_beyond_end(&region, 2 * PAGE) && is_beyond_end(&private, 2 * PAGE));
    file.set_len(3 * PAGE as u64).unwrap();
    assert_eq!([PAGE + 200, 2 * PAGE].map(|offset| region.read(offset)), [0, 0]);
    region.write(3 * PAGE - 1, 9);
    assert_eq!(on_disk(&file, 3 * PAGE - 1), 9);
    assert_eq!(private.read(3 * PAGE - 1), 9);
}

/// What one process stores the other sees, in the file's memory and in none's.
pub(crate) fn with_a_child() {
    let file = file(3 * PAGE);
    let (region, alone) = (shared(&file), try_map(&file, READ_WRITE, MapFlags::PRIVATE).unwrap());
    alone.write(0, 1);
    let child = child::fork_and_wait(|| {
        region.write(2 * PAGE + 5, 42);
        alone.write(0, 2);
        i32::from(region.read(0))
    });
    assert_eq!(child, End::Exited(7));
    assert_eq!((region.read(2 * PAGE + 5), on_disk(&file, 2 * PAGE + 5)), (42, 42));
    assert_eq!(alone.read(0), 1);
    assert_eq!(shared(&file).read(2 * PAGE + 5), 42, "a second mapping of the file");
}

/// What a shared mapping may do is what the descriptor may.
pub(crate) fn permissions() {
    let path = "modes.tmp";
    drop(named(path, 100));
    let reader = File::open(path).unwrap();
    let writer = OpenOptions::new().write(true).open(path).unwrap();
    let refused = |file, access, flags| try_map(file, access, flags).err();
    assert_eq!(refused(&reader, READ_WRITE, MapFlags::SHARED), Some(Errno::ACCESS));
    assert_eq!(refused(&writer, ProtFlags::READ, MapFlags::PRIVATE), Some(Errno::ACCESS));
    assert_eq!(refused(&reader, READ_WRITE, MapFlags::PRIVATE), None);
    let sealed = try_map(&reader, ProtFlags::READ, MapFlags::SHARED).unwrap();
    let write = MprotectFlags::READ | MprotectFlags::WRITE;
    // SAFETY: refused; and it is our own mapping.
    let widened = unsafe { mprotect(sealed.page(0), PAGE, write) };
    assert_eq!(widened, Err(Errno::ACCESS));
    let directory = File::open(".").unwrap();
    assert_eq!(refused(&directory, ProtFlags::READ, MapFlags::PRIVATE), Some(Errno::NODEV));
    fs::remove_file(path).unwrap();
}

pub(crate) fn msync_arguments() {
    let region = shared(&file(3 * PAGE));
    // SAFETY: msync changes no memory of ours.
    let sync = |page: *mut libc::c_void, length, flags| unsafe { msync(page, length, flags) };
    let (both, start) = (MsyncFlags::SYNC | MsyncFlags::ASYNC, region.page(0));
    assert_eq!(sync(start, 3 * PAGE, MsyncFlags::SYNC), Ok(()));
    assert_eq!(sync(start, 1, MsyncFlags::ASYNC | MsyncFlags::INVALIDATE), Ok(()));
    assert_eq!(sync(start, PAGE, both), Err(Errno::INVAL));
    assert_eq!(sync(start, PAGE, MsyncFlags::from_bits_retain(8)), Err(Errno::INVAL));
    assert_eq!(sync(start.wrapping_byte_add(1), PAGE, MsyncFlags::SYNC), Err(Errno::INVAL));
    assert_eq!(sync(start, 0, MsyncFlags::SYNC), Ok(()));
    // SAFETY: the last page of our own mapping.
    unsafe { rustix::mm::munmap(region.page(2), PAGE).unwrap() };
    assert_eq!(sync(start, 3 * PAGE, MsyncFlags::SYNC), Err(Errno::NOMEM));
}

/// `/proc/self/maps` says which file is where, even when its name is gone.
pub(crate) fn in_maps() {
    let path = "maps.tmp";
    let file = named(path, 3 * PAGE);
    let access = ProtFlags::READ | ProtFlags::WRITE;
    let offset = PAGE as u64;
    // SAFETY: a new mapping at an address the kernel picks.
    let base = unsafe { mmap(ptr::null_mut(), 2 * PAGE, access, MapFlags::PRIVATE, &file, offset) };
    let region = Region { base: base.unwrap().cast(), length: 2 * PAGE };
    let line = || {
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let start = format!("{:08x}-", region.base.addr());
        let line = maps.lines().find(|line| line.starts_with(&start)).unwrap().to_owned();
        line.split_whitespace().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    let metadata = file.metadata().unwrap();
    let device = format!("{:02x}:{:02x}", metadata.dev() >> 8 & 0xfff, metadata.dev() & 0xff);
    let full = fs::canonicalize(path).unwrap().to_str().unwrap().to_owned();
    let fields = ["rw-p", "00001000", &device, &metadata.ino().to_string(), &full];
    assert_eq!(line(), fields);
    fs::remove_file(path).unwrap();
    assert_eq!(line()[4..], [&full, "(deleted)"]);
}

/// `/dev/zero` is memory without a file.
pub(crate) fn zero_device() {
    let zero = OpenOptions::new().read(true).write(true).open("/dev/zero").unwrap();
    let private = try_map(&zero, READ_WRITE, MapFlags::PRIVATE).unwrap();
    let common = shared(&zero);
    let child = child::fork_and_wait(|| {
        private.write(0, 1);
        common.write(PAGE, 2);
        0
    });
    assert_eq!(child, End::Exited(0));
    assert_eq!([private.read(0), common.read(PAGE), shared(&zero).read(PAGE)], [0, 2, 0]);
}

/// Two processes wait for each other by a word they share.
pub(crate) fn futex_between_processes() {
    let file = file(3 * PAGE);
    let region = shared(&file);
    region.write(0, 0);
    let word = region.base.cast::<u32>();
    // SAFETY: the word is aligned, and mapped as long as `region` lives.
    let set = |value: u32| unsafe { word.write_volatile(value) };
    set(0);
    let wait = |value: u32| {
        let nothing = ptr::null::<libc::timespec>();
        // SAFETY: the call reads the word only.
        unsafe { libc::syscall(libc::SYS_futex, word, libc::FUTEX_WAIT, value, nothing) }
    };
    let child = child::fork_later(Duration::from_millis(20), || {
        set(1);
        // SAFETY: the call touches no memory.
        unsafe { libc::syscall(libc::SYS_futex, word, libc::FUTEX_WAKE, 1) };
    });
    // SAFETY: as above.
    while unsafe { word.read_volatile() } == 0 {
        wait(0);
    }
    assert_eq!(child::wait(child), End::Exited(0));
}

/// A process that shares memory moves, and the file has what it stored where it went.
pub(crate) fn moves_along() {
    let file = file(3 * PAGE);
    let region = shared(&file);
    region.write(1, 5);
    let Some(place) = node::current().unwrap() else { return };
    if let Err(error) = node::migrate(if place == 1 { 2 } else { 1 }) {
        // A cluster of one node has no other place, and others may be moving it.
        let errno = error.raw_os_error();
        assert!([Some(libc::EHOSTUNREACH), Some(libc::EBUSY)].contains(&errno), "{errno:?}");
    }
    region.write(2, 6);
    assert_eq!((on_disk(&file, 1), on_disk(&file, 2)), (5, 6));
}
