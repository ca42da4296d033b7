//! The router: where a call of a body that is away from home runs.

use super::{Class, Sysno};
use crate::linux::mman::MapFlags;
use crate::linux::process::PRCTL_AT_HOME;
use crate::linux::time::ITIMER_REAL;

/// Where a call runs: its row's class, but for the calls of which some arguments concern the body
/// alone. Kernel and simulator both ask here.
pub fn route(sysno: Sysno, args: &[u64; 6]) -> Class {
    match sysno {
        // Memory without a file is the body's; to be shared it is a file of home without a name.
        Sysno::mmap if is_private_memory(args[3]) => Class::Local,
        // The time that the other timers count is spent where the body is.
        Sysno::setitimer | Sysno::getitimer if args[0] != ITIMER_REAL => Class::Local,
        // Clocks that are named by an id may be of another process.
        Sysno::clock_gettime | Sysno::clock_getres if (args[0] as i32) < 0 => Class::Remote,
        // What concerns credentials is home's.
        Sysno::prctl if PRCTL_AT_HOME.contains(&args[0]) => Class::Remote,
        sysno => sysno.row().class,
    }
}

/// Whether mmap(2) with these flags maps memory that no other process can ever share. What is not
/// exactly one of shared and private is refused where the body is.
fn is_private_memory(flags: u64) -> bool {
    let flags = MapFlags::from_bits_truncate(flags as u32);
    let shared = flags.contains(MapFlags::SHARED) && !flags.contains(MapFlags::PRIVATE);
    flags.contains(MapFlags::ANONYMOUS) && !shared
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux::time::ITIMER_VIRTUAL;
    use crate::table::TABLE;

    #[test]
    fn every_call_goes_where_its_row_says_but_for_some_arguments() {
        let elsewhere = |sysno| route(sysno, &[1, 0, 0, MapFlags::ANONYMOUS.bits().into(), 0, 0]);
        for row in TABLE {
            assert_eq!(route(row.sysno, &[0; 6]), row.class, "{}", row.name);
            let expected = match row.sysno {
                Sysno::mmap | Sysno::setitimer | Sysno::getitimer => Class::Local,
                // PR_SET_PDEATHSIG.
                Sysno::prctl => Class::Remote,
                _ => row.class,
            };
            assert_eq!(elsewhere(row.sysno), expected, "{}", row.name);
        }
        let shared = MapFlags::ANONYMOUS | MapFlags::SHARED;
        let args = [0, 0, 0, shared.bits().into(), 0, 0];
        assert_eq!(route(Sysno::mmap, &args), Class::Special);
        assert_eq!(route(Sysno::setitimer, &[ITIMER_VIRTUAL, 0, 0, 0, 0, 0]), Class::Local);
    }
}
