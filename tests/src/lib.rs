#![forbid(unsafe_code)]
//! Tests of the whole.
//!
//! The two sessions meet each other without a kernel between them ([`pair`]), and in a simulated
//! cluster ([`sim`]). For the kernel the host's Linux is the oracle: every guest program runs
//! there first ([`guests`], [`native`]), and what it did there is what Wayfarer must do.

pub mod guests;
pub mod native;
pub mod pair;
pub mod sim;
pub mod terminal;
