//! Runs programs on the host's Linux, the oracle.

use std::io::{self, Read};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

/// What a program did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Run {
    /// Its exit status, or 128 + the signal that ended it (as a shell says it).
    pub status: i32,
    /// What it wrote to standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub stderr: Vec<u8>,
}

/// The environment programs get: nothing of the host's shines through.
pub const ENVIRONMENT: [(&str, &str); 4] =
    [("PATH", "/bin"), ("HOME", "/root"), ("USER", "root"), ("TERM", "dumb")];

/// Runs `argv` in `directory` with an empty standard input, for at most `limit`.
///
/// It gets a process group of its own, which is killed when it ends or its time is over, so
/// nothing it started outlives it.
///
/// # Errors
/// Fails if the program cannot be started; `TimedOut` if it has not ended within `limit`.
pub fn run(argv: &[&str], directory: &Path, limit: Duration) -> io::Result<Run> {
    // Whoever runs the tests may ignore signals, which programs would inherit.
    let mut child = Command::new("/usr/bin/env")
        .args(["--default-signal", "--"])
        .args(argv)
        .current_dir(directory)
        .env_clear()
        .envs(ENVIRONMENT)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()?;
    let stdout = collect(child.stdout.take());
    let stderr = collect(child.stderr.take());
    let ended = wait(&mut child, limit);
    end_group(&child);
    child.wait()?;
    let (stdout, stderr) = (join(stdout)?, join(stderr)?);
    match ended? {
        Some(status) => Ok(Run { status: shell_status(status), stdout, stderr }),
        None => {
            let said = String::from_utf8_lossy(&stdout);
            Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("{argv:?} still ran after {limit:?}; it had said {said:?}"),
            ))
        }
    }
}

/// The status a shell would show for `status`.
pub fn shell_status(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1)
}

/// Reads `pipe` to its end in a thread, so that neither of two pipes fills up.
fn collect<P: Read + Send + 'static>(pipe: Option<P>) -> JoinHandle<io::Result<Vec<u8>>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            pipe.read_to_end(&mut bytes)?;
        }
        Ok(bytes)
    })
}

fn join(thread: JoinHandle<io::Result<Vec<u8>>>) -> io::Result<Vec<u8>> {
    thread.join().map_err(|_| io::Error::other("the reading thread panicked"))?
}

/// Waits for `child`; `None` when its time is over.
fn wait(child: &mut Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() > deadline {
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Kills whatever is left of the child's process group.
fn end_group(child: &Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // ESRCH: nothing is left, the usual case.
        let _ = kill_process_group(group, Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, limit: Duration) -> io::Result<Run> {
        run(&["/bin/busybox", "sh", "-c", script], Path::new("/"), limit)
    }

    #[test]
    fn both_outputs_and_the_status_are_kept_apart() {
        let run = sh("echo out; echo err >&2; exit 7", Duration::from_secs(10)).unwrap();
        assert_eq!(run, Run { status: 7, stdout: b"out\n".into(), stderr: b"err\n".into() });
    }

    #[test]
    fn a_killed_program_has_a_shells_status() {
        assert_eq!(sh("kill -TERM $$", Duration::from_secs(10)).unwrap().status, 128 + 15);
    }

    #[test]
    fn a_program_that_hangs_is_ended_with_its_children() {
        let error = sh("sleep 100 & sleep 100", Duration::from_millis(100)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
