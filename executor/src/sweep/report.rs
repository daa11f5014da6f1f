//! What a sweep found and did.

use crate::{
    error::CleanupError,
    outcome::{CleanupFailure, ObjectKind},
    sweep::Verdict,
};

/// An object of ours that is no cache.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Leftover {
    /// What it is.
    pub kind: ObjectKind,
    /// Its name.
    pub name: String,
    /// The run that made it.
    pub run: String,
    /// The process that made it.
    pub instance: String,
    /// What becomes of it.
    pub verdict: Verdict,
}

/// What a sweep did.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct SweepReport {
    /// What is gone.
    pub removed: Vec<Leftover>,
    /// What stays, because its owner lives or may live.
    pub kept: Vec<Leftover>,
    /// What should be gone and may not be. A later sweep tries again.
    pub failed: Vec<CleanupFailure>,
    /// Of what kinds the engine did not tell what there is, and why.
    pub unlisted: Vec<(ObjectKind, CleanupError)>,
}

impl SweepReport {
    /// Whether everything was removed that was to be.
    pub fn is_complete(&self) -> bool {
        self.failed.is_empty() && self.unlisted.is_empty()
    }
}
