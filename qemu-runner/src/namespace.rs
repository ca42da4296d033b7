//! The network of `--net tap`: a bridge and a tap device per node, inside an unnamed network
//! namespace (`network_namespaces(7)`).
//!
//! Nothing of it is ever visible outside, and it lives only as long as a process is in it: the
//! holder and the QEMUs, all of which die with the runner. So nothing is left, however it ends.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};

use wayfarer_proto::id::NodeId;

use crate::children;
use crate::wiring::tap_name;

/// Why the network of `--net tap` could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TapError {
    /// Only root may make network devices.
    #[error("--net tap needs root; --net dgram does the same without")]
    NotRoot,
    /// The process that holds the namespace could not be started.
    #[error("cannot run unshare(1): {0}")]
    NoHolder(io::Error),
    /// ip(8) refused.
    #[error("cannot make the bridge: {0}")]
    Refused(String),
}

/// A network namespace with a bridge in it. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Namespace {
    holder: Child,
}

impl Namespace {
    /// Makes the namespace, its bridge and one tap device for each node.
    pub(crate) fn new(nodes: u16, mtu: u16) -> Result<Self, TapError> {
        if !rustix::process::geteuid().is_root() {
            return Err(TapError::NotRoot);
        }
        let mut command = children::mortal("unshare");
        command.args(["--net", "--", "sh", "-ec", &script(nodes, mtu)]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut holder = children::spawn(command).map_err(TapError::NoHolder)?;
        let mut line = String::new();
        if let Some(output) = holder.stdout.take() {
            BufReader::new(output).read_line(&mut line).map_err(TapError::NoHolder)?;
        }
        let namespace = Self { holder };
        if line.trim() == "ready" { Ok(namespace) } else { Err(namespace.refused()) }
    }

    /// A command that runs `program` inside, with the rest as [`children::mortal`] has it.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let holder = self.holder.id().to_string();
        let mut command = children::mortal("nsenter");
        command.args(["--target", &holder, "--net", "--"]).arg(program);
        command
    }

    fn refused(mut self) -> TapError {
        let mut text = String::new();
        if let Some(mut errors) = self.holder.stderr.take() {
            let _ = errors.read_to_string(&mut text);
        }
        TapError::Refused(text.trim().replace('\n', "; "))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// Makes the devices, says "ready", then waits for its input to end. Its words are all ours.
fn script(nodes: u16, mtu: u16) -> String {
    let mut script = String::from("ip link add bridge type bridge\n");
    for node in (1..=nodes).map(NodeId) {
        let tap = tap_name(node);
        let _ = writeln!(script, "ip tuntap add {tap} mode tap");
        let _ = writeln!(script, "ip link set {tap} mtu {mtu} master bridge up");
    }
    script.push_str("ip link set bridge up\necho ready\nexec cat >/dev/null\n");
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As root it must work; otherwise it must say so.
    #[test]
    fn namespace_has_its_taps_and_the_host_does_not() {
        if !rustix::process::geteuid().is_root() {
            assert!(matches!(Namespace::new(2, 1500), Err(TapError::NotRoot)));
            return;
        }
        let namespace = match Namespace::new(2, 9000) {
            Ok(namespace) => namespace,
            // A container may forbid even root to make namespaces or taps.
            Err(TapError::Refused(why)) => {
                eprintln!("skipped: {why}");
                return;
            }
            Err(other) => panic!("{other}"),
        };
        let inside = namespace.command("ip").args(["-br", "link"]).output().unwrap();
        let inside = String::from_utf8_lossy(&inside.stdout).into_owned();
        assert!(inside.contains("tap1") && inside.contains("tap2"), "{inside}");
        assert!(inside.contains("bridge"), "{inside}");
        let outside = std::fs::read_to_string("/proc/net/dev").unwrap();
        assert!(!outside.contains("tap1:"), "{outside}");
    }
}
