//! Where the time of a forwarded call goes (tables 5.2 and 5.3 of the thesis).
//!
//! Both nodes note when they pass certain points; the bare wire is measured between the same two
//! nodes. What both kernels do and the wire should add up to what the program measured.

use std::io::{self, PipeWriter, Write as _};

use wayfarer::{Cluster, ProgramError};
use wayfarer_proto::console::{Carrier, FromNode, Lap, Stage, ToNode};
use wayfarer_proto::id::NodeId;

use super::calls::{HEADERS, Sizes};
use super::figure::{Figure, rounded};
use super::lab::{self, AWAY, HOME, Lab};
use crate::command::failure::Failure;

/// The call that is taken apart: the smallest there is.
const CALL: &str = "close";

/// A call taken apart. Times are medians in microseconds.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Dissection {
    pub(crate) call: &'static str,
    /// What the body's node does, by the name of the stage.
    pub(crate) body: Vec<(&'static str, f64)>,
    /// What home does.
    pub(crate) home: Vec<(&'static str, f64)>,
    /// Frames of the same size there and back.
    pub(crate) network: f64,
    /// The same bytes over TCP.
    pub(crate) tcp: f64,
    /// The call, as the program measured it.
    pub(crate) whole: f64,
}

impl Dissection {
    /// What the parts add up to.
    pub(crate) fn sum(&self) -> f64 {
        let parts = self.body.iter().chain(&self.home);
        rounded(self.network + parts.map(|(_, time)| time).sum::<f64>())
    }
}

/// Takes the call apart.
pub(crate) fn measure(lab: &Lab<'_>) -> Result<Option<Dissection>, Failure> {
    lab.progress.say(format!("taking {CALL} apart"));
    let mut cluster = lab.pair()?;
    let count = lab.repetitions(5000, 50);
    let mut watch = Watch::start(&mut cluster, count)?;
    let Sizes { request, reply } = super::calls::sizes(lab, &mut cluster, CALL)?;
    let mut wire = |carrier, headers| {
        let sizes = (request + headers, reply + headers);
        lab::probe(&mut cluster, carrier, sizes, count).map(|times| Figure::of_ns(&times))
    };
    let (tcp, network) = (wire(Carrier::Stream, 0)?, wire(Carrier::Frames, HEADERS)?);
    cluster.shutdown()?;
    let median = |figure: Option<Figure>| figure.map(|figure| figure.median);
    let samples = super::calls::samples_away(&watch.output).remove(CALL).unwrap_or_default();
    let whole = median(Figure::of_ns(&samples));
    let body = watch.stages(AWAY, |stage| !matches!(stage, Stage::User | Stage::Waiting));
    let home = watch.stages(HOME, |stage| !matches!(stage, Stage::User | Stage::Waiting));
    let (Some(tcp), Some(network), Some(whole)) = (median(tcp), median(network), whole) else {
        return Ok(None);
    };
    Ok(Some(Dissection { call: CALL, body, home, network, tcp, whole }))
}

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

    /// The median of every stage that `node` passed.
    fn stages(
        &mut self,
        node: NodeId,
        wanted: impl Fn(&Stage) -> bool,
    ) -> Vec<(&'static str, f64)> {
        let laps = self.laps.iter().filter(|(from, lap)| *from == node && wanted(&lap.stage));
        laps.filter_map(|(_, lap)| {
            Some((name(&lap.stage), Figure::of_ns(&lap.nanoseconds)?.median))
        })
        .collect()
    }
}

fn name(stage: &Stage) -> &'static str {
    match stage {
        Stage::User => "user code",
        Stage::Packaging => "packaging",
        Stage::Sending => "TCP/IP out",
        Stage::Waiting => "waiting",
        Stage::Receiving => "TCP/IP in, wake-up",
        Stage::Unpacking => "unpacking, thread",
        Stage::Handler => "handler",
    }
}
