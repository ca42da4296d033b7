//! Moving programs by themselves, for tests and for studying migration: `roam=` on the kernel
//! command line.
//!
//! ```text
//! roam=7         every process moves to the next node before every 7th call it makes on a node
//! roam=once:7    every process moves once, before its 7th call at home
//! ```

use core::fmt;
use core::str::FromStr;

use crate::boot::BadWord;

/// When processes move without being told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Roam {
    /// Never.
    #[default]
    Stay,
    /// Before every nth call that a process makes on a node.
    Every(u32),
    /// Once, before the nth call that a process makes at home.
    Once(u32),
}

impl Roam {
    /// The word on a kernel command line; [`Roam::Stay`] if there is none.
    ///
    /// # Errors
    /// [`BadWord`] if it makes no sense.
    pub fn from_line(line: &str) -> Result<Self, BadWord> {
        let word = line.split_ascii_whitespace().find_map(|word| word.strip_prefix("roam="));
        word.map_or(Ok(Self::Stay), str::parse)
    }
}

impl FromStr for Roam {
    type Err = BadWord;

    fn from_str(text: &str) -> Result<Self, BadWord> {
        let number = |text: &str| match text.parse() {
            Ok(calls @ 1..) => Ok(calls),
            _ => Err(BadWord { key: "roam" }),
        };
        match text.strip_prefix("once:") {
            Some(calls) => number(calls).map(Self::Once),
            None => number(text).map(Self::Every),
        }
    }
}

impl fmt::Display for Roam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stay => Ok(()),
            Self::Every(calls) => write!(f, "roam={calls}"),
            Self::Once(calls) => write!(f, "roam=once:{calls}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for roam in [Roam::Stay, Roam::Every(7), Roam::Once(1)] {
            assert_eq!(Roam::from_line(&roam.to_string()), Ok(roam));
        }
        assert_eq!(Roam::from_line("node=1 roam=0"), Err(BadWord { key: "roam" }));
    }
}
