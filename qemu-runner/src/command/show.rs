//! Frames as lines for a person.

use std::collections::BTreeMap;

use wayfarer_proto::console::{FromNode, Moved, Refused, Trace};
use wayfarer_proto::id::NodeId;
use wayfarer_proto::linux::calls;

/// The line for a frame that is no output of the program, or `None` when there is nothing to say.
/// Calls and moves are for those who trace. The kernel's log is for everyone: it says nothing while
/// all is well.
pub(crate) fn line(sender: NodeId, frame: &FromNode, trace: bool) -> Option<String> {
    match frame {
        FromNode::Refused(refused) => Some(refusal(refused)),
        FromNode::Trace(call) if trace => Some(traced(call)),
        FromNode::Moved(moved) if trace => Some(moved_line(moved)),
        FromNode::Log(text) => Some(format!("wayfarer: node {sender}: {text}")),
        _ => None,
    }
}

fn traced(trace: &Trace) -> String {
    let Trace { node, pid, tid, call, class, microseconds } = trace;
    let thread = if tid.0 == pid.0 { String::new() } else { format!("/{tid}") };
    format!("[{node}] {pid}{thread} {call} <{} {microseconds} us>", class.name())
}

pub(crate) fn moved_line(moved: &Moved) -> String {
    let Moved { program, pid, from, to, bytes, total_us, frozen_us, round_trips, result } = moved;
    match result {
        Ok(()) => format!(
            "{program}[{pid}] moved {from} -> {to}: {bytes} bytes in {total_us} us, frozen \
             {frozen_us} us, {round_trips} round trips"
        ),
        Err(errno) => format!("{program}[{pid}] did not move {from} -> {to}: {errno}"),
    }
}

pub(crate) fn refusal(refused: &Refused) -> String {
    let Refused { pid, node, errno, reason } = refused;
    format!("process {pid} stays: moving it to node {node} was refused, {errno}: {reason}")
}

/// The system calls that programs made and the kernel does not have.
pub(crate) fn missing(calls: &BTreeMap<u64, String>) -> String {
    let name = |(number, program): (&u64, &String)| match calls::name(*number) {
        Some(name) => format!("{name} ({program})"),
        None => format!("{number:#x} ({program})"),
    };
    let names: Vec<String> = calls.iter().map(name).collect();
    format!("wayfarer: system calls that are missing (ENOSYS): {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use wayfarer_proto::id::{Pid, Tid};
    use wayfarer_proto::table::Class;

    use super::*;

    #[test]
    fn missing_calls_are_named() {
        let calls = BTreeMap::from([(425, "a".to_owned()), (0x3000, "b".to_owned())]);
        assert!(missing(&calls).ends_with(": io_uring_setup (a), 0x3000 (b)"));
    }

    #[test]
    fn a_traced_call() {
        let frame = FromNode::Trace(Trace {
            node: NodeId(2),
            pid: Pid(7),
            tid: Tid(9),
            call: "close(3) = 0".to_owned(),
            class: Class::Remote,
            microseconds: 61,
        });
        let shown = line(NodeId(1), &frame, true);
        assert_eq!(shown.as_deref(), Some("[2] 7/9 close(3) = 0 <remote 61 us>"));
        assert_eq!(line(NodeId(1), &frame, false), None);
    }
}
