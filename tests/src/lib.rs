//! Tests of the whole: the two sessions against each other ([`pair`]).
#![forbid(unsafe_code)]

pub mod pair;
