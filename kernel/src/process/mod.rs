//! Processes: a body that can move and a home that cannot (decision D7).
//!
//! [`Process`] says where the halves are; [`ProcessCell`] is what the rest of the kernel holds, so
//! that a process keeps its identity while its halves part and meet again.

mod apply;
mod asker;
mod body;
mod call_time;
mod cell;
mod child;
mod cpu_clock;
mod cpu_timer;
mod credentials;
mod exit;
mod files;
mod freeze;
mod home;
mod home_thread;
mod init;
mod limits;
mod local_memory;
mod maps;
mod posix_timer;
mod program;
mod quick;
mod robust;
mod run;
mod schedule;
mod table;
mod thread;
mod transact;
pub mod wait;

pub(crate) use apply::SYSCALL_LENGTH;
pub use asker::HomeAsker;
pub use body::{Body, Clocks, Identity, Memory};
pub use call_time::CallTime;
pub use cell::{Joint, Process, ProcessCell};
pub use child::{CloneArgs, Kind, first_context};
pub use cpu_clock::CpuClock;
pub use cpu_timer::{CpuTimer, CpuTimers};
pub use credentials::{Capabilities, Credentials, Ids};
pub use exit::spawn_reaper;
pub use files::Files;
pub use home::{Away, Home, ProgramName, RealTimer};
pub use home_thread::HomeThread;
pub use init::make_init;
pub use limits::ResourceLimits;
pub use local_memory::LocalMemory;
pub use maps::{MappedFile, MappedFiles};
pub use posix_timer::{Notice, PosixTimer, PosixTimers, TimerClock};
pub use program::{ExecRequest, NewProgram};
pub use run::{Next, Running};
pub use schedule::{Schedule, priorities};
pub use table::ProcessTable;
pub use thread::{BodyThread, Delivered, InCall, NO_ALT_STACK};
