//! execve(2): programs as files, and the address space a new program begins in.
//!
//! Nothing here waits, looks paths up or changes a process. The caller goes through these steps at
//! home, where the files are:
//!
//! 1. [`inspect`] the file. For a [`Script`], replace the arguments and begin again with its
//!    interpreter, at most [`script::DEPTH_MAX`] times.
//! 2. If the [`Program`] names an interpreter, inspect that too.
//! 3. [`ExecImage::build`]: from here on it is data, and can be sent to where the body is.
//! 4. [`ExecImage::apply`] on that node.
//!
//! A failure up to and including step 3 leaves the old program untouched.

mod auxv;
mod elf;
mod error;
mod file;
mod image;
pub mod script;
mod stack;

pub use auxv::{Credentials, Processor};
pub use elf::{Program, Segment};
pub use error::ExecError;
pub use file::ProgramFile;
pub use image::{ExecImage, Loadable, PIE_BASE};
pub use script::Script;
pub use stack::{STRING_MAX, Start};

/// What kind of program a file is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Executable {
    /// An ELF executable.
    Elf(Program),
    /// A script for an interpreter.
    Script(Script),
}

/// Looks at a file that shall be executed.
///
/// # Errors
/// [`ExecError`] if it cannot be.
pub fn inspect(file: &(impl ProgramFile + ?Sized)) -> Result<Executable, ExecError> {
    let mut head = [0; script::HEAD];
    let len = file.read_at(0, &mut head)?;
    if let Some(script) = Script::parse(&head[..len])? {
        return Ok(Executable::Script(script));
    }
    if len < wayfarer_proto::linux::elf::IDENT.len() {
        return Err(ExecError::UnknownFormat);
    }
    Program::parse(file).map(Executable::Elf)
}

#[cfg(test)]
mod tests;
