//! Runs programs on a terminal of the host's Linux (pty(7)), typing on it as a user would.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::native::{ENVIRONMENT, Run, shell_status};

/// What to type, and when.
#[derive(Clone, Copy, Debug)]
pub struct Reply {
    /// Type when the terminal has shown this (since the reply before); at once if it is empty.
    pub after: &'static str,
    /// The keys.
    pub keys: &'static [u8],
}

/// Knows which reply is due, from what the terminal has shown.
#[derive(Clone, Debug)]
pub struct Typist<'a> {
    waiting: &'a [Reply],
    shown: Vec<u8>,
    looked: usize,
}

impl<'a> Typist<'a> {
    /// One who types these replies, in their order.
    pub fn new(replies: &'a [Reply]) -> Self {
        Self { waiting: replies, shown: Vec::new(), looked: 0 }
    }

    /// Sees what is shown; gives the keys that are due now.
    pub fn see(&mut self, more: &[u8]) -> Vec<u8> {
        self.shown.extend(more);
        let mut keys = Vec::new();
        while let [reply, rest @ ..] = self.waiting
            && let Some(found) = find(&self.shown[self.looked..], reply.after.as_bytes())
        {
            self.looked += found + reply.after.len();
            self.waiting = rest;
            keys.extend(reply.keys);
        }
        keys
    }

    /// What the next reply waits for.
    pub fn awaits(&self) -> Option<&'a str> {
        self.waiting.first().map(|reply| reply.after)
    }

    /// All that was shown.
    pub fn shown(self) -> Vec<u8> {
        self.shown
    }
}

/// How often a program is looked at that shows nothing.
const LOOK: Duration = Duration::from_millis(2);

/// What a terminal does not show within this time after its program has done all is for others.
const QUIET: Duration = Duration::from_secs(2);

/// Lines and columns of the terminal.
pub const SIZE: (u16, u16) = (24, 80);

/// Runs `argv` in `directory` as the leader of a session on a new terminal of [`SIZE`], for at
/// most `limit`. What it writes, and the echo of the keys, is in [`Run::stdout`].
///
/// # Errors
/// Fails if there is no terminal or no program; `TimedOut` if it has not ended within `limit`,
/// or a reply still waits.
pub fn run(argv: &[&str], directory: &Path, replies: &[Reply], limit: Duration) -> io::Result<Run> {
    let mut session = Session::start(argv, directory)?;
    let deadline = Instant::now() + limit;
    let shown = converse(&mut session.keyboard, &session.screen, replies, deadline);
    if shown.is_err() {
        session.child.kill()?;
    }
    let status = shell_status(session.child.wait()?);
    Ok(Run { status, stdout: shown?, stderr: Vec::new() })
}

/// A program on a terminal. It is killed when this is dropped.
#[derive(Debug)]
pub struct Session {
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    child: Child,
    /// Bytes that it has shown.
    shown: u64,
    /// Bytes that it has read, from wherever, when it has all keys.
    read: u64,
}

impl Session {
    /// Starts `argv` in `directory` as the leader of a session on a new terminal of [`SIZE`].
    ///
    /// # Errors
    /// Fails if there is no terminal or no program.
    pub fn start(argv: &[&str], directory: &Path) -> io::Result<Self> {
        let (keyboard, user_side) = open()?;
        let child = spawn(argv, directory, user_side)?;
        let screen = watch(keyboard.try_clone()?);
        Ok(Self { keyboard, screen, child, shown: 0, read: 0 })
    }

    /// Presses keys.
    ///
    /// # Errors
    /// Those of writing to the terminal.
    pub fn press(&mut self, keys: &[u8]) -> io::Result<()> {
        self.read += keys.len() as u64;
        self.keyboard.write_all(keys)
    }

    /// What is shown until the program has read all keys and waits for more, or has ended.
    ///
    /// # Errors
    /// `TimedOut` if that takes longer than `limit`.
    pub fn shown(&mut self, limit: Duration) -> io::Result<Vec<u8>> {
        let deadline = Instant::now() + limit;
        let (mut shown, mut last) = (Vec::new(), Instant::now());
        while !self.is_done(last.elapsed()) {
            match self.screen.recv_timeout(LOOK) {
                Ok(more) => {
                    self.shown += more.len() as u64;
                    shown.extend(more);
                    last = Instant::now();
                }
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) if Instant::now() < deadline => {}
                Err(RecvTimeoutError::Timeout) => {
                    let shown = String::from_utf8_lossy(&shown).into_owned();
                    return Err(io::Error::new(io::ErrorKind::TimedOut, shown));
                }
            }
        }
        Ok(shown)
    }

    /// Whether the program waits for keys behind all that were pressed, and all that it has written
    /// has been shown; what it writes elsewhere, as a file, is what is not shown for long. Its
    /// processor may stop at any moment: the order of these looks is what counts.
    fn is_done(&mut self, silence: Duration) -> bool {
        let Some(read) = self.counted("rchar").filter(|read| *read >= self.read) else {
            return false;
        };
        if self.shown == 0 || !self.waits_for_keys() {
            return false;
        }
        let Some(written) = self.counted("wchar") else { return false };
        let done = written == self.shown || silence >= QUIET;
        if done {
            (self.read, self.shown) = (read, written);
        }
        done
    }

    /// A count of `/proc/PID/io` (proc(5)).
    fn counted(&self, name: &str) -> Option<u64> {
        let text = fs::read_to_string(format!("/proc/{}/io", self.child.id())).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line?.parse().ok()
    }

    /// Whether it is in a poll(2) without a limit: the number of the call, its three arguments.
    fn waits_for_keys(&self) -> bool {
        let path = format!("/proc/{}/syscall", self.child.id());
        let text = fs::read_to_string(path).unwrap_or_default();
        let words: Vec<&str> = text.split_whitespace().collect();
        matches!(words[..], ["7", _, "0x1", limit, ..] if limit.ends_with("ffffffff"))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // One that has ended needs no end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(argv: &[&str], directory: &Path, user_side: File) -> io::Result<Child> {
    Command::new("/usr/bin/env")
        .args(["--default-signal", "setsid", "--ctty", "--wait", "--"])
        .args(argv)
        .current_dir(directory)
        .env_clear()
        .envs(ENVIRONMENT)
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::from(user_side.try_clone()?))
        .stdout(Stdio::from(user_side.try_clone()?))
        .stderr(Stdio::from(user_side))
        .spawn()
}

/// Both sides of a new terminal.
fn open() -> io::Result<(File, File)> {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&ours)?;
    unlockpt(&ours)?;
    let size = Winsize { ws_row: SIZE.0, ws_col: SIZE.1, ws_xpixel: 0, ws_ypixel: 0 };
    let name = ptsname(&ours, Vec::new())?;
    let path = name.to_str().map_err(io::Error::other)?;
    let theirs = OpenOptions::new().read(true).write(true).open(path)?;
    tcsetwinsize(&theirs, size)?;
    Ok((File::from(ours), theirs))
}

/// Reads what the terminal shows in a thread, until nobody has it open any more.
fn watch(mut screen: File) -> Receiver<Vec<u8>> {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        // The last close on the other side is EIO here.
        while let Ok(length @ 1..) = screen.read(&mut buffer) {
            if tell.send(buffer[..length].to_vec()).is_err() {
                break;
            }
        }
    });
    told
}

/// Gives each reply at its time; returns all that was shown.
fn converse(
    keyboard: &mut File,
    screen: &Receiver<Vec<u8>>,
    replies: &[Reply],
    deadline: Instant,
) -> io::Result<Vec<u8>> {
    let mut typist = Typist::new(replies);
    let mut more = Vec::new();
    loop {
        keyboard.write_all(&typist.see(&more))?;
        more = match screen.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(more) => more,
            Err(RecvTimeoutError::Disconnected) if typist.awaits().is_none() => {
                return Ok(typist.shown());
            }
            Err(why) => {
                let still = typist.awaits();
                let shown = typist.shown();
                let shown = String::from_utf8_lossy(&shown);
                let message = format!("{why}; shown: {shown:?}; waiting for {still:?}");
                return Err(io::Error::new(io::ErrorKind::TimedOut, message));
            }
        };
    }
}

/// Where `wanted` begins in `text`.
fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    match wanted.len() {
        0 => Some(0),
        length => text.windows(length).position(|window| window == wanted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_answers_what_is_typed() {
        let replies = [
            Reply { after: "$ ", keys: b"read x; echo got-$x\n" },
            Reply { after: "\n", keys: b"word\n" },
            Reply { after: "got-word", keys: b"exit 3\n" },
        ];
        let argv = ["/bin/busybox", "sh", "-c", "PS1='$ ' exec /bin/busybox sh -i"];
        let run = run(&argv, Path::new("/"), &replies, Duration::from_secs(10)).unwrap();
        assert_eq!(run.status, 3, "{}", String::from_utf8_lossy(&run.stdout));
    }

    #[test]
    fn a_reply_that_never_comes_due_is_an_error() {
        let replies = [Reply { after: "never shown", keys: b"" }];
        let error =
            run(&["/bin/busybox", "true"], Path::new("/"), &replies, Duration::from_secs(5));
        assert_eq!(error.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
