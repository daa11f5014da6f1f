//! What a job may have. Reading a spec says what was asked for; this says what is given.

use serde::{Deserialize, Serialize};

/// What a job may have of what it asks for. The default is what suits a job of unknown origin.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Policy {
    /// Whether paths of the engine's host may be mounted. Default: no. Whoever may mount the
    /// host's root is root on the host.
    pub allow_host_paths: bool,
    /// Whether every cache is a temporary volume of this run. Default: no.
    pub disable_cache: bool,
}

impl Policy {
    /// The policy with paths of the host allowed or not.
    pub fn with_host_paths(mut self, allowed: bool) -> Self {
        self.allow_host_paths = allowed;
        self
    }

    /// The policy with caches replaced by temporary volumes or not.
    pub fn with_cache_disabled(mut self, disabled: bool) -> Self {
        self.disable_cache = disabled;
        self
    }
}
