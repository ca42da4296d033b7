//! Resource limits (getrlimit(2)): recorded for each process and inherited.

use wayfarer_proto::errno::Errno;
use wayfarer_proto::linux::process::{
    RLIM_INFINITY, RLIM_NLIMITS, RLIMIT_CORE, RLIMIT_NOFILE, RLIMIT_STACK, Rlimit,
};

/// The limits of one process.
#[derive(Clone, Debug)]
pub struct ResourceLimits {
    limits: [Rlimit; RLIM_NLIMITS],
}

impl Default for ResourceLimits {
    /// What a fresh Linux system gives root: 8 MiB of stack, 1024 descriptors, no core files.
    fn default() -> Self {
        let unlimited = Rlimit { current: RLIM_INFINITY, maximum: RLIM_INFINITY };
        let mut limits = [unlimited; RLIM_NLIMITS];
        limits[RLIMIT_STACK as usize].current = 8 << 20;
        limits[RLIMIT_CORE as usize].current = 0;
        limits[RLIMIT_NOFILE as usize] = Rlimit { current: 1024, maximum: 1 << 20 };
        Self { limits }
    }
}

impl ResourceLimits {
    /// All of them, by their numbers.
    pub const fn all(&self) -> &[Rlimit] {
        &self.limits
    }

    /// The limit of `resource`.
    ///
    /// # Errors
    /// `EINVAL` for an unknown resource.
    pub fn get(&self, resource: u64) -> Result<Rlimit, Errno> {
        let index = usize::try_from(resource).map_err(|_| Errno::EINVAL)?;
        self.limits.get(index).copied().ok_or(Errno::EINVAL)
    }

    /// Sets the limit of `resource`.
    ///
    /// # Errors
    /// `EINVAL` for an unknown resource or a soft limit above the hard one.
    pub fn set(&mut self, resource: u64, limit: Rlimit) -> Result<(), Errno> {
        self.get(resource)?;
        if limit.current > limit.maximum {
            return Err(Errno::EINVAL);
        }
        self.limits[resource as usize] = limit;
        Ok(())
    }
}
