//! The commands: what each does with the library's clusters.

mod bench;
pub(crate) mod cli;
mod control;
mod demo;
mod failure;
mod pack;
mod prepare;
mod progress;
mod report;
mod run;
mod show;
mod signals;
mod terminal;
pub(crate) mod usage;

use cli::{Cli, Command};
use failure::Failure;

/// Carries out the command line; gives the exit status of this process.
pub(crate) fn carry_out(cli: Cli) -> Result<u8, Failure> {
    match cli.command {
        None => demo::demo(&cli.demo),
        Some(Command::Demo(options)) => demo::demo(&options),
        Some(Command::Bench(options)) => bench::bench(&options),
        Some(Command::Run(options)) => run::run(&options),
        Some(Command::Shell(options)) => run::shell(&options),
        Some(Command::Ps(options)) => control::ps(&options),
        Some(Command::Move(options)) => control::order(&options),
        Some(Command::Top(options)) => control::top(&options),
    }
}
