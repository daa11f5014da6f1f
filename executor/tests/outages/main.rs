//! Jobs on real engines of their own that are killed, started again, filled up and pruned under
//! them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod engine;
mod lab;
mod operator;
