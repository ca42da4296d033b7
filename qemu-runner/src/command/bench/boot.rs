//! From the execution of QEMU to the first user instruction.

use std::collections::BTreeMap;
use std::io::Cursor;

use wayfarer_proto::console::FromNode;

use super::figure::Figure;
use super::lab::{self, HOME, Lab};
use crate::command::failure::Failure;

/// Boots a node again and again. The first user instruction is taken to be over when the runner
/// hears of the first system call, which is a little later.
pub(crate) fn measure(lab: &Lab<'_>) -> Result<BTreeMap<String, Figure>, Failure> {
    let files = lab.files()?;
    let builder = lab.builder(1, &files);
    let mut start = lab::order(&["nothing".to_owned()]);
    start.trace = true;
    let mut times = Vec::new();
    for turn in 0..lab.repetitions(21, 2) {
        lab.progress.say(format!("boot {}", turn + 1));
        let mut cluster = lab.start(&builder, &files)?;
        let began = cluster.began();
        let mut first = None;
        let outcome = cluster.observe(HOME, &start, Cursor::new(Vec::new()), |_, frame| {
            if matches!(frame, FromNode::Trace(_)) {
                first.get_or_insert_with(|| began.elapsed());
            }
        })?;
        lab::check(&outcome)?;
        cluster.shutdown()?;
        times.extend(first.map(|time| time.as_secs_f64() * 1000.0));
    }
    let figure = Figure::new(times, "ms");
    Ok(figure.into_iter().map(|figure| ("first_user".to_owned(), figure)).collect())
}
