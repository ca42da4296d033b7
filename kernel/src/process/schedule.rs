//! How a thread wants to be scheduled (sched(7)): recorded and given back. A node has one
//! processor and shares it evenly.

use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::process::{
    SCHED_BATCH, SCHED_DEADLINE, SCHED_FIFO, SCHED_IDLE, SCHED_OTHER, SCHED_RR,
};

/// The lowest and the highest nice value.
const NICE: (i32, i32) = (-20, 19);

/// The settings of a thread.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Schedule {
    /// `SCHED_*`.
    pub policy: u32,
    /// The priority of `SCHED_FIFO` and `SCHED_RR`, 1 to 99; 0 otherwise.
    pub priority: u32,
    /// The nice value, -20 to 19.
    pub nice: i32,
    /// Whether children get no privilege of it.
    pub reset_on_fork: bool,
    /// What ioprio_set(2) has set.
    pub io_priority: u32,
}

impl Schedule {
    /// What a child begins with.
    pub fn inherited(self) -> Self {
        if !self.reset_on_fork {
            return self;
        }
        let (policy, nice) = match self.policy {
            SCHED_FIFO | SCHED_RR => (SCHED_OTHER, 0),
            policy => (policy, self.nice.max(0)),
        };
        Self { policy, nice, priority: 0, reset_on_fork: false, ..self }
    }

    /// These settings with another policy and priority.
    ///
    /// # Errors
    /// `EINVAL` for a policy that does not exist, and a priority that it does not have.
    pub fn with_policy(self, policy: u32, priority: u32) -> Result<Self, Errno> {
        let (lowest, highest) = priorities(policy)?;
        // No program is given a deadline: nothing here could hold it.
        if policy == SCHED_DEADLINE || !(lowest..=highest).contains(&priority) {
            return Err(Errno::EINVAL);
        }
        Ok(Self { policy, priority, ..self })
    }

    /// These settings with another nice value, as near as there is.
    pub fn with_nice(self, nice: i32) -> Self {
        Self { nice: nice.clamp(NICE.0, NICE.1), ..self }
    }
}

/// The lowest and the highest priority of a policy.
///
/// # Errors
/// `EINVAL` for a policy that does not exist.
pub fn priorities(policy: u32) -> Result<(u32, u32), Errno> {
    match policy {
        SCHED_FIFO | SCHED_RR => Ok((1, 99)),
        SCHED_OTHER | SCHED_BATCH | SCHED_IDLE | SCHED_DEADLINE => Ok((0, 0)),
        _ => Err(Errno::EINVAL),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_has_its_priorities_and_no_other() {
        let default = Schedule::default();
        assert_eq!(default.with_policy(SCHED_FIFO, 0), Err(Errno::EINVAL));
        assert_eq!(default.with_policy(SCHED_OTHER, 1), Err(Errno::EINVAL));
        assert_eq!(default.with_policy(4, 0), Err(Errno::EINVAL));
        let realtime = default.with_policy(SCHED_RR, 99).unwrap();
        assert_eq!((realtime.policy, realtime.priority), (SCHED_RR, 99));
        assert_eq!(realtime.inherited(), realtime);
        assert_eq!(Schedule { reset_on_fork: true, ..realtime }.inherited(), default);
        assert_eq!(default.with_nice(-99).nice, -20);
    }
}
