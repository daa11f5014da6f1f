//! The outcome that a volume manager receives, and what it reports.

use docker_api_trait::VolumeName;

use crate::{error::VolumeError, kind::VolumeKind, prepared::PreparedVolumes};

/// How the job ended. It decides what becomes of what the job wrote into its caches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The job succeeded, and no step was stopped before its end.
    Succeeded,
    /// A script failed, and no step was stopped before its end.
    ScriptFailed,
    /// The job was cancelled.
    Cancelled,
    /// A time limit was reached, of the job or of one of its steps.
    TimedOut,
    /// The job did not come to its end for a reason of the runner's, the engine's or the image's; or
    /// its process ended, and another one finishes the volumes.
    Crashed,
}

impl Outcome {
    /// All outcomes.
    pub const ALL: [Self; 5] =
        [Self::Succeeded, Self::ScriptFailed, Self::Cancelled, Self::TimedOut, Self::Crashed];
}

/// What [`VolumeManager::attached`](crate::VolumeManager::attached) found and did.
#[derive(Debug)]
#[non_exhaustive]
pub struct AttachReport {
    /// The volumes as the container holds them, in the order in which they were.
    pub volumes: PreparedVolumes,
    /// The volumes that were made writable for every user.
    pub opened: Vec<VolumeName>,
    /// Why new volumes may still be closed to users other than root. A job whose image runs as root
    /// does not need them open.
    pub closed: Option<VolumeError>,
}

impl AttachReport {
    /// These volumes, of which none was opened.
    pub fn new(volumes: PreparedVolumes) -> Self {
        Self { volumes, opened: Vec::new(), closed: None }
    }
}

/// What became of a run's volumes: see [`VolumeManager::finish`](crate::VolumeManager::finish). A
/// volume is in at most one of the lists.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct FinishReport {
    /// The caches that are as the job left them, for the next job.
    pub kept: Vec<VolumeName>,
    /// The caches of this job alone that are the next job's beginning now.
    pub promoted: Vec<VolumeName>,
    /// The caches of this job alone that no other job will see.
    pub discarded: Vec<VolumeName>,
    /// The temporary volumes that do not exist any more.
    pub removed: Vec<VolumeName>,
    /// The volumes that should be removed and may still exist.
    pub failed: Vec<FailedRemoval>,
}

impl FinishReport {
    /// A report that keeps the caches among these volumes that were prepared or adopted: shared caches
    /// are written in place.
    pub fn new(prepared: &PreparedVolumes) -> Self {
        let caches = prepared.of_kind(VolumeKind::Cache);
        let known = caches.filter(|(cache, _)| cache.state.is_some());
        Self { kept: known.map(|(_, volume)| volume.name.clone()).collect(), ..Self::default() }
    }
}

/// A volume that could not be removed.
#[derive(Debug)]
#[non_exhaustive]
pub struct FailedRemoval {
    /// The volume.
    pub volume: VolumeName,
    /// Why.
    pub error: VolumeError,
}

impl FailedRemoval {
    /// A removal that failed.
    pub fn new(volume: VolumeName, error: VolumeError) -> Self {
        Self { volume, error }
    }
}
