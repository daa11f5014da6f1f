//! How jobs are run, as the one who runs them decides.

use std::time::Duration;

use volume_manager::Policy;

/// Settings of an executor, the same for all its jobs.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ExecutorConfig {
    /// The installation: part of every cache's identity and of every label set, so that several
    /// can share one engine.
    pub owner: String,
    /// What jobs may have of the volumes that they ask for.
    pub policy: Policy,
    /// How long a container may take to stop by itself before it is killed. Default: 10 s, as in
    /// Docker.
    pub stop_grace: Duration,
    /// How long cleanup may take beside that grace. Default: 60 s.
    pub cleanup_deadline: Duration,
}

impl ExecutorConfig {
    /// The defaults, for the installation `owner`.
    pub fn new(owner: impl Into<String>) -> Self {
        Self {
            owner: owner.into(),
            policy: Policy::default(),
            stop_grace: Duration::from_secs(10),
            cleanup_deadline: Duration::from_mins(1),
        }
    }
}
