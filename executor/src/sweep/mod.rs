//! Removing what processes that died have left on the engine.

mod decide;
mod report;
mod run;
#[cfg(test)]
mod tests;

pub use decide::{Death, Kept, Verdict};
pub use report::{Leftover, SweepReport};
pub use run::Sweep;
