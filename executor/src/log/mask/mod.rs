//! Secrets on their way into a log: found wherever the output was cut, and replaced.
//!
//! One automaton finds all secrets in one pass. What a stream keeps between pieces is its state,
//! and the bytes that may be the beginning of a secret; nothing is read twice.

mod automaton;
#[cfg(test)]
mod fuzz;
mod masker;
mod output;
mod stream;

pub use masker::{MaskError, Masker};
pub use stream::MaskStream;
