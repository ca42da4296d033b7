//! Writes on credit show no difference (decision 0016): whatever a writer that is away and a reader
//! at home can come to see, they can see when both are at home.
//!
//! Small programs of a writer A and a reader R over a pipe of four bytes, a pipe back and a signal.
//! At home, every interleaving of their steps gives the set of what they may see. Away, the same
//! programs run over the real sessions, each message on its way as long as chance has it; what they
//! see then must be in the set.

use std::collections::BTreeSet;

use wayfarer_body as body;
use wayfarer_deputy as deputy;
use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{CallSeq, Fd, MapId, UserAddr};
use wayfarer_proto::linux::signal::{SigAction, SigDetail, SigInfo, Signal};
use wayfarer_proto::message::{Action, Args, Call, InWindow};
use wayfarer_proto::session::{Config, Mark, Mutant};
use wayfarer_tests::pair::{LEADER, Pair};
use wayfarer_tests::sim::rng::{Rng, mix};

/// Bytes that the pipe from A to R holds.
const CAPACITY: usize = 4;
/// Pairs of programs.
const PROGRAMS: u64 = 400;
/// Runs away of each.
const SCHEDULES: u64 = 60;

/// What A does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Write {
    /// Writes so many bytes to R; blocks while there is no room for all.
    Bytes(usize),
    /// Looks whether its signal handler has run.
    Look,
    /// Reads what R has written back, without waiting.
    ReadBack,
}

/// What R does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Read {
    /// Reads up to so many bytes, without waiting.
    Bytes(usize),
    /// Asks how many there are (FIONREAD).
    Count,
    /// Closes the pipe from A.
    Close,
    /// Sends A a signal.
    Kill,
    /// Writes a byte back.
    WriteBack,
}

/// What one of them saw: a result, or the error.
type Seen = Vec<Result<u64, Errno>>;

/// What both saw.
type Outcome = (Seen, Seen);

/// The pipes and the signal, as they are at home.
#[derive(Clone, Default)]
struct Home {
    waiting: usize,
    closed: bool,
    back: usize,
    pending: bool,
}

impl Home {
    /// A's write; `None` while it blocks.
    fn write(&mut self, bytes: usize) -> Option<Result<u64, Errno>> {
        if self.closed {
            return Some(Err(Errno::EPIPE));
        }
        (self.waiting + bytes <= CAPACITY).then(|| {
            self.waiting += bytes;
            Ok(bytes as u64)
        })
    }

    fn read_back(&mut self) -> Result<u64, Errno> {
        match core::mem::take(&mut self.back) {
            0 => Err(Errno::EAGAIN),
            count => Ok(count as u64),
        }
    }

    /// A step of R.
    fn read(&mut self, step: Read) -> Result<u64, Errno> {
        if self.closed && matches!(step, Read::Bytes(_) | Read::Count | Read::Close) {
            return Err(Errno::EBADF);
        }
        match step {
            Read::Bytes(most) => match self.waiting.min(most) {
                0 => return Err(Errno::EAGAIN),
                count => {
                    self.waiting -= count;
                    return Ok(count as u64);
                }
            },
            Read::Count => return Ok(self.waiting as u64),
            Read::Close => self.closed = true,
            Read::Kill => self.pending = true,
            Read::WriteBack => self.back += 1,
        }
        Ok(0)
    }
}

/// A and R at home, between two steps.
#[derive(Clone, Default)]
struct AtHome {
    home: Home,
    handled: bool,
    writer: Seen,
    reader: Seen,
}

impl AtHome {
    /// All that can be seen from here on.
    fn explore(&self, a: &[Write], r: &[Read], seen: &mut BTreeSet<Outcome>) {
        let (at, to) = (self.writer.len(), self.reader.len());
        if at == a.len() && to == r.len() {
            seen.insert((self.writer.clone(), self.reader.clone()));
        }
        if self.home.pending {
            // A processor may take a moment to interrupt A.
            let mut next = self.clone();
            next.take_signal();
            next.explore(a, r, seen);
        }
        if let Some(step) = r.get(to) {
            let mut next = self.clone();
            let result = next.home.read(*step);
            next.reader.push(result);
            next.explore(a, r, seen);
        } else if at < a.len() && matches!(a[at], Write::Bytes(n) if !self.can_end(n)) {
            // It blocks for ever.
            seen.insert((self.writer.clone(), self.reader.clone()));
        }
        if let Some(step) = a.get(at) {
            let mut next = self.clone();
            if next.write(*step) {
                next.explore(a, r, seen);
            }
        }
    }

    fn can_end(&self, bytes: usize) -> bool {
        self.home.closed || self.home.waiting + bytes <= CAPACITY
    }

    fn take_signal(&mut self) {
        self.handled |= core::mem::take(&mut self.home.pending);
    }

    /// A step of A, if it can be done. A call ends with the signals that wait.
    fn write(&mut self, step: Write) -> bool {
        let result = match step {
            Write::Look => Ok(self.handled.into()),
            Write::ReadBack => self.home.read_back(),
            Write::Bytes(bytes) => match self.home.write(bytes) {
                Some(result) => result,
                None => return false,
            },
        };
        self.writer.push(result);
        if step != Write::Look {
            self.take_signal();
        }
        true
    }
}

/// What a run away leaves out on purpose, to show that the test would notice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Omission {
    Nothing,
    /// R goes on before the loan is returned.
    RecallWait,
}

/// A away, R at home.
struct Away {
    pair: Pair,
    home: Home,
    handled: bool,
    writer: Seen,
    reader: Seen,
    /// The call of A that home serves; `None` in it is a null request.
    open: Option<(CallSeq, Option<Write>)>,
    /// Whether A awaits the answer to a call, and to no null request.
    calls: bool,
    /// The sessions found fault with each other.
    broken: bool,
    /// R waits for a recall.
    waits: Option<Result<u64, Errno>>,
    omission: Omission,
}

impl Away {
    fn new(mutant: Mutant, omission: Omission) -> Self {
        let pair = Pair::new(Config { mutant, ..Config::default() });
        let (writer, reader) = (Seen::new(), Seen::new());
        Self {
            pair,
            home: Home::default(),
            handled: false,
            writer,
            reader,
            open: None,
            calls: false,
            broken: false,
            waits: None,
            omission,
        }
    }

    /// Runs to the end: what can go on goes on, by chance. `None` if the sessions disagreed.
    fn run(&mut self, a: &[Write], r: &[Read], rng: &mut Rng) -> Option<Outcome> {
        self.pair.stalled = true;
        let mut idle = 0;
        while idle < 100 {
            let moved = match rng.range(0..4) {
                0 => self.step_writer(a),
                1 => self.step_reader(r),
                2 => self.pair.carry_to_deputy(),
                _ => self.pair.carry_to_body(),
            };
            self.serve();
            self.hear();
            idle = if moved { 0 } else { idle + 1 };
        }
        (!self.broken).then(|| (self.writer.clone(), self.reader.clone()))
    }

    fn step_writer(&mut self, a: &[Write]) -> bool {
        if self.pair.body.open_call(LEADER).is_some() {
            return false;
        }
        if self.pair.body.attention_pending(LEADER) {
            return self.ask(body::Request::Null);
        }
        let Some(step) = a.get(self.writer.len()).copied() else { return false };
        match step {
            Write::Look => self.writer.push(Ok(self.handled.into())),
            Write::Bytes(bytes) if self.pair.body.may_post(self.pair.now, Fd(1), bytes) => {
                self.pair.body.post(LEADER, Fd(1), vec![0; bytes]);
                self.writer.push(Ok(bytes as u64));
            }
            Write::Bytes(bytes) => return self.ask(call(1, &vec![0; bytes])),
            Write::ReadBack => return self.ask(call(0, &[])),
        }
        self.pair.run();
        true
    }

    fn ask(&mut self, request: body::Request) -> bool {
        self.calls = request != body::Request::Null;
        self.pair.request(LEADER, request);
        true
    }

    fn step_reader(&mut self, r: &[Read]) -> bool {
        if let Some(result) = self.waits {
            if self.pair.deputy.awaits_return() && self.omission != Omission::RecallWait {
                return false;
            }
            self.waits = None;
            self.reader.push(result);
            return true;
        }
        let Some(step) = r.get(self.reader.len()) else { return false };
        self.waits = Some(self.home.read(*step));
        if *step == Read::Kill {
            self.pair.tell_deputy(deputy::Input::Attention { thread: LEADER });
        }
        true
    }

    /// What home does for A.
    fn serve(&mut self) {
        while let Some(event) = self.pair.deputy_events.pop_front() {
            match event {
                deputy::Event::Post { bytes, .. } => self.home.waiting += bytes.len(),
                deputy::Event::Execute { seq, request, .. } => {
                    let step = match request {
                        deputy::Request::Call { number: 0, .. } => Some(Write::ReadBack),
                        deputy::Request::Call { args, .. } => {
                            Some(Write::Bytes(args.get(2) as usize))
                        }
                        _ => None,
                    };
                    self.open = Some((seq, step));
                }
                _ => self.broken = true,
            }
        }
        let Some((seq, step)) = self.open else { return };
        let result = match step {
            None => Some(Ok(0)),
            Some(Write::Bytes(bytes)) => self.home.write(bytes),
            Some(_) => Some(self.home.read_back()),
        };
        if let Some(result) = result {
            self.open = None;
            self.finish(seq, result);
        }
    }

    fn finish(&mut self, seq: CallSeq, result: Result<u64, Errno>) {
        let pending = core::mem::take(&mut self.home.pending);
        let actions = pending.then(signal).into_iter().collect();
        let thread = LEADER;
        self.pair.tell_deputy(deputy::Input::Finish { thread, seq, result, actions });
        let room = if self.home.closed { 0 } else { CAPACITY - self.home.waiting };
        self.pair.tell_deputy(deputy::Input::Lend { thread, seq, fd: Fd(1), room });
    }

    /// What A is told.
    fn hear(&mut self) {
        while let Some(event) = self.pair.body_events.pop_front() {
            let body::Event::Reply { reply, .. } = event else { continue };
            self.handled |= !reply.actions.is_empty();
            if self.calls {
                self.writer.push(reply.result.0);
            }
        }
    }
}

fn call(number: u16, bytes: &[u8]) -> body::Request {
    let addr = UserAddr(0x1000);
    let ins = vec![InWindow { addr, bytes: bytes.to_vec(), fault: false }];
    let args = Args::new(&[1, addr.0, bytes.len() as u64]);
    body::Request::Call(Call { number, args, ins, outs: Vec::new() })
}

fn signal() -> Action {
    let detail = SigDetail::Sender { pid: 1, uid: 0 };
    let info = SigInfo { signal: Signal::SIGUSR1, code: 0, detail };
    let action = SigAction { handler: 0x1000, flags: 0, restorer: 0x2000, mask: 0 };
    Action::Deliver { info, action, mask: 0 }
}

/// Programs for A and R.
fn programs(rng: &mut Rng) -> (Vec<Write>, Vec<Read>) {
    let write = |rng: &mut Rng| match rng.range(0..6) {
        0 | 1 => Write::Look,
        2 => Write::ReadBack,
        _ => Write::Bytes(rng.range(1..3) as usize),
    };
    let read = |rng: &mut Rng| match rng.range(0..8) {
        0..3 => Read::Bytes(rng.range(1..5) as usize),
        3 => Read::Count,
        4 => Read::Close,
        5 | 6 => Read::Kill,
        _ => Read::WriteBack,
    };
    let a = (0..rng.range(3..6)).map(|_| write(rng)).collect();
    let r = (0..rng.range(2..5)).map(|_| read(rng)).collect();
    (a, r)
}

/// The first difference that somebody saw; how many runs wrote on credit.
fn difference(mutant: Mutant, omission: Omission) -> Result<u64, String> {
    let mut posted = 0;
    for seed in 0..PROGRAMS {
        let mut rng = Rng(mix(seed));
        let (a, r) = programs(&mut rng);
        let mut at_home = BTreeSet::new();
        AtHome::default().explore(&a, &r, &mut at_home);
        for _ in 0..SCHEDULES {
            let mut away = Away::new(mutant, omission);
            let outcome = away.run(&a, &r, &mut rng);
            posted += u64::from(away.pair.body.marks().contains(Mark::Posted));
            if outcome.as_ref().is_none_or(|outcome| !at_home.contains(outcome)) {
                return Err(format!("seed {seed}: {a:?} and {r:?} saw {outcome:?}"));
            }
        }
    }
    Ok(posted)
}

#[test]
fn a_loan_that_is_not_taken_is_returned() {
    let mut pair = Pair::default();
    pair.body.page_in(MapId(1), 0, 1).expect("it runs");
    pair.run();
    pair.request(LEADER, call(1, b"x"));
    let seq = pair.body.open_call(LEADER).expect("just begun");
    pair.finish(LEADER, Ok(1));
    pair.tell_deputy(deputy::Input::Lend { thread: LEADER, seq, fd: Fd(1), room: 4 });
    assert!(!pair.body.may_post(pair.now, Fd(1), 1), "pages are on their way");
    pair.tell_deputy(deputy::Input::Attention { thread: LEADER });
    assert!(!pair.deputy.awaits_return());
}

#[test]
fn nobody_sees_that_a_write_was_on_credit() {
    match difference(Mutant::None, Omission::Nothing) {
        Ok(posted) => assert!(posted > PROGRAMS, "only {posted} runs wrote on credit"),
        Err(difference) => panic!("{difference}"),
    }
}

#[test]
fn a_reader_that_goes_on_before_the_recall_is_over_sees_it() {
    println!("{}", difference(Mutant::None, Omission::RecallWait).unwrap_err());
}

#[test]
fn a_loan_that_is_kept_is_seen() {
    println!("{}", difference(Mutant::KeepLoan, Omission::Nothing).unwrap_err());
}
