//! Secrets on their way into a log: found wherever the output was cut, and replaced.
//!
//! One automaton finds all secrets in one pass. What a stream keeps between pieces is its state,
//! and the bytes that may be the beginning of a secret; nothing is read twice.

mod automaton;
mod form;
#[cfg(test)]
mod fuzz;
mod masker;
mod output;
mod stream;

pub use form::{MIN_MASKED_CHARS, MIN_MASKED_LINE_CHARS};
pub(crate) use form::{is_too_short_to_mask, mask_forms};
pub use masker::{MaskError, Masker};
pub use stream::MaskStream;
