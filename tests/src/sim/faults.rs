//! What happens from outside: signals, moves, stops, kills; and what goes wrong.

use std::time::Duration;

use wayfarer_deputy::Input;
use wayfarer_proto::id::{NodeId, ProcessKey};
use wayfarer_proto::message::Query;

use super::net::{Owner, link};
use super::world::{Happening, KEEP_ALIVE, World};

/// Something that comes from outside.
#[derive(Clone, Copy, Debug)]
pub enum External {
    /// Some process gets a signal.
    Signal,
    /// Some process is told to move.
    Move,
    /// Some process is stopped for a while.
    Stop,
    /// This process is continued.
    Continue(ProcessKey),
    /// Something is asked about some process.
    Query,
    /// The clock of some home is set.
    ClockStep,
    /// Some process is killed.
    Kill,
}

/// A moment of a move at which something may go wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Point {
    /// The target is dialled.
    Connect,
    /// The body freezes.
    Freeze,
    /// The image is about to go out.
    Depart,
    /// Its last byte was sent.
    Sent,
    /// Its last byte has come.
    Complete,
    /// The move is committed.
    Moved,
}

impl World {
    /// Plans what comes from outside during the first part of a run.
    pub(super) fn plan_externals(&mut self) {
        let kinds = [
            (External::Signal, 25),
            (External::Move, 25),
            (External::Stop, 4),
            (External::Query, 5),
            (External::ClockStep, 2),
        ];
        for (external, count) in kinds {
            for _ in 0..self.rng.range(0..count) {
                let delay = self.rng.micros(100..250_000);
                self.after(delay, Happening::External(external));
            }
        }
        if self.rng.one_in(4) {
            let delay = self.rng.micros(1_000..150_000);
            self.after(delay, Happening::External(External::Kill));
        }
        let heal = if self.options.faults { 15_000 } else { 400 };
        self.after(Duration::from_millis(heal), Happening::Heal);
    }

    pub(super) fn external(&mut self, external: External) {
        let keys: Vec<_> = self.homes.keys().copied().collect();
        if keys.is_empty() {
            return;
        }
        let key = self.rng.pick(&keys);
        match external {
            External::Signal => self.post_signal(key),
            External::Move => {
                let node = NodeId(self.rng.range(1..u64::from(self.options.nodes) + 1) as u16);
                self.begin_move(key, node);
            }
            External::Stop => {
                self.set_stopped(key, true);
                let delay = self.rng.micros(1_000..60_000);
                self.after(delay, Happening::External(External::Continue(key)));
            }
            External::Continue(key) => self.set_stopped(key, false),
            External::Query => {
                let id = self.checks.asked(key);
                self.tell_deputy(key, Input::Query { id, query: Query::Maps });
            }
            External::ClockStep => {
                self.tell_deputy(key, Input::ClockStep { realtime_offset_ns: 5 });
            }
            External::Kill => {
                self.checks.exited(key);
                self.end_process(key);
            }
        }
    }

    fn set_stopped(&mut self, key: ProcessKey, stopped: bool) {
        if let Some(home) = self.homes.get_mut(&key)
            && home.stopped != stopped
        {
            home.stopped = stopped;
            self.tell_deputy(key, if stopped { Input::Stop } else { Input::Continue });
        }
    }

    /// A moment of a move: something may go wrong here.
    pub(super) fn fault_point(&mut self, point: Point, key: ProcessKey) {
        if self.faults_left == 0 || self.healed || !self.rng.one_in(5) {
            return;
        }
        self.faults_left -= 1;
        let Some(source) = self.homes.get(&key).map(|home| home.node) else { return };
        let target = self.checks.move_targets.get(&key).copied().unwrap_or(key.home);
        let (home, ends) = (key.home, [(key.home, source), (key.home, target), (source, target)]);
        match self.rng.range(0..14) {
            0..4 => {
                let (a, b) = self.rng.pick(&ends);
                let millis = self.rng.range(2_200..9_000);
                self.cut(a, b, Duration::from_millis(millis));
            }
            4 | 5 => {
                let (a, b) = self.rng.pick(&ends);
                let millis = self.rng.range(1..1_500);
                self.cut(a, b, Duration::from_millis(millis));
            }
            6 => self.stop_node(self_or(self.options.nodes, source, home)),
            7 => self.stop_node(self_or(self.options.nodes, target, home)),
            // What a body in doubt hears depends on who is faster.
            10.. => self.reset(home, source),
            8 if self.rng.one_in(3) => self.stop_node(home),
            // A body in doubt whose move will fail.
            _ if matches!(point, Point::Sent | Point::Depart) => {
                let millis = self.rng.range(2_200..5_000);
                self.cut(home, source, Duration::from_millis(millis));
                if target != home {
                    self.stop_node(target);
                }
            }
            _ => {}
        }
    }

    /// Cuts a link. Connections survive what is shorter than the keep-alive limit.
    fn cut(&mut self, a: NodeId, b: NodeId, span: Duration) {
        if a == b {
            return;
        }
        let until = self.now + span;
        self.checks.disturbed = true;
        self.net.cuts.insert(link(a, b), until);
        if span < KEEP_ALIVE {
            return;
        }
        self.checks.faulted = true;
        let between = |ends: [NodeId; 2]| link(ends[0], ends[1]) == link(a, b);
        let doomed: Vec<_> = self
            .net
            .connections
            .iter_mut()
            .filter(|(_, c)| between([c.ends[0].node, c.ends[1].node]))
            .map(|(id, connection)| {
                connection.doomed = true;
                *id
            })
            .collect();
        for id in doomed {
            for end in [0, 1] {
                let late = self.rng.micros(0..600_000);
                self.after(KEEP_ALIVE + late, Happening::Broken(id, end));
            }
        }
    }

    /// Connections between two nodes are reset, the link being good.
    fn reset(&mut self, a: NodeId, b: NodeId) {
        if a == b {
            return;
        }
        self.checks.faulted = true;
        self.checks.disturbed = true;
        let ids: Vec<_> = self.net.connections.keys().copied().collect();
        for id in ids {
            let Some(connection) = self.net.connections.get_mut(&id) else { continue };
            if link(connection.ends[0].node, connection.ends[1].node) == link(a, b) {
                connection.doomed = true;
                for end in [0, 1] {
                    let late = self.rng.micros(0..3_000);
                    self.after(late, Happening::Broken(id, end));
                }
            }
        }
    }

    /// A node stops: all that is on it is gone, and its peers find out.
    fn stop_node(&mut self, node: NodeId) {
        if !self.alive.remove(&node) {
            return;
        }
        self.checks.faulted = true;
        self.checks.disturbed = true;
        let bodies: Vec<_> =
            self.bodies.iter().filter(|(_, b)| b.node == node).map(|(id, _)| *id).collect();
        for id in bodies {
            if let Some(body) = self.bodies.remove(&id) {
                self.checks.collect(body.session.marks());
            }
        }
        let homes: Vec<_> = self.homes.keys().copied().filter(|key| key.home == node).collect();
        for key in homes {
            if let Some(home) = self.homes.remove(&key) {
                self.checks.collect(home.session.marks());
                self.checks.exited(key);
            }
        }
        let ids: Vec<_> = self.net.connections.keys().copied().collect();
        for id in ids {
            let Some(connection) = self.net.connections.get_mut(&id) else { continue };
            for end in [0, 1] {
                if connection.ends[end].node == node {
                    connection.ends[end].owner = Owner::Nobody;
                    connection.doomed = true;
                }
            }
            if connection.doomed {
                for end in [0, 1] {
                    let late = self.rng.micros(0..600_000);
                    self.after(KEEP_ALIVE + late, Happening::Broken(id, end));
                }
            }
        }
    }

    /// Faults are over: whatever can go on must.
    pub(super) fn heal(&mut self) {
        self.healed = true;
        self.net.cuts.clear();
        let stopped: Vec<_> = self.homes.keys().copied().collect();
        for key in stopped {
            self.set_stopped(key, false);
        }
    }
}

/// A node to stop: more often one that is not home, so that there is somebody left to ask.
const fn self_or(nodes: u16, node: NodeId, home: NodeId) -> NodeId {
    if node.0 == home.0 { NodeId(home.0 % nodes + 1) } else { node }
}
