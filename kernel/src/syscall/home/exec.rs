//! execve(2) and execveat(2) at home: the program is read where its files are, and travels as data
//! (rule 8).

use alloc::format;
use alloc::rc::Rc;
use alloc::vec::Vec;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::{Fd, UserAddr};
use wayfarer_proto::linux::fcntl::{AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW};
use wayfarer_proto::linux::stat::FileType;

use super::files::names::{self, Name};
use crate::fs::FollowLast;
use crate::process::{ExecRequest, HomeThread};
use crate::syscall::{Call, Caller, SysResult};

/// The longest single argument (`MAX_ARG_STRLEN`), NUL included.
const ARG_MAX: usize = 128 << 10;
/// All arguments and the environment together (execve(2), "Limits on size").
const ARGS_MAX: usize = 2 << 20;

/// execve(2).
///
/// # Errors
/// As execve(2) says.
pub(super) async fn execve(c: &Caller, call: &Call) -> SysResult {
    let path = names::path(c, call.addr(0)).await?;
    let [arguments, environment] = read_start(c, call, 1).await?;
    execute(c, ExecRequest::of_path(path, arguments, environment)).await
}

/// execveat(2).
///
/// # Errors
/// As execveat(2) says.
pub(super) async fn execveat(c: &Caller, call: &Call) -> SysResult {
    let (directory, flags) = (call.int(0), call.args[4] as u32);
    if flags & !(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) != 0 {
        return Err(Errno::EINVAL);
    }
    let name = Name::at(c, call, 0).await?;
    let [arguments, environment] = read_start(c, call, 2).await?;
    let follow = if flags & AT_SYMLINK_NOFOLLOW == 0 { FollowLast::Yes } else { FollowLast::No };
    let file = name.resolve(c, follow, flags)?;
    if file.inode().file_type() == FileType::Symlink {
        return Err(Errno::ELOOP);
    }
    let mut request = ExecRequest::of_path(name.path, arguments, environment);
    if directory != AT_FDCWD && request.path.first() != Some(&b'/') {
        let through = format!("/dev/fd/{directory}").into_bytes();
        let separator: &[u8] = if request.path.is_empty() { b"" } else { b"/" };
        request.path = [&through, separator, &request.path].concat();
        let descriptor = c.home.files.descriptors().descriptor(Fd(directory))?;
        request.is_fleeting = descriptor.close_on_exec;
    }
    request.file = Some(file);
    execute(c, request).await
}

/// Reads the arguments and the environment, whose arrays are the call's arguments from `index` on.
async fn read_start(c: &Caller, call: &Call, index: usize) -> Result<[Vec<Vec<u8>>; 2], Errno> {
    let mut room = ARGS_MAX;
    let arguments = read_strings(c, call.addr(index), &mut room).await?;
    let environment = read_strings(c, call.addr(index + 1), &mut room).await?;
    Ok([arguments, environment])
}

/// Puts a new program in the caller's place.
async fn execute(c: &Caller, request: ExecRequest) -> SysResult {
    let mut credentials = c.home.credentials.borrow().clone();
    let program = c.kernel.read_program(&c.asker(), request, &mut credentials)?;
    end_other_threads(c).await?;
    c.memory.end_other_threads().await?;
    let leader = c.home.pid.leader();
    let image = program.image.to_message(program.name.comm.clone(), leader);
    c.memory.exec(&image).await?;
    for (address, bytes) in &program.image.writes {
        c.memory.copy_out(*address, bytes).await?;
    }
    c.home.keep_only(&c.thread);
    c.home.become_program(program);
    let effective = (credentials.user.effective, credentials.group.effective);
    *c.home.credentials.borrow_mut() = credentials;
    Ok(u64::from(effective.0) | u64::from(effective.1) << 32)
}

/// Reads a null-terminated array of strings.
async fn read_strings(
    c: &Caller,
    array: UserAddr,
    room: &mut usize,
) -> Result<Vec<Vec<u8>>, Errno> {
    let mut strings = Vec::new();
    if array.is_null() {
        return Ok(strings);
    }
    for index in 0.. {
        let mut pointer = [0; 8];
        c.memory.copy_in(array.offset(8 * index), &mut pointer).await?;
        let pointer = UserAddr(u64::from_le_bytes(pointer));
        if pointer.is_null() {
            break;
        }
        let string = c.memory.copy_in_str(pointer, ARG_MAX).await.map_err(too_long)?;
        *room = room.checked_sub(string.len() + 9).ok_or(Errno::E2BIG)?;
        strings.push(string);
    }
    Ok(strings)
}

fn too_long(error: crate::syscall::MemoryError) -> Errno {
    match Errno::from(error) {
        Errno::ENAMETOOLONG => Errno::E2BIG,
        errno => errno,
    }
}

/// Ends the other threads and waits until their handlers have ended (rule 8).
async fn end_other_threads(c: &Caller) -> Result<(), Errno> {
    // Of two threads that execute at once the first goes on; the second has been killed by it.
    if c.thread.is_killed() {
        return Err(Errno::ERESTARTSYS);
    }
    let others: Vec<Rc<HomeThread>> = {
        let threads = c.home.threads.borrow();
        threads.values().filter(|thread| thread.tid != c.thread.tid).cloned().collect()
    };
    for thread in &others {
        thread.kill();
    }
    let idle = || others.iter().all(|thread| !thread.has_open_call()).then_some(());
    c.thread.killable(&c.home, c.home.exit_changed.wait_until(idle)).await
}
