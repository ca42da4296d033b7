//! Everything that was measured, as a person reads it.

use std::collections::BTreeMap;

use super::calls::Call;
use super::dissect::{Dissection, Part};
use super::figure::Figure;
use super::migrate::Move;
use super::results::Results;
use super::targets;
use crate::command::report::columns;

/// The tables of the parts that ran.
pub(crate) fn text(results: &Results) -> String {
    let mut tables = vec![calls("call", &results.calls)];
    tables.push(calls("through shared memory", &results.shm));
    tables.extend(results.dissect.iter().map(|(channel, parts)| dissection(channel, parts)));
    tables.push(moves("KiB", &results.migrate));
    tables.push(moves("KiB in memory", &results.migrate_shm));
    tables.push(plain(&[
        ("bulk", &results.bulk),
        ("boot", &results.boot),
        ("home", &results.home),
        ("memory", &results.memory),
        ("Linux boot", &results.peers.boot),
        ("Linux home", &results.peers.home),
        ("Linux wire", &results.peers.wire),
    ]));
    tables.push(files(results));
    tables.push(files_on_the_wire(results));
    tables.push(by_criu(results));
    tables.push(targets::text(&targets::all(results)));
    tables.retain(|table| !table.is_empty());
    tables.join("\n")
}

/// Calls on files away from home beside such over NFS between Linux guests.
pub(crate) fn files(results: &Results) -> String {
    let nfs = &results.peers.calls;
    let heads =
        ["on a file elsewhere", "away us", "memory us", "NFS us", "min", "p99", "NFS / away"];
    let away = |calls: &BTreeMap<String, Call>, name: &str| Some(calls.get(name)?.away.median);
    let rows = nfs.iter().map(|(name, theirs)| {
        let (ours, theirs) = (away(&results.calls, name), &theirs.call.away);
        vec![
            name.clone(),
            optional(ours),
            optional(away(&results.shm, name)),
            number(theirs.median),
            number(theirs.min),
            number(theirs.p99),
            optional(ours.map(|ours| theirs.median / ours.max(0.001))),
        ]
    });
    table(&heads, rows)
}

/// What the same calls cost on the wire.
pub(crate) fn files_on_the_wire(results: &Results) -> String {
    let heads = [
        "ours, NFS",
        "trips",
        "NFS",
        "frames",
        "NFS",
        "bytes to",
        "NFS",
        "bytes back",
        "NFS",
        "x tcp",
        "NFS",
        "x raw",
        "NFS",
    ];
    type Value = fn(&Call) -> Option<f64>;
    let values: [Value; 6] = [
        |call| Some(call.round_trips),
        |call| Some(call.frames),
        |call| Some(call.request_bytes),
        |call| Some(call.reply_bytes),
        |call| call.ratio_tcp,
        |call| call.ratio_raw,
    ];
    let rows = results.peers.calls.iter().map(|(name, theirs)| {
        let ours = results.calls.get(name);
        let pair = |value: &Value| [ours.and_then(value), value(&theirs.call)].map(optional);
        std::iter::once(name.clone()).chain(values.iter().flat_map(pair)).collect()
    });
    table(&heads, rows)
}

/// Moves of ours beside such by CRIU between Linux guests.
pub(crate) fn by_criu(results: &Results) -> String {
    let heads = [
        "KiB",
        "ours ms",
        "frozen ms",
        "trips",
        "x bulk",
        "CRIU ms",
        "frozen ms",
        "trips",
        "x bulk",
        "bytes",
        "by",
        "CRIU / ours",
    ];
    let rows = results.peers.migrate.iter().map(|theirs| {
        let same = |ours: &&Move| ours.kib == theirs.kib && ours.kind == theirs.kind;
        let ours = results.migrate.iter().find(same);
        let of = |figure: &Figure| number(figure.median / 1000.0);
        vec![
            theirs.kib.to_string(),
            ours.map_or_else(absent, |ours| of(&ours.total)),
            ours.map_or_else(absent, |ours| of(&ours.frozen)),
            optional(ours.and_then(|ours| ours.round_trips)),
            optional(ours.map(|ours| ours.ratio_bulk)),
            of(&theirs.total),
            of(&theirs.frozen),
            optional(theirs.round_trips),
            number(theirs.ratio_bulk),
            number(theirs.bytes),
            theirs.way.clone().unwrap_or_else(absent),
            optional(ours.map(|ours| theirs.total.median / ours.total.median.max(1.0))),
        ]
    });
    table(&heads, rows)
}

/// Calls at home beside those of a Linux guest.
pub(crate) fn homes(results: &Results) -> String {
    let rows = results.home.iter().map(|(name, ours)| {
        let theirs = results.peers.home.get(name).map(|figure| figure.median);
        vec![
            name.clone(),
            number(ours.median),
            number(ours.min),
            number(ours.p99),
            optional(theirs),
            optional(theirs.map(|theirs| ours.median / theirs.max(0.001))),
        ]
    });
    table(&["at home", "node us", "min", "p99", "Linux us", "node / Linux"], rows)
}

/// Columns, or nothing where there is nothing in them.
fn table(heads: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut rows = rows.peekable();
    if rows.peek().is_none() { String::new() } else { columns(heads, rows) }
}

fn absent() -> String {
    "-".to_owned()
}

/// A table of calls whose first column has this head.
pub(crate) fn calls(head: &str, calls: &BTreeMap<String, Call>) -> String {
    let heads = [
        head,
        "home us",
        "away us",
        "min",
        "p99",
        "slower",
        "trips",
        "frames",
        "bytes to",
        "bytes back",
        "tcp us",
        "min",
        "raw us",
        "min",
        "x tcp",
        "x raw",
    ];
    let least = |figure: &Option<Figure>| figure.as_ref().map(|figure| figure.min);
    let median = |figure: &Option<Figure>| figure.as_ref().map(|figure| figure.median);
    let rows = calls.iter().map(|(name, call)| {
        let cells = [
            number(call.home.median),
            number(call.away.median),
            number(call.away.min),
            number(call.away.p99),
            number(call.slowdown()),
            number(call.round_trips),
            number(call.frames),
            number(call.request_bytes),
            number(call.reply_bytes),
            optional(median(&call.tcp)),
            optional(least(&call.tcp)),
            optional(median(&call.raw)),
            optional(least(&call.raw)),
            optional(call.ratio_tcp),
            optional(call.ratio_raw),
        ];
        std::iter::once(name.clone()).chain(cells).collect()
    });
    table(&heads, rows)
}

/// A call taken apart.
pub(crate) fn dissection(channel: &str, parts: &Dissection) -> String {
    let whole = parts.whole.max(0.001);
    let row = |place: &str, what: &str, time: f64| {
        vec![format!("{place}: {what}"), number(time), number(100.0 * time / whole)]
    };
    let of = |place: &str, stages: &[Part]| -> Vec<_> {
        stages.iter().map(|part| row(place, &part.stage, part.time)).collect()
    };
    let mut rows = of("body's node", &parts.body);
    rows.extend(of("home", &parts.home));
    rows.push(row("wire", "bare frames there and back", parts.network));
    let beyond = match parts.beyond() < 0.0 {
        true => "less, where they travel while a node works",
        false => "more, in a call",
    };
    rows.push(row("wire", beyond, parts.beyond()));
    rows.push(row("all", "sum of the above", parts.sum()));
    rows.push(row("all", "as the program measured it", parts.whole));
    rows.push(row("all", "the same bytes over TCP", parts.tcp));
    columns(&[&format!("{} away, {channel}", parts.call), "us", "%"], rows.into_iter())
}

/// Moves of every kind, in a table whose first column has this head.
pub(crate) fn moves(head: &str, moves: &[Move]) -> String {
    let heads = [
        head,
        "of",
        "n",
        "total us",
        "min",
        "p99",
        "frozen us",
        "bytes",
        "trips",
        "x bulk",
        "pages/s",
    ];
    let rows = moves.iter().map(|moved| {
        vec![
            moved.kib.to_string(),
            moved.kind.clone(),
            moved.total.n.to_string(),
            number(moved.total.median),
            number(moved.total.min),
            number(moved.total.p99),
            number(moved.frozen.median),
            number(moved.bytes),
            optional(moved.round_trips),
            number(moved.ratio_bulk),
            number(moved.pages_per_second),
        ]
    });
    table(&heads, rows)
}

/// Figures that are compared with nothing.
pub(crate) fn plain(parts: &[(&str, &BTreeMap<String, Figure>)]) -> String {
    let rows = parts.iter().flat_map(|(part, figures)| {
        figures.iter().map(move |(name, figure)| {
            let numbers = [figure.min, figure.median, figure.p99].map(number);
            let mut cells = vec![format!("{part} {name}")];
            cells.extend(numbers);
            cells.extend([figure.n.to_string(), figure.unit.clone()]);
            cells
        })
    });
    table(&["figure", "min", "median", "p99", "n", "unit"], rows)
}

/// Three significant digits at least, no more than two decimals.
pub(crate) fn number(value: f64) -> String {
    match value {
        _ if value.abs() >= 100.0 || value.fract() == 0.0 => format!("{value:.0}"),
        _ if value.abs() >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn optional(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), number)
}
