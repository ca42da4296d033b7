//! The running cluster's side: a thread that asks the nodes and listens to what they report.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use wayfarer_proto::console::{Counts, FromNode, Half, MoveOrder, ToNode};
use wayfarer_proto::id::{NodeId, Pid};

use super::{Answer, Node, Process, Request, SOCKET, read_line, write_line};
use crate::cluster::Cluster;
use crate::console::ConsoleSender;
use crate::reporter::{Report, Reporter};

/// How long nodes may take to say what they hold.
const ANSWER: Duration = Duration::from_secs(10);

/// How long a move may take, or be refused: longer than a link is believed in.
const MOVE: Duration = Duration::from_secs(40);

/// Every node's own parent of orphans, which is no program.
const INIT: Pid = Pid(1);

/// A page in KiB.
const FRAME_KIB: u64 = 4;

/// What the thread knows of the cluster.
struct Server {
    nodes: Vec<(NodeId, ConsoleSender, u32)>,
    reporter: Reporter,
}

impl Cluster {
    /// From now on answers `ps`, `move` and `top` from other terminals, as long as this process
    /// lives.
    ///
    /// # Errors
    /// If the socket cannot be made.
    pub fn serve_control(&self) -> io::Result<()> {
        let listener = UnixListener::bind(self.directory.join(SOCKET))?;
        let nodes = self.vms.iter().map(|vm| (vm.node, vm.console.clone(), vm.child().id()));
        let server = Server { nodes: nodes.collect(), reporter: self.reporter.clone() };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // Who asked and went away needs no answer.
                let _ = server.serve(stream);
            }
        });
        Ok(())
    }
}

impl Server {
    fn serve(&self, mut stream: UnixStream) -> io::Result<()> {
        stream.set_read_timeout(Some(ANSWER))?;
        let answer = match read_line(stream.try_clone()?)? {
            Request::About => about(),
            Request::Processes => self.processes(),
            Request::Move { pid, node } => self.order(Pid(pid), NodeId(node)),
        };
        write_line(&mut stream, &answer)
    }

    fn processes(&self) -> Answer {
        let (halves, counts) = self.survey();
        let processes = merged(halves);
        let nodes = self.nodes.iter().filter_map(|(node, _, qemu)| {
            let counts = counts.get(node)?;
            let bodies = processes.iter().filter(|process| process.node == node.0).count();
            Some(Node {
                node: node.0,
                cpu_ms: cpu_ms(*qemu),
                free_kib: counts.frames_free * FRAME_KIB,
                total_kib: counts.frames_total * FRAME_KIB,
                bodies: bodies as u64,
                sockets: counts.sockets,
            })
        });
        let nodes = nodes.collect();
        Answer::Processes { processes, nodes }
    }

    /// Asks all nodes; one that is gone does not answer.
    fn survey(&self) -> (Vec<Half>, BTreeMap<NodeId, Counts>) {
        let reports = self.reporter.listen();
        let asked = self
            .nodes
            .iter()
            .filter(|(_, console, _)| console.send(&ToNode::QueryProcesses).is_ok());
        let awaited = asked.count();
        let (mut halves, mut counts) = (Vec::new(), BTreeMap::new());
        let deadline = Instant::now() + ANSWER;
        while counts.len() < awaited
            && let Some((node, frame)) = next(&reports, deadline)
        {
            match frame {
                FromNode::Half(half) => halves.push(half),
                FromNode::Counts(held) => drop(counts.insert(node, held)),
                _ => {}
            }
        }
        (halves, counts)
    }

    fn order(&self, pid: Pid, node: NodeId) -> Answer {
        let (halves, _) = self.survey();
        let Some(process) = merged(halves).into_iter().find(|process| process.pid == pid.0) else {
            return Answer::Failed(format!("there is no process {pid}"));
        };
        if process.node == node.0 {
            return Answer::Done(format!("process {pid} is on node {node}"));
        }
        let reports = self.reporter.listen();
        let home = self.nodes.iter().find(|(id, ..)| id.0 == process.home);
        let order = ToNode::Move(MoveOrder { pid, node });
        if home.is_none_or(|(_, console, _)| console.send(&order).is_err()) {
            return Answer::Failed(format!("node {}, its home, is gone", process.home));
        }
        let deadline = Instant::now() + MOVE;
        while let Some((_, frame)) = next(&reports, deadline) {
            match frame {
                FromNode::Moved(moved) if moved.pid == pid && moved.to == node => {
                    return match moved.result {
                        Ok(()) => Answer::Done(format!(
                            "process {pid} moved {} -> {node}: {} bytes in {} us",
                            moved.from, moved.bytes, moved.total_us
                        )),
                        Err(errno) => Answer::Failed(format!("process {pid} stays: {errno}")),
                    };
                }
                FromNode::Refused(refused) if refused.pid == pid && refused.node == node => {
                    let why = format!("process {pid} stays: {}", refused.reason);
                    return Answer::Failed(why);
                }
                _ => {}
            }
        }
        Answer::Failed(format!("process {pid} has not moved within {MOVE:?}"))
    }
}

fn next(reports: &Receiver<Report>, deadline: Instant) -> Option<Report> {
    reports.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()
}

fn about() -> Answer {
    let words: Vec<String> =
        std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    Answer::About { runner: std::process::id(), command: words.join(" ") }
}

/// Each process once: its home knows who it is, the node of its body what it does there.
fn merged(halves: Vec<Half>) -> Vec<Process> {
    let mut processes: BTreeMap<(NodeId, Pid), Process> = BTreeMap::new();
    let programs = halves.into_iter().filter(|half| half.pid != INIT);
    let (at_home, away): (Vec<Half>, Vec<Half>) = programs.partition(|half| half.state != 0);
    for half in at_home {
        let process = Process {
            home: half.home.0,
            pid: half.pid.0,
            parent: half.parent.0,
            node: half.place.0,
            state: char::from(half.state),
            local: half.local,
            remote: half.remote,
            special: half.special,
            cpu_us: half.cpu_us,
            command: half.command,
        };
        processes.insert((half.home, half.pid), process);
    }
    for half in away {
        // A body in transit is known to both ends; home decides which one counts.
        if let Some(process) = processes.get_mut(&(half.home, half.pid))
            && process.node == half.place.0
        {
            process.local = process.local.max(half.local);
            process.cpu_us = process.cpu_us.max(half.cpu_us);
        }
    }
    processes.into_values().collect()
}

/// CPU time of a process of this host in milliseconds (`/proc/PID/stat`, fields 14 and 15, in
/// hundredths of a second).
fn cpu_ms(process: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    ticks * 10
}

#[cfg(test)]
mod tests {
    use super::*;

    fn half(pid: i32, place: u16, state: u8, local: u64) -> Half {
        Half {
            home: NodeId(1),
            pid: Pid(pid),
            parent: Pid(1),
            state,
            place: NodeId(place),
            command: "sh".to_owned(),
            local,
            remote: 3,
            special: 4,
            cpu_us: 5,
        }
    }

    #[test]
    fn halves_become_processes() {
        let halves =
            vec![half(7, 2, 0, 9), half(7, 2, b'S', 1), half(5, 1, b'R', 0), half(9, 2, 0, 1)];
        let processes = merged(halves);
        let seen: Vec<_> = processes.iter().map(|p| (p.pid, p.node, p.state, p.local)).collect();
        assert_eq!(seen, [(5, 1, 'R', 0), (7, 2, 'S', 9)], "and a body without a home is none");
    }

    #[test]
    fn own_cpu_time_is_read() {
        let mut number = 1_u64;
        while cpu_ms(std::process::id()) == 0 {
            number = std::hint::black_box(number.wrapping_mul(3));
        }
        assert_eq!(cpu_ms(0), 0);
    }
}
