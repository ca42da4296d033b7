//! Raw system calls, and how their answers are shown.

use std::ffi::CString;
use std::fmt;

use libc::c_long;

/// What a call gave: a value or an error number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outcome(pub(crate) Result<i64, i32>);

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Ok(value) => write!(f, "{value}"),
            Err(errno) => f.write_str(name(errno)),
        }
    }
}

impl Outcome {
    /// The value, or -1.
    pub(crate) fn value(self) -> i64 {
        self.0.unwrap_or(-1)
    }
}

/// An argument of a call.
pub(crate) trait Argument {
    /// What goes into the register.
    fn word(&self) -> usize;
}

macro_rules! number_argument {
    ($($number:ty),*) => {$(
        impl Argument for $number {
            fn word(&self) -> usize {
                *self as usize
            }
        }
    )*};
}

number_argument!(i32, u32, i64, u64, usize);

impl Argument for CString {
    fn word(&self) -> usize {
        self.as_ptr() as usize
    }
}

impl<T> Argument for &mut [T] {
    fn word(&self) -> usize {
        self.as_ptr() as usize
    }
}

impl<T> Argument for &[T] {
    fn word(&self) -> usize {
        self.as_ptr() as usize
    }
}

/// A path or another string for the kernel.
pub(crate) fn text(text: &str) -> CString {
    CString::new(text).expect("no NUL in it")
}

/// Makes a system call with up to six words.
pub(crate) fn raw(number: c_long, words: &[usize]) -> Outcome {
    let word = |index: usize| words.get(index).copied().unwrap_or(0);
    // SAFETY: the words are numbers, pointers to buffers that outlive the call and are as long as
    // its other arguments say, or addresses that are invalid on purpose, which the kernel refuses.
    let value =
        unsafe { libc::syscall(number, word(0), word(1), word(2), word(3), word(4), word(5)) };
    if value == -1 {
        let errno = std::io::Error::last_os_error().raw_os_error();
        return Outcome(Err(errno.expect("a failed call has an error number")));
    }
    Outcome(Ok(value))
}

/// Makes a system call, prints it with its answer, and gives the answer.
#[macro_export]
macro_rules! show {
    ($number:ident $(, $argument:expr)*) => {{
        let outcome = $crate::quiet!($number $(, $argument)*);
        let shown = [$(stringify!($argument)),*].join(", ");
        guest_common::say(&format!("{}({shown}): {outcome}", &stringify!($number)[4..]));
        outcome
    }};
}

/// Makes a system call without printing anything.
#[macro_export]
macro_rules! quiet {
    ($number:ident $(, $argument:expr)*) => {{
        $crate::call::raw(libc::$number, &[$($crate::call::Argument::word(&$argument)),*])
    }};
}

/// Makes a file with this content.
pub(crate) fn make(path: &str, content: &[u8]) {
    std::fs::write(path, content).expect("the directory is ours");
}

/// The name of an error number.
fn name(errno: i32) -> &'static str {
    const NAMES: &[(i32, &str)] = &[
        (libc::EPERM, "EPERM"),
        (libc::ENOENT, "ENOENT"),
        (libc::EINTR, "EINTR"),
        (libc::EIO, "EIO"),
        (libc::ENXIO, "ENXIO"),
        (libc::EBADF, "EBADF"),
        (libc::EAGAIN, "EAGAIN"),
        (libc::ENOMEM, "ENOMEM"),
        (libc::EACCES, "EACCES"),
        (libc::EFAULT, "EFAULT"),
        (libc::EBUSY, "EBUSY"),
        (libc::EEXIST, "EEXIST"),
        (libc::EXDEV, "EXDEV"),
        (libc::ENODEV, "ENODEV"),
        (libc::ENOTDIR, "ENOTDIR"),
        (libc::EISDIR, "EISDIR"),
        (libc::EINVAL, "EINVAL"),
        (libc::EMFILE, "EMFILE"),
        (libc::ENOTTY, "ENOTTY"),
        (libc::EFBIG, "EFBIG"),
        (libc::ENOSPC, "ENOSPC"),
        (libc::ESPIPE, "ESPIPE"),
        (libc::EMLINK, "EMLINK"),
        (libc::EPIPE, "EPIPE"),
        (libc::ERANGE, "ERANGE"),
        (libc::EDEADLK, "EDEADLK"),
        (libc::ENAMETOOLONG, "ENAMETOOLONG"),
        (libc::ENOSYS, "ENOSYS"),
        (libc::ENOTEMPTY, "ENOTEMPTY"),
        (libc::ELOOP, "ELOOP"),
        (libc::EOVERFLOW, "EOVERFLOW"),
        (libc::EOPNOTSUPP, "EOPNOTSUPP"),
    ];
    NAMES.iter().find(|(number, _)| *number == errno).map_or("another error", |(_, name)| name)
}
