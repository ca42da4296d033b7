//! Who asks for something: all that file systems and terminals need to know of a process.

use wayfarer_proto::id::Pid;
use wayfarer_proto::linux::signal::Signal;

/// The process on whose behalf a file operation runs.
pub trait Asker {
    /// Its process id: what `/proc/self` points to.
    fn pid(&self) -> Pid;
    /// Its session, named by the leader's process id.
    fn session(&self) -> Pid;
    /// Its process group.
    fn group(&self) -> Pid;
    /// Whether it ignores or blocks this signal, so that sending it would not stop it.
    fn ignores_or_blocks(&self, signal: Signal) -> bool;
    /// Whether its process group is orphaned: nobody in the session could continue it if it
    /// stopped (setpgid(2)).
    fn is_group_orphaned(&self) -> bool;
    /// The session of another process group; `None` if no process is in it.
    fn session_of_group(&self, group: Pid) -> Option<Pid>;

    /// Whether it leads its session.
    fn leads_session(&self) -> bool {
        self.pid() == self.session()
    }
}
