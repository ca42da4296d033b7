//! What the demo found out: from frames to a table and to JSON.

use std::fmt::Write as _;

use serde::Serialize;
use wayfarer::Outcome;
use wayfarer_proto::console::{ExitStatus, Moved};

use super::show;

/// The demo's promise: at least this many moves ...
const LEAST_MOVES: usize = 6;
/// ... of at least this many programs.
const LEAST_PROGRAMS: usize = 2;

/// One migration that succeeded.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Move {
    program: String,
    from: u16,
    to: u16,
    bytes: u64,
    total_us: u64,
    frozen_us: u64,
}

/// One program of the demo, with all the processes it made.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Program {
    name: String,
    local: u64,
    remote: u64,
    special: u64,
    /// What a run that never moved said last, or first said otherwise.
    expected: String,
    /// What this run said there.
    got: String,
    #[serde(skip)]
    round_trips: u64,
    #[serde(skip)]
    retransmissions: u64,
    #[serde(skip)]
    signals_away: u64,
}

/// The whole report; its JSON has exactly these keys.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Report {
    ok: bool,
    moves: Vec<Move>,
    programs: Vec<Program>,
    /// What went wrong, a line each.
    #[serde(skip)]
    troubles: Vec<String>,
}

impl Report {
    pub(crate) fn new() -> Self {
        Self { ok: false, moves: Vec::new(), programs: Vec::new(), troubles: Vec::new() }
    }

    /// Adds a program that ran moving, and what the same said that never moved.
    pub(crate) fn add(&mut self, name: &str, expected: &str, outcome: &Outcome) {
        for moved in &outcome.moves {
            match moved.result {
                Ok(()) => self.moves.push(Move::new(name, moved)),
                Err(_) => self.troubles.push(show::moved_line(moved)),
            }
        }
        self.troubles.extend(outcome.refused.iter().map(show::refusal));
        let got = String::from_utf8_lossy(&outcome.stdout);
        if got != expected {
            self.troubles.push(format!("{name}: its output differs from a run that never moved"));
        }
        if outcome.status != ExitStatus::Exited(0) {
            let errors = String::from_utf8_lossy(&outcome.stderr);
            let status = outcome.status.shell_status();
            self.troubles.push(format!("{name}: ended with status {status}: {}", errors.trim()));
        }
        let (expected, got) = telling_lines(expected, &got);
        let sum = |count: fn(&wayfarer_proto::console::ProgramReport) -> u64| {
            outcome.programs.iter().map(count).sum()
        };
        self.programs.push(Program {
            name: name.to_owned(),
            local: sum(|program| program.local),
            remote: sum(|program| program.remote),
            special: sum(|program| program.special),
            expected,
            got,
            round_trips: sum(|program| program.round_trips),
            retransmissions: sum(|program| program.retransmissions),
            signals_away: sum(|program| program.signals_away),
        });
    }

    /// Judges what was added.
    pub(crate) fn conclude(&mut self) {
        let moves = self.moves.len();
        if moves < LEAST_MOVES {
            self.troubles.push(format!("{moves} moves, and {LEAST_MOVES} are the least"));
        }
        let moved =
            |program: &&Program| self.moves.iter().any(|moved| moved.program == program.name);
        let programs = self.programs.iter().filter(moved).count();
        if programs < LEAST_PROGRAMS {
            self.troubles
                .push(format!("{programs} programs moved, {LEAST_PROGRAMS} are the least"));
        }
        if self.programs.iter().map(|program| program.remote).sum::<u64>() == 0 {
            self.troubles.push("no call was made away from home".to_owned());
        }
        self.ok = self.troubles.is_empty();
    }

    /// Whether the demo kept its promise.
    pub(crate) fn is_ok(&self) -> bool {
        self.ok
    }

    /// The report for a person.
    pub(crate) fn table(&self) -> String {
        let mut text = columns(
            &["program", "move", "bytes", "total us", "frozen us"],
            self.moves.iter().map(|moved| {
                let Move { program, from, to, bytes, total_us, frozen_us } = moved;
                let route = format!("{from} -> {to}");
                let numbers = [bytes, total_us, frozen_us].map(u64::to_string);
                [program.clone(), route].into_iter().chain(numbers).collect()
            }),
        );
        text.push('\n');
        text += &columns(
            &[
                "program",
                "local",
                "remote",
                "special",
                "round trips",
                "resent",
                "signals",
                "result",
            ],
            self.programs.iter().map(|program| {
                let result = if program.expected == program.got { "same" } else { "DIFFERS" };
                let Program { local, remote, special, .. } = program;
                let Program { round_trips, retransmissions, signals_away, .. } = program;
                let numbers = [local, remote, special, round_trips, retransmissions, signals_away];
                std::iter::once(program.name.clone())
                    .chain(numbers.map(u64::to_string))
                    .chain([result.to_owned()])
                    .collect()
            }),
        );
        for program in &self.programs {
            let Program { name, expected, got, .. } = program;
            let _ = write!(text, "\n{name}: stayed: {expected}\n{name}: moved:  {got}\n");
        }
        for trouble in &self.troubles {
            let _ = write!(text, "\nFAILED: {trouble}");
        }
        text
    }

    /// The report for a program.
    pub(crate) fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("text and numbers have a JSON form") + "\n"
    }
}

impl Move {
    fn new(program: &str, moved: &Moved) -> Self {
        Self {
            program: program.to_owned(),
            from: moved.from.0,
            to: moved.to.0,
            bytes: moved.bytes,
            total_us: moved.total_us,
            frozen_us: moved.frozen_us,
        }
    }
}

/// The lines of two outputs that say most: the first that differ, or the last of equal ones.
fn telling_lines(expected: &str, got: &str) -> (String, String) {
    let line = |text: &str, index: usize| text.lines().nth(index).unwrap_or("(nothing)").to_owned();
    let same = expected.lines().zip(got.lines()).take_while(|(a, b)| a == b).count();
    let index = if expected == got { same.saturating_sub(1) } else { same };
    (line(expected, index), line(got, index))
}

/// Text in columns: the first to the left, numbers to the right.
pub(crate) fn columns(heads: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let heads = heads.iter().map(|head| (*head).to_owned()).collect();
    let table: Vec<Vec<String>> = std::iter::once(heads).chain(rows).collect();
    let width = |column: usize| table.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let mut text = String::new();
    for row in &table {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = width(column);
            let _ = match column {
                0 => write!(line, "{cell:<width$}"),
                _ => write!(line, "  {cell:>width$}"),
            };
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use wayfarer_proto::console::{FromNode, ProgramReport, Refused};
    use wayfarer_proto::errno::Errno;
    use wayfarer_proto::id::{NodeId, Pid};

    use super::*;

    fn moved(from: u16, to: u16) -> Moved {
        Moved {
            program: "x".to_owned(),
            pid: Pid(5),
            from: NodeId(from),
            to: NodeId(to),
            bytes: 40_960,
            total_us: 2500,
            frozen_us: 900,
            round_trips: 4,
            result: Ok(()),
        }
    }

    fn outcome(moves: Vec<Moved>, stdout: &str) -> Outcome {
        let report = ProgramReport {
            pid: Pid(5),
            name: "x".to_owned(),
            local: 10,
            remote: 20,
            special: 3,
            round_trips: 23,
            retransmissions: 0,
            signals_away: 2,
            status: ExitStatus::Exited(0),
        };
        let mut outcome = Outcome::new(ExitStatus::Exited(0));
        outcome.add(FromNode::Stdout(stdout.into()));
        outcome.add(FromNode::Program(report.clone()));
        outcome.add(FromNode::Program(report));
        moves.into_iter().for_each(|moved| outcome.add(FromNode::Moved(moved)));
        outcome
    }

    fn good() -> Report {
        let mut report = Report::new();
        let route = vec![moved(1, 2), moved(2, 3), moved(3, 1)];
        report.add("wander", "a\nb\n", &outcome(route.clone(), "a\nb\n"));
        report.add("sha256sum", "c\n", &outcome(route, "c\n"));
        report
    }

    #[test]
    fn good_run_is_ok_and_counted() {
        let mut report = good();
        report.conclude();
        assert!(report.is_ok(), "{}", report.table());
        let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
        assert_eq!(json["ok"], true);
        assert_eq!(json["moves"].as_array().unwrap().len(), 6);
        let first = serde_json::json!({"program": "wander", "from": 1, "to": 2, "bytes": 40960,
            "total_us": 2500, "frozen_us": 900});
        assert_eq!(json["moves"][0], first);
        let program = serde_json::json!({"name": "wander", "local": 20, "remote": 40,
            "special": 6, "expected": "b", "got": "b"});
        assert_eq!(json["programs"][0], program);
        assert_eq!(json.as_object().unwrap().len(), 3, "no other keys");
    }

    #[test]
    fn each_fault_is_named() {
        let mut report = good();
        report.add("sh", "x\ny\nz\n", &outcome(Vec::new(), "x\nQ\nz\n"));
        let mut bad = outcome(vec![Moved { result: Err(Errno::ENOMEM), ..moved(1, 2) }], "");
        bad.status = ExitStatus::Signaled(9);
        bad.add(FromNode::Refused(Refused {
            pid: Pid(5),
            node: NodeId(9),
            errno: Errno::ENXIO,
            reason: "no node 9".to_owned(),
        }));
        report.add("late", "", &bad);
        report.conclude();
        assert!(!report.is_ok());
        let table = report.table();
        for words in [
            "sh: its output differs",
            "sh: stayed: y\nsh: moved:  Q",
            "did not move 1 -> 2: ENOMEM",
            "no node 9",
            "late: ended with status 137",
        ] {
            assert!(table.contains(words), "{words} is missing:\n{table}");
        }
    }

    #[test]
    fn too_little_is_not_ok() {
        let mut report = Report::new();
        report.add("wander", "", &outcome(vec![moved(1, 2)], ""));
        report.conclude();
        assert!(!report.is_ok());
        assert_eq!(report.troubles.len(), 2, "{:?}", report.troubles);
    }

    #[test]
    fn columns_line_up() {
        let rows = [vec!["ab".to_owned(), "1".to_owned()], vec!["c".to_owned(), "200".to_owned()]];
        let text = columns(&["name", "n"], rows.into_iter());
        assert_eq!(text, "name    n\nab      1\nc     200\n");
    }
}
