//! Moves of a process between two Linux guests by CRIU: dumped in one, restored in the other.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use wayfarer::Initrd;
use wayfarer::libraries;
use wayfarer::linux::{ADDRESSES, Linux};

use super::{LIMIT, Peers, ask, guest_files, traffic, wire};
use crate::command::bench::calls::{self, Cost};
use crate::command::bench::figure::{Figure, rounded};
use crate::command::bench::lab::{Lab, PROGRAM};
use crate::command::bench::migrate::{Move, TOUCHED};
use crate::command::failure::Failure;

/// Where Debian puts the program.
const CRIU: &str = "/usr/sbin/criu";

/// Both ways for pages to travel: with the other images, or to CRIU's own server meanwhile.
const WAYS: [&str; 2] = ["tar", "page_server"];

/// How much memory is moved, in KiB, and how often each way.
const LOADS: [(u64, usize); 6] =
    [(100, 5), (1024, 5), (8 * 1024, 3), (64 * 1024, 2), (256 * 1024, 1), (1024 * 1024, 1)];

/// From this size on, in KiB, only the way is taken that copies the pages once less.
const LARGE: u64 = 1024 * 1024;

/// That of a quick run.
const QUICK: [(u64, usize); 1] = [(100, 1)];

/// What a guest needs beside three times what is moved: the process, its images, and tar's copy.
const MEMORY_MIB: u64 = 384;

/// The largest memory that QEMU's `pc` has below the hole for devices.
const MOST_MIB: u64 = 3 * 1024;

/// What both guests do first.
const PREPARE: &str =
    "modprobe -a unix_diag tcp_diag udp_diag netlink_diag af_packet_diag nf_tables
mkdir -p /images /run /sys
mount -t sysfs sys /sys
mount -t tmpfs run /run
mount -t tmpfs -o size=90% images /images";

/// Moves each load both ways; of each the way that was faster is kept. What they cost on the wire
/// is counted between other guests, whose wire nobody watches while they are timed.
pub(crate) fn measure(lab: &Lab<'_>, peers: &mut Peers) -> Result<(), Failure> {
    let loads = lab.choose(&LOADS[..], &QUICK[..]);
    let largest = loads.iter().map(|(kib, _)| kib / 1024).max().unwrap_or(0);
    let memory = (MEMORY_MIB + 5 * largest / 2).min(MOST_MIB);
    let linux = || Linux::fetched(u32::try_from(memory).unwrap_or(u32::MAX), lab.accel());
    let (files, server) = (files(lab)?, format!("{PREPARE}\n{PROGRAM} serve"));
    lab.progress.say("moves by CRIU between two Linux guests");
    let heard = ask(&linux()?, &files, [&server, &client(&stream(), loads)])?;
    let mut samples = calls::samples_away(heard.join("\n").as_bytes());
    let limit = wire(&mut samples).remove("bulk").map(|figure| figure.median);
    let limit = limit.ok_or_else(|| Failure::Benchmark(format!("no stream: {heard:?}")))?;
    let turns: Vec<Turn> = heard.iter().filter_map(|line| Turn::read(line)).collect();
    lab.progress.say("what moves by CRIU cost between two Linux guests");
    let once: Vec<(u64, usize)> = loads.iter().map(|(kib, _)| (*kib, 1)).collect();
    let watched = linux()?.capturing().run_pair(&files, [&server, &client("", &once)], LIMIT)?;
    let costs = traffic::costs(&watched.frames);
    let fastest = |(kib, _): &(u64, usize)| fastest(&turns, &costs, *kib, limit);
    peers.migrate = loads.iter().filter_map(fastest).collect();
    match peers.migrate.len() == loads.len() {
        true => Ok(()),
        false => Err(Failure::Benchmark(format!("not everything was moved by CRIU: {heard:?}"))),
    }
}

/// What bulk TCP carries.
fn stream() -> String {
    format!("{PROGRAM} wire {} 10", ADDRESSES[0])
}

/// Moves everything after `first`, and after a move that fills CRIU's cache of what the kernel can
/// do.
fn client(first: &str, loads: &[(u64, usize)]) -> String {
    let address = ADDRESSES[0];
    let mut script = format!("{PREPARE}\n{first}\n{PROGRAM} criu {address} 4 1 warm >/dev/null");
    for (kib, turns) in loads {
        for way in &WAYS[usize::from(*kib >= LARGE)..] {
            script += &format!("\n{PROGRAM} criu {address} {kib} {turns} {way}");
        }
    }
    script
}

/// The program that measures, CRIU, and the libraries that it needs.
fn files(lab: &Lab<'_>) -> Result<Initrd, Failure> {
    let mut files = guest_files(lab)?;
    let criu = PathBuf::from(CRIU);
    if !criu.is_file() {
        return Err(Failure::Benchmark(format!("no {CRIU}; ./setup --peers installs it")));
    }
    let libraries = libraries::closure(std::slice::from_ref(&criu));
    let libraries = libraries.map_err(|missing| Failure::Benchmark(missing.to_string()))?;
    files.add_host_file("/bin/criu", &criu)?;
    for library in &libraries {
        files.add_host_file(&library.display().to_string(), Path::new(library))?;
    }
    Ok(files)
}

/// One move.
struct Turn {
    way: &'static str,
    kib: u64,
    total_us: f64,
    frozen_us: f64,
}

impl Turn {
    /// From what the program said of it.
    fn read(line: &str) -> Option<Self> {
        let mut words = line.strip_prefix("move ")?.split(' ');
        let word = words.next()?;
        let way = WAYS.into_iter().find(|way| *way == word)?;
        let kib = words.next()?.parse().ok()?;
        let mut number = || words.next()?.parse::<f64>().ok();
        let (total_us, frozen_us) = (number()? / 1000.0, number()? / 1000.0);
        Some(Self { way, kib, total_us, frozen_us })
    }
}

/// The moves of `kib` KiB that took the way that was faster in the middle.
fn fastest(turns: &[Turn], costs: &BTreeMap<String, Cost>, kib: u64, limit: f64) -> Option<Move> {
    let of = |way: &'static str| {
        let turns = turns.iter().filter(|turn| turn.kib == kib && turn.way == way);
        let figure =
            |value: fn(&Turn) -> f64| Figure::new(turns.clone().map(value).collect(), "us");
        let (total, frozen) = (figure(|turn| turn.total_us)?, figure(|turn| turn.frozen_us)?);
        let cost = costs.get(&format!("{way} {kib}"))?;
        Some(Move {
            way: Some(way.to_owned()),
            round_trips: Some(rounded(cost.round_trips)),
            ..Move::new(kib, TOUCHED, (total, frozen), cost.request, limit)
        })
    };
    let moves = WAYS.into_iter().filter_map(of);
    moves.min_by(|a, b| a.total.median.total_cmp(&b.total.median))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_faster_way_is_kept() {
        let lines =
            ["move tar 100 9000000 8000000", "move page_server 100 7000000 6000000", "noise"];
        let turns: Vec<Turn> = lines.iter().filter_map(|line| Turn::read(line)).collect();
        let cost = |round_trips| Cost { round_trips, request: 120000.0, ..Cost::default() };
        let costs = [("tar 100", 2.0), ("page_server 100", 4.5)];
        let costs = costs.map(|(series, trips)| (series.to_owned(), cost(trips))).into();
        let moved = fastest(&turns, &costs, 100, 10.0).unwrap();
        assert_eq!((moved.round_trips, moved.bytes), (Some(4.5), 120000.0));
        assert_eq!(moved.way.as_deref(), Some("page_server"));
        assert_eq!((moved.total.median, moved.frozen.median), (7000.0, 6000.0));
        assert!(fastest(&turns, &costs, 1024, 10.0).is_none());
    }
}
