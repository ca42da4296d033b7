#![forbid(unsafe_code)]
//! The command `wayfarer`: boots nodes and runs Linux programs that move between them.

mod command;

use std::process::ExitCode;

use clap::Parser as _;

use command::cli::Cli;
use command::usage;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => {
            eprintln!("wayfarer: {}", usage::one_line(&error));
            return ExitCode::from(usage::STATUS);
        }
        // --help and --version.
        Err(text) => text.exit(),
    };
    match command::carry_out(cli) {
        Ok(status) => ExitCode::from(status),
        Err(failure) => {
            eprintln!("wayfarer: {failure}");
            ExitCode::from(failure.status())
        }
    }
}
