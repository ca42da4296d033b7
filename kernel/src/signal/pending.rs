//! Signals that were sent and not yet taken.

use alloc::collections::VecDeque;

use wayfarer_proto::linux::signal::{SigInfo, Signal, SignalSet};

/// Instances of real-time signals that one set may hold (the spirit of RLIMIT_SIGPENDING).
const QUEUE_LIMIT: usize = 1024;

/// The pending signals of a thread or of a process (signal(7), "Queueing and delivery").
#[derive(Default, Debug)]
pub struct Pending {
    queue: VecDeque<SigInfo>,
}

impl Pending {
    /// The signals in the set.
    pub fn set(&self) -> SignalSet {
        self.queue
            .iter()
            .fold(SignalSet::EMPTY, |set, info| set.union(SignalSet::only(info.signal)))
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Adds a signal. A standard signal that is pending already is not queued twice; a real-time
    /// signal past the limit is lost, as on Linux. Says whether it was added.
    pub fn push(&mut self, info: SigInfo) -> bool {
        let known = self.queue.iter().any(|other| other.signal == info.signal);
        if (known && !info.signal.is_realtime()) || self.queue.len() >= QUEUE_LIMIT {
            return false;
        }
        self.queue.push_back(info);
        true
    }

    /// The oldest signal of that kind that waits.
    pub fn find_mut(&mut self, kind: impl Fn(&SigInfo) -> bool) -> Option<&mut SigInfo> {
        self.queue.iter_mut().find(|info| kind(info))
    }

    /// Takes the first signal that `mask` does not block: lowest number first, oldest first.
    pub fn take(&mut self, mask: SignalSet) -> Option<SigInfo> {
        if self.queue.is_empty() {
            return None;
        }
        let signal = self.set().without(mask).first()?;
        self.take_signal(signal)
    }

    /// Takes the oldest instance of one signal.
    pub fn take_signal(&mut self, signal: Signal) -> Option<SigInfo> {
        let index = self.queue.iter().position(|info| info.signal == signal)?;
        self.queue.remove(index)
    }

    /// Forgets every signal of `set`.
    pub fn discard(&mut self, set: SignalSet) {
        self.queue.retain(|info| !set.contains(info.signal));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_signals_merge_and_realtime_signals_queue() {
        let mut pending = Pending::default();
        let realtime = Signal::new(40).unwrap();
        for signal in [Signal::SIGUSR1, Signal::SIGUSR1, realtime, realtime] {
            pending.push(SigInfo::kernel(signal));
        }
        let taken: std::vec::Vec<_> = core::iter::from_fn(|| pending.take(SignalSet::EMPTY))
            .map(|info| info.signal)
            .collect();
        assert_eq!(taken, [Signal::SIGUSR1, realtime, realtime]);
    }

    #[test]
    fn blocked_signals_stay() {
        let mut pending = Pending::default();
        pending.push(SigInfo::kernel(Signal::SIGINT));
        assert_eq!(pending.take(SignalSet::only(Signal::SIGINT)), None);
        assert!(pending.set().contains(Signal::SIGINT));
    }
}
