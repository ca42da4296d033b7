//! Processes that block in a call while they are moved: the matrix of [`Row`] over real nodes.
//!
//! All rows share a boot. After each, every node holds what it held before.

use std::time::Duration;

use wayfarer::program::command;
use wayfarer::{Cluster, Initrd, Outcome, artifacts};
use wayfarer_proto::console::ExitStatus;
use wayfarer_proto::id::NodeId;
use wayfarer_tests::blocking::{self, Going, Route, Row};
use wayfarer_tests::stage::Stage;
use wayfarer_tests::vm::{Holdings, Nodes, VmError};

/// How long one row may take.
const LIMIT: Duration = Duration::from_secs(150);

const NODES: [NodeId; 3] = [NodeId(1), NodeId(2), NodeId(3)];

/// Plays one row.
fn play(nodes: &mut Nodes, row: Row) -> Result<Outcome, VmError> {
    let start = command(&row.argv());
    match row.terminal() {
        Some(replies) => nodes.converse(&start, replies, LIMIT),
        None => nodes.run(&start, LIMIT),
    }
}

/// What was wrong, if anything was.
fn judge(row: Row, outcome: &Outcome) -> Result<(), String> {
    let said = String::from_utf8_lossy(&outcome.stdout).into_owned();
    if outcome.status != ExitStatus::Exited(0) || !said.contains(&row.verdict()) {
        let errors = String::from_utf8_lossy(&outcome.stderr);
        return Err(format!("{:?}: {said}{errors} {:?}", outcome.status, outcome.log));
    }
    let moves: Vec<u16> = outcome.moves.iter().map(|moved| moved.to.0).collect();
    let done = match row.going() {
        Going::Blocked => moves == row.route.moves(),
        // The last ones may find that the process has ended.
        Going::Afterwards => row.route.moves().starts_with(&moves),
    };
    if done { Ok(()) } else { Err(format!("it was moved to {moves:?}")) }
}

/// Waits until the nodes hold what they held before.
fn compare(nodes: &mut Nodes, before: &[Holdings]) -> Result<(), String> {
    let now = nodes.settle(before).map_err(|error| error.to_string())?;
    if now == before { Ok(()) } else { Err(format!("held before: {before:?}; now: {now:?}")) }
}

/// Plays a row that is like another in what the kernel holds on to for its next use.
fn warm_up(nodes: &mut Nodes) -> Result<Vec<Holdings>, VmError> {
    for blocking in blocking::Blocking::ALL.iter().copied() {
        let outcome = blocking::Outcome::Completes;
        play(nodes, Row { blocking, route: Route::AwayToAway, outcome })?;
    }
    nodes.idle(&NODES)
}

/// Plays these rows, all in one boot unless one fails.
fn play_rows(rows: &[Row]) {
    let mut initrd = Initrd::new().unwrap();
    initrd.add_program("/bin/blockers", &artifacts::guest("blockers").unwrap()).unwrap();
    let mut stage = Stage::new(Cluster::builder().nodes(3), initrd);
    let mut before = None;
    let mut failed = Vec::new();
    for row in rows.iter().copied() {
        let result = stage.with(|nodes| {
            let before = match before.take() {
                Some(before) => before,
                None => warm_up(nodes).map_err(|error| error.to_string())?,
            };
            let outcome = play(nodes, row).map_err(|error| error.to_string())?;
            judge(row, &outcome)?;
            compare(nodes, &before)?;
            Ok::<_, String>(before)
        });
        match result {
            Ok(holdings) => before = Some(holdings),
            Err(why) => {
                println!("{row:?}: {why}");
                failed.push(row);
            }
        }
    }
    assert!(failed.is_empty(), "{} rows of {} fail: {failed:#?}", failed.len(), rows.len());
}

#[test]
fn calls_end_as_the_manual_says_wherever_the_process_is_moved_meanwhile() {
    let wanted = std::env::var("WAYFARER_ROW").unwrap_or_default();
    let rows: Vec<Row> =
        Row::all().into_iter().filter(|row| row.argv().join(" ").contains(&wanted)).collect();
    play_rows(&rows);
}
