//! setuid(2) and its kin, setgroups(2), capget(2), and what prctl(2) says of credentials.

use alloc::string::String;

use wayfarer_proto::errno::Errno;
use wayfarer_proto::id::Pid;
use wayfarer_proto::linux::capability::{CAP_LAST, CAP_SETPCAP, VERSION_1, VERSION_2, VERSION_3};
use wayfarer_proto::linux::process::{
    PR_CAPBSET_DROP, PR_CAPBSET_READ, PR_GET_KEEPCAPS, PR_GET_NAME, PR_GET_NO_NEW_PRIVS,
    PR_SET_KEEPCAPS, PR_SET_NAME, PR_SET_NO_NEW_PRIVS,
};
use wayfarer_proto::table::Sysno;

use super::files::names::{array, structure};
use super::ties;
use crate::process::{Capabilities, Credentials, Ids};
use crate::syscall::{Call, Caller, SysResult};

/// How many groups a process may be in (`NGROUPS_MAX`).
const GROUPS_MAX: usize = 65536;

/// Bytes of a thread's name, NUL included (prctl(2), `PR_SET_NAME`).
const NAME_SIZE: usize = 16;

/// Executes one of these calls. Those that set ids answer the body with the real and the
/// effective one, which it keeps.
pub(super) async fn dispatch(c: &Caller, call: &Call) -> SysResult {
    match call.sysno {
        Sysno::getresuid => {
            let ids = c.home.credentials.borrow().user;
            tell(c, call, ids).await
        }
        Sysno::getresgid => {
            let ids = c.home.credentials.borrow().group;
            tell(c, call, ids).await
        }
        Sysno::getgroups => get_groups(c, call).await,
        Sysno::setgroups => set_groups(c, call).await,
        Sysno::capget => get_capabilities(c, call).await,
        Sysno::capset => set_capabilities(c, call).await,
        Sysno::prctl if call.args[0] == PR_SET_NAME => set_name(c, call).await,
        Sysno::prctl if call.args[0] == PR_GET_NAME => {
            let name = c.home.name_of(Some(&c.thread));
            let mut bytes = [0; NAME_SIZE];
            bytes[..name.len()].copy_from_slice(name.as_bytes());
            c.memory.copy_out(call.addr(1), &bytes).await?;
            Ok(0)
        }
        Sysno::prctl if ties::OPTIONS.contains(&call.args[0]) => ties::option(c, call).await,
        _ => {
            let effective = |of: &Credentials| (of.user.effective, of.group.effective);
            let credentials = &mut c.home.credentials.borrow_mut();
            let before = effective(credentials);
            let result = change(credentials, call);
            // Whoever becomes somebody else is no longer his parent's to warn.
            if effective(credentials) != before {
                c.home.death_signal.set(None);
            }
            result
        }
    }
}

/// `PR_SET_NAME`: a name that is too long is cut.
async fn set_name(c: &Caller, call: &Call) -> SysResult {
    let mut name = [0; NAME_SIZE - 1];
    let length = c.memory.prepare_in(call.addr(1), name.len()).await?;
    c.memory.copy_in(call.addr(1), &mut name[..length]).await?;
    let end = name[..length].iter().position(|byte| *byte == 0);
    let end = end.or_else(|| (length == name.len()).then_some(length)).ok_or(Errno::EFAULT)?;
    c.thread.set_name(&String::from_utf8_lossy(&name[..end]));
    Ok(0)
}

/// The calls that need no memory.
fn change(credentials: &mut Credentials, call: &Call) -> SysResult {
    let id = |index: usize| call.args[index] as u32;
    let Credentials { user, group, .. } = *credentials;
    let (sets_user, sets_group) = (credentials.sets_user(), credentials.sets_group());
    match call.sysno {
        Sysno::setuid => credentials.change_user(user.set(id(0), sets_user)?),
        Sysno::setreuid => credentials.change_user(user.set_two(id(0), id(1), sets_user)?),
        Sysno::setresuid => {
            credentials.change_user(user.set_three([id(0), id(1), id(2)], sets_user)?);
        }
        Sysno::setgid => credentials.group = group.set(id(0), sets_group)?,
        Sysno::setregid => credentials.group = group.set_two(id(0), id(1), sets_group)?,
        Sysno::setresgid => {
            credentials.group = group.set_three([id(0), id(1), id(2)], sets_group)?;
        }
        Sysno::setfsuid => {
            credentials.change_file_user(user.set_files(id(0), sets_user));
            return Ok(user.files.into());
        }
        Sysno::setfsgid => {
            credentials.group = group.set_files(id(0), sets_group);
            return Ok(group.files.into());
        }
        _ => return option(credentials, call),
    }
    let ids = match call.sysno {
        Sysno::setuid | Sysno::setreuid | Sysno::setresuid => credentials.user,
        _ => credentials.group,
    };
    Ok(u64::from(ids.real) | u64::from(ids.effective) << 32)
}

/// prctl(2).
fn option(credentials: &mut Credentials, call: &Call) -> SysResult {
    let number = call.args[1];
    let bit = || if number <= CAP_LAST { Ok(1u64 << number) } else { Err(Errno::EINVAL) };
    match call.args[0] {
        PR_GET_KEEPCAPS => Ok(credentials.keeps_capabilities.into()),
        PR_SET_KEEPCAPS if number <= 1 => {
            credentials.keeps_capabilities = number == 1;
            Ok(0)
        }
        PR_CAPBSET_READ => Ok((credentials.capabilities.bounding & bit()? != 0).into()),
        PR_CAPBSET_DROP if !credentials.has(CAP_SETPCAP) => Err(Errno::EPERM),
        PR_CAPBSET_DROP => {
            credentials.capabilities.bounding &= !bit()?;
            Ok(0)
        }
        PR_SET_NO_NEW_PRIVS if number == 1 && call.args[2..] == [0, 0, 0, call.args[5]] => {
            credentials.no_new_privileges = true;
            Ok(0)
        }
        PR_GET_NO_NEW_PRIVS => Ok(credentials.no_new_privileges.into()),
        _ => Err(Errno::EINVAL),
    }
}

/// getresuid(2), getresgid(2).
async fn tell(c: &Caller, call: &Call, ids: Ids) -> SysResult {
    for (index, id) in [ids.real, ids.effective, ids.saved].into_iter().enumerate() {
        c.memory.copy_out(call.addr(index), &id.to_le_bytes()).await?;
    }
    Ok(0)
}

async fn get_groups(c: &Caller, call: &Call) -> SysResult {
    let groups = c.home.credentials.borrow().groups.clone();
    let room = usize::try_from(call.int(0)).map_err(|_| Errno::EINVAL)?;
    if room > 0 {
        if room < groups.len() {
            return Err(Errno::EINVAL);
        }
        let bytes: alloc::vec::Vec<u8> = groups.iter().flat_map(|gid| gid.to_le_bytes()).collect();
        c.memory.copy_out(call.addr(1), &bytes).await?;
    }
    Ok(groups.len() as u64)
}

async fn set_groups(c: &Caller, call: &Call) -> SysResult {
    if !c.home.credentials.borrow().sets_group() {
        return Err(Errno::EPERM);
    }
    let count = usize::try_from(call.int(0)).ok().filter(|count| *count <= GROUPS_MAX);
    let bytes = array(c, call.addr(1), count.ok_or(Errno::EINVAL)?, 4).await?;
    let gid = |four: &[u8]| u32::from_le_bytes([four[0], four[1], four[2], four[3]]);
    c.home.credentials.borrow_mut().groups = bytes.chunks_exact(4).map(gid).collect();
    Ok(0)
}

/// Reads the header of capget(2) and capset(2): how many words each set has, and whose they are.
/// A version that is not known is answered with the newest that is.
async fn header(c: &Caller, call: &Call) -> Result<(usize, Pid), Errno> {
    let header = structure::<8>(c, call.addr(0)).await?;
    let word = |at: usize| {
        u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    let words = match word(0) {
        VERSION_1 => 1,
        VERSION_2 | VERSION_3 => 2,
        _ => {
            c.memory.copy_out(call.addr(0), &VERSION_3.to_le_bytes()).await?;
            return Err(Errno::EINVAL);
        }
    };
    match word(4).cast_signed() {
        ..0 => Err(Errno::EINVAL),
        0 => Ok((words, c.home.pid)),
        pid => Ok((words, Pid(pid))),
    }
}

async fn get_capabilities(c: &Caller, call: &Call) -> SysResult {
    let header = header(c, call).await;
    if call.addr(1).is_null() && header == Err(Errno::EINVAL) {
        // This is how a program asks for the version.
        return Ok(0);
    }
    let (words, pid) = header?;
    let home = c.kernel.processes.home(pid).ok_or(Errno::ESRCH)?;
    let sets = home.credentials.borrow().capabilities;
    let mut bytes = alloc::vec::Vec::new();
    for word in 0..words {
        for set in [sets.effective, sets.permitted, sets.inheritable] {
            bytes.extend(((set >> (32 * word)) as u32).to_le_bytes());
        }
    }
    c.memory.copy_out(call.addr(1), &bytes).await?;
    Ok(0)
}

async fn set_capabilities(c: &Caller, call: &Call) -> SysResult {
    let (words, pid) = header(c, call).await?;
    if pid != c.home.pid && c.home.thread(wayfarer_proto::id::Tid(pid.0)).is_none() {
        return Err(Errno::EPERM);
    }
    let bytes = array(c, call.addr(1), words, 12).await?;
    let mut sets = [0u64; 3];
    for (index, four) in bytes.chunks_exact(4).enumerate() {
        let value = u32::from_le_bytes([four[0], four[1], four[2], four[3]]);
        sets[index % 3] |= u64::from(value) << (32 * (index / 3));
    }
    let [effective, permitted, inheritable] =
        sets.map(|set| set & wayfarer_proto::linux::capability::ALL);
    let credentials = &mut c.home.credentials.borrow_mut();
    let old = credentials.capabilities;
    let most =
        old.inheritable | if credentials.has(CAP_SETPCAP) { old.bounding } else { old.permitted };
    let exceeds =
        permitted & !old.permitted != 0 || effective & !permitted != 0 || inheritable & !most != 0;
    if exceeds {
        return Err(Errno::EPERM);
    }
    credentials.capabilities = Capabilities { effective, permitted, inheritable, ..old };
    Ok(0)
}
