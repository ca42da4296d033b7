//! The network: ordered, reliable byte streams between nodes, for channels and images.
//!
//! ```text
//! Connection, Listener     async handles for kernel tasks          connection, listener, handle
//! Network                  the handle the executor polls           network
//! Stack                    frame -> connection -> frame, timers    stack, dial, table, slot
//! Neighbours               which peers live                       neighbours
//! Streams                  the same without frames                 stream, streams
//! Fabric                   peer -> port, Ethernet headers          device, segment
//! Port                     a card, or a wire in a test             port
//! SharedPort               memory that the peer sees, and a card   shared
//! ```
//!
//! A connection is TCP's, or a stream of a ring in memory that both nodes see. TCP is smoltcp's,
//! one socket at a time: it is given a socket set of one, the packet that concerns it, or the
//! permission to send. Finding the connection of a packet, its timers, the backlog of a listener
//! and the fair turn at a port are done here.
//!
//! Three properties the thesis measures are kept and tested: a request and its reply are two
//! frames (the acknowledgement rides on the message), a message costs 40 bytes of headers (no TCP
//! options on data), and nothing waits for a timer while the peer answers (Nagle is off).

mod budget;
mod clock;
mod config;
mod connection;
mod device;
mod dial;
mod echo;
mod error;
mod handle;
mod listener;
mod neighbours;
mod network;
pub mod outside;
mod port;
mod segment;
mod shared;
mod slot;
mod stack;
mod stream;
mod streams;
mod table;
#[cfg(test)]
mod tests;
mod waiters;

pub use config::{
    Config, ConfigError, DEFAULT_CONNECT_LIMIT, DEFAULT_MAX_CONNECTIONS, DEFAULT_MTU,
};
pub use connection::Connection;
pub use device::Peers;
pub use echo::EchoOrder;
pub use error::{ConnectError, ListenError, ReadError, WriteError};
pub use listener::{BACKLOG, Listener};
pub use network::{ConnectionInfo, Network};
pub use port::{Port, QueueFull};
pub use shared::SharedPort;
pub use slot::{Counters, Kind};
pub use stack::Totals;
