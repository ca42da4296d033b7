//! Descriptors for events: epoll(7), eventfd(2), timerfd_create(2), signalfd(2), pidfd_open(2).
//!
//! Each is a [`FileObject`](crate::fs::FileObject) like any other: ready or not, with a wait queue.
//! Only epoll does more than wait: it listens to the queues of what it watches, so that a wait
//! costs what has become ready and not what is watched.

pub mod epoll;
mod eventfd;
mod pidfd;
mod signalfd;
mod timerfd;

#[cfg(test)]
mod tests;

pub use epoll::Epoll;
pub use eventfd::EventFd;
pub use pidfd::PidFd;
pub use signalfd::SignalFd;
pub use timerfd::{Setting, TimerBase, TimerFd, after};
