//! The one virtual processor: its control registers, segments, features and ports.

pub(crate) mod control;
pub(crate) mod features;
pub(crate) mod port;
pub(crate) mod segments;

/// A value that only the one processor's kernel code touches.
///
/// A node has one vCPU, the kernel runs with interrupts off, and trap entry code uses none of these
/// values; so code that reaches one is never interrupted by other code that does. On a host, where
/// tests run in several threads, the machine is never started and the values stay as they are.
pub(crate) struct OneCpu<T>(T);

// SAFETY: see the type: there is one thread of execution whenever the value can change.
unsafe impl<T> Sync for OneCpu<T> {}

impl<T> OneCpu<T> {
    pub(crate) const fn new(value: T) -> OneCpu<T> {
        OneCpu(value)
    }

    #[inline]
    pub(crate) fn get(&self) -> &T {
        &self.0
    }
}
