//! Every guest program on real nodes: at home, moved once and roaming it says what it says on the
//! host's Linux.
//!
//! The guests of one way share a boot. `WAYFARER_GUEST=NAME` runs only those with that in their
//! name.

use std::time::Duration;

use wayfarer::{Initrd, Outcome};
use wayfarer_proto::console::ExitStatus;
use wayfarer_tests::coverage::{self, Observed};
use wayfarer_tests::guests::{GREEDY, GUESTS, Guest, HOSTILE, TERMINAL, TERMINAL_KEYS};
use wayfarer_tests::native::Run;
use wayfarer_tests::stage::Stage;
use wayfarer_tests::vm::{Nodes, Way};

/// How long a guest may take on a node.
const LIMIT: Duration = Duration::from_secs(300);

/// A node's memory: all guests lie in it twice, in the initrd and as files that have been read.
const MEMORY_MIB: u32 = 256;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What the guest did wrong, if it did.
fn compare(native: &Run, outcome: &Outcome) -> Result<(), String> {
    let (here, natively) = (text(&outcome.stdout), text(&native.stdout));
    if (&outcome.status, &here) == (&ExitStatus::Exited(0), &natively) {
        return Ok(());
    }
    let lines = here.lines().zip(natively.lines());
    let same = lines.take_while(|(here, natively)| here == natively).count();
    let differs = [&here, &natively].map(|text| text.lines().nth(same).map(str::to_owned));
    let said = text(&outcome.stderr);
    Err(format!("{:?} {:?} {said} {:?}", outcome.status, differs, outcome.log))
}

fn check(stage: &mut Stage, guest: &Guest, observed: &mut Observed) -> Result<(), String> {
    let native = guest.run_natively().map_err(|error| error.to_string())?;
    let run = |nodes: &mut Nodes| nodes.run(&guest.start(), LIMIT);
    let outcome = stage.with(|nodes| run(nodes).map_err(|error| error.to_string()))?;
    observed.add(guest.name, &outcome.calls);
    compare(&native, &outcome)
}

/// It checks by itself what the terminal does; what is shown depends on when keys are typed.
fn check_terminal(stage: &mut Stage) -> Result<(), String> {
    let run = |nodes: &mut Nodes| nodes.converse(&TERMINAL.start(), TERMINAL_KEYS, LIMIT);
    let outcome = stage.with(|nodes| run(nodes).map_err(|error| error.to_string()))?;
    match outcome.status {
        ExitStatus::Exited(0) => Ok(()),
        status => Err(format!("{status:?}: {} {:?}", text(&outcome.stdout), outcome.log)),
    }
}

fn run_all(way: Way, guests: &[Guest]) -> Observed {
    let wanted = std::env::var("WAYFARER_GUEST").unwrap_or_default();
    let mut initrd = Initrd::new().unwrap();
    let guests = || guests.iter().filter(|guest| guest.name.contains(&wanted));
    guests().for_each(|guest| guest.pack(&mut initrd).unwrap());
    // Some move themselves, whatever the way.
    let cluster = way.cluster().nodes(3).memory_mib(MEMORY_MIB);
    // What is seen at home shows which calls which guest makes.
    let cluster = if way == Way::Home { cluster.words("trace") } else { cluster };
    let mut stage = Stage::new(cluster, initrd);
    let (mut failed, mut observed) = (Vec::new(), Observed::default());
    for guest in guests() {
        let result = match guest.name {
            "terminal" => check_terminal(&mut stage),
            _ => check(&mut stage, guest, &mut observed),
        };
        if let Err(why) = result {
            println!("{} ({way:?}): {why}", guest.name);
            failed.push(guest.name);
        }
    }
    assert!(failed.is_empty(), "{} guests fail: {}", failed.len(), failed.join(" "));
    observed
}

fn all() -> Vec<Guest> {
    GUESTS.iter().chain([&TERMINAL]).copied().collect()
}

#[test]
fn guests_at_home_do_what_they_do_natively() {
    let observed = run_all(Way::Home, &[all(), vec![GREEDY]].concat());
    if std::env::var_os("WAYFARER_GUEST").is_none() {
        coverage::check(&observed);
    }
}

#[test]
fn guests_moved_once_do_what_they_do_natively() {
    run_all(Way::Once, &all());
}

#[test]
fn roaming_guests_do_what_they_do_natively() {
    run_all(Way::Roaming, &all());
}

#[test]
#[ignore = "minutes"]
fn no_call_with_wrong_arguments_harms_a_node() {
    for way in Way::ALL {
        run_all(way, &[HOSTILE]);
    }
}
