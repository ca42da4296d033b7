//! Where the time of a forwarded call goes (tables 5.2 and 5.3 of the thesis).
//!
//! Both nodes note when they pass certain points. What the body's node does and for how long it
//! waits should add up to what the program measured; what it waits for is what home does, and the
//! wire. The bare wire is measured between the same two nodes.

use std::collections::BTreeMap;
use std::io::{self, PipeWriter, Write as _};

use serde::{Deserialize, Serialize};
use wayfarer::{Cluster, ProgramError};
use wayfarer_proto::console::{Carrier, FromNode, Lap, Stage, ToNode};
use wayfarer_proto::id::NodeId;

use super::calls::{HEADERS, Sizes};
use super::figure::{Figure, rounded};
use super::lab::{self, AWAY, HOME, Lab};
use crate::command::failure::Failure;

/// The call that is taken apart: the smallest there is.
const CALL: &str = "close";

/// A call taken apart. Times are in microseconds, and means of the quieter half of the calls:
/// means add up, and what is rare is the host's.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Dissection {
    pub(crate) call: String,
    /// What the body's node does, but for waiting.
    pub(crate) body: Vec<Part>,
    /// From the body's message on its way to the answer at its node: what home does, and the wire.
    pub(crate) waiting: f64,
    /// What home does of that.
    pub(crate) home: Vec<Part>,
    /// Frames of the same size there and back, and nothing else.
    pub(crate) network: f64,
    /// The same bytes over TCP.
    pub(crate) tcp: f64,
    /// The call, as the program measured it.
    pub(crate) whole: f64,
    /// Of all calls, or ping-pongs, what the four times above are means of.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) figures: BTreeMap<String, Figure>,
}

/// A stage of a call.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) stage: String,
    pub(crate) time: f64,
    /// Of all calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) figure: Option<Figure>,
}

impl Dissection {
    /// What one node does.
    pub(crate) fn of(parts: &[Part]) -> f64 {
        parts.iter().map(|part| part.time).sum()
    }

    /// How much longer than by themselves the frames take there and back in the call. Less than
    /// nothing where they travel while a node still works.
    pub(crate) fn beyond(&self) -> f64 {
        rounded(self.waiting - Self::of(&self.home) - self.network)
    }

    /// What the parts add up to.
    pub(crate) fn sum(&self) -> f64 {
        rounded(Self::of(&self.body) + self.waiting)
    }
}

/// Takes the call apart over TCP or whatever else was asked for.
pub(crate) fn measure(lab: &Lab<'_>) -> Result<Dissection, Failure> {
    lab.progress.say(format!("taking {CALL} apart"));
    of(lab, lab.pair()?)
}

/// The same over shared memory; nothing where only one channel is wanted.
pub(crate) fn measure_in_memory(lab: &Lab<'_>) -> Result<Option<Dissection>, Failure> {
    if !lab.wants_both_channels() {
        return Ok(None);
    }
    lab.progress.say(format!("taking {CALL} through shared memory apart"));
    of(lab, lab.pair_in_memory()?).map(Some)
}

fn of(lab: &Lab<'_>, mut cluster: Cluster) -> Result<Dissection, Failure> {
    let count = lab.repetitions(5000, 50);
    let watch = Watch::start(&mut cluster, count)?;
    let Sizes { request, reply } = super::calls::sizes(lab, &mut cluster, CALL)?;
    let mut wire = |carrier, headers| {
        let sizes = (request + headers, reply + headers);
        lab::probe(&mut cluster, carrier, sizes, count)
    };
    let (bytes, frames) = (wire(Carrier::Stream, 0)?, wire(Carrier::Frames, HEADERS)?);
    cluster.shutdown()?;
    let samples = super::calls::samples_away(&watch.output).remove(CALL).unwrap_or_default();
    let calls = watch.quieter_calls(samples.len());
    if calls.is_empty() {
        return Err(Failure::Benchmark(format!("no {CALL} was taken apart")));
    }
    let mean = |node, stage: &Stage| watch.mean(node, stage, &calls);
    let parts = |node, stages: &[Stage]| -> Vec<Part> {
        let part = |stage| Part {
            stage: name(stage).to_owned(),
            time: mean(node, stage),
            figure: Figure::of_ns(watch.last(node, stage, samples.len())),
        };
        stages.iter().map(part).collect()
    };
    let waited = watch.last(AWAY, &Stage::Waiting, samples.len());
    let all = [("waiting", waited), ("network", &*frames), ("tcp", &*bytes), ("whole", &*samples)];
    let figure = |(name, times): (&str, &[u64])| Some((name.to_owned(), Figure::of_ns(times)?));
    Ok(Dissection {
        call: CALL.to_owned(),
        body: parts(AWAY, &BODY),
        waiting: mean(AWAY, &Stage::Waiting),
        home: parts(HOME, &DEPUTY),
        network: quieter(&frames),
        tcp: quieter(&bytes),
        whole: quieter(&samples),
        figures: all.into_iter().filter_map(figure).collect(),
    })
}

/// The mean of the smaller half of these times in nanoseconds, in microseconds.
fn quieter(times: &[u64]) -> f64 {
    let mut times = times.to_vec();
    times.sort_unstable();
    let half = times.len().div_ceil(2);
    rounded(times[..half].iter().sum::<u64>() as f64 / half.max(1) as f64 / 1000.0)
}

/// What the body's node does of a call beside waiting: together they are the whole of it.
const BODY: [Stage; 6] = [
    Stage::User,
    Stage::Packaging,
    Stage::Sending,
    Stage::Resting,
    Stage::Receiving,
    Stage::Unpacking,
];

/// What home does of it. Going to rest is not among it: the answer is on its way by then.
const DEPUTY: [Stage; 5] =
    [Stage::Receiving, Stage::Unpacking, Stage::Handler, Stage::Packaging, Stage::Sending];

/// The laps of both nodes while the program makes its calls.
#[derive(Default)]
struct Watch {
    laps: Vec<(NodeId, Lap)>,
    output: Vec<u8>,
}

impl Watch {
    fn start(cluster: &mut Cluster, count: usize) -> Result<Self, Failure> {
        let (input, mut go_on) = io::pipe().map_err(ProgramError::from)?;
        let nodes = [HOME, AWAY].map(|node| cluster.node(node).clone());
        let mut watch = Self::default();
        let words = ["one".to_owned(), CALL.to_owned(), AWAY.to_string(), count.to_string()];
        let outcome = cluster.observe(HOME, &lab::order(&words), input, |node, frame| {
            let order = match frame {
                FromNode::Stdout(said) if said.starts_with(b"begin") => ToNode::StartLaps,
                FromNode::Stdout(said) if said.starts_with(b"ready") => ToNode::StopLaps,
                FromNode::Lap(lap) => return watch.add(node, lap, &mut go_on),
                _ => return,
            };
            for console in &nodes {
                // A node that is gone is noticed by who waits for its frames.
                let _ = console.send(&order);
            }
            if order == ToNode::StartLaps {
                let _ = go_on.write_all(b"\n");
            }
        })?;
        lab::check(&outcome)?;
        watch.output = outcome.stdout;
        Ok(watch)
    }

    /// Keeps a lap; the last one lets the program go on.
    fn add(&mut self, node: NodeId, lap: &Lap, go_on: &mut PipeWriter) {
        self.laps.push((node, lap.clone()));
        if self.laps.len() == 2 * Stage::ALL.len() {
            // A program that is gone is noticed by who waits for its end.
            let _ = go_on.write_all(b"\n");
        }
    }

    /// Which of the last `count` calls took the body's node no longer than the one in the middle,
    /// counted from the last: that is the same call on both nodes.
    fn quieter_calls(&self, count: usize) -> Vec<usize> {
        let stages = || BODY.iter().chain([&Stage::Waiting]);
        let noted = stages().map(|stage| self.times(AWAY, stage).len()).min().unwrap_or(0);
        let took = |call: &usize| -> u64 {
            stages().filter_map(|stage| self.times(AWAY, stage).iter().rev().nth(*call)).sum()
        };
        let mut calls: Vec<usize> = (0..count.min(noted)).collect();
        calls.sort_by_cached_key(took);
        calls.truncate(calls.len().div_ceil(2));
        calls
    }

    /// How long `node` took for a stage in these calls.
    fn mean(&self, node: NodeId, stage: &Stage, calls: &[usize]) -> f64 {
        let times = self.times(node, stage);
        let of = |call: &usize| times.iter().rev().nth(*call);
        let times: Vec<u64> = calls.iter().filter_map(of).copied().collect();
        rounded(times.iter().sum::<u64>() as f64 / times.len().max(1) as f64 / 1000.0)
    }

    /// How long `node` took for a stage in each of the last `count` calls.
    fn last(&self, node: NodeId, stage: &Stage, count: usize) -> &[u64] {
        let times = self.times(node, stage);
        &times[times.len().saturating_sub(count)..]
    }

    fn times(&self, node: NodeId, stage: &Stage) -> &[u64] {
        let mut laps = self.laps.iter();
        let lap = laps.find(|(from, lap)| *from == node && lap.stage == *stage);
        lap.map_or(&[], |(_, lap)| &lap.nanoseconds)
    }
}

fn name(stage: &Stage) -> &'static str {
    match stage {
        Stage::User => "user code",
        Stage::Packaging => "packaging",
        Stage::Sending => "network out",
        Stage::Waiting => "waiting",
        Stage::Receiving => "network in, wake-up",
        Stage::Unpacking => "unpacking, thread",
        Stage::Handler => "handler",
        Stage::Resting => "going to rest",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quieter_calls_are_the_same_on_both_nodes() {
        let lap = |node, stage, nanoseconds: &[u64]| {
            (node, Lap { stage, nanoseconds: nanoseconds.to_vec() })
        };
        let mut laps: Vec<_> =
            BODY.into_iter().map(|stage| lap(AWAY, stage, &[1, 1000, 9000, 1000])).collect();
        laps.push(lap(AWAY, Stage::Waiting, &[1, 5000, 5000, 6000]));
        // Home knows of a call before the first one.
        laps.push(lap(HOME, Stage::Handler, &[1, 70_000, 2000, 90_000, 4000]));
        let watch = Watch { laps, output: Vec::new() };
        let calls = watch.quieter_calls(3);
        assert_eq!(calls, [2, 0], "not the one before the last three, nor the slow one");
        assert_eq!(watch.mean(AWAY, &Stage::Waiting, &calls), 5.5);
        assert_eq!(watch.mean(HOME, &Stage::Handler, &calls), 3.0);
        assert_eq!(quieter(&[9000, 1000, 2000]), 1.5);
        assert_eq!(quieter(&[]), 0.0);
    }
}
