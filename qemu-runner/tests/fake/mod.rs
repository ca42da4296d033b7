//! A node that is a shell script speaking the console protocol, in QEMU's place: the runner is
//! tested without a kernel, and with nodes that misbehave.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use tempfile::TempDir;
use wayfarer_proto::console::{
    CONSOLE_VERSION, Exit, ExitStatus, Frame as _, FrameReader, FromNode, Hello, Started, ToNode,
};
use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{NodeId, Pid};

/// The one node of a fake cluster.
pub(crate) const NODE: NodeId = NodeId(1);

/// Reads frames: a length, then a tag and the rest; 8 is Shutdown's tag, 33 QEMU's status after it.
/// Nobody is there any more where frames end.
const FUNCTIONS: &str = "\
    frame() { n=$(head -c 4 | od -An -tu4); [ -n \"$n\" ] || exit 1\n\
        tag=$(head -c $n | od -An -tu1 -N1); }\n\
    power_off() { until [ ${tag:-0} -eq 8 ]; do frame; done; exit 33; }\n";

/// A node that is a script; what it shall say lies in files beside it.
pub(crate) struct Fake {
    directory: TempDir,
}

impl Fake {
    /// `$D` in the script is the directory of the fake, `cat $D/hello` its first frame; `frame`
    /// reads one frame, and `power_off` the rest up to Shutdown.
    pub(crate) fn new(script: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let head = format!("#!/bin/sh\nD={}\n{FUNCTIONS}", directory.path().display());
        let path = directory.path().join("node");
        fs::write(&path, head + script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Self { directory }.says("hello", &[hello(CONSOLE_VERSION)])
    }

    /// Puts frames into a file that the script can `cat`.
    pub(crate) fn says(self, name: &str, frames: &[FromNode]) -> Self {
        let mut bytes = Vec::new();
        frames.iter().for_each(|frame| frame.encode(&mut bytes).unwrap());
        fs::write(self.path(name), bytes).unwrap();
        self
    }

    /// What to start in QEMU's place.
    pub(crate) fn program(&self) -> PathBuf {
        self.path("node")
    }

    /// A file beside the script.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// What the script wrote into `name`.
    pub(crate) fn heard(&self, name: &str) -> Vec<ToNode> {
        let mut reader = FrameReader::new();
        reader.push(&fs::read(self.path(name)).unwrap_or_default());
        std::iter::from_fn(|| reader.next().unwrap()).collect()
    }
}

pub(crate) fn hello(version: u32) -> FromNode {
    FromNode::Hello(Hello { version, node: NODE, nodes: 1 })
}

pub(crate) fn started(result: Result<(), Errno>) -> FromNode {
    FromNode::Started(Started { pid: Pid(2), result })
}

pub(crate) fn exit(status: ExitStatus) -> FromNode {
    FromNode::Exit(Exit { pid: Pid(2), status })
}
