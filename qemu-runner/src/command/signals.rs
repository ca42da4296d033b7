//! Signals to this command become signals to the program.

use std::io;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGWINCH};
use signal_hook::iterator::Signals;
use wayfarer::{Cluster, Interrupter};
use wayfarer_proto::console::ToNode;
use wayfarer_proto::id::NodeId;

use super::terminal;

/// From now on passes SIGINT, SIGTERM, SIGHUP and changes of the terminal's size to the program on
/// `node`. The second signal that asks for an end ends the cluster: a program may ignore the first.
pub(crate) fn forward(cluster: &Cluster, node: NodeId) -> io::Result<()> {
    let console = cluster.node(node).clone();
    let interrupter = cluster.interrupter();
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGWINCH])?;
    std::thread::spawn(move || {
        let mut asked = false;
        for signal in &mut signals {
            let frame = match signal {
                SIGWINCH => ToNode::WindowSize(terminal::size()),
                _ if asked => {
                    interrupter.interrupt();
                    continue;
                }
                signal => {
                    asked = true;
                    ToNode::Signal(signal)
                }
            };
            // A node that is gone has nothing to be told; `recv` reports it.
            let _ = console.send(&frame);
        }
    });
    Ok(())
}

/// From now on the first SIGINT, SIGTERM or SIGHUP ends the cluster.
pub(crate) fn interrupt(interrupter: Interrupter) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    std::thread::spawn(move || {
        for _ in &mut signals {
            interrupter.interrupt();
        }
    });
    Ok(())
}
