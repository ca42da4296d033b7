//! `docs/performance.md`: written by the run that its figures come from, which are kept beside it.
//!
//! What is said of a figure follows from it: no number between the two marks is written by hand.

use std::fmt::Write as _;
use std::path::Path;

use super::calls::Call;
use super::dissect::Dissection;
use super::plot;
use super::results::Results;
use super::table::{self, number};
use super::targets::{self, Limit, Target};
use crate::command::failure::Failure;
use crate::command::report::columns;

/// Between these lines the document is the benchmark's.
const BEGIN: &str = "<!-- begin figures -->\n";
const END: &str = "<!-- end figures -->\n";

/// The calls of the thesis's table 5.1, and how much slower they were there when forwarded.
const THESIS: [(&str, f64); 5] = [
    ("close", 3.27 / 0.024),
    ("lseek", 3.28 / 0.025),
    ("open", 7.43 / 0.610),
    ("write_1k", 9.84 / 0.340),
    ("write_8k", 24.65 / 1.450),
];

/// Writes the document, its figures and its plots in the directory `docs`. Parts that were not
/// measured now are taken from the figures that are there.
pub(crate) fn write(docs: &Path, results: Results) -> Result<(), Failure> {
    let (page, figures) = (docs.join("performance.md"), docs.join("performance.json"));
    let read = |path: &Path| {
        std::fs::read_to_string(path)
            .map_err(|source| Failure::Unreadable { path: path.to_owned(), source })
    };
    let write = |path: &Path, text: String| {
        std::fs::write(path, text)
            .map_err(|source| Failure::Unwritable { path: path.to_owned(), source })
    };
    // Where there are none yet this writes the first; those of another shape are not thrown away.
    let before = read(&figures).ok().map(|text| serde_json::from_str(&text)).transpose();
    let before = before.map_err(|why| Failure::Benchmark(format!("{}: {why}", figures.display())));
    let results = results.over(before?.unwrap_or_default());
    let text = replaced(&read(&page)?, &body(&results))
        .ok_or_else(|| Failure::Benchmark(format!("{} has no place for it", page.display())))?;
    plot::draw(&results, &docs.join("plots"))?;
    write(&figures, results.json())?;
    write(&page, text)
}

/// The text with what is between the two lines replaced; `None` without them.
fn replaced(text: &str, figures: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some([before, BEGIN, figures, END, after].concat())
}

/// Everything that follows from the figures.
fn body(results: &Results) -> String {
    let targets = targets::all(results);
    let sections = [
        ("Machine", machine(results)),
        ("Targets", verdict(&targets) + &fenced(&targets::text(&targets))),
        ("What limits them now", limits(&targets)),
        ("Calls away from home (table 5.1)", thesis(results)),
        ("All calls", calls(results)),
        ("Plots (figures 5.1 and 5.2)", plots(results)),
        ("Where the time goes (tables 5.2 and 5.3)", dissections(results)),
        ("Moves", moves(results)),
        ("Bulk, boot and memory", fenced(&rest(results))),
        ("Beside Linux under the same emulator", peers(results)),
    ];
    let mut text = String::new();
    for (title, content) in sections.iter().filter(|(_, content)| !content.is_empty()) {
        let _ = write!(text, "\n## {title}\n\n{content}");
    }
    text + "\n"
}

fn fenced(table: &str) -> String {
    if table.is_empty() { String::new() } else { format!("```text\n{table}```\n") }
}

/// On what each part was measured, and which failed.
fn machine(results: &Results) -> String {
    let mut text = String::new();
    for (part, circumstances) in &results.taken {
        let _ = writeln!(text, "- {part}: {circumstances}.");
    }
    for (part, reason) in &results.failed {
        let _ = writeln!(text, "- {part} FAILED: {}", reason.replace('\n', " "));
    }
    text + "\nTimes are medians unless a column says otherwise.\n"
}

fn verdict(targets: &[Target]) -> String {
    let met = targets.iter().filter(|target| target.met).count();
    format!("{met} of {} targets are met.\n\n", targets.len())
}

/// For every reason why targets are missed: which, and the reason.
fn limits(targets: &[Target]) -> String {
    let mut missed: Vec<Limit> =
        targets.iter().filter(|target| !target.met).map(|target| target.limit).collect();
    missed.sort_unstable();
    missed.dedup();
    let mut text = String::new();
    for limit in missed {
        let of = targets.iter().filter(|target| !target.met && target.limit == limit);
        let names: Vec<String> =
            of.map(|target| format!("{} ({})", target.what, target.measured)).collect();
        text += &folded(&format!("- Missed: {}. {}", names.join("; "), limit.text()));
    }
    text
}

/// A paragraph in lines of 100 columns; those after the first are indented.
fn folded(text: &str) -> String {
    const COLUMNS: usize = 100;
    let (mut lines, mut line) = (String::new(), String::new());
    for word in text.split(' ') {
        if line.len() + 1 + word.len() > COLUMNS {
            lines += &line;
            lines.push('\n');
            line = format!("  {word}");
        } else {
            line += if line.is_empty() { "" } else { " " };
            line += word;
        }
    }
    lines + &line + "\n"
}

/// Table 5.1 with what both channels cost, beside the thesis.
fn thesis(results: &Results) -> String {
    let heads = ["call", "home us", "TCP us", "slower", "memory us", "slower", "thesis: slower"];
    let rows = THESIS.iter().filter_map(|(name, slower)| {
        let call = results.calls.get(*name)?;
        let memory = results.shm.get(*name);
        let cell = |value: fn(&Call) -> f64| {
            memory.map_or_else(|| "-".to_owned(), |call| number(value(call)))
        };
        Some(vec![
            (*name).to_owned(),
            number(call.home.median),
            number(call.away.median),
            number(call.slowdown()),
            cell(|call| call.away.median),
            cell(Call::slowdown),
            number(*slower),
        ])
    });
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() { String::new() } else { fenced(&columns(&heads, rows.into_iter())) }
}

fn calls(results: &Results) -> String {
    let over_tcp = fenced(&table::calls("over TCP", &results.calls));
    let in_memory = fenced(&table::calls("through memory", &results.shm));
    [over_tcp, in_memory].join("\n")
}

fn moves(results: &Results) -> String {
    let over_tcp = fenced(&table::moves("KiB over TCP", &results.migrate));
    let in_memory = fenced(&table::moves("through memory", &results.migrate_shm));
    [over_tcp, in_memory].join("\n")
}

fn plots(results: &Results) -> String {
    if results.calls.is_empty() {
        return String::new();
    }
    plot::NAMES.iter().map(|(file, title)| format!("![{title}](plots/{file})\n")).collect()
}

fn dissections(results: &Results) -> String {
    let one = |(channel, parts): (&String, &Dissection)| {
        let share = |time: f64| number(100.0 * time / parts.whole.max(0.001));
        let text = format!(
            "Over {channel} the parts of {} add up to {} % of what the program measured. The \
             body's node works for {} % of it and home for {} %; bare frames there and back are \
             {} %.",
            parts.call,
            share(parts.sum()),
            share(Dissection::of(&parts.body)),
            share(Dissection::of(&parts.home)),
            share(parts.network),
        );
        format!(
            "{}\n{}",
            folded(&text).replace("\n  ", "\n"),
            fenced(&table::dissection(channel, parts))
        )
    };
    results.dissect.iter().map(one).collect::<Vec<_>>().join("\n")
}

fn rest(results: &Results) -> String {
    table::plain(&[("bulk", &results.bulk), ("boot", &results.boot), ("memory", &results.memory)])
}

fn peers(results: &Results) -> String {
    let peers = &results.peers;
    let figures = [("Linux boot", &peers.boot), ("between Linux guests", &peers.wire)];
    let tables = [
        if peers.home.is_empty() { String::new() } else { table::homes(results) },
        table::files(results),
        table::files_on_the_wire(results),
        table::by_criu(results),
        table::plain(&figures),
    ];
    let tables: Vec<String> = tables.iter().map(|table| fenced(table)).collect();
    tables.into_iter().filter(|table| !table.is_empty()).collect::<Vec<_>>().join("\n")
}

/// On what, and how busy it was.
pub(crate) fn circumstances() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let processors = read("/proc/cpuinfo");
    let model =
        processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("an unnamed processor", |(_, name)| name);
    let count = processors.lines().filter(|line| line.starts_with("processor")).count();
    let load = read("/proc/loadavg");
    let load = load.split(' ').next().unwrap_or("?").to_owned();
    format!("{count} processors, {model}; load of its last minute, its own included, {load}")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use wayfarer::artifacts;

    use super::*;

    /// The keys that programs may rely on: a path, where `.*` is any one. Behind each is a figure,
    /// a number, or what the test below asks of both.
    const CALLS: [&str; 8] =
        ["close", "lseek", "open", "write_1k", "write_8k", "read_1k", "read_8k", "stat"];

    fn documented() -> (String, Results, Value) {
        let docs = artifacts::workspace().join("docs");
        let read = |name: &str| std::fs::read_to_string(docs.join(name)).unwrap();
        let json = read("performance.json");
        let results = serde_json::from_str(&json).unwrap();
        (read("performance.md"), results, serde_json::from_str(&json).unwrap())
    }

    #[test]
    fn only_the_figures_are_replaced() {
        let text = format!("a\n{BEGIN}old\n{END}b\n");
        assert_eq!(replaced(&text, "new\n"), Some(format!("a\n{BEGIN}new\n{END}b\n")));
        assert_eq!(replaced("a\nb\n", "new\n"), None);
    }

    #[test]
    fn figures_of_another_shape_stay() {
        let docs = tempfile::tempdir().unwrap();
        let figures = docs.path().join("performance.json");
        std::fs::write(&figures, r#"{"peers": {"calls": {"stat": 1}}}"#).unwrap();
        let failure = write(docs.path(), Results::default()).unwrap_err().to_string();
        assert!(failure.contains("performance.json"), "{failure}");
        assert!(std::fs::read_to_string(&figures).unwrap().contains("stat"));
    }

    #[test]
    fn document_follows_from_its_figures() {
        let (page, results, _) = documented();
        let written = replaced(&page, &body(&results)).unwrap();
        assert!(page == written, "bench --document writes docs/performance.md, nobody else");
    }

    #[test]
    fn every_figure_that_programs_rely_on_is_there() {
        let (_, _, json) = documented();
        let figure = |value: &Value| {
            let numbers = ["min", "median", "p99", "n"].iter().all(|key| value[*key].is_number());
            assert!(numbers && value["unit"].is_string(), "no figure: {value}");
        };
        for call in CALLS {
            for call in [&json["calls"][call], &json["shm"][call]] {
                figure(&call["home"]);
                figure(&call["away"]);
                let numbers = ["round_trips", "frames", "request_bytes", "reply_bytes"];
                let ratios = ["ratio_tcp", "ratio_raw"];
                assert!(numbers.iter().chain(&ratios).all(|key| call[*key].is_number()), "{call}");
            }
        }
        // What its round trip costs is compared with the wire, where it needs one.
        for call in CALLS {
            let call = &json["peers"]["calls"][call];
            [call, &call["home"], &call["away"]].into_iter().for_each(figure);
            let numbers = ["round_trips", "frames", "request_bytes", "reply_bytes"];
            let ratios = ["ratio_tcp", "ratio_raw"];
            let ratios = ratios.iter().filter(|_| call["round_trips"].as_f64() >= Some(0.5));
            assert!(numbers.iter().chain(ratios).all(|key| call[*key].is_number()), "{call}");
        }
        for name in ["mtu_1500", "mtu_9000", "memory"] {
            figure(&json["bulk"][name]);
        }
        for moves in [&json["migrate"], &json["migrate_shm"], &json["peers"]["migrate"]] {
            for moved in moves.as_array().unwrap() {
                figure(&moved["total"]);
                figure(&moved["frozen"]);
                let numbers = ["kib", "bytes", "round_trips", "ratio_bulk"];
                assert!(numbers.iter().all(|key| moved[*key].is_number()), "{moved}");
                assert!(moved["kind"].is_string(), "{moved}");
            }
        }
        for name in ["close", "lseek", "open_close", "stat", "pipe", "fork_exit", "fork_exec"] {
            figure(&json["home"][name]);
            figure(&json["peers"]["home"][name]);
        }
        figure(&json["boot"]["first_user"]);
        figure(&json["peers"]["boot"]["first_user"]);
        for name in ["image", "node", "deputy", "guest"] {
            figure(&json["memory"][name]);
        }
        for channel in ["tcp", "shm"] {
            assert!(json["dissect"][channel]["whole"].is_number());
        }
    }

    #[test]
    fn long_paragraphs_are_folded() {
        let text = folded(&["word"; 40].join(" "));
        assert!(text.lines().count() == 3 && text.lines().all(|line| line.len() <= 100), "{text}");
        assert!(text.lines().skip(1).all(|line| line.starts_with("  word")), "{text}");
    }
}
