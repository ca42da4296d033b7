//! System calls at home and away, and what each costs on the wire (tables 5.1 of the thesis).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wayfarer::Cluster;
use wayfarer_proto::console::Carrier;

use super::figure::{Figure, rounded};
use super::lab::{self, AWAY, Lab};
use crate::command::failure::Failure;

/// Bytes of the headers of IPv4 and TCP.
pub(crate) const HEADERS: u64 = 40;

/// The largest packet that a frame carries.
const LARGEST_PACKET: u64 = 65_000;

/// A call, at home and away.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Call {
    pub(crate) home: Figure,
    pub(crate) away: Figure,
    /// Messages of the body that were answered, for each call.
    pub(crate) round_trips: f64,
    /// Frames in both directions, for each call.
    pub(crate) frames: f64,
    /// Bytes of a call's messages to home.
    pub(crate) request_bytes: f64,
    /// Bytes of a call's messages from home.
    pub(crate) reply_bytes: f64,
    /// The time away against that of as many bytes over a TCP connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ratio_tcp: Option<f64>,
    /// The same against bare frames.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ratio_raw: Option<f64>,
    /// What the ratios are of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tcp: Option<Figure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) raw: Option<Figure>,
}

/// What a call costs on the wire, for each call.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    pub(crate) round_trips: f64,
    pub(crate) frames: f64,
    pub(crate) request: f64,
    pub(crate) reply: f64,
}

impl Cost {
    /// The bytes to compare it with, there and back; `None` of what needs no message, which has
    /// nothing to be compared with.
    pub(crate) fn sizes(self) -> Option<Sizes> {
        let (request, reply) = (self.request.round() as u64, self.reply.round() as u64);
        let sizes = Sizes { request, reply };
        (self.round_trips >= 0.5 && request > 0 && reply > 0).then_some(sizes)
    }
}

/// What the program said.
#[derive(Default)]
struct Said {
    here: BTreeMap<String, Vec<u64>>,
    away: BTreeMap<String, Vec<u64>>,
    costs: BTreeMap<String, Cost>,
}

/// Measures all calls, and the wire with the bytes of each.
pub(crate) fn measure(lab: &Lab<'_>) -> Result<BTreeMap<String, Call>, Failure> {
    lab.progress.say("calls: at home and away");
    of(lab, lab.pair()?)
}

/// The same over shared memory; nothing where only one channel is wanted.
pub(crate) fn measure_in_memory(lab: &Lab<'_>) -> Result<BTreeMap<String, Call>, Failure> {
    if !lab.wants_both_channels() {
        return Ok(BTreeMap::new());
    }
    lab.progress.say("calls: through shared memory");
    of(lab, lab.pair_in_memory()?)
}

fn of(lab: &Lab<'_>, mut cluster: Cluster) -> Result<BTreeMap<String, Call>, Failure> {
    let count = lab.repetitions(2000, 20);
    let words = ["calls".to_owned(), AWAY.to_string(), count.to_string()];
    let said = Said::read(&lab::play(&mut cluster, &words)?.stdout);
    let mut calls = BTreeMap::new();
    for (name, away) in &said.away {
        lab.progress.say(format!("calls: the wire with the bytes of {name}"));
        let cost = said.costs.get(name).copied().unwrap_or_default();
        let here = said.here.get(name).and_then(|samples| Figure::of_ns(samples));
        if let (Some(home), Some(away)) = (here, Figure::of_ns(away)) {
            let wire = Wire::measure(&mut cluster, cost, count)?;
            calls.insert(name.clone(), Call::new(home, away, cost, wire));
        }
    }
    cluster.shutdown()?;
    Ok(calls)
}

/// How long the bytes of a call take by themselves.
#[derive(Default)]
pub(crate) struct Wire {
    pub(crate) tcp: Option<Figure>,
    pub(crate) raw: Option<Figure>,
}

impl Wire {
    fn measure(cluster: &mut Cluster, cost: Cost, count: usize) -> Result<Self, Failure> {
        let Some(sizes) = cost.sizes() else { return Ok(Self::default()) };
        let (Sizes { request, reply }, count) = (sizes, sizes.repetitions(count));
        let mut time = |carrier, request, reply| {
            lab::probe(cluster, carrier, (request, reply), count)
                .map(|samples| Figure::of_ns(&samples))
        };
        let tcp = time(Carrier::Stream, request, reply)?;
        let raw = match sizes.fit(LARGEST_PACKET) {
            true => time(Carrier::Frames, request + HEADERS, reply + HEADERS)?,
            false => None,
        };
        Ok(Self { tcp, raw })
    }
}

impl Call {
    pub(crate) fn new(home: Figure, away: Figure, cost: Cost, wire: Wire) -> Self {
        let ratio = |limit: &Option<Figure>| {
            limit.as_ref().map(|limit| rounded(away.median / limit.median.max(0.001)))
        };
        Self {
            round_trips: rounded(cost.round_trips),
            frames: rounded(cost.frames),
            request_bytes: rounded(cost.request),
            reply_bytes: rounded(cost.reply),
            ratio_tcp: ratio(&wire.tcp),
            ratio_raw: ratio(&wire.raw),
            tcp: wire.tcp,
            raw: wire.raw,
            home,
            away,
        }
    }

    /// How much slower the call is away.
    pub(crate) fn slowdown(&self) -> f64 {
        self.away.median / self.home.median.max(0.001)
    }
}

impl Said {
    fn read(output: &[u8]) -> Self {
        let mut said = Self::default();
        for line in String::from_utf8_lossy(output).lines() {
            let mut words = line.split(' ');
            match (words.next(), words.next()) {
                (Some("samples"), Some(name)) => {
                    let there = words.next() == Some("away");
                    let samples = words.filter_map(|word| word.parse().ok()).collect();
                    let map = if there { &mut said.away } else { &mut said.here };
                    map.insert(name.to_owned(), samples);
                }
                (Some("counts"), Some(name)) => {
                    let numbers: Vec<f64> = words.filter_map(|word| word.parse().ok()).collect();
                    if let [calls, round_trips, frames, request, reply] = numbers[..] {
                        let each = |number: f64| number / calls.max(1.0);
                        let (round_trips, frames) = (each(round_trips), each(frames));
                        let (request, reply) = (each(request), each(reply));
                        let cost = Cost { round_trips, frames, request, reply };
                        said.costs.insert(name.to_owned(), cost);
                    }
                }
                _ => {}
            }
        }
        said
    }
}

/// The bytes of a call's messages.
#[derive(Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) request: u64,
    pub(crate) reply: u64,
}

impl Sizes {
    /// Large ones are repeated less often than `count` times.
    pub(crate) fn repetitions(self, count: usize) -> usize {
        (count / (1 + (self.request + self.reply) as usize / 16384)).max(1)
    }

    /// Whether packets of `largest` bytes hold each of them.
    pub(crate) fn fit(self, largest: u64) -> bool {
        self.request.max(self.reply) + HEADERS <= largest
    }
}

/// Counts the bytes of the call `name`.
pub(crate) fn sizes(lab: &Lab<'_>, cluster: &mut Cluster, name: &str) -> Result<Sizes, Failure> {
    let count = lab.repetitions(50, 10);
    let words = ["calls".to_owned(), AWAY.to_string(), count.to_string()];
    let said = Said::read(&lab::play(cluster, &words)?.stdout);
    let cost = said.costs.get(name).copied().unwrap_or_default();
    Ok(Sizes { request: cost.request.round() as u64, reply: cost.reply.round() as u64 })
}

/// The samples of every series that the program took away from home.
pub(crate) fn samples_away(output: &[u8]) -> BTreeMap<String, Vec<u64>> {
    Said::read(output).away
}

/// The samples of every series that the program took at home.
pub(crate) fn samples_here(output: &[u8]) -> BTreeMap<String, Vec<u64>> {
    Said::read(output).here
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn program_is_understood() {
        let said = Said::read(
            b"samples close here 5 6 7\nsamples close away 50\n\
              noise\ncounts close 10 10 20 640 680\n",
        );
        assert_eq!(said.here["close"], [5, 6, 7]);
        assert_eq!(said.away["close"], [50]);
        let cost = said.costs["close"];
        assert_eq!((cost.round_trips, cost.frames), (1.0, 2.0));
        assert_eq!((cost.request, cost.reply), (64.0, 68.0));
    }
}
