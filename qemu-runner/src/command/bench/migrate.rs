//! Moves of processes of many sizes and kinds, against bulk TCP between the same nodes.

use serde::{Deserialize, Serialize};
use wayfarer::{Channel, Cluster, ClusterBuilder};
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

/// Pages that were written since the last move, of every size, and such that were not; pages of
/// zeros, and such that were never written; with many children that share them, and with many
/// threads; and a thousand moves in a row.
const LOADS: [Load; 12] = [
    Load { kib: 100, kind: "touched", times: 50 },
    Load { kib: 1024, kind: "touched", times: 50 },
    Load { kib: 8 * 1024, kind: "touched", times: 20 },
    Load { kib: 64 * 1024, kind: "touched", times: 5 },
    Load { kib: 256 * 1024, kind: "touched", times: 3 },
    Load { kib: 1024 * 1024, kind: "touched", times: 1 },
    Load { kib: 64 * 1024, kind: "unchanged", times: 10 },
    Load { kib: 64 * 1024, kind: "zero", times: 5 },
    Load { kib: 64 * 1024, kind: "untouched", times: 5 },
    Load { kib: 1024, kind: "forks", times: 10 },
    Load { kib: 1024, kind: "threads", times: 10 },
    Load { kib: 256, kind: IN_A_ROW, times: 500 },
];

/// A process of [`TOUCHED`] pages that hardly stays anywhere.
const IN_A_ROW: &str = "in_a_row";

/// Pages that were written.
pub(crate) const TOUCHED: &str = "touched";

/// Those of a quick run.
const QUICK: [Load; 2] =
    [Load { kib: 100, kind: "touched", times: 2 }, Load { kib: 1024, kind: "threads", times: 1 }];

/// KiB of a page.
const PAGE_KIB: f64 = 4.0;

/// Moves of one load.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Move {
    pub(crate) kib: u64,
    /// What its memory is, or what else the process has much of.
    pub(crate) kind: String,
    /// From the order to the first user instruction on the target.
    pub(crate) total: Figure,
    /// How long no thread could run.
    pub(crate) frozen: Figure,
    /// Bytes of the image.
    pub(crate) bytes: f64,
    /// Exchanges that followed one another, connections set up among them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) round_trips: Option<f64>,
    /// Bytes a second of the whole move, against bulk TCP of the same run.
    pub(crate) ratio_bulk: f64,
    /// Pages of the process a second, and those that bulk TCP would carry.
    pub(crate) pages_per_second: f64,
    pub(crate) bulk_pages_per_second: f64,
    /// How a peer moved it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) way: Option<String>,
}

impl Move {
    /// Moves of `kib` KiB that sent `bytes` each, where bulk TCP carries `limit` MB a second.
    pub(crate) fn new(
        kib: u64,
        kind: &str,
        (total, frozen): (Figure, Figure),
        bytes: f64,
        limit: f64,
    ) -> Self {
        let seconds = total.median.max(1.0) / 1e6;
        Self {
            kib,
            kind: kind.to_owned(),
            frozen,
            bytes: rounded(bytes),
            round_trips: None,
            ratio_bulk: rounded(bytes / seconds / 1e6 / limit),
            pages_per_second: rounded(kib as f64 / PAGE_KIB / seconds),
            bulk_pages_per_second: rounded(limit * 1e6 / 1024.0 / PAGE_KIB),
            total,
            way: None,
        }
    }
}

/// Measures every load.
pub(crate) fn measure(lab: &Lab<'_>) -> Result<Vec<Move>, Failure> {
    of(lab, |builder| builder)
}

/// The same through memory that both nodes see; none where they have only one way.
pub(crate) fn measure_in_memory(lab: &Lab<'_>) -> Result<Vec<Move>, Failure> {
    if !lab.wants_both_channels() {
        return Ok(Vec::new());
    }
    of(lab, |builder| builder.channel(Channel::Auto))
}

fn of(
    lab: &Lab<'_>,
    wire: impl FnOnce(ClusterBuilder) -> ClusterBuilder,
) -> Result<Vec<Move>, Failure> {
    let loads = lab.choose(&LOADS[..], &QUICK[..]);
    let largest = loads.iter().map(|load| load.kib / 1024).max().unwrap_or(0);
    let files = lab.files()?;
    let memory = u32::try_from(largest + largest / 8 + 128).unwrap_or(u32::MAX);
    let builder = wire(lab.builder(2, &files).memory_mib(memory));
    let mut cluster = lab.start(&builder, &files)?;
    let limit = bulk::throughput(lab, &mut cluster)?.map(|figure| figure.median);
    let limit = limit.ok_or_else(|| Failure::Benchmark("bulk TCP was not measured".to_owned()))?;
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
    let kind = if load.kind == IN_A_ROW { TOUCHED } else { load.kind };
    let words = ["memory", &load.kib.to_string(), &times.to_string(), &AWAY.to_string(), kind];
    let outcome = lab::play(cluster, &words.map(str::to_owned))?;
    let moved: Vec<&Moved> = outcome.moves.iter().filter(|moved| moved.result.is_ok()).collect();
    let figure = |value: fn(&Moved) -> u64| {
        Figure::new(moved.iter().map(|moved| value(moved) as f64).collect(), "us")
    };
    let mean = |value: fn(&Moved) -> f64| {
        moved.iter().map(|moved| value(moved)).sum::<f64>() / moved.len().max(1) as f64
    };
    let (Some(total), Some(frozen)) = (figure(|m| m.total_us), figure(|m| m.frozen_us)) else {
        return Ok(None);
    };
    let bytes = mean(|moved| moved.bytes as f64);
    let round_trips = Some(rounded(mean(|moved| f64::from(moved.round_trips))));
    Ok(Some(Move { round_trips, ..Move::new(load.kib, load.kind, (total, frozen), bytes, limit) }))
}
