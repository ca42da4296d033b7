//! The tables in `docs/performance.md`: written by the run that they come from.

use std::path::Path;

use crate::command::failure::Failure;

/// Between these lines the document is the benchmark's.
const BEGIN: &str = "<!-- begin figures -->\n";
const END: &str = "<!-- end figures -->\n";

/// Puts `tables` into the document at `path`.
pub(crate) fn write(path: &Path, tables: &str) -> Result<(), Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| Failure::Unreadable { path: path.to_owned(), source })?;
    let written = replaced(&text, &format!("{}\n```text\n{tables}```\n", circumstances()))
        .ok_or_else(|| Failure::Benchmark(format!("{} has no place for it", path.display())))?;
    std::fs::write(path, written)
        .map_err(|source| Failure::Unwritable { path: path.to_owned(), source })
}

/// The text with what is between the two lines replaced; `None` without them.
fn replaced(text: &str, figures: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some([before, BEGIN, figures, END, after].concat())
}

/// On what, and how busy it was.
fn circumstances() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let processors = read("/proc/cpuinfo");
    let model =
        processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("an unnamed processor", |(_, name)| name);
    let count = processors.lines().filter(|line| line.starts_with("processor")).count();
    let load = read("/proc/loadavg");
    let load = load.split(' ').nth(1).unwrap_or("?").to_owned();
    format!(
        "{count} processors, {model}; mean load of the last five minutes {load}, the benchmark's\n\
         own included. Times are medians unless a column says otherwise.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_figures_are_replaced() {
        let text = format!("a\n{BEGIN}old\n{END}b\n");
        assert_eq!(replaced(&text, "new\n"), Some(format!("a\n{BEGIN}new\n{END}b\n")));
        assert_eq!(replaced("a\nb\n", "new\n"), None);
    }
}
