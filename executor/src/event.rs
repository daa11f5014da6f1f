//! A job's progress, for whoever wants to show it.

use std::fmt::Debug;

use docker_api_trait::{EngineVersion, ImageReference, PullProgress};
use volume_manager::PreparedVolume;

/// Something that happened to a job, in the order in which it happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum JobEvent<'a> {
    /// The engine answered.
    Connected(&'a EngineVersion),
    /// A volume is ready.
    VolumeReady(&'a PreparedVolume),
    /// The engine does not have the image; it is being pulled.
    PullStarted(&'a ImageReference),
    /// The pull goes on.
    PullProgressed(&'a PullProgress),
    /// The container runs.
    Started {
        /// Its name.
        container: &'a str,
    },
    /// The engine finds something odd about the container.
    Warned(&'a str),
    /// The job was interrupted; its container is being stopped.
    Stopping,
}

/// Is told of a job's progress. Called from within the job: it must not block.
pub trait Observer: Debug + Send + Sync {
    /// Something happened.
    fn event(&self, event: &JobEvent<'_>);
}

/// Shows nothing.
impl Observer for () {
    fn event(&self, _event: &JobEvent<'_>) {}
}
