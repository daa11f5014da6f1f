//! A cache with a key of its own.

use serde::{Deserialize, Serialize};

/// Paths that are kept from one job to the next under a key. Jobs that run at once share them, and the
/// next job finds what this one wrote, whatever its outcome: a volume is written in place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CacheSpec {
    /// Tells apart the sets of caches of one project; variables are expanded. Empty is the job's
    /// own key.
    #[serde(default)]
    pub key: String,
    /// The paths in the container, absolute or below the working directory.
    pub paths: Vec<String>,
    /// What the job may do with them.
    #[serde(default, rename = "policy")]
    pub mode: CacheMode,
}

impl CacheSpec {
    /// Paths under a key, to read and write.
    pub fn new(key: impl Into<String>, paths: impl IntoIterator<Item = String>) -> Self {
        Self { key: key.into(), paths: paths.into_iter().collect(), mode: CacheMode::default() }
    }
}

/// What a job may do with a cache. The words are GitLab's; there is no `push`, which would begin
/// with an empty cache: a volume is what the last job left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum CacheMode {
    /// Read and write.
    #[default]
    PullPush,
    /// Read only.
    Pull,
}
