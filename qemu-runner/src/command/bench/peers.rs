//! The same in Linux guests under the same emulator: what a node is held against.

mod criu;
mod nfs;
mod traffic;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use wayfarer::Initrd;
use wayfarer::linux::Linux;

use super::calls;
use super::figure::Figure;
use super::lab::{Lab, PROGRAM};
use super::migrate::Move;
use crate::command::cli::Part;
use crate::command::failure::Failure;
pub(crate) use nfs::Elsewhere;

/// How long a guest may take, its boot included.
const LIMIT: Duration = Duration::from_secs(600);

/// The ping-pongs between two guests that the program measures.
const PING_PONGS: [&str; 3] = ["tcp_64", "tcp_1k", "tcp_8k"];

/// What it calls a stream of [`STREAM_BYTES`].
const STREAM: &str = "stream_64m";
const STREAM_BYTES: f64 = (64 << 20) as f64;

/// Memory of a guest: less than this and Debian's kernel does not unpack its file system.
const MEMORY_MIB: u32 = 256;

/// The figures of peers, in the shapes of ours.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Peers {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) boot: BTreeMap<String, Figure>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) home: BTreeMap<String, Figure>,
    /// Ping-pongs and bulk TCP between two guests.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) wire: BTreeMap<String, Figure>,
    /// Calls on files that the other guest serves over NFS.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) calls: BTreeMap<String, Elsewhere>,
    /// Moves from one guest to the other by CRIU.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) migrate: Vec<Move>,
}

impl Peers {
    pub(crate) fn is_empty(&self) -> bool {
        let parts = [&self.boot, &self.home, &self.wire];
        parts.into_iter().all(BTreeMap::is_empty)
            && self.calls.is_empty()
            && self.migrate.is_empty()
    }
}

/// Whether Linux guests can do a part.
pub(crate) fn has(part: Part) -> bool {
    matches!(part, Part::Calls | Part::Migrate | Part::Boot | Part::Home)
}

/// Does a part once more, where that can be done in Linux guests.
pub(crate) fn measure(part: Part, lab: &Lab<'_>, peers: &mut Peers) -> Result<(), Failure> {
    match part {
        Part::Calls => nfs::measure(lab, peers)?,
        Part::Migrate => criu::measure(lab, peers)?,
        Part::Boot => peers.boot = boot(lab)?,
        Part::Home => peers.home = home(lab)?,
        Part::Dissect | Part::Bulk | Part::Memory => {}
    }
    Ok(())
}

/// The calls of whole processes, by the program that measures ours.
fn home(lab: &Lab<'_>) -> Result<BTreeMap<String, Figure>, Failure> {
    lab.progress.say("calls in a Linux guest");
    let linux = Linux::fetched(MEMORY_MIB, lab.accel())?;
    let script = format!("{PROGRAM} home {}", lab.repetitions(2000, 20));
    let heard = linux.run(&guest_files(lab)?, &script, LIMIT)?;
    let samples = calls::samples_here(heard.lines.join("\n").as_bytes());
    if samples.is_empty() {
        return Err(Failure::Benchmark(format!("the Linux guest said {:?}", heard.lines)));
    }
    Ok(figures(samples))
}

/// From the execution of QEMU to the first line of `/init`.
fn boot(lab: &Lab<'_>) -> Result<BTreeMap<String, Figure>, Failure> {
    let linux = Linux::fetched(MEMORY_MIB, lab.accel())?;
    let files = guest_files(lab)?;
    let mut times = Vec::new();
    for turn in 0..lab.repetitions(5, 1) {
        lab.progress.say(format!("boot {} of a Linux guest", turn + 1));
        let heard = linux.run(&files, "", LIMIT)?;
        times.push(heard.first_line.as_secs_f64() * 1000.0);
    }
    let figure = Figure::new(times, "ms");
    Ok(figure.into_iter().map(|figure| ("first_user".to_owned(), figure)).collect())
}

/// The files of a guest: busybox, and the program that measures.
fn guest_files(lab: &Lab<'_>) -> Result<Initrd, Failure> {
    let mut files = Initrd::new()?;
    lab.add_program(&mut files)?;
    Ok(files)
}

/// What the second of two guests says that run these scripts.
fn ask(linux: &Linux, files: &Initrd, scripts: [&str; 2]) -> Result<Vec<String>, Failure> {
    Ok(linux.run_pair(files, scripts, LIMIT)?.lines)
}

/// The figures of samples in nanoseconds.
fn figures(samples: BTreeMap<String, Vec<u64>>) -> BTreeMap<String, Figure> {
    let figures = samples.into_iter();
    figures.filter_map(|(name, samples)| Some((name, Figure::of_ns(&samples)?))).collect()
}

/// What the network between two guests carries, taken out of `samples`: ping-pongs in
/// microseconds, and bulk TCP in MB a second.
fn wire(samples: &mut BTreeMap<String, Vec<u64>>) -> BTreeMap<String, Figure> {
    let streams = samples.remove(STREAM).unwrap_or_default();
    let rate = |ns: &u64| STREAM_BYTES * 1000.0 / (*ns).max(1) as f64;
    let bulk = Figure::new(streams.iter().map(rate).collect(), "MB/s");
    let taken = PING_PONGS.iter().filter_map(|name| samples.remove_entry(*name)).collect();
    figures(taken).into_iter().chain(bulk.map(|bulk| ("bulk".to_owned(), bulk))).collect()
}
