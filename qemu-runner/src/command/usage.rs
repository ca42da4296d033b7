//! A command line that makes no sense, told in one line.

use clap::Error;
use clap::error::{ContextKind, ContextValue};

/// The exit status for a wrong command line, clap's own.
pub(crate) const STATUS: u8 = 2;

/// What is wrong, in one line without "error:".
pub(crate) fn one_line(error: &Error) -> String {
    let text = error.render().to_string();
    let what = text.split("\n\n").next().unwrap_or_default();
    let words: Vec<&str> = what.split_whitespace().collect();
    let what = words.join(" ");
    let what = what.strip_prefix("error: ").unwrap_or(&what);
    match suggestion(error) {
        Some(similar) => format!("{what}; is '{similar}' meant?"),
        None => format!("{what}; see --help"),
    }
}

/// The option or command that was perhaps meant.
fn suggestion(error: &Error) -> Option<String> {
    let kinds =
        [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand, ContextKind::SuggestedValue];
    kinds.into_iter().find_map(|kind| match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::Strings(texts) => texts.first().cloned(),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::command::cli::Cli;

    #[track_caller]
    fn told(line: &str) -> String {
        let text = one_line(&Cli::try_parse_from(line.split(' ')).unwrap_err());
        assert!(!text.contains('\n'), "{text:?}");
        text
    }

    #[test]
    fn one_line_names_the_option_and_its_values() {
        let text = told("wayfarer run --net pigeon ls");
        assert!(text.contains("--net") && text.contains("dgram, stream, tap"), "{text}");
        assert!(told("wayfarer run").contains("<PROGRAM>"));
        assert!(told("wayfarer run --memory 5 ls").contains("expected 16M to 64G"));
        assert!(told("wayfarer fly").contains("'fly'"));
    }

    #[test]
    fn what_was_meant_is_asked() {
        let text = told("wayfarer --nodez 3");
        assert!(text.ends_with("is '--nodes' meant?"), "{text}");
    }
}
