//! Moving programs by themselves, for tests and for studying migration: `roam=` on the kernel
//! command line.
//!
//! ```text
//! roam=every-call=7   every process moves to the next node before every 7th call that one of its
//!                     threads makes on a node; or roam=7
//! roam=once:7         every process moves once, before the 7th call that one of its threads makes
//!                     at home
//! roam=50ms           every process moves to the next node after 50 ms on one; or roam=2s
//! ```
//!
//! Calls are counted by thread, so that those of threads that wait with a short timeout, which may
//! pass during each move, do not leave the others without a moment to run.

use core::fmt;
use core::str::FromStr;
use core::time::Duration;

use crate::boot::{BadWord, value_of};

/// When processes move without being told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Roam {
    /// Never.
    #[default]
    Stay,
    /// Before every nth call that a thread of a process makes on a node.
    Every(u32),
    /// Once, before the nth call that a thread of a process makes at home.
    Once(u32),
    /// After this time on a node, at least a millisecond.
    Period(Duration),
}

impl Roam {
    /// The word on a kernel command line; [`Roam::Stay`] if there is none.
    ///
    /// # Errors
    /// [`BadWord`] if it makes no sense.
    pub fn from_line(line: &str) -> Result<Self, BadWord> {
        value_of(line, "roam").map_or(Ok(Self::Stay), str::parse)
    }
}

impl FromStr for Roam {
    type Err = BadWord;

    fn from_str(text: &str) -> Result<Self, BadWord> {
        let number = |text: &str| match text.parse::<u32>() {
            Ok(number @ 1..) => Ok(number),
            _ => Err(BadWord { key: "roam" }),
        };
        if let Some(calls) = text.strip_prefix("once:") {
            return number(calls).map(Self::Once);
        }
        if let Some(millis) = text.strip_suffix("ms") {
            return number(millis).map(|n| Self::Period(Duration::from_millis(n.into())));
        }
        if let Some(seconds) = text.strip_suffix('s') {
            let millis = number(seconds)?.checked_mul(1000).ok_or(BadWord { key: "roam" })?;
            return Ok(Self::Period(Duration::from_millis(millis.into())));
        }
        number(text.strip_prefix("every-call=").unwrap_or(text)).map(Self::Every)
    }
}

impl fmt::Display for Roam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stay => Ok(()),
            Self::Every(calls) => write!(f, "roam=every-call={calls}"),
            Self::Once(calls) => write!(f, "roam=once:{calls}"),
            Self::Period(period) => write!(f, "roam={}ms", period.as_millis()),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let period = Roam::Period(Duration::from_millis(50));
        for roam in [Roam::Stay, Roam::Every(7), Roam::Once(1), period] {
            assert_eq!(Roam::from_line(&roam.to_string()), Ok(roam));
        }
        assert_eq!(Roam::from_line("roam=7"), Ok(Roam::Every(7)));
        assert_eq!(Roam::from_line("roam=2s"), Ok(Roam::Period(Duration::from_secs(2))));
        for word in
            ["0", "0ms", "ms", "s", "-1s", "every-call=", "every-call=0", "once:", "4294968s"]
        {
            let line = alloc::format!("node=1 roam={word}");
            assert_eq!(Roam::from_line(&line), Err(BadWord { key: "roam" }), "{word}");
        }
    }
}
