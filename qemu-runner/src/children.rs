//! Child processes that die with this one, however it ends.

use std::ffi::OsStr;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::sync::mpsc::{self, Sender, SyncSender};

type Order = (Command, SyncSender<io::Result<Child>>);

/// A command that runs `program` and is killed when its parent *thread* ends (`PR_SET_PDEATHSIG`,
/// prctl(2)): so it must be started by [`spawn`]. It has its own process group, for Ctrl-C on the
/// terminal is meant for the program on the node.
pub(crate) fn mortal(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program).process_group(0);
    command
}

/// Starts a command from a thread that lives as long as this process, not as long as the caller.
///
/// # Errors
/// Those of [`Command::spawn`].
pub(crate) fn spawn(command: Command) -> io::Result<Child> {
    static SPAWNER: OnceLock<Sender<Order>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(start_spawner);
    let (reply, answer) = mpsc::sync_channel(1);
    let gone = |_| io::Error::other("the thread that starts processes is gone");
    spawner.send((command, reply)).map_err(|_| io::Error::other("cannot start a process"))?;
    answer.recv().map_err(gone)?
}

fn start_spawner() -> Sender<Order> {
    let (orders, inbox) = mpsc::channel::<Order>();
    std::thread::spawn(move || {
        for (mut command, reply) in inbox {
            // A caller that went away leaves a child nobody will end.
            if let Err(mpsc::SendError(Ok(mut orphan))) = reply.send(command.spawn()) {
                let _ = orphan.kill();
                let _ = orphan.wait();
            }
        }
    });
    orders
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;

    #[test]
    fn child_outlives_the_thread_that_asked_for_it() {
        let ask = || {
            let mut command = mortal("cat");
            command.stdin(Stdio::piped()).stdout(Stdio::null());
            spawn(command).unwrap()
        };
        let mut child = std::thread::spawn(ask).join().unwrap();
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success(), "cat ends by itself, not by a signal");
    }

    #[test]
    fn missing_program_is_an_error_of_the_child() {
        let mut child = spawn(mortal("/no/such/program")).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(127));
    }
}
