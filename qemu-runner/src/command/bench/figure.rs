//! A figure: the least, the middle and the nearly worst of many repetitions.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What many repetitions of one measurement come to.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Figure {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) p99: f64,
    /// How many repetitions.
    pub(crate) n: usize,
    pub(crate) unit: String,
}

impl Figure {
    /// The figure of these values; `None` if there are none.
    pub(crate) fn new(mut values: Vec<f64>, unit: &str) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let last = values.len().checked_sub(1)?;
        // The smallest value that at least 99 % of the values do not exceed.
        let p99 = (values.len() * 99).div_ceil(100).saturating_sub(1).min(last);
        Some(Self {
            min: rounded(values[0]),
            median: rounded(values[last / 2]),
            p99: rounded(values[p99]),
            n: values.len(),
            unit: unit.to_owned(),
        })
    }

    /// Times that were taken in nanoseconds.
    pub(crate) fn of_ns(samples: &[u64]) -> Option<Self> {
        Self::new(samples.iter().map(|ns| *ns as f64 / 1000.0).collect(), "us")
    }

    /// What was counted once.
    pub(crate) fn bytes(count: u64) -> Self {
        let count = count as f64;
        Self { min: count, median: count, p99: count, n: 1, unit: "bytes".to_owned() }
    }

    /// What was counted once, over `window`, by the second.
    pub(crate) fn rate(count: u64, window: Duration) -> Self {
        let rate = rounded(count as f64 / window.as_secs_f64());
        Self { min: rate, median: rate, p99: rate, n: 1, unit: "/s".to_owned() }
    }
}

/// To three decimals: no clock here tells more.
pub(crate) fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_hundred_the_last_but_one_is_p99() {
        let figure = Figure::new((1..=100).rev().map(f64::from).collect(), "us").unwrap();
        assert_eq!((figure.min, figure.median, figure.p99), (1.0, 50.0, 99.0));
    }

    #[test]
    fn one_is_all() {
        let figure = Figure::of_ns(&[1500]).unwrap();
        assert_eq!((figure.min, figure.median, figure.p99, figure.n), (1.5, 1.5, 1.5, 1));
        assert_eq!(Figure::of_ns(&[]), None);
    }
}
