#![forbid(unsafe_code)]
//! Tests of the whole.
//!
//! The two sessions meet each other without a kernel between them ([`pair`]), and under faults in
//! a model cluster ([`sim`]). For the kernel the host's Linux is the oracle: every guest program
//! and every script runs there first ([`guests`], [`corpus`]; [`native`], [`terminal`]), and what
//! it did there is what Wayfarer must do. The repository itself is held to its style by [`tidy`].

pub mod blocking;
pub mod corpus;
pub mod coverage;
pub mod faults;
pub mod guests;
pub mod native;
pub mod pair;
pub mod programs;
pub mod screen;
pub mod sim;
pub mod stage;
pub mod terminal;
pub mod tidy;
pub mod vm;
