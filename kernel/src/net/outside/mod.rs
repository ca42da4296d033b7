//! The way to the outside, for the sockets of programs: a card of its own on QEMU's user
//! networking.
//!
//! A connection of a program is an endpoint like one to a socket of this node; its peer is the
//! *wire*, which this module drains into smoltcp and fills from it. So sockets know nothing of
//! packets. The network between nodes is another one (decision 0008) and shares nothing with this.
//!
//! While nothing arrives, nothing is written and no timer is due, this costs a few comparisons a
//! round. When something does, smoltcp looks at every socket: after each poll the outside rests for
//! some times as long as that took, so that the work for many connections is done at once.

mod card;
mod links;
mod segments;
#[cfg(test)]
mod tests;
mod world;

pub use world::Outside;
