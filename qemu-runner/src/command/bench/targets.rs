//! What was to be reached, whether it was, and what stands in the way where it was not.

use super::calls::Call;
use super::figure::{Figure, rounded};
use super::migrate::{Move, TOUCHED};
use super::results::Results;
use super::table::number;
use crate::command::report::columns;

/// Of one round trip: what is small, and what takes a buffer along.
const SMALL: [&str; 2] = ["close", "lseek"];
const BUFFERED: [&str; 4] = ["read_1k", "write_1k", "read_8k", "write_8k"];

/// Calls that never need home.
const LOCAL: [&str; 3] = ["getpid", "clock_gettime", "futex_wake"];

/// The most that a call may take, of as many bytes over TCP and as bare frames.
const OF_TCP: f64 = 1.15;
const OF_RAW: f64 = 1.35;

/// Bytes of the largest write.
const LARGE: f64 = 262_144.0;

const KIB: f64 = 1024.0;
const MIB: f64 = 1024.0 * KIB;

/// What keeps the figures of a kind from their target.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Limit {
    Calls,
    Windows,
    Processor,
    Images,
    Traps,
    Size,
    Memory,
    Idle,
    Boot,
}

impl Limit {
    /// In plain words. What a figure can say is said by the dissection.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Calls => {
                "A call is one message each way, but both kernels do more for it than for a \
                 ping-pong of bytes: a session packs and unpacks it, an executor polls the tasks \
                 of both ends, a handler runs. All of it is translated code whose caches the \
                 other node and both emulators' main loops have used in between: packaging is the \
                 same code on both channels, and the dissections show how much longer it takes \
                 where a node has slept since it last ran it."
            }
            Self::Windows => {
                "A large buffer goes in windows of 64 KiB, four of which are on the way at once, \
                 but through sockets of 32 KiB, which every idle deputy can afford; and each byte \
                 is copied more often than one of bulk TCP. Even a ping-pong of as many bytes over \
                 TCP is far from that: the first byte has to arrive before anything comes back."
            }
            Self::Processor => {
                "Every byte is copied twice on each side by translated code, and a packet takes \
                 some 2400 instructions at either end besides, nearly all of them to parse and to \
                 emit TCP/IP: with packets of 65000 bytes that hardly counts. Both nodes share \
                 the host's processors with their emulators' main loops; how these take turns \
                 makes most of the difference between least and most."
            }
            Self::Images => {
                "A page of an image is copied as often as a byte of bulk TCP, and hashed on the \
                 way. On top of that come finding it, showing it where it arrives, the buffers of \
                 its connection, and the exchanges before and after, for which a small process \
                 pays most."
            }
            Self::Traps => {
                "A call that ends at once is served in the loop of its thread: what it shows is \
                 the way in and out, most of which is saving and restoring the sixteen SSE \
                 registers, for kernel code may use them. One that has to wait makes a future, \
                 and a task of it."
            }
            Self::Size => {
                "The image holds every call's handler, and each collection and sort once for \
                 every type it is used with."
            }
            Self::Memory => {
                "A node keeps room for packets and for its heap to grow; a process that sleeps \
                 keeps its descriptors, a connection, and the tasks that would hear of it."
            }
            Self::Idle => "Some task of an idle process is polled again and again.",
            Self::Boot => {
                "A third is QEMU's own start. The kernel's part is some 4500 blocks of code that \
                 run once: translating them takes far longer than running them."
            }
        }
    }
}

/// A target, and what was measured.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Target {
    pub(crate) what: String,
    pub(crate) wanted: String,
    pub(crate) measured: String,
    pub(crate) met: bool,
    pub(crate) limit: Limit,
}

impl Target {
    fn most(what: String, value: f64, most: f64, unit: &str, limit: Limit) -> Self {
        let wanted = format!("at most {}{unit}", number(most));
        Self {
            what,
            wanted,
            measured: format!("{}{unit}", number(value)),
            met: value <= most,
            limit,
        }
    }

    fn least(what: String, value: f64, least: f64, unit: &str, limit: Limit) -> Self {
        let wanted = format!("at least {}{unit}", number(least));
        let met = value >= least;
        Self { what, wanted, measured: format!("{}{unit}", number(value)), met, limit }
    }
}

/// Every target of which something was measured.
pub(crate) fn all(results: &Results) -> Vec<Target> {
    let mut targets = Vec::new();
    for name in SMALL.iter().chain(&BUFFERED) {
        targets.extend(results.calls.get(*name).into_iter().flat_map(|call| away(name, call)));
    }
    targets.extend(large_write(results));
    targets.extend(LOCAL.iter().filter_map(|name| {
        let messages = results.calls.get(*name)?.round_trips;
        let what = format!("{name} away, messages");
        Some(Target::most(what, messages, 0.0, "", Limit::Calls))
    }));
    let close = results.shm.get("close").map(|call| call.away.median);
    targets.extend(close.map(|time| {
        Target::most("close away through memory".to_owned(), time, 10.0, " us", Limit::Calls)
    }));
    targets.extend(results.bulk.get("mtu_9000").map(|rate| {
        let what = "bulk TCP, packets of 9000 bytes".to_owned();
        Target::least(what, rate.median, 600.0, " MB/s", Limit::Processor)
    }));
    targets.extend(results.migrate.iter().flat_map(moved));
    let little = |moved: &&Move| moved.kib == 100 && moved.kind == TOUCHED;
    targets.extend(results.migrate_shm.iter().find(little).map(|moved| {
        let what = "move of 100 KiB through memory".to_owned();
        Target::most(what, moved.total.median / 1000.0, 2.0, " ms", Limit::Images)
    }));
    targets.extend(home(results));
    targets.extend(results.boot.get("first_user").map(|time| {
        Target::most("boot to user code".to_owned(), time.median, 40.0, " ms", Limit::Boot)
    }));
    targets.extend(memory(results));
    targets
}

/// What a call of one round trip may cost.
fn away(name: &str, call: &Call) -> Vec<Target> {
    let limit = Limit::Calls;
    let trips = format!("{name} away, round trips");
    let mut targets = vec![Target::most(trips, call.round_trips, 1.0, "", limit)];
    let small = SMALL.contains(&name);
    if small {
        // Rounded: an acknowledgement of its own, where the host was slow, is no part of a call.
        let frames = call.frames.round();
        targets.push(Target::most(format!("{name} away, frames"), frames, 2.0, "", limit));
    }
    targets.extend(
        call.ratio_tcp
            .map(|ratio| Target::most(format!("{name} away / TCP"), ratio, OF_TCP, "", limit)),
    );
    targets.extend(
        call.ratio_raw.filter(|_| small).map(|ratio| {
            Target::most(format!("{name} away / bare frames"), ratio, OF_RAW, "", limit)
        }),
    );
    targets
}

fn large_write(results: &Results) -> Option<Target> {
    let time = results.calls.get("write_256k")?.away.median;
    let tcp = results.bulk.iter().filter(|(name, _)| name.starts_with("mtu_"));
    let bulk = tcp.map(|(_, rate)| rate.median).reduce(f64::max)?;
    let rate = LARGE / time.max(0.001) / bulk.max(0.001);
    Some(Target::least("write 256 KiB away / bulk TCP".to_owned(), rate, 0.8, "", Limit::Windows))
}

fn moved(moved: &Move) -> Vec<Target> {
    let mut targets = Vec::new();
    if moved.kind == TOUCHED && moved.kib == 100 {
        let trips = moved.round_trips.unwrap_or_default();
        let what = "move of 100 KiB, round trips".to_owned();
        targets.push(Target::most(what, trips, 12.0, "", Limit::Images));
        let (what, time) = ("move of 100 KiB".to_owned(), moved.total.median / 1000.0);
        targets.push(Target::most(what, time, 2.0, " ms", Limit::Images));
    }
    if moved.kind == TOUCHED && moved.kib >= 64 * 1024 {
        let what = format!("move of {} MiB / bulk TCP", moved.kib / 1024);
        targets.push(Target::least(what, moved.ratio_bulk, 0.85, "", Limit::Images));
    }
    targets
}

/// Calls at home are not to be slower than those of a Linux guest.
fn home(results: &Results) -> Vec<Target> {
    let of = |(name, ours): (&String, &Figure)| {
        let theirs = results.peers.home.get(name)?.median.max(0.001);
        let what = format!("{name} at home / Linux");
        Some(Target::most(what, ours.median / theirs, 1.0, "", Limit::Traps))
    };
    results.home.iter().filter_map(of).collect()
}

fn memory(results: &Results) -> Vec<Target> {
    let of = |name: &str, what: &str, most: f64, (unit, bytes): (&str, f64), limit| {
        let value = results.memory.get(name)?.median / bytes;
        Some(Target::most(what.to_owned(), value, most, unit, limit))
    };
    let (mib, kib) = ((" MiB", MIB), (" KiB", KIB));
    let targets = [
        of("image", "the kernel's image", 2.0, mib, Limit::Size),
        of("node", "a node at rest", 16.0, mib, Limit::Memory),
        of("deputy", "an idle deputy beside its buffers", 8.0, kib, Limit::Memory),
    ];
    let polls = |name| results.memory.get(name).map(|rate| rate.median);
    let idle = polls("polls_deputies").zip(polls("polls_alone")).map(|(with, without)| {
        let what = "polls a second for idle deputies".to_owned();
        Target::most(what, rounded((with - without).max(0.0)), 1.0, "", Limit::Idle)
    });
    targets.into_iter().flatten().chain(idle).collect()
}

/// As a table.
pub(crate) fn text(targets: &[Target]) -> String {
    if targets.is_empty() {
        return String::new();
    }
    let rows = targets.iter().map(|target| {
        let met = if target.met { "met" } else { "missed" };
        vec![target.what.clone(), target.wanted.clone(), target.measured.clone(), met.to_owned()]
    });
    columns(&["target", "wanted", "measured", ""], rows)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn results(boot_ms: f64, image: u64) -> Results {
        let boot = Figure::new(vec![boot_ms], "ms").unwrap();
        Results {
            boot: BTreeMap::from([("first_user".to_owned(), boot)]),
            memory: BTreeMap::from([("image".to_owned(), Figure::bytes(image))]),
            ..Results::default()
        }
    }

    #[test]
    fn figures_alone_say_what_is_met() {
        let met = |results| all(&results).iter().map(|target| target.met).collect::<Vec<_>>();
        assert_eq!(met(results(39.0, 3 << 20)), [true, false]);
        assert_eq!(met(results(41.0, 2 << 20)), [false, true]);
        assert!(all(&Results::default()).is_empty(), "nothing is said of what was not measured");
    }
}
