//! Why a file is not executed.

use wayfarer_proto::errno::Errno;

use crate::memory::ImageError;

/// What is wrong with a program, its interpreter or its arguments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExecError {
    /// Neither an ELF file nor a script.
    UnknownFormat,
    /// An ELF file for another machine, word size or byte order.
    WrongMachine,
    /// An ELF file that is not an executable (a relocatable object, a core).
    NotExecutable,
    /// The headers contradict each other or the file ends within them.
    BadHeader,
    /// A segment lies outside user space, over another, or askew to its pages.
    BadSegment,
    /// The path of the program interpreter is not a path.
    BadInterpreterPath,
    /// The program interpreter wants a program interpreter, or is no position-independent ELF.
    BadInterpreter,
    /// The first line of a script names no interpreter, or is cut off.
    BadScript,
    /// Scripts that name scripts, too deep.
    TooManyScripts,
    /// Arguments and environment are too long.
    ArgumentsTooLong,
    /// No memory for the new address space.
    OutOfMemory,
    /// The file could not be read.
    Io(Errno),
}

impl From<ExecError> for Errno {
    fn from(error: ExecError) -> Self {
        match error {
            ExecError::UnknownFormat
            | ExecError::WrongMachine
            | ExecError::NotExecutable
            | ExecError::BadHeader
            | ExecError::BadSegment
            | ExecError::BadInterpreterPath
            | ExecError::BadScript => Self::ENOEXEC,
            ExecError::BadInterpreter => Self::ELIBBAD,
            ExecError::TooManyScripts => Self::ELOOP,
            ExecError::ArgumentsTooLong => Self::E2BIG,
            ExecError::OutOfMemory => Self::ENOMEM,
            ExecError::Io(errno) => errno,
        }
    }
}

impl From<ImageError> for ExecError {
    fn from(error: ImageError) -> Self {
        match error {
            ImageError::OutOfFrames | ImageError::TooManyRegions => Self::OutOfMemory,
            ImageError::BadRegion | ImageError::Overlap | ImageError::BadPage => Self::BadSegment,
        }
    }
}

impl From<Errno> for ExecError {
    fn from(errno: Errno) -> Self {
        Self::Io(errno)
    }
}
