//! Directories of this host that node 1 mounts: QEMU serves them by virtio-9p.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use wayfarer_proto::share::ShareWord;

/// A directory of this host, and where node 1 mounts it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Share {
    /// The directory.
    pub host: PathBuf,
    /// The absolute path on the node.
    pub guest: String,
    /// Whether programs of the node cannot change it.
    pub read_only: bool,
}

/// Why there is no such share.
#[derive(Debug, thiserror::Error)]
pub enum ShareError {
    /// Not `HOST:GUEST` or `HOST:GUEST:ro`.
    #[error("expected HOST:GUEST or HOST:GUEST:ro, GUEST being an absolute path without spaces")]
    Syntax,
    /// The directory is none, or cannot be read.
    #[error("cannot share {path}: {source}")]
    Host {
        /// The directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Two are to be mounted in one place.
    #[error("two directories are shared as {0}")]
    Twice(String),
}

impl FromStr for Share {
    type Err = ShareError;

    fn from_str(text: &str) -> Result<Self, ShareError> {
        let (text, read_only) = match text.strip_suffix(":ro") {
            Some(text) => (text, true),
            None => (text, false),
        };
        let (host, guest) = text.rsplit_once(':').ok_or(ShareError::Syntax)?;
        let guest = guest.trim_end_matches('/');
        if host.is_empty() || !ShareWord::is_mountable(guest) {
            return Err(ShareError::Syntax);
        }
        Ok(Self { host: host.into(), guest: guest.into(), read_only })
    }
}

impl Share {
    /// Checks that all directories are there and have places of their own.
    ///
    /// # Errors
    /// [`ShareError`] for the first that does not.
    pub fn check(shares: &[Self]) -> Result<(), ShareError> {
        for (index, share) in shares.iter().enumerate() {
            let readable = std::fs::read_dir(&share.host).map(drop);
            readable.map_err(|source| ShareError::Host { path: share.host.clone(), source })?;
            if shares[..index].iter().any(|other| other.guest == share.guest) {
                return Err(ShareError::Twice(share.guest.clone()));
            }
        }
        Ok(())
    }

    /// The word on the kernel's command line for the share of this index.
    pub(crate) fn word(&self, index: usize) -> ShareWord {
        ShareWord { tag: tag(index), path: self.guest.clone(), read_only: self.read_only }
    }

    /// QEMU's `-fsdev` and `-device` for the share of this index. Files of the host are shown as
    /// they are, and what is made is made as a process of the runner's user would.
    pub(crate) fn arguments(&self, index: usize) -> [OsString; 2] {
        let tag = tag(index);
        let mut fsdev = OsString::from(format!("local,id={tag},security_model=none"));
        fsdev.push(",multidevs=remap");
        if self.read_only {
            fsdev.push(",readonly=on");
        }
        let path = std::path::absolute(&self.host).unwrap_or_else(|_| self.host.clone());
        fsdev.push(doubled_commas(&path));
        [fsdev, format!("virtio-9p-device,fsdev={tag},mount_tag={tag}").into()]
    }
}

fn tag(index: usize) -> String {
    format!("share{index}")
}

/// QEMU reads a doubled comma as one that separates nothing.
fn doubled_commas(path: &Path) -> OsString {
    OsString::from(format!(",path={}", path.to_string_lossy().replace(',', ",,")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_and_places() {
        let share = |host: &str, guest: &str, read_only| Share {
            host: host.into(),
            guest: guest.into(),
            read_only,
        };
        for (text, expected) in [
            ("./data:/data", share("./data", "/data", false)),
            ("a:b:/c:ro", share("a:b", "/c", true)),
            (".:/mnt/x/", share(".", "/mnt/x", false)),
        ] {
            assert_eq!(text.parse::<Share>().unwrap(), expected, "{text}");
        }
        for text in ["", "a", "a:", ":/b", "a:b", "a:/", "a:/..", "a:/b c", "/b:ro", "a:/b:rw"] {
            assert!(matches!(text.parse::<Share>(), Err(ShareError::Syntax)), "{text}");
        }
    }

    #[test]
    fn what_is_not_there_is_named() {
        let missing = "/no/such/directory:/x".parse::<Share>().unwrap();
        let error = Share::check(&[missing]).unwrap_err().to_string();
        assert!(error.starts_with("cannot share /no/such/directory: No such file"), "{error}");
        let file = "/proc/self/stat:/x".parse::<Share>().unwrap();
        let error = Share::check(&[file]).unwrap_err().to_string();
        assert!(error.contains("Not a directory"), "{error}");
        let twice = ["/:/x", "/proc:/x"].map(|text| text.parse::<Share>().unwrap());
        assert!(matches!(Share::check(&twice), Err(ShareError::Twice(_))));
    }

    #[test]
    fn qemu_is_told_of_commas() {
        let share = "/a,b:/x:ro".parse::<Share>().unwrap();
        let [fsdev, device] = share.arguments(1).map(|text| text.into_string().unwrap());
        assert!(fsdev.ends_with("readonly=on,path=/a,,b"), "{fsdev}");
        assert_eq!(device, "virtio-9p-device,fsdev=share1,mount_tag=share1");
    }
}
