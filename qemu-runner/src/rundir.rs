//! The directory that holds a cluster's sockets and logs while it runs.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

const PREFIX: &str = "wayfarer-";
const LOCK: &str = "lock";

/// A directory younger than this may be one whose owner has not locked it yet.
const SETTLED: Duration = Duration::from_secs(60);

/// A temporary directory that is removed when dropped; one whose owner was killed is removed by
/// the next run, which finds its lock free. Its path is short, for a UNIX socket's has 108 bytes.
#[derive(Debug)]
pub(crate) struct RunDir {
    directory: TempDir,
    /// Locked until the process ends (`flock(2)`).
    _lock: File,
}

impl RunDir {
    pub(crate) fn new() -> io::Result<Self> {
        let base = base();
        sweep(&base);
        let directory = tempfile::Builder::new().prefix(PREFIX).tempdir_in(base)?;
        let lock = File::create(directory.path().join(LOCK))?;
        lock.lock()?;
        Ok(Self { directory, _lock: lock })
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

/// The user's own runtime directory (XDG Base Directory Specification), or `/tmp`.
fn base() -> PathBuf {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    runtime.filter(|path| path.is_dir()).unwrap_or_else(|| PathBuf::from("/tmp"))
}

/// The directories of this user's runs, those that ended badly included.
pub(crate) fn all() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(base()).into_iter().flatten().flatten();
    let ours = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX));
    ours.map(|entry| entry.path()).collect()
}

/// Removes what killed runs left behind. Best effort: what cannot be removed stays.
fn sweep(base: &Path) {
    for entry in std::fs::read_dir(base).into_iter().flatten().flatten() {
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if ours && is_abandoned(&entry.path()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

fn is_abandoned(directory: &Path) -> bool {
    let Ok(lock) = File::open(directory.join(LOCK)) else { return false };
    let made =
        lock.metadata().and_then(|lock| lock.modified()).unwrap_or_else(|_| SystemTime::now());
    let settled = made.elapsed().is_ok_and(|age| age > SETTLED);
    settled && lock.try_lock().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removed_when_dropped_and_locked_until_then() {
        let run = RunDir::new().unwrap();
        let path = run.join("x").parent().unwrap().to_owned();
        assert!(!is_abandoned(&path));
        let lock = File::open(path.join(LOCK)).unwrap();
        assert!(lock.try_lock().is_err(), "held while the run lives");
        drop(run);
        assert!(!path.exists());
    }

    #[test]
    fn abandoned_is_old_and_unlocked() {
        let base = tempfile::tempdir().unwrap();
        let left = base.path().join("wayfarer-left");
        let other = base.path().join("other");
        for directory in [&left, &other] {
            std::fs::create_dir(directory).unwrap();
            let lock = File::create(directory.join(LOCK)).unwrap();
            lock.set_modified(SystemTime::now() - 2 * SETTLED).unwrap();
        }
        sweep(base.path());
        assert!(!left.exists() && other.exists());
    }
}
