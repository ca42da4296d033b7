//! `bench calls NODE COUNT`: times system calls here and then on NODE.
//! `bench one NAME NODE COUNT`: times one of the calls on NODE, when standard input says so.
//! `bench home COUNT`: times what whole processes do.
//! `bench sleepers COUNT NODE`: children that sleep on NODE, to be counted.
//! `bench memory KIB MOVES NODE KIND`: a process of that size moves there and back.
//! `bench nothing`: ends at once.
//!
//! In two Linux guests that are compared with two nodes:
//!
//! `bench serve`: does what the other guest asks for.
//! `bench wire ADDRESS COUNT`: times what TCP to that guest takes.
//! `bench tcp|raw ADDRESS NAME REQUEST REPLY COUNT`: the same with these bytes, or bare frames.
//! `bench files here|away COUNT`: times calls on files of this directory.
//! `bench count ADDRESS COUNT`: makes them, marked for who captures what goes to that guest.
//! `bench criu ADDRESS KIB TURNS WAY`: a process of that size moves to that guest.
//! `bench hold KIB`: that process.
//!
//! What it says on standard output is for the runner's `bench`, a line of words each:
//!
//! ```text
//! samples NAME here|away NANOSECONDS...    how long each call took
//! counts NAME CALLS ROUND_TRIPS FRAMES BYTES_HOME BYTES_AWAY    what that many calls cost
//! begin, ready                             it waits for a line, before and after what it does
//! move WAY KIB NANOSECONDS NANOSECONDS_FROZEN    a move by CRIU
//! ```

mod calls;
mod clock;
mod counts;
mod criu;
mod frames;
mod marks;
mod peer;
mod processes;

use std::io::BufRead as _;
use std::process::ExitCode;

use guest_common::say;

fn main() -> ExitCode {
    guest_common::fail_on_panic();
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match carry_out(&words) {
        Some(()) => ExitCode::SUCCESS,
        None => {
            eprintln!(
                "usage: bench calls|one|home|sleepers|memory|nothing|serve|wire|tcp|raw|files|\
                 count|criu|hold ..."
            );
            ExitCode::from(2)
        }
    }
}

fn carry_out(words: &[&str]) -> Option<()> {
    match *words {
        ["calls", node, count] => calls::here_and_there(node.parse().ok()?, count.parse().ok()?),
        ["one", name, node, count] => {
            calls::one_there(name, node.parse().ok()?, count.parse().ok()?);
        }
        ["home", count] => {
            let count = count.parse().ok()?;
            calls::whole(count);
            processes::whole(count);
        }
        ["sleepers", count, node] => {
            processes::sleepers(count.parse().ok()?, node.parse().ok()?);
        }
        ["memory", kib, moves, node, kind] => {
            let kind = processes::Kind::parse(kind)?;
            processes::travel(kib.parse().ok()?, moves.parse().ok()?, node.parse().ok()?, kind);
        }
        ["nothing"] => {}
        ["serve"] => peer::serve(),
        ["wire", address, count] => peer::wire(address, count.parse().ok()?),
        [carrier @ ("tcp" | "raw"), address, name, request, reply, count] => {
            let sizes = (request.parse().ok()?, reply.parse().ok()?);
            let ping_pong = if carrier == "tcp" { peer::ping_pong } else { peer::ping_pong_frames };
            ping_pong(address, &format!("{carrier}/{name}"), sizes, count.parse().ok()?);
        }
        ["files", place, count] => calls::on_files(place, count.parse().ok()?),
        ["count", address, count] => calls::count_on_files(address, count.parse().ok()?),
        ["criu", address, kib, turns, way] => {
            criu::travel(address, kib.parse().ok()?, turns.parse().ok()?, way);
        }
        ["hold", kib] => criu::hold(kib.parse().ok()?),
        _ => return None,
    }
    Some(())
}

/// Tells how long each call of a series took.
fn tell_samples(name: &str, place: &str, samples: &[u64]) {
    let mut line = format!("samples {name} {place}");
    for sample in samples {
        line.push(' ');
        line += &sample.to_string();
    }
    say(&line);
}

/// Waits for a byte or the end of standard input.
fn wait_for_input() {
    let mut input = std::io::stdin().lock();
    let taken = input.fill_buf().expect("standard input is open").len().min(1);
    input.consume(taken);
}
