//! Where the frames of nodes go: to the cluster's owner, and copies of what is no output of a
//! program to whoever listens besides.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};

use wayfarer_proto::console::FromNode;
use wayfarer_proto::id::NodeId;

use crate::cluster::Notice;
use crate::console::Event;
use crate::placement::Confinement;

/// A frame and the node it came from.
pub(crate) type Report = (NodeId, FromNode);

/// Tells what nodes say.
#[derive(Clone, Debug)]
pub(crate) struct Reporter {
    owner: Sender<Notice>,
    listeners: Arc<Mutex<Vec<Sender<Report>>>>,
    confinement: Option<Arc<Confinement>>,
}

impl Reporter {
    pub(crate) fn new(owner: Sender<Notice>, confinement: Option<Arc<Confinement>>) -> Self {
        Self { owner, listeners: Arc::default(), confinement }
    }

    /// Tells one event; whether the owner still wants to hear. What a node says for the sake of
    /// its placement goes no further.
    pub(crate) fn tell(&self, node: NodeId, event: Event) -> bool {
        match (&self.confinement, &event) {
            (Some(confinement), Event::Frame(FromNode::Bulk(sends))) => {
                confinement.note_bulk(node, *sends);
            }
            (Some(confinement), Event::Closed) => confinement.remove(node),
            _ => {}
        }
        if matches!(event, Event::Frame(FromNode::Bulk(_))) {
            return true;
        }
        if let Event::Frame(frame) = &event
            && is_report(frame)
        {
            self.copy(node, frame);
        }
        self.owner.send(Notice::Console(node, event)).is_ok()
    }

    /// What nodes report from now on, of processes, moves and themselves.
    pub(crate) fn listen(&self) -> Receiver<Report> {
        let (sender, receiver) = mpsc::channel();
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        receiver
    }

    fn copy(&self, node: NodeId, frame: &FromNode) {
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.retain(|listener| listener.send((node, frame.clone())).is_ok());
    }
}

fn is_report(frame: &FromNode) -> bool {
    use FromNode as F;
    matches!(frame, F::Half(_) | F::Counts(_) | F::Moved(_) | F::Refused(_))
}

#[cfg(test)]
mod tests {
    use wayfarer_proto::console::Refused;
    use wayfarer_proto::errno::Errno;
    use wayfarer_proto::id::Pid;

    use super::*;

    #[test]
    fn reports_are_copied_and_output_is_not() {
        let (owner, notices) = mpsc::channel();
        let reporter = Reporter::new(owner, None);
        let (first, second) = (reporter.listen(), reporter.listen());
        drop(second);
        let refused =
            Refused { pid: Pid(1), node: NodeId(2), errno: Errno::EBUSY, reason: String::new() };
        assert!(reporter.tell(NodeId(1), Event::Frame(FromNode::Stdout(vec![1]))));
        assert!(reporter.tell(NodeId(1), Event::Frame(FromNode::Refused(refused.clone()))));
        assert_eq!(first.try_recv(), Ok((NodeId(1), FromNode::Refused(refused))));
        assert!(first.try_recv().is_err());
        assert_eq!(notices.try_iter().count(), 2);
        drop(notices);
        assert!(!reporter.tell(NodeId(1), Event::Closed));
    }
}
