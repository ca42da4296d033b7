//! What setsockopt(2) sets (socket(7), tcp(7)).

use core::cell::Cell;
use core::time::Duration;

use super::endpoint::DEFAULT_BUFFER;

/// The options of a socket.
#[derive(Clone, Debug)]
pub struct Options {
    /// `SO_REUSEADDR`.
    pub reuse_address: Cell<bool>,
    /// `SO_REUSEPORT`.
    pub reuse_port: Cell<bool>,
    /// `SO_KEEPALIVE`.
    pub keep_alive: Cell<bool>,
    /// `SO_BROADCAST`.
    pub broadcast: Cell<bool>,
    /// `SO_OOBINLINE`.
    pub out_of_band_inline: Cell<bool>,
    /// `SO_DONTROUTE`.
    pub dont_route: Cell<bool>,
    /// `SO_PASSCRED`.
    pub pass_credentials: Cell<bool>,
    /// `SO_PRIORITY`.
    pub priority: Cell<i32>,
    /// `SO_LINGER`: whether it is on, and for how many seconds.
    pub linger: Cell<(bool, i32)>,
    /// `SO_RCVTIMEO`; zero for none.
    pub receive_timeout: Cell<Duration>,
    /// `SO_SNDTIMEO`; zero for none.
    pub send_timeout: Cell<Duration>,
    /// `SO_RCVBUF`, in bytes.
    pub receive_buffer: Cell<usize>,
    /// `SO_SNDBUF`, in bytes.
    pub send_buffer: Cell<usize>,
    /// `SO_RCVLOWAT`.
    pub low_water: Cell<i32>,
    /// `TCP_NODELAY`.
    pub no_delay: Cell<bool>,
    /// `TCP_CORK`.
    pub cork: Cell<bool>,
    /// `TCP_KEEPIDLE`, in seconds.
    pub keep_idle: Cell<i32>,
    /// `TCP_KEEPINTVL`, in seconds.
    pub keep_interval: Cell<i32>,
    /// `TCP_KEEPCNT`.
    pub keep_count: Cell<i32>,
    /// `TCP_USER_TIMEOUT`, in milliseconds.
    pub user_timeout: Cell<i32>,
    /// `TCP_DEFER_ACCEPT`, in seconds.
    pub defer_accept: Cell<i32>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            reuse_address: Cell::default(),
            reuse_port: Cell::default(),
            keep_alive: Cell::default(),
            broadcast: Cell::default(),
            out_of_band_inline: Cell::default(),
            dont_route: Cell::default(),
            pass_credentials: Cell::default(),
            priority: Cell::default(),
            linger: Cell::default(),
            receive_timeout: Cell::default(),
            send_timeout: Cell::default(),
            receive_buffer: Cell::new(DEFAULT_BUFFER),
            send_buffer: Cell::new(DEFAULT_BUFFER),
            low_water: Cell::new(1),
            no_delay: Cell::default(),
            cork: Cell::default(),
            keep_idle: Cell::new(7200),
            keep_interval: Cell::new(75),
            keep_count: Cell::new(9),
            user_timeout: Cell::default(),
            defer_accept: Cell::default(),
        }
    }
}

impl Options {
    /// How long a close waits for what was sent; `None` if it does not (`SO_LINGER`).
    pub fn linger(&self) -> Option<Duration> {
        let (on, seconds) = self.linger.get();
        on.then(|| Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
    }
}
