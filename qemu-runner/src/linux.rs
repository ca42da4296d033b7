//! An ordinary Linux under the same emulator: what the benchmarks compare a node with.
//!
//! A guest is Debian's cloud kernel with an initial file system of ours whose `/init` does one
//! thing and powers off. What it prints on its serial port is all that is heard of it. Two guests
//! are wired as two nodes are, and share a core as they do.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::placement::{self, Placement};
use crate::qemu::{self, Accel, PROGRAM};
use crate::wiring::Port;
use crate::{Initrd, InitrdError, artifacts, builder, children, pcap};

/// What the guest's serial port costs is not measured, so it may as well be all the kernel says.
const COMMAND_LINE: &str = "console=ttyS0 quiet loglevel=0 panic=-1 rdinit=/init";

/// The first word of `/init`, after which programs run.
pub const READY: &str = "ready";

/// The addresses of two guests: that of the one that serves, that of the one that asks.
pub const ADDRESSES: [&str; 2] = ["10.0.0.1", "10.0.0.2"];

/// Bytes of a packet between them: as many as between nodes.
pub const MTU: u16 = 9000;

/// Bytes of a frame that are captured: more than all headers.
const CAPTURED: usize = 128;

/// Why a Linux guest could not be heard out.
#[derive(Debug, thiserror::Error)]
pub enum LinuxError {
    /// There is no kernel for it.
    #[error("no Linux kernel in {0}; ./setup --peers fetches one")]
    NoKernel(PathBuf),
    /// A file that belongs to it cannot be read.
    #[error("cannot read {path}: {source}; ./setup --peers fetches it")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
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
    /// What the other of two guests said, to find out what went wrong.
    pub served: Vec<String>,
    /// The frames between two guests, each as far as its headers go, if they were to be captured.
    pub frames: Vec<Vec<u8>>,
}

/// A Linux guest that runs one script.
#[derive(Debug)]
pub struct Linux {
    kernel: PathBuf,
    memory_mib: u32,
    accel: Accel,
    captures: bool,
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
        Ok(Self { kernel, memory_mib, accel, captures: false })
    }

    /// Captures the frames between two guests. It takes time: what is timed is not captured.
    #[must_use]
    pub fn capturing(self) -> Self {
        Self { captures: true, ..self }
    }

    /// Boots, runs `script` (for busybox's sh) over `files`, and powers off.
    ///
    /// # Errors
    /// [`LinuxError::TooLong`] after `limit`; what packing and starting may fail with.
    pub fn run(&self, files: &Initrd, script: &str, limit: Duration) -> Result<Heard, LinuxError> {
        let directory = tempfile::tempdir()?;
        let (initrd, began) = (directory.path().join("initrd"), Instant::now());
        pack(files, script, &initrd)?;
        Guest::start(self.command(&initrd, Stdio::piped()))?.hear(began, limit)
    }

    /// Boots two guests, runs `server` in the first and `client` in the second, and ends when the
    /// second has powered off. What the second said is what is heard.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn run_pair(
        &self,
        files: &Initrd,
        [server, client]: [&str; 2],
        limit: Duration,
    ) -> Result<Heard, LinuxError> {
        let mut files = files.clone();
        self.add_modules(&mut files)?;
        let directory = tempfile::tempdir()?;
        let place = |name: &str| directory.path().join(name);
        let processors = Placement::OneCore.processors(2);
        let start = |index: usize, script: &str, output: Stdio| -> Result<Guest, LinuxError> {
            let initrd = place(&format!("initrd{index}"));
            let script = format!("{}\n{script}", network(ADDRESSES[index]));
            pack(&files, &script, &initrd)?;
            let port = Port::Stream { path: place("wire"), listens: index == 0 };
            builder::await_listeners(std::slice::from_ref(&port))?;
            let mut command = self.command(&initrd, output);
            command.args(["-netdev".into(), qemu::netdev(0, &port)]);
            command.arg("-device").arg(format!("virtio-net-pci,netdev=net0,mac={}", mac(index)));
            if self.captures && index == 1 {
                let dump = format!("filter-dump,id=dump,netdev=net0,maxlen={CAPTURED},file=");
                command.args(["-object".into(), qemu::option(&dump, &place("frames"))]);
            }
            let guest = Guest::start(command)?;
            if let Some(processors) = &processors {
                placement::confine(guest.0.id(), processors);
            }
            Ok(guest)
        };
        let serial = place("serial");
        let _server = start(0, server, File::create(&serial)?.into())?;
        let began = Instant::now();
        let heard = start(1, client, Stdio::piped())?.hear(began, limit)?;
        let served = std::fs::read(serial)?;
        let served = String::from_utf8_lossy(&served).lines().map(str::to_owned).collect();
        let capture = if self.captures { std::fs::read(place("frames"))? } else { Vec::new() };
        let frames = pcap::frames(&capture).map(<[u8]>::to_vec).collect();
        Ok(Heard { served, frames, ..heard })
    }

    /// Adds the kernel's modules, where it looks for them.
    fn add_modules(&self, files: &mut Initrd) -> Result<(), LinuxError> {
        let root = self.kernel.with_file_name("lib");
        let mut waiting = vec![root.join("modules")];
        while let Some(directory) = waiting.pop() {
            let unreadable = |source| LinuxError::Unreadable { path: directory.clone(), source };
            for entry in directory.read_dir().map_err(unreadable)? {
                let path = entry.map_err(unreadable)?.path();
                if path.is_dir() {
                    waiting.push(path);
                } else if let Ok(name) = path.strip_prefix(&root) {
                    files.add_host_file(&format!("/lib/{}", name.display()), &path)?;
                }
            }
        }
        Ok(())
    }

    fn command(&self, initrd: &Path, output: Stdio) -> Command {
        let mut command = children::mortal(PROGRAM);
        command.arg("-M").arg(format!("pc,accel={}", self.accel.name()));
        command.args(["-cpu", self.accel.processor(), "-smp", "1", "-nodefaults", "-no-reboot"]);
        command.arg("-m").arg(format!("{}M", self.memory_mib));
        command.args(["-display", "none", "-monitor", "none", "-serial", "stdio"]);
        command.arg("-kernel").arg(&self.kernel).arg("-initrd").arg(initrd);
        command.args(["-append", COMMAND_LINE]);
        command.stdin(Stdio::null()).stdout(output).stderr(Stdio::null());
        command
    }
}

/// A guest that runs, until this is dropped.
struct Guest(Child);

impl Guest {
    fn start(command: Command) -> Result<Self, LinuxError> {
        Ok(Self(children::spawn(command)?))
    }

    /// Everything it says until it has powered off.
    fn hear(mut self, began: Instant, limit: Duration) -> Result<Heard, LinuxError> {
        let heard = self.0.stdout.take().map(|output| hear(output, began, limit));
        heard.unwrap_or_else(|| Err(io::Error::other("no output to read").into()))
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // One that has powered off is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Writes the file system of a guest that runs `script`.
fn pack(files: &Initrd, script: &str, initrd: &Path) -> Result<(), LinuxError> {
    let mut files = files.clone();
    files.add_file("/init", 0o755, init(script).into_bytes());
    files.write_to(File::create(initrd)?)?;
    Ok(())
}

fn mac(index: usize) -> String {
    format!("52:54:00:57:46:{:02x}", index + 1)
}

/// What a guest of this address does before all else.
fn network(address: &str) -> String {
    format!(
        "modprobe -a virtio_pci virtio_net\nip link set lo up\nip link set eth0 mtu {MTU} up\n\
         ip addr add {address}/24 dev eth0"
    )
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
            Err(RecvTimeoutError::Disconnected) => {
                return Ok(Heard { first_line, lines, served: Vec::new(), frames: Vec::new() });
            }
            Err(RecvTimeoutError::Timeout) => return Err(LinuxError::TooLong(limit)),
        }
    }
}
