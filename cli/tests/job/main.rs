//! Whole jobs on a real engine, by the program as a user runs it: steps, time, logs and files.
//! Each test looks at what its job left on the engine.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../engine_kind/mod.rs"]
mod engine_kind;
mod images;
mod logs;
mod project;
mod steps;
mod time;
mod workspace;
