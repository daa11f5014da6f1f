//! The cases: each a sentence of the contract, or what follows from one.

#![allow(clippy::missing_panics_doc, reason = "a case of a suite fails by panicking")]

mod adopt;
mod attach;
mod finish;
mod plans;
mod prepare;

pub use adopt::*;
pub use attach::*;
pub use finish::*;
pub use prepare::*;
