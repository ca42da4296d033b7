//! Reads of what came along show no difference (decision 0018): whatever a reader that is away and
//! a writer at home can come to see, they can see when both are at home. And what is read is in the
//! file at that moment, so that not even a clock shows one.
//!
//! Small programs of a reader A and a writer W over a file, a pipe each way and a signal. At home,
//! every interleaving of their steps gives the set of what they may see. Away, the same programs
//! run over the real sessions, each message on its way as long as chance has it.

use std::collections::BTreeSet;

use wayfarer_body as body;
use wayfarer_deputy as deputy;
use wayfarer_proto::id::{CallSeq, Fd, UserAddr};
use wayfarer_proto::linux::signal::{SigAction, SigDetail, SigInfo, Signal};
use wayfarer_proto::message::{Action, Args, Call, FileBytes};
use wayfarer_proto::session::{Config, Mark, Mutant};
use wayfarer_tests::pair::{LEADER, Pair};
use wayfarer_tests::sim::rng::{Rng, mix};

/// Pairs of programs.
const PROGRAMS: u64 = 400;
/// Runs away of each.
const SCHEDULES: u64 = 60;
/// The file, and the pipe to W.
const FILE: Fd = Fd(3);
const PIPE: Fd = Fd(1);

/// What A does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Away {
    /// Reads up to so many bytes of the file.
    Read(usize),
    /// Writes a byte to W, on credit if it has some.
    Tell,
    /// Looks whether its signal handler has run.
    Look,
    /// Reads what W has written back, without waiting.
    Hear,
}

/// What W does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Home {
    /// Writes other bytes over the file's, which it opens and closes.
    Change,
    /// Makes the file longer.
    Append,
    /// Makes the file shorter, by its name.
    Truncate,
    /// Looks at A's offset (`/proc/PID/fdinfo`).
    Offset,
    /// Reads what A has written, without waiting.
    Hear,
    /// Sends A a signal.
    Kill,
    /// Writes a byte back.
    Tell,
}

impl Home {
    /// Whether what A has of the file must be back before this.
    fn needs_return(self) -> bool {
        matches!(self, Self::Change | Self::Append | Self::Truncate | Self::Offset)
    }
}

/// What one of them saw.
type Seen = Vec<u64>;

/// The file, the pipes and the signal.
#[derive(Clone)]
struct State {
    file: Vec<u8>,
    offset: usize,
    told: u64,
    told_back: u64,
    pending: bool,
}

impl Default for State {
    fn default() -> Self {
        Self { file: vec![1, 2, 3, 4, 5], offset: 0, told: 0, told_back: 0, pending: false }
    }
}

/// The result of a read: the bytes in one number.
fn value(bytes: &[u8]) -> u64 {
    bytes.iter().fold(1, |value, byte| value << 8 | u64::from(*byte))
}

impl State {
    /// What comes next, at most so many bytes.
    fn next(&self, most: usize) -> &[u8] {
        let left = self.file.get(self.offset..).unwrap_or_default();
        &left[..most.min(left.len())]
    }

    /// A call of A.
    fn call(&mut self, step: Away) -> u64 {
        match step {
            Away::Read(most) => {
                let (seen, count) = (value(self.next(most)), self.next(most).len());
                self.offset += count;
                seen
            }
            Away::Tell => {
                self.told += 1;
                0
            }
            Away::Hear => core::mem::take(&mut self.told_back),
            Away::Look => unreachable!("no call"),
        }
    }

    /// A step of W.
    fn step(&mut self, step: Home) -> u64 {
        match step {
            Home::Change => self.file.iter_mut().for_each(|byte| *byte += 10),
            Home::Append => self.file.push(9),
            Home::Truncate => drop(self.file.pop()),
            Home::Offset => return self.offset as u64,
            Home::Hear => return core::mem::take(&mut self.told),
            Home::Kill => self.pending = true,
            Home::Tell => self.told_back += 1,
        }
        0
    }
}

/// A and W at home, between two steps.
#[derive(Clone, Default)]
struct AtHome {
    state: State,
    handled: bool,
    reader: Seen,
    writer: Seen,
}

impl AtHome {
    /// All that can be seen from here on.
    fn explore(&self, a: &[Away], w: &[Home], seen: &mut BTreeSet<(Seen, Seen)>) {
        let (at, to) = (self.reader.len(), self.writer.len());
        if at == a.len() && to == w.len() {
            seen.insert((self.reader.clone(), self.writer.clone()));
        }
        if self.state.pending {
            // A processor may take a moment to interrupt A.
            let mut next = self.clone();
            next.take_signal();
            next.explore(a, w, seen);
        }
        if let Some(step) = w.get(to) {
            let mut next = self.clone();
            let result = next.state.step(*step);
            next.writer.push(result);
            next.explore(a, w, seen);
        }
        if let Some(step) = a.get(at) {
            let mut next = self.clone();
            if *step == Away::Look {
                next.reader.push(self.handled.into());
            } else {
                let result = next.state.call(*step);
                next.reader.push(result);
                // A call ends with the signals that wait.
                next.take_signal();
            }
            next.explore(a, w, seen);
        }
    }

    fn take_signal(&mut self) {
        self.handled |= core::mem::take(&mut self.state.pending);
    }
}

/// What a run leaves out on purpose, to show that the test would notice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Omission {
    Nothing,
    /// The file is changed before what A has of it is back.
    Change,
    /// A's offset is looked at before.
    Offset,
}

/// A away, W at home.
struct Run {
    pair: Pair,
    state: State,
    handled: bool,
    reader: Seen,
    writer: Seen,
    /// The call of A that home serves; `None` in it is a null request.
    open: Option<(CallSeq, Option<Away>)>,
    calls: bool,
    /// W waits until what A has of the file is back.
    wants: bool,
    /// W waits for a recall, with this result.
    waits: Option<u64>,
    problem: Option<&'static str>,
    omission: Omission,
}

impl Run {
    fn new(mutant: Mutant, omission: Omission) -> Self {
        Self {
            pair: Pair::new(Config { mutant, ..Config::default() }),
            state: State::default(),
            handled: false,
            reader: Seen::new(),
            writer: Seen::new(),
            open: None,
            calls: false,
            wants: false,
            waits: None,
            problem: None,
            omission,
        }
    }

    /// Runs to the end: what can go on goes on, by chance.
    fn run(&mut self, a: &[Away], w: &[Home], rng: &mut Rng) -> Result<(Seen, Seen), &'static str> {
        self.pair.stalled = true;
        let mut idle = 0;
        while idle < 100 {
            let moved = match rng.range(0..4) {
                0 => self.step_reader(a),
                1 => self.step_writer(w),
                2 => self.pair.carry_to_deputy(),
                _ => self.pair.carry_to_body(),
            };
            self.serve(rng);
            self.hear();
            idle = if moved { 0 } else { idle + 1 };
        }
        match self.problem {
            Some(problem) => Err(problem),
            None => Ok((self.reader.clone(), self.writer.clone())),
        }
    }

    fn step_reader(&mut self, a: &[Away]) -> bool {
        if self.pair.body.open_call(LEADER).is_some() {
            return false;
        }
        if self.pair.body.attention_pending(LEADER) {
            return self.ask(body::Request::Null);
        }
        let Some(step) = a.get(self.reader.len()).copied() else { return false };
        match step {
            Away::Look => self.reader.push(self.handled.into()),
            Away::Tell if self.pair.body.may_post(self.pair.now, PIPE, 1) => {
                self.pair.body.post(LEADER, PIPE, vec![0]);
                self.reader.push(0);
            }
            Away::Read(most) => match self.pair.body.ahead(FILE, most).map(Vec::from) {
                Some(bytes) => self.read_ahead(&bytes),
                None => return self.ask(call(0, most as u64)),
            },
            Away::Tell => return self.ask(call(1, 1)),
            Away::Hear => return self.ask(call(2, 0)),
        }
        self.pair.run();
        true
    }

    fn read_ahead(&mut self, bytes: &[u8]) {
        self.pair.body.take(bytes.len());
        self.reader.push(value(bytes));
        let holds = self.state.file.windows(bytes.len().max(1)).any(|part| part == bytes);
        if !holds && !bytes.is_empty() {
            self.problem = Some("what was read is not in the file");
        }
    }

    fn ask(&mut self, request: body::Request) -> bool {
        self.calls = request != body::Request::Null;
        self.pair.request(LEADER, request);
        true
    }

    fn step_writer(&mut self, w: &[Home]) -> bool {
        if let Some(result) = self.waits {
            if self.pair.deputy.awaits_return() {
                return false;
            }
            self.waits = None;
            self.writer.push(result);
            return true;
        }
        let Some(step) = w.get(self.writer.len()).copied() else { return false };
        let omits = match step {
            Home::Offset => self.omission == Omission::Offset,
            _ => self.omission == Omission::Change,
        };
        if step.needs_return() && self.pair.deputy.has_lent_bytes() && !omits {
            let first = !core::mem::replace(&mut self.wants, true);
            if first {
                self.pair.tell_deputy(deputy::Input::WantBack);
            }
            return first;
        }
        self.wants = false;
        self.waits = Some(self.state.step(step));
        if step == Home::Kill {
            self.pair.tell_deputy(deputy::Input::Attention { thread: LEADER });
        }
        true
    }

    /// What home does for A.
    fn serve(&mut self, rng: &mut Rng) {
        while let Some(event) = self.pair.deputy_events.pop_front() {
            match event {
                deputy::Event::Post { .. } => self.state.told += 1,
                deputy::Event::Took { bytes, .. } => self.state.offset += bytes as usize,
                deputy::Event::Execute { seq, request, .. } => {
                    let step = match request {
                        deputy::Request::Call { number: 0, args } => {
                            Some(Away::Read(args.get(2) as usize))
                        }
                        deputy::Request::Call { number: 1, .. } => Some(Away::Tell),
                        deputy::Request::Call { .. } => Some(Away::Hear),
                        _ => None,
                    };
                    self.open = Some((seq, step));
                }
                _ => self.problem = Some("the sessions found fault with each other"),
            }
        }
        if let Some((seq, step)) = self.open.take() {
            let result = step.map_or(0, |step| self.state.call(step));
            self.finish(seq, result, rng);
        }
    }

    fn finish(&mut self, seq: CallSeq, result: u64, rng: &mut Rng) {
        let pending = core::mem::take(&mut self.state.pending);
        let actions = pending.then(signal).into_iter().collect();
        let thread = LEADER;
        if !self.wants {
            let bytes = self.state.next(rng.range(0..5) as usize).to_vec();
            let end = self.state.offset + bytes.len() >= self.state.file.len();
            self.pair.deputy.lend_bytes(thread, seq, FileBytes { fd: FILE, bytes, end });
        }
        self.pair.tell_deputy(deputy::Input::Finish { thread, seq, result: Ok(result), actions });
        self.pair.tell_deputy(deputy::Input::Lend { thread, seq, fd: PIPE, room: 10 });
    }

    /// What A is told.
    fn hear(&mut self) {
        while let Some(event) = self.pair.body_events.pop_front() {
            let body::Event::Reply { reply, .. } = event else { continue };
            self.handled |= !reply.actions.is_empty();
            if self.calls {
                self.reader.push(reply.result.0.unwrap_or_default());
            }
        }
    }
}

fn call(number: u16, length: u64) -> body::Request {
    let args = Args::new(&[1, UserAddr(0x1000).0, length]);
    body::Request::Call(Call { number, args, ins: Vec::new(), outs: Vec::new() })
}

fn signal() -> Action {
    let detail = SigDetail::Sender { pid: 1, uid: 0 };
    let info = SigInfo { signal: Signal::SIGUSR1, code: 0, detail };
    let action = SigAction { handler: 0x1000, flags: 0, restorer: 0x2000, mask: 0 };
    Action::Deliver { info, action, mask: 0 }
}

/// Programs for A and W.
fn programs(rng: &mut Rng) -> (Vec<Away>, Vec<Home>) {
    let away = |rng: &mut Rng| match rng.range(0..8) {
        0 => Away::Look,
        1 => Away::Hear,
        2 | 3 => Away::Tell,
        _ => Away::Read(rng.range(1..3) as usize),
    };
    let home = |rng: &mut Rng| match rng.range(0..10) {
        0 | 1 => Home::Change,
        2 => Home::Append,
        3 => Home::Truncate,
        4 | 5 => Home::Offset,
        6 | 7 => Home::Hear,
        8 => Home::Kill,
        _ => Home::Tell,
    };
    let a = (0..rng.range(3..7)).map(|_| away(rng)).collect();
    let w = (0..rng.range(2..5)).map(|_| home(rng)).collect();
    (a, w)
}

/// The first difference that somebody saw; how many runs read what came along.
fn difference(mutant: Mutant, omission: Omission) -> Result<u64, String> {
    let mut took = 0;
    for seed in 0..PROGRAMS {
        let mut rng = Rng(mix(seed));
        let (a, w) = programs(&mut rng);
        let mut at_home = BTreeSet::new();
        AtHome::default().explore(&a, &w, &mut at_home);
        for _ in 0..SCHEDULES {
            let mut away = Run::new(mutant, omission);
            let outcome = away.run(&a, &w, &mut rng);
            took += u64::from(away.pair.body.marks().contains(Mark::Took));
            if outcome.as_ref().is_err() || outcome.as_ref().is_ok_and(|o| !at_home.contains(o)) {
                return Err(format!("seed {seed}: {a:?} and {w:?} saw {outcome:?}"));
            }
        }
    }
    Ok(took)
}

#[test]
fn nobody_sees_that_a_read_was_of_what_came_along() {
    match difference(Mutant::None, Omission::Nothing) {
        Ok(took) => assert!(took > PROGRAMS, "only {took} runs read what came along"),
        Err(difference) => panic!("{difference}"),
    }
}

#[test]
fn a_change_before_the_return_is_seen() {
    println!("{}", difference(Mutant::None, Omission::Change).unwrap_err());
}

#[test]
fn a_look_at_the_offset_before_the_return_is_seen() {
    println!("{}", difference(Mutant::None, Omission::Offset).unwrap_err());
}

#[test]
fn a_loan_that_is_kept_is_seen() {
    println!("{}", difference(Mutant::KeepLoan, Omission::Nothing).unwrap_err());
}

#[test]
fn bytes_that_are_not_read_are_returned_as_well() {
    let mut pair = Pair::default();
    pair.request(LEADER, call(0, 2));
    let seq = pair.body.open_call(LEADER).expect("just begun");
    let next = FileBytes { fd: FILE, bytes: b"next".to_vec(), end: false };
    assert!(pair.deputy.lend_bytes(LEADER, seq, next));
    pair.finish(LEADER, Ok(2));
    assert_eq!(pair.body.ahead(FILE, 3), Some(&b"nex"[..]));
    assert_eq!(pair.body.ahead(FILE, 5), None, "more may have been written than is here");
    assert_eq!(pair.body.ahead(PIPE, 1), None);
    assert!(pair.deputy.has_lent_bytes());
    pair.tell_deputy(deputy::Input::WantBack);
    assert!(!pair.deputy.has_lent_bytes());
    assert_eq!(pair.body.ahead(FILE, 3), None);
    let took = |event: &deputy::Event| matches!(event, deputy::Event::Took { .. });
    assert!(!pair.deputy_events.iter().any(took), "nothing was taken");
}

#[test]
fn the_end_of_a_file_comes_along() {
    let mut pair = Pair::default();
    pair.request(LEADER, call(0, 2));
    let seq = pair.body.open_call(LEADER).expect("just begun");
    let next = FileBytes { fd: FILE, bytes: Vec::new(), end: true };
    assert!(!pair.deputy.lend_bytes(LEADER, CallSeq(seq.0 + 1), next.clone()), "another call");
    assert!(pair.deputy.lend_bytes(LEADER, seq, next));
    pair.finish(LEADER, Ok(2));
    assert_eq!(pair.body.ahead(FILE, 7), Some(&[][..]), "the end of the file");
    pair.body.take(0);
    pair.request(LEADER, body::Request::Null);
    let took = pair
        .deputy_events
        .iter()
        .any(|event| matches!(event, deputy::Event::Took { fd: FILE, bytes: 0, calls: 1 }));
    assert!(took, "{:?}", pair.deputy_events);
}
