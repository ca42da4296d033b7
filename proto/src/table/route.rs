//! The router: where a call of a body that is away from home runs.

use super::{Class, Sysno};
use crate::linux::mman::MapFlags;
use crate::linux::process::PRCTL_AT_HOME;
use crate::linux::time::ITIMER_REAL;

/// Where a call runs: its row's class, but for the calls of which some arguments concern the body
/// alone. Kernel and simulator both ask here.
pub fn route(sysno: Sysno, args: &[u64; 6]) -> Class {
    match sysno {
        // Memory without a file is the body's.
        Sysno::mmap
            if MapFlags::from_bits_truncate(args[3] as u32).contains(MapFlags::ANONYMOUS) =>
        {
            Class::Local
        }
        // The time that the other timers count is spent where the body is.
        Sysno::setitimer | Sysno::getitimer if args[0] != ITIMER_REAL => Class::Local,
        // What concerns credentials is home's.
        Sysno::prctl if PRCTL_AT_HOME.contains(&args[0]) => Class::Remote,
        sysno => sysno.row().class,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux::time::ITIMER_VIRTUAL;
    use crate::table::TABLE;

    #[test]
    fn every_call_goes_where_its_row_says_but_for_some_arguments() {
        let always_local =
            |sysno| route(sysno, &[1, 0, 0, MapFlags::ANONYMOUS.bits().into(), 0, 0]);
        for row in TABLE {
            assert_eq!(route(row.sysno, &[0; 6]), row.class, "{}", row.name);
            let exempt = matches!(row.sysno, Sysno::mmap | Sysno::setitimer | Sysno::getitimer);
            let expected = if exempt { Class::Local } else { row.class };
            assert_eq!(always_local(row.sysno), expected, "{}", row.name);
        }
        assert_eq!(route(Sysno::setitimer, &[ITIMER_VIRTUAL, 0, 0, 0, 0, 0]), Class::Local);
    }
}
