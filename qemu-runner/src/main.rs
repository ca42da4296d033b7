#![forbid(unsafe_code)]
//! The command `wayfarer`: boots nodes and runs Linux programs that move between them.

mod command;

use std::process::ExitCode;

use clap::Parser as _;

use command::cli::Cli;

fn main() -> ExitCode {
    match command::carry_out(Cli::parse()) {
        Ok(status) => ExitCode::from(status),
        Err(failure) => {
            eprintln!("wayfarer: {failure}");
            ExitCode::from(failure.status())
        }
    }
}
