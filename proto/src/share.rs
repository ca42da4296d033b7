//! Directories of the host that a node mounts: `share=` on the kernel command line.
//!
//! ```text
//! share=rw:share0:/data       the directory that the host shares as share0 is mounted on /data
//! share=ro:share1:/usr/src    so is this one, which the host lets nobody change
//! ```

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use crate::boot::BadWord;

/// Bytes of the longest name of a share: the kernel's own names are shorter, and so is Linux's
/// limit of 31.
const TAG_MAX: usize = 31;

/// A directory that the host shares, and where it is mounted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShareWord {
    /// Its name between host and node.
    pub tag: String,
    /// The absolute path that it is mounted on; no white space.
    pub path: String,
    /// Whether the host lets nobody change it.
    pub read_only: bool,
}

impl ShareWord {
    /// The words on a kernel command line, in their order.
    pub fn from_line(line: &str) -> impl Iterator<Item = Result<Self, BadWord>> + '_ {
        line.split_ascii_whitespace().filter_map(|word| word.strip_prefix("share=")).map(str::parse)
    }

    /// Whether a share can be mounted on `path`: absolute, not the root, and one word.
    pub fn is_mountable(path: &str) -> bool {
        path.starts_with('/')
            && path.split('/').any(|name| !name.is_empty())
            && !path.split('/').any(|name| matches!(name, "." | ".."))
            && !path.contains(|c: char| c.is_whitespace() || c.is_control())
    }
}

impl fmt::Display for ShareWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = if self.read_only { "ro" } else { "rw" };
        write!(f, "share={mode}:{}:{}", self.tag, self.path)
    }
}

impl FromStr for ShareWord {
    type Err = BadWord;

    fn from_str(text: &str) -> Result<Self, BadWord> {
        let bad = BadWord { key: "share" };
        let mut parts = text.splitn(3, ':');
        let mut part = || parts.next().ok_or(bad);
        let read_only = match part()? {
            "ro" => true,
            "rw" => false,
            _ => return Err(bad),
        };
        let (tag, path) = (part()?, part()?);
        if tag.is_empty() || tag.len() > TAG_MAX || !Self::is_mountable(path) {
            return Err(bad);
        }
        Ok(Self { tag: tag.into(), path: path.into(), read_only })
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn words_are_read_as_they_are_written() {
        for (path, read_only) in [("/data", false), ("/a/b:c", true), ("/ä,=", false)] {
            let word = ShareWord { tag: "share0".into(), path: path.into(), read_only };
            let line = alloc::format!("node=1 {word} trace");
            assert_eq!(ShareWord::from_line(&line).collect::<Vec<_>>(), [Ok(word)]);
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let bad = BadWord { key: "share" };
        for word in
            ["", "rw", "rw:a", "rw::/x", "rw:a:", "rw:a:x", "rw:a:/", "rw:a:/../x", "x:a:/b"]
        {
            assert_eq!(word.parse::<ShareWord>(), Err(bad), "{word}");
        }
        let long = "x".repeat(TAG_MAX + 1);
        assert_eq!(alloc::format!("rw:{long}:/x").parse::<ShareWord>(), Err(bad));
        assert!(!ShareWord::is_mountable("/with space") && !ShareWord::is_mountable("/tab\tx"));
        let ok = ShareWord { tag: "t".into(), path: "/x".into(), read_only: true };
        assert_eq!(ok.to_string(), "share=ro:t:/x");
    }
}
