//! Jobs under faults, every fault at every request, on the fake engine. After each case the same
//! invariants are checked; what a case expects beyond that is its own.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;

mod cancel;
mod case;
mod ending;
mod matrix;
mod mute;
mod others;
mod real;
mod stream;
