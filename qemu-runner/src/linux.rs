//! An ordinary Linux under the same emulator: what the benchmarks compare a node with.
//!
//! The guest is Debian's cloud kernel with an initial file system of ours whose `/init` does one
//! thing and powers off. What it prints on its serial port is all that is heard of it.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::qemu::{Accel, PROGRAM};
use crate::{Initrd, InitrdError, artifacts, children};

/// What the guest's serial port costs is not measured, so it may as well be all the kernel says.
const COMMAND_LINE: &str = "console=ttyS0 quiet loglevel=0 panic=-1 rdinit=/init";

/// The first word of `/init`, after which programs run.
pub const READY: &str = "ready";

/// Why a Linux guest could not be heard out.
#[derive(Debug, thiserror::Error)]
pub enum LinuxError {
    /// There is no kernel for it.
    #[error("no Linux kernel in {0}; ./setup --peers fetches one")]
    NoKernel(PathBuf),
    /// Its file system could not be packed.
    #[error(transparent)]
    Initrd(#[from] InitrdError),
    /// QEMU could not be started, or its output not be read.
    #[error("cannot run a Linux guest: {0}")]
    Io(#[from] io::Error),
    /// It went on for too long.
    #[error("the Linux guest still ran after {0:?}")]
    TooLong(Duration),
}

/// What a guest said, and when.
#[derive(Debug)]
pub struct Heard {
    /// From the start of QEMU to the first line: `/init` runs.
    pub first_line: Duration,
    /// All lines but [`READY`], without their ends.
    pub lines: Vec<String>,
}

/// A Linux guest that runs one script.
#[derive(Debug)]
pub struct Linux {
    kernel: PathBuf,
    memory_mib: u32,
    accel: Accel,
}

impl Linux {
    /// The guest whose kernel `./setup --peers` has fetched.
    ///
    /// # Errors
    /// [`LinuxError::NoKernel`] if it has not.
    pub fn fetched(memory_mib: u32, accel: Accel) -> Result<Self, LinuxError> {
        let kernel = artifacts::workspace().join("target/peers/vmlinuz");
        if !kernel.is_file() {
            return Err(LinuxError::NoKernel(kernel));
        }
        Ok(Self { kernel, memory_mib, accel })
    }

    /// Boots, runs `script` (for busybox's sh) over `files`, and powers off.
    ///
    /// # Errors
    /// [`LinuxError::TooLong`] after `limit`; what packing and starting may fail with.
    pub fn run(&self, files: &Initrd, script: &str, limit: Duration) -> Result<Heard, LinuxError> {
        let mut files = files.clone();
        files.add_file("/init", 0o755, init(script).into_bytes());
        let directory = tempfile::tempdir()?;
        let initrd = directory.path().join("initrd");
        files.write_to(File::create(&initrd)?)?;
        let began = Instant::now();
        let mut guest = children::spawn(self.command(&initrd))?;
        let heard = guest.stdout.take().map(|output| hear(output, began, limit));
        end(&mut guest)?;
        heard.unwrap_or_else(|| Err(io::Error::other("no output to read").into()))
    }

    fn command(&self, initrd: &Path) -> Command {
        let mut command = children::mortal(PROGRAM);
        command.arg("-M").arg(format!("pc,accel={}", self.accel.name()));
        command.args(["-cpu", self.accel.processor(), "-smp", "1", "-nodefaults", "-no-reboot"]);
        command.arg("-m").arg(format!("{}M", self.memory_mib));
        command.args(["-display", "none", "-monitor", "none", "-serial", "stdio"]);
        command.arg("-kernel").arg(&self.kernel).arg("-initrd").arg(initrd);
        command.args(["-append", COMMAND_LINE]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        command
    }
}

fn init(script: &str) -> String {
    format!(
        "#!/bin/sh\nmount -t devtmpfs dev /dev\nmount -t proc proc /proc\nmount -t tmpfs tmp /tmp\n\
         exec </dev/console >/dev/console 2>&1\nstty -opost\necho {READY}\n{script}\npoweroff -f\n"
    )
}

/// Reads lines until there are no more.
fn hear(output: ChildStdout, began: Instant, limit: Duration) -> Result<Heard, LinuxError> {
    let (teller, ear) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n') {
            let Ok(line) = line else { return };
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            if teller.send((Instant::now(), line)).is_err() {
                return;
            }
        }
    });
    let (mut first_line, mut lines) = (Duration::ZERO, Vec::new());
    loop {
        match ear.recv_timeout(limit.saturating_sub(began.elapsed())) {
            Ok((when, line)) if line.ends_with(READY) => first_line = when - began,
            Ok((_, line)) => lines.push(line),
            Err(RecvTimeoutError::Disconnected) => return Ok(Heard { first_line, lines }),
            Err(RecvTimeoutError::Timeout) => return Err(LinuxError::TooLong(limit)),
        }
    }
}

fn end(guest: &mut Child) -> io::Result<()> {
    // One that has powered off is gone already.
    let _ = guest.kill();
    guest.wait().map(drop)
}
