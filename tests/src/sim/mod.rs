//! A deterministic simulator of a cluster, around the real sessions.
//!
//! A seed draws nodes, processes of 1 to 8 threads, their programs, what comes from outside and
//! what goes wrong. The model kernels ([`body`], [`home`]) drive the real sessions of `body` and
//! `deputy` and the real gathering of arguments; only memory, handlers and the network are models.
//! After each step checkers look: each call exactly once, memory equal to one that never moved,
//! each signal taken once, at most one body that runs ([`check`]). Then faults end and everything
//! must come to its end.
//!
//! The same seed gives the same run: `cargo run -p wayfarer-tests --bin sim -- --seed N` replays.

pub mod ahead;
pub mod arrival;
pub mod body;
pub mod check;
pub mod faults;
pub mod handler;
pub mod home;
pub mod image;
pub mod memory;
pub mod net;
pub mod outcome;
pub mod program;
pub mod rng;
pub mod steps;
pub mod thread;
pub mod wire;
pub mod world;

use wayfarer_proto::id::{Epoch, NodeId, Pid, ProcessKey, Tid};
use wayfarer_proto::session::{Marks, Mutant};

use rng::{Rng, mix};
use world::World;

/// Steps after which a run is stuck in a circle.
const MAX_STEPS: u64 = 2_000_000;

/// What is drawn for a run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The seed of everything.
    pub seed: u64,
    /// Which rule the sessions break on purpose.
    pub mutant: Mutant,
    /// How many nodes.
    pub nodes: u16,
    /// Whether links are cut and nodes stop.
    pub faults: bool,
    /// Whether images are damaged on their way.
    pub damage: bool,
    /// Whether every input is printed.
    pub trace: bool,
}

impl Options {
    /// Draws everything from a seed.
    pub fn draw(seed: u64, mutant: Mutant) -> Self {
        let mut rng = Rng(mix(seed));
        let nodes = rng.range(3..5) as u16;
        let (faults, damage) = (rng.one_in(2), rng.one_in(3));
        Self { seed, mutant, nodes, faults, damage, trace: false }
    }
}

/// What a run was like.
#[derive(Clone, Copy, Default, Debug)]
pub struct Report {
    /// Steps taken.
    pub steps: u64,
    /// Moves committed.
    pub moves: u64,
    /// Moves refused or called off.
    pub refusals: u64,
    /// Processes lost to faults.
    pub losses: u64,
    /// Calls begun.
    pub calls: u64,
    /// Signals taken.
    pub signals: u64,
    /// Marks reached.
    pub marks: Marks,
}

impl Report {
    /// Adds another run's.
    pub fn add(&mut self, other: &Self) {
        self.steps += other.steps;
        self.moves += other.moves;
        self.refusals += other.refusals;
        self.losses += other.losses;
        self.calls += other.calls;
        self.signals += other.signals;
        self.marks = self.marks.union(other.marks);
    }
}

/// A rule that was broken.
#[derive(Clone, Debug)]
pub struct Failure {
    /// In the run of this seed.
    pub seed: u64,
    /// At this virtual time, nanoseconds.
    pub at: u64,
    /// Which.
    pub problem: String,
}

/// Runs one seed.
///
/// # Errors
/// The first rule that was broken.
pub fn run(options: Options) -> Result<Report, Failure> {
    let mut world = World::new(options);
    let processes = world.rng.range(1..4);
    for _ in 0..processes {
        add_process(&mut world);
    }
    world.plan_externals();
    world.settle();
    let mut steps = 0;
    while world.checks.failure.is_none() && world.step() {
        steps += 1;
        if steps > MAX_STEPS {
            world.fail("the run does not end".into());
        }
    }
    if world.checks.failure.is_none() {
        world.check_end();
    }
    let checks = world.checks;
    match checks.failure {
        Some(problem) => Err(Failure { seed: options.seed, at: world.now.0, problem }),
        None => Ok(Report {
            steps,
            moves: checks.moves,
            refusals: checks.refusals,
            losses: checks.losses,
            calls: checks.calls,
            signals: checks.signals,
            marks: checks.marks,
        }),
    }
}

/// A process of 1 to 8 threads, whole at its home.
fn add_process(world: &mut World) {
    let home = NodeId(world.rng.range(1..u64::from(world.options.nodes) + 1) as u16);
    let key = ProcessKey { home, pid: Pid(world.fresh_id()) };
    let session = wayfarer_deputy::Session::at_home(world.config(), key, Epoch(0));
    world.add_home(session, 0, home);
    let memory = thread::fresh_memory();
    world.checks.add(key, memory.clone());
    let id = world.whole_body(key, memory);
    let threads = if world.rng.one_in(3) { 1 } else { world.rng.range(1..9) };
    for slot in 0..threads {
        let tid = if slot == 0 { key.pid.leader() } else { Tid(world.fresh_id()) };
        let left = world.rng.range(5..80);
        let draw = world.rng.next();
        if let Some(home) = world.homes.get_mut(&key) {
            home.threads.insert(tid);
        }
        if let Some(body) = world.bodies.get_mut(&id) {
            body.threads.insert(tid, body::thread(draw, left, slot, 0));
        }
    }
    world.poke_all(id);
}
