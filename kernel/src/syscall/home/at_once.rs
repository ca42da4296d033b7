//! Calls that end where they are made. A short call's handler costs less than the future that
//! would be made of it: handlers that never wait are called as functions, and so are reads and
//! writes of what is there, in memory that is here.

use wayfarer_proto::table::{Sysno, TABLE};

use super::{family, files, group, posix_timer, signal, timer};
use crate::syscall::{Call, Caller, Returned, SysResult};

/// Executes the home part of a call, if it can end now. `None` has changed nothing: the call's
/// future does all of it.
pub type Handler = fn(&Caller, &Call) -> Option<Returned>;

/// One more than the largest number of a call that has such a handler.
const NUMBERS: usize = Sysno::close_range.number() as usize + 1;

/// How many handlers there are at most, and a place for the calls that have none.
const MOST: usize = 64;

/// Where each call's handler is, by the call's number: every call is looked up.
static PLACES: [u8; NUMBERS] = {
    let (mut places, mut row, mut place) = ([0; NUMBERS], 0, 0);
    while row < TABLE.len() {
        let sysno = TABLE[row].sysno;
        if handler_of(sysno).is_some() {
            place += 1;
            places[sysno.number() as usize] = place;
        }
        row += 1;
    }
    places
};

/// The handlers in the order of the calls' numbers, from place 1 on.
static HANDLERS: [Option<Handler>; MOST] = {
    let (mut handlers, mut row, mut place) = ([None; MOST], 0, 0);
    while row < TABLE.len() {
        if let Some(handler) = handler_of(TABLE[row].sysno) {
            place += 1;
            handlers[place] = Some(handler);
        }
        row += 1;
    }
    handlers
};

/// The handler of a call that may end where it is made.
#[inline]
pub fn at_once(sysno: Sysno) -> Option<Handler> {
    let place = *PLACES.get(usize::from(sysno.number()))?;
    HANDLERS[usize::from(place) % MOST]
}

const fn handler_of(sysno: Sysno) -> Option<Handler> {
    let handler: Handler = match sysno {
        Sysno::read | Sysno::pread64 => |c, call| files::read_at_once(c, call).map(Into::into),
        Sysno::write | Sysno::pwrite64 => |c, call| files::write_at_once(c, call).map(Into::into),
        Sysno::lseek => |c, call| done(files::lseek(c, call)),
        Sysno::ftruncate => |c, call| done(files::ftruncate(c, call)),
        Sysno::fsync | Sysno::fdatasync => |c, call| done(files::fsync(c, call)),
        Sysno::sync => |_, _| done(Ok(0)),
        Sysno::close => |c, call| done(files::close(c, call)),
        Sysno::close_range => |c, call| done(files::close_range(c, call)),
        Sysno::dup => |c, call| done(files::dup(c, call)),
        Sysno::dup2 => |c, call| done(files::dup2(c, call)),
        Sysno::dup3 => |c, call| done(files::dup3(c, call)),
        Sysno::fchdir => |c, call| done(files::fchdir(c, call)),
        Sysno::umask => |c, call| done(files::umask(c, call)),
        Sysno::fadvise64 | Sysno::readahead | Sysno::sync_file_range | Sysno::syncfs => {
            |c, call| done(files::advise(c, call))
        }
        Sysno::kill => |c, call| done(signal::kill(c, call)),
        Sysno::tkill => |c, call| done(signal::tkill(c, call)),
        Sysno::tgkill => |c, call| done(signal::tgkill(c, call)),
        Sysno::alarm => |c, call| done(timer::alarm(c, call)),
        Sysno::timer_getoverrun => |c, call| done(posix_timer::overrun(c, call)),
        Sysno::timer_delete => |c, call| done(posix_timer::delete(c, call)),
        Sysno::getppid => |c, _| done(Ok(group::parent(c).0 as u64)),
        Sysno::getpgrp => |c, _| done(Ok(c.home.group.get().0 as u64)),
        Sysno::getpgid => |c, call| done(group::getpgid(c, call)),
        Sysno::setpgid => |c, call| done(group::setpgid(c, call)),
        Sysno::getsid => |c, call| done(group::getsid(c, call)),
        Sysno::unshare => |c, call| done(family::unshare(c, call)),
        Sysno::setsid => |c, _| done(group::setsid(c)),
        _ => return None,
    };
    Some(handler)
}

/// The end of a handler that never waits.
#[inline]
fn done(result: SysResult) -> Option<Returned> {
    Some(result.into())
}
