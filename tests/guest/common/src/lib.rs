//! What the guest programs share.
//!
//! A guest is an ordinary Linux program with one subject. It passes on the host's Linux first,
//! which makes that Linux the oracle, and then the same binary runs on Wayfarer: at home, moved,
//! and moved in the middle of a call. So its standard output says nothing that may differ between
//! two right runs: no pid, no time, no address.

pub mod child;
pub mod node;
pub mod signal;

use std::io::Write;
use std::process::ExitCode;
use std::sync::Mutex;

/// One named check: it returns if all is well and panics if not.
pub type Case = (&'static str, fn());

/// The case under way, for the message of a panic.
static RUNNING: Mutex<&str> = Mutex::new("start");

/// Runs the cases named on the command line, or all but those named after the word `but`, printing
/// `ok NAME` for each.
///
/// The first failure prints `FAIL NAME: why` on standard error and ends the process with status 1,
/// in a forked child too (where the parent sees the status).
pub fn run(cases: &[Case]) -> ExitCode {
    fail_on_panic();
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (all_but, named) = match &*args {
        [] => (true, &args[..]),
        [word, names @ ..] if word == "but" => (true, names),
        names => (false, names),
    };
    if let Some(unknown) = named.iter().find(|name| !cases.iter().any(|case| case.0 == **name)) {
        eprintln!("no case is called {unknown}");
        return ExitCode::from(2);
    }
    for (name, check) in cases {
        if named.iter().any(|named| named == name) != all_but {
            *RUNNING.lock().expect("only the main thread starts cases") = name;
            check();
            say(&format!("ok {name}"));
        }
    }
    ExitCode::SUCCESS
}

/// Makes a panic of any thread end the process with status 1, naming the case.
pub fn fail_on_panic() {
    std::panic::set_hook(Box::new(|panic| {
        let case = RUNNING.try_lock().map_or("?", |case| *case);
        eprintln!("FAIL {case}: {panic}");
        child::exit_now(1);
    }));
}

/// Prints a line and flushes it, so that no fork can copy it and no kill can lose it.
pub fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).expect("standard output takes a line");
}
