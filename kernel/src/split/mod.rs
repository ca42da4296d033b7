//! A process in two halves: the sessions, driven over the network (thesis, chapter 4).
//!
//! `wayfarer-deputy` and `wayfarer-body` decide; this module only does what they say. Each driver
//! owns one session, feeds it inputs one at a time and carries out what it says, in order.
//!
//! | file | does |
//! |---|---|
//! | [`deputy`] | drives the session of a deputy: executes calls, dials targets, switches halves |
//! | [`body`] | drives the session of a body: threads' requests, memory requests, freezing |
//! | [`memory`] | a deputy's handlers reach the memory of the body |
//! | `ahead` | writes that a body does not wait for |
//! | [`depart`], [`arrive`] | the image, out and in |
//! | `read_ahead` | reads that a body need not ask for |
//! | `pages`, `recall` | pages of mapped files, to the body and back; who wants them back |
//! | `berths` | how many bodies are on their way at once |
//! | [`doors`] | the ports others call at: deputies, migration daemon, images |
//! | `group` | processes that share memory move together |
//! | [`order`] | a move begins and ends: who asked, what was measured |

mod ahead;
pub mod arrive;
mod berths;
pub mod body;
pub mod depart;
pub mod deputy;
pub mod doors;
mod group;
mod hold;
pub mod memory;
pub mod order;
mod pages;
mod query;
mod queue;
mod read_ahead;
mod recall;
mod remnants;
pub mod roam;
mod wire;

pub use ahead::Returns;
pub use berths::Berths;
pub use body::BodyDriver;
pub use deputy::DeputyDriver;
pub use remnants::Remnants;

use wayfarer_proto::message::Requirements;
use wayfarer_proto::session::Config;

use crate::kernel::Kernel;

impl Kernel {
    /// How this node's sessions are set up.
    pub fn session_config(&self) -> Config {
        Config { keep_alive: self.keep_alive, ..Config::default() }
    }

    /// What this node offers to a body, or what a body made here has been shown.
    pub fn offer(&self, frames: u64) -> Requirements {
        Requirements {
            frames,
            shared_frames: 0,
            features: [&self.cpu.basic[..], &self.cpu.extended, &self.cpu.amd].concat(),
            xcr0: self.cpu.xcr0,
            xsave_bytes: self.cpu.state_size as u32,
        }
    }
}
