//! The program a process executes: reading it from the files of home, and what it changes there.

use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::capability::CAP_SETUID;
use wayfarer_proto::linux::fcntl::X_OK;
use wayfarer_proto::linux::process::RLIMIT_STACK;
use wayfarer_proto::linux::signal::Signal;
use wayfarer_proto::linux::stat::{FileType, S_ISGID, S_ISUID};

use super::home::ProgramName;
use super::{Credentials, Home, HomeAsker, HomeThread, MappedFile, MappedFiles};
use crate::exec::{
    self, ExecError, ExecImage, Executable, Loadable, Processor, Program, ProgramFile, Start,
    script,
};
use crate::fs::{Asker as _, Dentry, FollowLast};
use crate::kernel::Kernel;

/// Bytes of `/proc/PID/comm`, without the NUL.
pub(super) const COMM_MAX: usize = 15;
/// Bytes of stack that a signal frame takes at most: the frame, the xsave area, and alignment.
const SIGNAL_FRAME_BYTES: u64 = 3632;

/// The arguments of execve(2).
pub struct ExecRequest {
    /// The program's file where it is not what the path names now (execveat(2)).
    pub file: Option<Rc<Dentry>>,
    /// The path; an interpreter is told to open it.
    pub path: Vec<u8>,
    /// Whether the path names nothing once the program runs: it leads through a descriptor that
    /// will be closed.
    pub is_fleeting: bool,
    /// The arguments.
    pub arguments: Vec<Vec<u8>>,
    /// The environment.
    pub environment: Vec<Vec<u8>>,
}

impl ExecRequest {
    /// Executes what a path names.
    pub const fn of_path(
        path: Vec<u8>,
        arguments: Vec<Vec<u8>>,
        environment: Vec<Vec<u8>>,
    ) -> Self {
        Self { file: None, path, is_fleeting: false, arguments, environment }
    }
}

/// A program that was read and can be started.
pub struct NewProgram {
    /// Its address space, as data.
    pub image: ExecImage,
    /// What it is called.
    pub name: ProgramName,
    /// The files it is mapped from.
    pub maps: MappedFiles,
}

/// A file found to be executable.
struct Found {
    file: MappedFile,
    arguments: Vec<Vec<u8>>,
    program: Program,
}

impl Kernel {
    /// Reads a program from the files of home; `credentials` become those it runs with.
    ///
    /// # Errors
    /// As execve(2).
    pub fn read_program(
        &self,
        asker: &HomeAsker<'_>,
        mut r: ExecRequest,
        credentials: &mut Credentials,
    ) -> Result<NewProgram, Errno> {
        let found = find(asker, &mut r)?;
        // Who shares its place could be led astray, unless it may become anyone.
        let trusted = asker.home.files.has_own_place() || credentials.has(CAP_SETUID);
        let secure = begin(credentials, &found.file, trusted);
        let maps = MappedFiles::default();
        let interpreter = match &found.program.interpreter {
            Some(path) => Some(open_interpreter(asker, path)?),
            None => None,
        };
        let path = String::from_utf8_lossy(&found.file.path).into_owned();
        let mut random = [0; 16];
        self.fill_random(&mut random);
        let start = Start {
            path: r.path,
            argv: found.arguments,
            envp: r.environment,
            processor: self.processor(),
            random,
            credentials: exec::Credentials {
                uid: credentials.user.real,
                euid: credentials.user.effective,
                gid: credentials.group.real,
                egid: credentials.group.effective,
                secure,
            },
            stack_limit: asker.home.limits.borrow().get(RLIMIT_STACK)?.current,
        };
        let main = Loadable {
            program: &found.program,
            file: &found.file,
            map: self.enter_map(&maps, found.file.clone()),
            path: &path,
        };
        let helper_path;
        let helper = match &interpreter {
            Some((file, program)) => {
                helper_path = String::from_utf8_lossy(&file.path).into_owned();
                let (map, path) = (self.enter_map(&maps, file.clone()), helper_path.as_str());
                Some(Loadable { program, file, map, path })
            }
            None => None,
        };
        let image = ExecImage::build(main, helper, &start)?;
        let name = ProgramName {
            comm: comm_of(&start.path),
            path: path.clone(),
            arguments: joined(&start.argv),
            environment: joined(&start.envp),
            auxiliary: image.auxiliary.clone(),
        };
        Ok(NewProgram { image, name, maps })
    }

    fn processor(&self) -> Processor {
        Processor { hwcap: self.cpu.basic[1], hwcap2: 0, signal_frame_bytes: SIGNAL_FRAME_BYTES }
    }
}

/// Changes credentials to those of a program: its file may say whose, to who is trusted.
fn begin(credentials: &mut Credentials, file: &MappedFile, trusted: bool) -> bool {
    let attributes = file.inode.metadata().attributes;
    let set = |bit: u32| trusted && attributes.permissions & bit == bit;
    let owner = set(S_ISUID).then_some(attributes.uid);
    // Without group execution the bit means mandatory locking.
    let group = set(S_ISGID | 0o010).then_some(attributes.gid);
    credentials.begin_program(owner, group)
}

impl ProgramFile for MappedFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, Errno> {
        self.inode.read_at(offset, buffer)
    }
}

/// Follows `#!` lines to an ELF executable. Takes the arguments out of the request.
fn find(asker: &HomeAsker<'_>, request: &mut ExecRequest) -> Result<Found, Errno> {
    let mut arguments = core::mem::take(&mut request.arguments);
    let mut path = request.path.clone();
    let mut file = match &request.file {
        Some(dentry) => executable(asker, dentry)?,
        None => open_program(asker, &path)?,
    };
    for _ in 0..=script::DEPTH_MAX {
        match exec::inspect(&file)? {
            Executable::Elf(program) => return Ok(Found { file, arguments, program }),
            Executable::Script(_) if request.is_fleeting => return Err(Errno::ENOENT),
            Executable::Script(script) => {
                arguments = script.arguments(&path, &arguments);
                path = script.interpreter;
                file = open_program(asker, &path)?;
            }
        }
    }
    Err(Errno::ELOOP)
}

fn open_program(asker: &HomeAsker<'_>, path: &[u8]) -> Result<MappedFile, Errno> {
    let directory = asker.home.files.directory();
    let dentry = asker.kernel.vfs.resolve(&directory, path, FollowLast::Yes, asker)?;
    executable(asker, &dentry)
}

/// The file of this name, if the asker may execute it.
fn executable(asker: &HomeAsker<'_>, dentry: &Rc<Dentry>) -> Result<MappedFile, Errno> {
    let inode = dentry.inode();
    if inode.file_type() != FileType::Regular || !asker.may(&**inode, X_OK) {
        return Err(Errno::EACCES);
    }
    Ok(MappedFile {
        inode: Rc::clone(dentry.inode()),
        path: dentry.path_from(asker.root().as_ref()),
    })
}

fn open_interpreter(asker: &HomeAsker<'_>, path: &[u8]) -> Result<(MappedFile, Program), Errno> {
    let file = open_program(asker, path)?;
    match exec::inspect(&file)? {
        Executable::Elf(program) => Ok((file, program)),
        Executable::Script(_) => Err(ExecError::BadInterpreter.into()),
    }
}

/// The base name of a path, cut to what fits.
fn comm_of(path: &[u8]) -> String {
    let base = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    String::from_utf8_lossy(&base[..base.len().min(COMM_MAX)]).into_owned()
}

/// Strings, each followed by NUL.
#[inline(never)]
fn joined(strings: &[Vec<u8>]) -> Vec<u8> {
    let mut joined = Vec::with_capacity(strings.iter().map(|string| string.len() + 1).sum());
    for string in strings {
        joined.extend_from_slice(string);
        joined.push(0);
    }
    joined
}

impl Home {
    /// What execve(2) changes at home.
    pub fn become_program(&self, program: NewProgram) {
        self.signals.reset_caught();
        self.files.unshare_descriptors();
        for file in self.files.descriptors().remove_close_on_exec() {
            self.closed(&file);
        }
        self.maps.end_loans();
        self.maps.copy_from(&program.maps);
        self.executions.set(self.executions.get() + 1);
        self.exit_signal.set(Some(Signal::SIGCHLD));
        self.timers.clear();
        *self.program.borrow_mut() = Rc::new(program.name);
        self.end_borrowing();
    }

    /// Leaves `thread` as the only one, under the leader's id (execve(2)).
    pub fn keep_only(&self, thread: &Rc<HomeThread>) {
        let leader = self.pid.leader();
        thread.name.take();
        let mut threads = self.threads.borrow_mut();
        threads.clear();
        if thread.tid == leader {
            threads.insert(leader, Rc::clone(thread));
            return;
        }
        let renamed = HomeThread::new(leader);
        renamed.mask.set(thread.mask.get());
        renamed.schedule.set(thread.schedule.get());
        renamed.pending.swap(&thread.pending);
        threads.insert(leader, Rc::new(renamed));
    }
}
