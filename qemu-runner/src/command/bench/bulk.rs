//! Bulk data between two nodes, over TCP and through memory: the limit of every image that moves.

use std::collections::BTreeMap;

use wayfarer::Cluster;
use wayfarer_proto::console::Carrier;

use super::figure::Figure;
use super::lab::{self, Lab};
use crate::command::failure::Failure;

/// The packet sizes measured.
const MTUS: [u16; 3] = [1500, 9000, 65_000];

/// Measures with each packet size, in MB (10^6 bytes) a second.
pub(crate) fn measure(lab: &Lab<'_>) -> Result<BTreeMap<String, Figure>, Failure> {
    let mut figures = BTreeMap::new();
    let files = lab.files()?;
    for mtu in MTUS {
        lab.progress.say(format!("bulk TCP with packets of {mtu} bytes"));
        let mut cluster = lab.start(&lab.builder(2, &files).mtu(mtu), &files)?;
        let figure = throughput(lab, &mut cluster)?;
        cluster.shutdown()?;
        figures.extend(figure.map(|figure| (format!("mtu_{mtu}"), figure)));
    }
    if lab.wants_both_channels() {
        lab.progress.say("bulk data through memory");
        let mut cluster = lab.pair_in_memory()?;
        let figure = throughput(lab, &mut cluster)?;
        cluster.shutdown()?;
        figures.extend(figure.map(|figure| ("memory".to_owned(), figure)));
    }
    Ok(figures)
}

/// What one connection between the nodes carries.
pub(crate) fn throughput(lab: &Lab<'_>, cluster: &mut Cluster) -> Result<Option<Figure>, Failure> {
    let bytes = lab.repetitions(64, 4) as u64 * (1 << 20);
    let times = lab::probe(cluster, Carrier::Stream, (bytes, 1), lab.repetitions(9, 2))?;
    // The nodes are strangers at first: the first one is not counted.
    let rate = |ns: &u64| bytes as f64 * 1000.0 / (*ns).max(1) as f64;
    Ok(Figure::new(times.iter().skip(1).map(rate).collect(), "MB/s"))
}
