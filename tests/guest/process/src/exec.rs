//! A new program in an old process (execve(2)).

use std::ffi::CString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::ptr;

use guest_common::child::{self, End};
use guest_common::signal;

/// The first argument of a process that is this program again, executed.
const NEW_IMAGE: &str = "new-image";

/// If this process was executed by one of the cases below, does what that case asks.
pub(crate) fn as_new_image() -> Option<ExitCode> {
    let args: Vec<String> = std::env::args().collect();
    // A script is called as `INTERPRETER new-image SCRIPT ARGS...`.
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let &[name, NEW_IMAGE, what, ref rest @ ..] = words.as_slice() else { return None };
    let status = match what {
        "arguments" => tell_arguments(name, rest),
        "is-open" => u8::from(is_open(rest)),
        "pid" => u8::from(rest == [child::own_pid().to_string()]),
        "mask" => u8::from(signal::set_mask(&signal::Mask::empty()).has(libc::SIGUSR2)),
        "raise" => raise_both(),
        script if script.ends_with("script.tmp") => u8::try_from(40 + rest.len()).unwrap(),
        _ => 99,
    };
    Some(ExitCode::from(status))
}

fn tell_arguments(name: &str, rest: &[&str]) -> u8 {
    let variables: Vec<String> = std::env::vars().map(|(key, value)| key + "=" + &value).collect();
    guest_common::say(&format!("{name} {rest:?} {variables:?}"));
    4
}

fn is_open(rest: &[&str]) -> bool {
    let fd: i32 = rest[0].parse().unwrap();
    // SAFETY: takes numbers; F_GETFD only asks.
    unsafe { libc::fcntl(fd, libc::F_GETFD) != -1 }
}

/// SIGUSR1 was ignored before exec and stays so; SIGUSR2 was caught and has its default again.
fn raise_both() -> u8 {
    signal::raise(libc::SIGUSR1);
    signal::raise(libc::SIGUSR2);
    0
}

fn itself(what: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env_clear().args([NEW_IMAGE, what]);
    command
}

/// Forks a child that prepares and then executes; says how it ended.
fn execute(mut command: Command, prepare: impl FnOnce()) -> End {
    child::fork_and_wait(|| {
        prepare();
        panic!("exec: {}", command.exec())
    })
}

pub(crate) fn arguments_and_environment() {
    let mut command = itself("arguments");
    command.arg0("a name").args(["", "two words"]).env("KEY", "value").env("EMPTY", "");
    let output = command.stdout(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said, "a name [\"\", \"two words\"] [\"EMPTY=\", \"KEY=value\"]\n");
}

pub(crate) fn failures() {
    assert_eq!(exec_error("/no/such/program"), libc::ENOENT);
    assert_eq!(exec_error("/"), libc::EACCES);
    let path = "image.tmp";
    File::create_new(path).unwrap();
    assert_eq!(exec_error("./image.tmp"), libc::EACCES, "not executable");
    assert_eq!(exec_error("./image.tmp/x"), libc::ENOTDIR);
    fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    assert_eq!(exec_error("./image.tmp"), libc::ENOEXEC, "empty");
    fs::write(path, b"\x7fELF and nothing more").unwrap();
    assert_eq!(exec_error("./image.tmp"), libc::ENOEXEC, "cut short");
    fs::remove_file(path).unwrap();
}

fn exec_error(path: &str) -> i32 {
    match child::fork_and_wait(|| execv(path, &[path]).raw_os_error().unwrap_or(0)) {
        End::Exited(errno) => errno,
        End::Killed(signal) => panic!("{path}: killed by {signal}"),
    }
}

/// execv(3) itself: the standard library clears the signal mask first, and its execvp(3) hands
/// what is no executable to a shell.
fn execv(path: &str, words: &[&str]) -> io::Error {
    let path = CString::new(path).unwrap();
    let words: Vec<CString> = words.iter().map(|word| CString::new(*word).unwrap()).collect();
    let mut argv: Vec<_> = words.iter().map(|word| word.as_ptr()).collect();
    argv.push(ptr::null());
    // SAFETY: the path and the arguments are terminated, and so is the list.
    unsafe { libc::execv(path.as_ptr(), argv.as_ptr()) };
    io::Error::last_os_error()
}

pub(crate) fn closes_on_exec() {
    let (closed, _other) = io::pipe().unwrap();
    let kept = rustix::io::dup(&closed).unwrap();
    for (fd, expected) in [(closed.as_raw_fd(), 0), (kept.as_raw_fd(), 1)] {
        let mut command = itself("is-open");
        command.arg(fd.to_string());
        assert_eq!(execute(command, || ()), End::Exited(expected));
    }
}

pub(crate) fn keeps_pid_and_mask() {
    let end = child::fork_and_wait(|| {
        let mut command = itself("pid");
        command.arg(child::own_pid().to_string());
        panic!("exec: {}", command.exec())
    });
    assert_eq!(end, End::Exited(1));
    let end = child::fork_and_wait(|| {
        signal::block(&[libc::SIGUSR2]);
        panic!("execv: {}", execv("/proc/self/exe", &["itself", NEW_IMAGE, "mask"]))
    });
    assert_eq!(end, End::Exited(1));
}

pub(crate) fn resets_handlers() {
    let end = execute(itself("raise"), || {
        signal::ignore(libc::SIGUSR1);
        signal::count(libc::SIGUSR2, 0);
    });
    assert_eq!(end, End::Killed(libc::SIGUSR2));
}

pub(crate) fn script() {
    let path = "script.tmp";
    let interpreter = std::env::current_exe().unwrap();
    let line = format!("#!{} {NEW_IMAGE}\nnothing reads this\n", interpreter.display());
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o755).open(path).unwrap();
    io::Write::write_all(&mut file, line.as_bytes()).unwrap();
    drop(file);
    let mut command = Command::new("./script.tmp");
    command.args(["one", "two"]);
    assert_eq!(execute(command, || ()), End::Exited(42));
    fs::remove_file(path).unwrap();
}

/// The standard library's way, which is posix_spawn(3): a child that borrows its parent's memory.
pub(crate) fn spawn() {
    let mut command = itself("arguments");
    let mut child = command.env("K", "v").stdout(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.ends_with("[] [\"K=v\"]\n"), "{said}");
    assert_eq!(child.wait().ok().and_then(|status: ExitStatus| status.code()), Some(4));
    let error = Command::new("/no/such/program").spawn().unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ENOENT));
}
