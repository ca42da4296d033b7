//! Nodes that die and links that are cut in each phase of a move, on real nodes: the matrix of
//! [`Fault`] and [`MovePhase`].
//!
//! The move is held in its phase by the deputy, which then does not hear its peers; they have done
//! all they can when something fails. `WAYFARER_PHASE=Stream` plays only those rows. Every other
//! row is played over TCP, and the rest through shared memory. Processes that share memory share
//! its verdict: they move as one.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use wayfarer::program::command;
use wayfarer::{Channel, Cluster, Initrd, Outcome, artifacts};
use wayfarer_proto::console::{Exit, ExitStatus, FromNode, Half, MoveOrder, ToNode};
use wayfarer_proto::id::{NodeId, Pid};
use wayfarer_proto::session::MovePhase;
use wayfarer_tests::faults::{Fault, HOME, SOURCE, TARGET, Verdict, verdict};
use wayfarer_tests::vm::{Holdings, Nodes, VmError};

/// When a silent peer counts as lost. As a rule every loss is noticed within twice that.
const KEEP_ALIVE: Duration = Duration::from_secs(3);

/// How long anything else may take.
const LIMIT: Duration = Duration::from_secs(120);

/// A program that is moved. It is a copy: of a file of the initial file system each page takes a
/// frame when it is first mapped, and keeps it.
#[derive(Clone, Copy, Debug)]
struct Cast {
    argv: &'static [&'static str],
    processes: usize,
}

/// A process that counts.
const ALONE: Cast = Cast { argv: &["/tmp/pulse"], processes: 1 };

/// Processes that share memory, and count only together.
const GROUP: Cast = Cast { argv: &["/tmp/choir", "3", "2"], processes: 3 };

/// What is being moved, and what it has said.
struct Scene {
    nodes: Nodes,
    pid: Pid,
    /// It and those who move with it, once they do.
    members: Vec<Pid>,
    outcome: Outcome,
}

fn nothing_yet() -> Outcome {
    Outcome::new(ExitStatus::Exited(0))
}

impl Scene {
    /// A program that has begun to count, on its home.
    fn begin(mut nodes: Nodes, cast: Cast) -> Result<Self, VmError> {
        let pid = nodes.begin(&command(cast.argv))?;
        let mut scene = Self { nodes, pid, members: Vec::new(), outcome: nothing_yet() };
        scene.beats()?;
        Ok(scene)
    }

    fn order(&self, node: NodeId) -> Result<(), VmError> {
        let order = MoveOrder { pid: self.pid, node };
        Ok(self.nodes.cluster.node(HOME).send(&ToNode::Move(order))?)
    }

    fn watch<T>(
        &mut self,
        wanted: impl FnMut(NodeId, &FromNode) -> Option<T>,
    ) -> Result<T, VmError> {
        self.nodes.watch(LIMIT, &mut self.outcome, wanted)
    }

    /// Moves it there.
    fn go(&mut self, node: NodeId) -> Result<(), VmError> {
        self.order(node)?;
        self.watch(|_, frame| match frame {
            FromNode::Moved(moved) if moved.to == node => Some(moved.result),
            _ => None,
        })
        .map(|result| assert_eq!(result, Ok(()), "to node {node}"))
    }

    /// Waits for more from it.
    fn beats(&mut self) -> Result<(), VmError> {
        self.watch(|_, frame| matches!(frame, FromNode::Stdout(_)).then_some(()))
    }

    /// Orders a move to the target and waits until it is held, of each process, and the peers have
    /// done their part: in [`MovePhase::Stream`] it counts what that is.
    fn hold(&mut self, phase: MovePhase, processes: usize) -> Result<(), VmError> {
        if phase == MovePhase::Abort {
            // The image cannot travel.
            self.nodes.cluster.cut(SOURCE, TARGET)?;
        }
        self.nodes.cluster.node(HOME).send(&ToNode::Hold(phase))?;
        self.order(TARGET)?;
        // The old body says that it has departed, the new one that it is whole.
        let awaited = if phase == MovePhase::Stream { 2 } else { 0 };
        let mut held = BTreeMap::new();
        self.members = self.watch(|_, frame| {
            if let FromNode::Held(one) = frame {
                assert_eq!(one.phase, phase);
                held.insert(one.pid, one.said);
            }
            let done = held.len() == processes && held.values().all(|said| *said >= awaited);
            done.then(|| held.keys().copied().collect())
        })?;
        assert!(self.members.contains(&self.pid), "{:?}", self.members);
        // Time for what else they may do.
        std::thread::sleep(KEEP_ALIVE / 8);
        if phase == MovePhase::Abort {
            self.nodes.cluster.mend(SOURCE, TARGET)?;
        }
        Ok(())
    }

    fn fail(&mut self, fault: Fault) -> Result<(), VmError> {
        match fault {
            Fault::Dies(node) => self.nodes.cluster.kill(node),
            Fault::Cut(a, b) => self.nodes.cluster.cut(a, b)?,
        }
        if fault != Fault::Dies(HOME) {
            self.nodes.cluster.node(HOME).send(&ToNode::Release)?;
        }
        Ok(())
    }

    /// How it ended.
    fn ended(&mut self) -> Result<ExitStatus, VmError> {
        let pid = self.pid;
        self.watch(|_, frame| match frame {
            FromNode::Exit(Exit { pid: ended, status }) if *ended == pid => Some(status.clone()),
            _ => None,
        })
    }

    /// Takes all that is said until every loss has been noticed; gives how it ended if it did.
    fn settle(&mut self) -> Result<Option<ExitStatus>, VmError> {
        let pid = self.pid;
        let ended = self.nodes.watch(2 * KEEP_ALIVE, &mut self.outcome, |_, frame| match frame {
            FromNode::Exit(Exit { pid: ended, status }) if *ended == pid => Some(status.clone()),
            _ => None,
        });
        match ended {
            Err(VmError::TooLong(..)) => Ok(None),
            ended => ended.map(Some),
        }
    }

    /// What a node knows of the processes.
    fn halves(&mut self, node: NodeId) -> Result<Vec<Half>, VmError> {
        self.nodes.cluster.node(node).send(&ToNode::QueryProcesses)?;
        let (members, mut found) = (self.members.clone(), Vec::new());
        self.watch(|sender, frame| match frame {
            FromNode::Half(half) if (sender, half.home) == (node, HOME) => {
                found.extend(members.contains(&half.pid).then(|| half.clone()));
                None
            }
            FromNode::Counts(_) if sender == node => Some(()),
            _ => None,
        })?;
        Ok(found)
    }

    /// All live there, as their home says, and nowhere else.
    fn lives(&mut self, place: NodeId, fault: Fault) -> Result<(), VmError> {
        assert_eq!(self.settle()?, None, "it has ended: {:?}", self.outcome.log);
        self.beats()?;
        let places: Vec<NodeId> = self.halves(HOME)?.iter().map(|half| half.place).collect();
        let all = self.members.len();
        assert_eq!(places, vec![place; all], "where their home believes they are");
        for node in fault.survivors().into_iter().filter(|node| *node != HOME) {
            let there = if node == place { all } else { 0 };
            let deadline = Instant::now() + LIMIT;
            while self.halves(node)?.len() != there {
                assert!(Instant::now() < deadline, "bodies on node {node}");
                std::thread::sleep(KEEP_ALIVE / 8);
            }
        }
        self.nodes.cluster.node(HOME).send(&ToNode::Signal(9))?;
        assert_eq!(self.ended()?, ExitStatus::Signaled(9));
        Ok(())
    }
}

/// Boots nodes that have moved the program before; says what they hold.
fn boot(cast: Cast, channel: Channel) -> Result<(Nodes, Vec<Holdings>), VmError> {
    let mut initrd = Initrd::new()?;
    initrd.add_program("/bin/pulse", &artifacts::guest("pulse")?)?;
    initrd.add_program("/bin/choir", &artifacts::c_guest("choir")?)?;
    let cluster = Cluster::builder().nodes(3).channel(channel);
    let cluster = cluster.keepalive(KEEP_ALIVE).timeout(5 * LIMIT);
    let mut nodes = Nodes::boot(&cluster, &initrd)?;
    nodes.run(&command(&["cp", "/bin/pulse", "/bin/choir", "/tmp"]), LIMIT)?;
    let mut scene = Scene::begin(nodes, cast)?;
    for node in [SOURCE, TARGET, HOME] {
        scene.go(node)?;
    }
    scene.nodes.cluster.node(HOME).send(&ToNode::Signal(9))?;
    scene.ended()?;
    let mut nodes = scene.nodes;
    let before = nodes.idle(&[HOME, SOURCE, TARGET])?;
    assert!(before.iter().all(Holdings::is_idle), "{before:?}");
    Ok((nodes, before))
}

fn play(cast: Cast, phase: MovePhase, fault: Fault, channel: Channel) -> Result<(), VmError> {
    let (nodes, before) = boot(cast, channel)?;
    let mut scene = Scene::begin(nodes, cast)?;
    scene.go(SOURCE)?;
    scene.beats()?;
    scene.hold(phase, cast.processes)?;
    scene.fail(fault)?;
    match verdict(phase, fault) {
        Verdict::Lives(place) => scene.lives(place, fault)?,
        Verdict::Killed => assert_eq!(scene.ended()?, ExitStatus::Signaled(9)),
        Verdict::Lost => {}
    }
    let survivors = fault.survivors();
    let left: Vec<Holdings> =
        before.into_iter().filter(|holdings| survivors.contains(&holdings.node)).collect();
    assert_eq!(scene.nodes.settle(&left)?, left, "{:?}", scene.outcome.log);
    Ok(())
}

/// Plays every row, or those whose numbers of phase and fault differ by one of `steps`.
fn play_rows(cast: Cast, steps: &[usize], wanted: impl Fn(Fault) -> bool) {
    let only = std::env::var("WAYFARER_PHASE").unwrap_or_default();
    let mut failed = Vec::new();
    for (row, phase) in MovePhase::ALL.into_iter().enumerate() {
        for (column, fault) in Fault::ALL.into_iter().enumerate() {
            let drawn = steps.contains(&((row + column) % Fault::ALL.len()));
            if !drawn || !wanted(fault) || !format!("{phase:?}").contains(&only) {
                continue;
            }
            // One that fails does not hide the others.
            let is_odd = (row + column) % 2 == 1;
            let channel = if is_odd { Channel::Auto } else { Channel::Tcp };
            let played = std::panic::catch_unwind(|| play(cast, phase, fault, channel));
            if let Ok(Err(error)) = &played {
                println!("{phase:?}, {fault:?}, {channel:?}: {error}");
            }
            if !matches!(played, Ok(Ok(()))) {
                failed.push((phase, fault, channel));
            }
        }
    }
    assert!(failed.is_empty(), "{} rows fail: {failed:?}", failed.len());
}

fn is_death(fault: Fault) -> bool {
    matches!(fault, Fault::Dies(_))
}

#[test]
fn a_node_may_die_in_any_phase_of_a_move() {
    play_rows(ALONE, &[0, 3], is_death);
}

#[test]
fn a_link_may_be_cut_in_any_phase_of_a_move() {
    play_rows(ALONE, &[0, 3], |fault| !is_death(fault));
}

#[test]
fn a_group_moves_or_stays_whatever_fails() {
    let on_the_way = [Fault::Dies(TARGET), Fault::Cut(SOURCE, TARGET)];
    play_rows(GROUP, &[1, 5], |fault| on_the_way.contains(&fault));
}

#[test]
#[ignore = "minutes"]
fn every_node_may_die_in_every_phase_of_a_move() {
    play_rows(ALONE, &[0, 1, 2, 3, 4, 5], is_death);
}

#[test]
#[ignore = "minutes"]
fn every_link_may_be_cut_in_every_phase_of_a_move() {
    play_rows(ALONE, &[0, 1, 2, 3, 4, 5], |fault| !is_death(fault));
}

#[test]
#[ignore = "minutes"]
fn a_group_moves_or_stays_whatever_fails_in_every_phase() {
    play_rows(GROUP, &[0, 1, 2, 3, 4, 5], |_| true);
}
