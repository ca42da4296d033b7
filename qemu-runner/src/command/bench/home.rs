//! What the calls of a whole process cost: a node as an ordinary Linux would be.

use std::collections::BTreeMap;

use super::calls;
use super::figure::Figure;
use super::lab::{self, Lab};
use crate::command::failure::Failure;

/// Measures on a node that is alone.
pub(crate) fn measure(lab: &Lab<'_>) -> Result<BTreeMap<String, Figure>, Failure> {
    lab.progress.say("calls of a whole process");
    let files = lab.files()?;
    let mut cluster = lab.start(&lab.builder(1, &files), &files)?;
    let count = lab.repetitions(2000, 20);
    let outcome = lab::play(&mut cluster, &["home".to_owned(), count.to_string()])?;
    cluster.shutdown()?;
    let samples = calls::samples_here(&outcome.stdout).into_iter();
    Ok(samples.filter_map(|(name, samples)| Some((name, Figure::of_ns(&samples)?))).collect())
}
