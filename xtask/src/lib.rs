//! The development commands of this workspace that do not link the product, and what both programs of
//! development commands share: the command line, the engine, processes, Debian's packages, Cargo.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the commands talk to a person")]

pub mod apt;
mod arguments;
mod ci;
mod commands;
mod demo;
pub mod engine;
pub mod failure;
pub mod image;
pub mod process;
mod product;
pub mod rootfs;
mod shells;
mod test;
mod tidy;
pub mod workspace;

pub use arguments::{BenchCommand, Command, EngineCommand};
pub use commands::{dispatch, run};
