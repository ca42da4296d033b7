//! A few nodes, their wires and a virtual clock, driven by one deterministic loop.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use wayfarer_machine::SharedMemory;
use wayfarer_proto::id::NodeId;
use wayfarer_proto::shared::{CUT, PAIR_BYTES};
use wayfarer_proto::time::Instant;

use super::wire::{Faults, Faulty, Wire};
use crate::executor::{Executor, Priority, Timers};
use crate::net::{Config, Network, Peers, Port, SharedPort};

pub(super) const A: usize = 0;
pub(super) const B: usize = 1;
pub(super) const C: usize = 2;

pub(super) struct Node {
    pub(super) network: Network,
    executor: Executor,
}

pub(super) struct World {
    pub(super) nodes: Vec<Node>,
    pub(super) faults: Rc<Faults>,
    pub(super) timers: Timers,
    /// The wires: one if all nodes share it, else one per pair.
    pub(super) wires: Vec<Rc<Wire>>,
    /// What two nodes share.
    memory: Option<SharedMemory>,
}

/// Where a task leaves what it came to.
pub(super) type Outcome<T> = Rc<RefCell<Option<T>>>;

pub(super) fn id(index: usize) -> NodeId {
    NodeId(u16::try_from(index + 1).unwrap())
}

impl World {
    /// Two nodes on a cable.
    pub(super) fn pair() -> Self {
        Self::meshed(2, |_| {})
    }

    /// Two nodes on a cable, and two that share memory.
    pub(super) fn both() -> [Self; 2] {
        [Self::pair(), Self::shared()]
    }

    /// Two nodes that share memory, have met there, and have a cable beside it.
    pub(super) fn shared() -> Self {
        Self::sharing(|_| {})
    }

    /// The same, configured.
    pub(super) fn sharing(configure: impl Fn(&mut Config)) -> Self {
        let (faults, wire) = (Rc::new(Faults::default()), Rc::new(Wire::default()));
        let [a, b, memory] = SharedMemory::arena(PAIR_BYTES);
        let nodes = [a, b].into_iter().enumerate().map(|(index, memory)| {
            let (own, peer) = (id(index), id(1 - index));
            let port = SharedPort::new(memory, faulty(&wire, &faults), own, peer, 5);
            node(index, Peers::Each(vec![peer]), vec![Box::new(port)], &configure)
        });
        let nodes = nodes.collect();
        let memory = Some(memory);
        let world = Self { nodes, faults, timers: Timers::new(), wires: vec![wire], memory };
        // Each hears of the other and answers.
        (0..2).flat_map(|_| &world.nodes).for_each(|node| _ = node.network.receive(world.now()));
        world
    }

    /// Writes nonsense, perhaps, into the memory that two nodes share.
    pub(super) fn write_word(&self, offset: usize, value: u64) {
        self.memory.iter().for_each(|memory| memory.store(offset, value));
    }

    /// Cuts every link, or mends them.
    pub(super) fn cut(&self, is_cut: bool) {
        self.faults.cut.set(is_cut);
        if let Some(memory) = &self.memory {
            memory.store(CUT, is_cut.into());
        }
    }

    /// Nodes with a cable between each two.
    pub(super) fn meshed(count: usize, configure: impl Fn(&mut Config)) -> Self {
        let faults = Rc::new(Faults::default());
        let mut ports: Vec<Vec<(NodeId, Box<dyn Port>)>> = (0..count).map(|_| vec![]).collect();
        let mut wires = vec![];
        for a in 0..count {
            for b in 0..a {
                let wire = Rc::new(Wire::default());
                ports[a].push((id(b), faulty(&wire, &faults)));
                ports[b].push((id(a), faulty(&wire, &faults)));
                wires.push(wire);
            }
        }
        let nodes = ports.into_iter().enumerate().map(|(index, ports)| {
            let (peers, ports) = ports.into_iter().unzip();
            node(index, Peers::Each(peers), ports, &configure)
        });
        let nodes = nodes.collect();
        Self { nodes, faults, timers: Timers::new(), wires, memory: None }
    }

    /// Nodes on one wire, as on a bridge.
    pub(super) fn bridged(count: usize) -> Self {
        let (faults, wire) = (Rc::new(Faults::default()), Rc::new(Wire::default()));
        let nodes = (0..count)
            .map(|index| node(index, Peers::All, vec![faulty(&wire, &faults)], &|_| {}))
            .collect();
        Self { nodes, faults, timers: Timers::new(), wires: vec![wire], memory: None }
    }

    pub(super) fn network(&self, node: usize) -> Network {
        self.nodes[node].network.clone()
    }

    pub(super) fn now(&self) -> Instant {
        self.faults.now.get()
    }

    /// Starts a task on a node; its result is found in the outcome.
    pub(super) fn spawn<T: 'static>(
        &self,
        node: usize,
        task: impl Future<Output = T> + 'static,
    ) -> Outcome<T> {
        let outcome = Outcome::default();
        let cell = outcome.clone();
        let spawner = self.nodes[node].executor.spawner();
        spawner.spawn(Priority::Service, async move {
            let result = task.await;
            *cell.borrow_mut() = Some(result);
        });
        outcome
    }

    /// Runs until `outcome` is there, and returns it.
    #[track_caller]
    pub(super) fn await_outcome<T>(&self, outcome: &Outcome<T>, limit: Duration) -> T {
        let done = self.run_until(limit, || outcome.borrow().is_some());
        assert!(done, "no outcome within {limit:?}");
        outcome.borrow_mut().take().unwrap()
    }

    /// Runs for a time, whatever happens.
    pub(super) fn run_for(&self, time: Duration) {
        self.run_until(time, || false);
    }

    /// Runs until `done`, at most for `limit`; whether it was done.
    pub(super) fn run_until(&self, limit: Duration, done: impl Fn() -> bool) -> bool {
        let deadline = self.now() + limit;
        loop {
            self.run_now();
            if done() {
                return true;
            }
            let sleepers = self.nodes.iter().filter_map(|node| node.network.poll_at());
            let others = [self.timers.next_deadline(), self.faults.next_arrival()];
            let next = sleepers.chain(others.into_iter().flatten()).min();
            let Some(next) = next.filter(|&next| next <= deadline) else {
                self.faults.now.set(deadline);
                return false;
            };
            // Time passes even if somebody wants to be polled at once again and again.
            self.faults.now.set(next.max(self.now() + Duration::from_nanos(100)));
        }
    }

    /// Runs all that can run without time passing.
    fn run_now(&self) {
        self.timers.fire(self.now());
        let mut progress = true;
        while progress {
            progress = false;
            for node in &self.nodes {
                progress |= node.network.receive(self.now());
                while node.executor.has_ready() {
                    node.executor.run_round();
                }
                progress |= node.network.transmit(self.now());
            }
        }
    }
}

fn faulty(wire: &Rc<Wire>, faults: &Rc<Faults>) -> Box<dyn Port> {
    Box::new(Faulty { port: wire.end(), faults: faults.clone(), held: VecDeque::new() })
}

fn node(
    index: usize,
    peers: Peers,
    ports: Vec<Box<dyn Port>>,
    configure: &dyn Fn(&mut Config),
) -> Node {
    let mut config = Config::new(id(index), peers, 0x5eed + index as u64);
    configure(&mut config);
    let network = Network::new(config, ports, Instant(0)).unwrap();
    Node { network, executor: Executor::new() }
}
