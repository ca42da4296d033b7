//! Everything that was measured, as a person reads it.

use std::collections::BTreeMap;

use super::calls::Call;
use super::dissect::Dissection;
use super::figure::Figure;
use super::migrate::Move;
use super::results::Results;
use crate::command::report::columns;

/// The tables of the parts that ran.
pub(crate) fn text(results: &Results) -> String {
    let mut tables = Vec::new();
    if !results.calls.is_empty() {
        tables.push(calls("call", &results.calls));
    }
    if !results.shm.is_empty() {
        tables.push(calls("through shared memory", &results.shm));
    }
    tables.extend(results.dissection.as_ref().map(dissection));
    if !results.migrate.is_empty() {
        tables.push(moves(&results.migrate));
    }
    let others: [(&str, &BTreeMap<String, Figure>); 6] = [
        ("bulk", &results.bulk),
        ("boot", &results.boot),
        ("home", &results.home),
        ("memory", &results.memory),
        ("Linux boot", &results.peers.boot),
        ("Linux home", &results.peers.home),
    ];
    let figures: Vec<_> = others.into_iter().filter(|(_, part)| !part.is_empty()).collect();
    if !figures.is_empty() {
        tables.push(plain(&figures));
    }
    tables.join("\n")
}

/// A table of calls whose first column has this head.
fn calls(head: &str, calls: &BTreeMap<String, Call>) -> String {
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
    columns(&heads, rows)
}

fn dissection(parts: &Dissection) -> String {
    let row = |place: &str, what: &str, time: f64| {
        vec![format!("{place}: {what}"), number(time), number(100.0 * time / parts.whole)]
    };
    let of = |place, stages: &[(&'static str, f64)]| {
        stages.iter().map(|(name, time)| row(place, name, *time)).collect::<Vec<_>>()
    };
    let mut rows = of("body's node", &parts.body);
    rows.push(row("wire", "frames there and back", parts.network));
    rows.extend(of("home", &parts.home));
    rows.push(row("all", "sum of the above", parts.sum()));
    rows.push(row("all", "as the program measured it", parts.whole));
    rows.push(row("all", "the same bytes over TCP", parts.tcp));
    columns(&[&format!("{} away", parts.call), "us", "%"], rows.into_iter())
}

fn moves(moves: &[Move]) -> String {
    let heads =
        ["KiB", "of", "n", "total us", "min", "p99", "frozen us", "bytes", "trips", "x bulk"];
    let rows = moves.iter().map(|moved| {
        vec![
            moved.kib.to_string(),
            moved.kind.to_owned(),
            moved.total.n.to_string(),
            number(moved.total.median),
            number(moved.total.min),
            number(moved.total.p99),
            number(moved.frozen.median),
            number(moved.bytes),
            optional(moved.round_trips),
            number(moved.ratio_bulk),
        ]
    });
    columns(&heads, rows)
}

fn plain(parts: &[(&str, &BTreeMap<String, Figure>)]) -> String {
    let rows = parts.iter().flat_map(|(part, figures)| {
        figures.iter().map(move |(name, figure)| {
            let numbers = [figure.min, figure.median, figure.p99].map(number);
            let mut cells = vec![format!("{part} {name}")];
            cells.extend(numbers);
            cells.extend([figure.n.to_string(), figure.unit.to_owned()]);
            cells
        })
    });
    columns(&["figure", "min", "median", "p99", "n", "unit"], rows)
}

/// Three significant digits at least, no more than two decimals.
fn number(value: f64) -> String {
    match value {
        _ if value >= 100.0 || value.fract() == 0.0 => format!("{value:.0}"),
        _ if value >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn optional(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), number)
}
