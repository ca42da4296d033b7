//! A person at a terminal (`pty(7)`), and what a runner leaves behind.

#![expect(dead_code, reason = "each test uses the part it needs")]

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// How long anything may take that a test waits for, on however busy a machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A `wayfarer` on a terminal of its own, in a session of its own.
pub(crate) struct Person {
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    shown: String,
    looked: usize,
    pub(crate) child: Child,
}

impl Person {
    /// Starts `wayfarer` with these words, once what nodes run is built: that takes minutes.
    pub(crate) fn start(words: &[&str]) -> Self {
        wayfarer::artifacts::kernel().unwrap();
        wayfarer::artifacts::guest("wander").unwrap();
        let (keyboard, theirs) = open();
        let end = || Stdio::from(theirs.try_clone().unwrap());
        let child = Command::new("setsid")
            .args(["--ctty", env!("CARGO_BIN_EXE_wayfarer")])
            .args(words)
            .env("TERM", "xterm")
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap();
        let screen = watch(keyboard.try_clone().unwrap());
        Self { keyboard, screen, shown: String::new(), looked: 0, child }
    }

    /// Presses keys.
    pub(crate) fn types(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until the screen shows `text` (since what was last seen), and gives what came before.
    #[track_caller]
    pub(crate) fn sees(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.shown[self.looked..].find(text) {
                let before = self.shown[self.looked..self.looked + at].to_owned();
                self.looked += at + text.len();
                return before;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.screen.recv_timeout(left) {
                Ok(bytes) => self.shown.push_str(&String::from_utf8_lossy(&bytes)),
                Err(why) => panic!("{why}, awaiting {text:?}; the screen: {}", self.shown),
            }
        }
    }

    /// Presses a key again and again until the screen shows `text`.
    #[track_caller]
    pub(crate) fn presses_until(&mut self, key: &str, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.shown[self.looked..].contains(text) {
            assert!(Instant::now() < deadline, "no {text:?}; the screen: {}", self.shown);
            self.types(key);
            std::thread::sleep(Duration::from_millis(100));
            for bytes in self.screen.try_iter() {
                self.shown.push_str(&String::from_utf8_lossy(&bytes));
            }
        }
        self.sees(text);
    }

    /// Gives the terminal another size, as a window manager would.
    pub(crate) fn resizes(&mut self, rows: u16, cols: u16) {
        resize(&self.keyboard, rows, cols);
    }

    /// Sends the command a signal.
    pub(crate) fn signals(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the end of the command.
    pub(crate) fn waits(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end; the screen: {}", self.shown);
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Both sides of a new terminal of 30 lines and 90 columns.
fn open() -> (File, File) {
    let ours: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap();
    let path = Path::new(name.to_str().unwrap());
    let theirs = File::options().read(true).write(true).open(path).unwrap();
    let ours = File::from(ours);
    resize(&ours, 30, 90);
    (ours, theirs)
}

fn resize(terminal: &File, rows: u16, cols: u16) {
    let size = Winsize { ws_row: rows, ws_col: cols, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(terminal, size).unwrap();
}

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

/// What exists because of one running command: its descendants, and their network namespaces.
#[derive(Debug)]
pub(crate) struct Belongings {
    processes: BTreeSet<u32>,
    namespaces: BTreeSet<PathBuf>,
}

impl Belongings {
    /// Those of the process `root`, which are not this process's own.
    pub(crate) fn of(root: u32) -> Self {
        let parents: Vec<(u32, u32)> =
            processes().into_iter().filter_map(|pid| Some((pid, parent(pid)?))).collect();
        let mut processes = BTreeSet::from([root]);
        let mut known = 0;
        while known < processes.len() {
            known = processes.len();
            for (pid, parent) in &parents {
                if processes.contains(parent) {
                    processes.insert(*pid);
                }
            }
        }
        processes.remove(&root);
        let ours = namespace(std::process::id());
        let namespaces = processes.iter().filter_map(|pid| namespace(*pid));
        let namespaces = namespaces.filter(|net| Some(net) != ours.as_ref()).collect();
        Self { processes, namespaces }
    }

    /// How many QEMUs are among them.
    pub(crate) fn nodes(&self) -> usize {
        let is_node = |pid: &&u32| {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            name.starts_with("qemu-system")
        };
        self.processes.iter().filter(is_node).count()
    }

    /// How many namespaces are among them.
    pub(crate) fn namespaces(&self) -> usize {
        self.namespaces.len()
    }

    /// Waits until nothing of it is left. The kernel ends orphans at once, yet not in the same
    /// instant.
    #[track_caller]
    pub(crate) fn vanish(&self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = self.left();
            if left.is_empty() {
                return;
            }
            assert!(Instant::now() < deadline, "left behind: {left:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn left(&self) -> Vec<u32> {
        let held = |pid: &u32| {
            let runs = self.processes.contains(pid) && parent(*pid).is_some();
            runs || namespace(*pid).is_some_and(|net| self.namespaces.contains(&net))
        };
        processes().into_iter().filter(held).collect()
    }
}

fn processes() -> Vec<u32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// The parent of a process that is no zombie.
fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    (state != "Z").then_some(parent)
}

fn namespace(pid: u32) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/ns/net")).ok()
}

/// The network devices of this host.
pub(crate) fn devices() -> BTreeSet<String> {
    let table = fs::read_to_string("/proc/net/dev").unwrap();
    table.lines().filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned())).collect()
}
