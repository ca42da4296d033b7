//! Moves of processes of many sizes and kinds, against bulk TCP between the same nodes.

use serde::Serialize;
use wayfarer::Cluster;
use wayfarer_proto::console::Moved;

use super::bulk;
use super::figure::{Figure, rounded};
use super::lab::{self, AWAY, Lab};
use crate::command::failure::Failure;

/// What is moved: how much memory in KiB, what it is, and how often there and back.
struct Load {
    kib: u64,
    kind: &'static str,
    times: usize,
}

/// Pages that were written, of every size; then the same with zeros, shared with many children,
/// and with many threads; and a thousand moves in a row.
const LOADS: [Load; 10] = [
    Load { kib: 100, kind: "touched", times: 50 },
    Load { kib: 1024, kind: "touched", times: 50 },
    Load { kib: 8 * 1024, kind: "touched", times: 20 },
    Load { kib: 64 * 1024, kind: "touched", times: 5 },
    Load { kib: 256 * 1024, kind: "touched", times: 3 },
    Load { kib: 1024 * 1024, kind: "touched", times: 1 },
    Load { kib: 64 * 1024, kind: "zero", times: 5 },
    Load { kib: 1024, kind: "forks", times: 20 },
    Load { kib: 1024, kind: "threads", times: 20 },
    Load { kib: 256, kind: "touched", times: 500 },
];

/// Those of a quick run.
const QUICK: [Load; 2] =
    [Load { kib: 100, kind: "touched", times: 2 }, Load { kib: 1024, kind: "threads", times: 1 }];

/// Moves of one load.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Move {
    pub(crate) kib: u64,
    /// From the order to the first user instruction on the target.
    pub(crate) total: Figure,
    /// How long no thread could run.
    pub(crate) frozen: Figure,
    /// Bytes of the image.
    pub(crate) bytes: f64,
    /// Exchanges that followed one another.
    pub(crate) round_trips: f64,
    /// Bytes a second of the whole move, against bulk TCP.
    pub(crate) ratio_bulk: f64,
    #[serde(skip)]
    pub(crate) kind: &'static str,
}

/// Measures every load.
pub(crate) fn measure(lab: &Lab<'_>) -> Result<Vec<Move>, Failure> {
    let loads = lab.choose(&LOADS[..], &QUICK[..]);
    let largest = loads.iter().map(|load| load.kib / 1024).max().unwrap_or(0);
    let files = lab.files()?;
    let memory = u32::try_from(largest + largest / 8 + 128).unwrap_or(u32::MAX);
    let mut cluster = lab.start(&lab.builder(2, &files).memory_mib(memory), &files)?;
    let limit = bulk::throughput(lab, &mut cluster)?.map_or(f64::NAN, |figure| figure.median);
    let mut moves = Vec::new();
    for load in loads {
        lab.progress.say(format!("moving {} KiB ({})", load.kib, load.kind));
        moves.extend(play(&mut cluster, load, limit)?);
    }
    cluster.shutdown()?;
    Ok(moves)
}

fn play(cluster: &mut Cluster, load: &Load, limit: f64) -> Result<Option<Move>, Failure> {
    let times = 2 * load.times;
    let words = ["memory".to_owned(), load.kib.to_string(), times.to_string(), AWAY.to_string()];
    let words = [&words[..], &[load.kind.to_owned()]].concat();
    let outcome = lab::play(cluster, &words)?;
    let moved: Vec<&Moved> = outcome.moves.iter().filter(|moved| moved.result.is_ok()).collect();
    let figure = |value: fn(&Moved) -> u64| {
        Figure::new(moved.iter().map(|moved| value(moved) as f64).collect(), "us")
    };
    let mean = |value: fn(&Moved) -> f64| {
        rounded(moved.iter().map(|moved| value(moved)).sum::<f64>() / moved.len().max(1) as f64)
    };
    let (Some(total), Some(frozen)) = (figure(|m| m.total_us), figure(|m| m.frozen_us)) else {
        return Ok(None);
    };
    let bytes = mean(|moved| moved.bytes as f64);
    let ratio_bulk = rounded(bytes / total.median.max(1.0) / limit);
    let round_trips = mean(|moved| f64::from(moved.round_trips));
    Ok(Some(Move { kib: load.kib, total, frozen, bytes, round_trips, ratio_bulk, kind: load.kind }))
}
