//! Raw calls whose answers are printed: Linux's are the reference.

use std::ffi::CStr;

use guest_common::say;

/// What a call gave: a value, or the number of an error.
pub(crate) type Outcome = Result<i64, i32>;

/// Makes a call.
pub(crate) fn call(number: libc::c_long, args: &[usize]) -> Outcome {
    let arg = |index: usize| args.get(index).copied().unwrap_or(0);
    // SAFETY: every address that the cases pass names memory of theirs, or is meant to be wrong in
    // a way that a kernel refuses.
    let value = unsafe { libc::syscall(number, arg(0), arg(1), arg(2), arg(3), arg(4), arg(5)) };
    match value {
        -1 => Err(std::io::Error::last_os_error().raw_os_error().unwrap_or(0)),
        value => Ok(value),
    }
}

/// Makes a call and prints what it gave.
pub(crate) fn show(what: &str, number: libc::c_long, args: &[usize]) -> Outcome {
    let outcome = call(number, args);
    tell(what, outcome);
    outcome
}

/// Prints what a call gave.
pub(crate) fn tell(what: &str, outcome: Outcome) {
    match outcome {
        Ok(value) => say(&format!("{what}: {value}")),
        Err(errno) => {
            // SAFETY: strerrorname_np gives a static string, or null.
            let name = unsafe { strerrorname_np(errno).as_ref() };
            // SAFETY: as above; it ends in NUL.
            let name = name.map(|name| unsafe { CStr::from_ptr(name) }.to_string_lossy());
            say(&format!("{what}: {}", name.unwrap_or_default()));
        }
    }
}

unsafe extern "C" {
    /// The name of an error number, as `ENOENT` (strerrorname_np(3)).
    fn strerrorname_np(errno: i32) -> *const libc::c_char;
}

/// Makes a call whose value is a descriptor, which differs from run to run, and prints whether it
/// could be made.
pub(crate) fn open(what: &str, number: libc::c_long, args: &[usize]) -> usize {
    let outcome = call(number, args);
    tell(what, outcome.map(|_| 0));
    outcome.map_or(usize::MAX, |fd| fd as usize)
}

/// The address of something, as an argument.
pub(crate) fn at<T: ?Sized>(value: &T) -> usize {
    std::ptr::from_ref(value).cast::<u8>().addr()
}

/// The address of something that the call changes.
pub(crate) fn at_mut<T: ?Sized>(value: &mut T) -> usize {
    std::ptr::from_mut(value).cast::<u8>().addr()
}

/// A path as an argument.
pub(crate) fn path(path: &'static CStr) -> usize {
    path.as_ptr().addr()
}

/// A new file with this content; its descriptor.
pub(crate) fn file(name: &'static CStr, content: &[u8]) -> usize {
    let flags = libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC;
    let fd = call(libc::SYS_openat, &[AT_FDCWD, path(name), flags as usize, 0o644]).unwrap();
    let fd = fd as usize;
    assert_eq!(
        call(libc::SYS_pwrite64, &[fd, at(content), content.len()]),
        Ok(content.len() as i64)
    );
    fd
}

/// The content of the file that a descriptor is open on, as text.
pub(crate) fn content(fd: usize) -> String {
    let mut bytes = vec![0; 200_000];
    let count = call(libc::SYS_pread64, &[fd, at_mut(&mut bytes[..]), bytes.len(), 0]).unwrap();
    bytes.truncate(count as usize);
    String::from_utf8_lossy(&bytes).replace('\0', "0")
}

/// A pipe: the end to read from and the end to write to.
pub(crate) fn pipe() -> (usize, usize) {
    let mut ends = [0_i32; 2];
    call(libc::SYS_pipe2, &[at_mut(&mut ends), libc::O_NONBLOCK as usize]).unwrap();
    (ends[0] as usize, ends[1] as usize)
}

pub(crate) fn close(fd: usize) {
    call(libc::SYS_close, &[fd]).unwrap();
}

/// `AT_FDCWD` as an argument.
pub(crate) const AT_FDCWD: usize = libc::AT_FDCWD as isize as usize;
