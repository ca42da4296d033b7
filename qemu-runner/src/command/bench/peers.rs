//! The same in a Linux guest under the same emulator: what a node is held against.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use wayfarer::Initrd;
use wayfarer::linux::Linux;

use super::calls;
use super::figure::Figure;
use super::lab::{Lab, PROGRAM};
use crate::command::failure::Failure;

/// How long a guest may take, its boot included.
const LIMIT: Duration = Duration::from_secs(300);

/// Memory of a guest: less than this and Debian's kernel does not unpack its file system.
const MEMORY_MIB: u32 = 256;

/// The figures of peers, in the shapes of ours.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Peers {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) boot: BTreeMap<String, Figure>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) home: BTreeMap<String, Figure>,
}

impl Peers {
    pub(crate) fn is_empty(&self) -> bool {
        self.boot.is_empty() && self.home.is_empty()
    }
}

/// The calls of whole processes, by the program that measures ours.
pub(crate) fn home(lab: &Lab<'_>) -> Result<BTreeMap<String, Figure>, Failure> {
    lab.progress.say("calls in a Linux guest");
    let (linux, files) = guest(lab)?;
    let script = format!("{PROGRAM} home {}", lab.repetitions(2000, 20));
    let heard = linux.run(&files, &script, LIMIT)?;
    let samples = calls::samples_here(heard.lines.join("\n").as_bytes());
    if samples.is_empty() {
        return Err(Failure::Benchmark(format!("the Linux guest said {:?}", heard.lines)));
    }
    let figures = samples.into_iter();
    Ok(figures.filter_map(|(name, samples)| Some((name, Figure::of_ns(&samples)?))).collect())
}

/// From the execution of QEMU to the first line of `/init`.
pub(crate) fn boot(lab: &Lab<'_>) -> Result<BTreeMap<String, Figure>, Failure> {
    let (linux, files) = guest(lab)?;
    let mut times = Vec::new();
    for turn in 0..lab.repetitions(5, 1) {
        lab.progress.say(format!("boot {} of a Linux guest", turn + 1));
        let heard = linux.run(&files, "", LIMIT)?;
        times.push(heard.first_line.as_secs_f64() * 1000.0);
    }
    let figure = Figure::new(times, "ms");
    Ok(figure.into_iter().map(|figure| ("first_user".to_owned(), figure)).collect())
}

fn guest(lab: &Lab<'_>) -> Result<(Linux, Initrd), Failure> {
    let mut files = Initrd::new()?;
    lab.add_program(&mut files)?;
    Ok((Linux::fetched(MEMORY_MIB, lab.accel())?, files))
}
