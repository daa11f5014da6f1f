//! The `VolumeManager` trait and its contract.

use std::fmt::Debug;

use async_trait::async_trait;
use docker_api_trait::{ContainerId, Mount, MountPoint, VolumeName};

use crate::{PlannedVolume, VolumeError, VolumePlan, mount::mount};

/// Where what is in a volume comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VolumeState {
    /// This run made it: it is empty, or filled from the image.
    Created,
    /// An earlier run made it.
    Reused,
    /// It was found, and was another one when a container was made that mounts it: the one that was
    /// found is gone, and this one is empty unless another run has filled it.
    Recreated,
}

impl VolumeState {
    /// One word for people and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Reused => "reused",
            Self::Recreated => "recreated",
        }
    }
}

/// How the job ended, as far as its volumes care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// All went well.
    Succeeded,
    /// Anything else.
    Failed,
}

/// A volume of a job, ready or about to be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PreparedVolume {
    /// What was planned.
    pub planned: PlannedVolume,
    /// Where what is in it comes from; `None` for what is the user's own, and before it is known.
    pub state: Option<VolumeState>,
    /// The run that made it, by its labels; `None` wherever there is no state.
    pub made_by: Option<String>,
}

impl PreparedVolume {
    /// A volume and its state.
    pub fn new(planned: PlannedVolume, state: Option<VolumeState>) -> Self {
        Self { planned, state, made_by: None }
    }

    /// It, made by that run.
    pub fn with_maker(mut self, run: impl Into<String>) -> Self {
        self.made_by = Some(run.into());
        self
    }
}

/// The volumes of a job, ready to be mounted. What [`VolumeManager::prepare`] returns and
/// [`VolumeManager::finish`] takes back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PreparedVolumes {
    /// In the order of the plan.
    pub volumes: Vec<PreparedVolume>,
}

impl PreparedVolumes {
    /// The volumes of a plan whose preparation failed or was abandoned: any of them may exist.
    /// Handing this to [`VolumeManager::finish`] removes the temporary ones that came to be.
    pub fn abandoned(plan: &VolumePlan) -> Self {
        plan.volumes.iter().map(|planned| PreparedVolume::new(planned.clone(), None)).collect()
    }

    /// What to mount into the job's containers.
    pub fn mounts(&self) -> Vec<Mount> {
        self.volumes.iter().map(|volume| mount(&volume.planned)).collect()
    }

    /// The state of each, in order.
    pub fn states(&self) -> Vec<Option<VolumeState>> {
        self.volumes.iter().map(|volume| volume.state).collect()
    }

    /// The names of the volumes that go with the run.
    pub fn temporaries(&self) -> impl Iterator<Item = &VolumeName> {
        self.volumes.iter().filter_map(|volume| match &volume.planned.source {
            crate::PlannedSource::Temporary(managed) => Some(&managed.name),
            _ => None,
        })
    }
}

/// For those who implement a [`VolumeManager`].
impl FromIterator<PreparedVolume> for PreparedVolumes {
    fn from_iter<I: IntoIterator<Item = PreparedVolume>>(volumes: I) -> Self {
        Self { volumes: volumes.into_iter().collect() }
    }
}

/// What [`VolumeManager::finish`] did.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct FinishReport {
    /// The volumes that are gone.
    pub removed: Vec<VolumeName>,
    /// The volumes that should be gone and may not be.
    pub failed: Vec<FailedRemoval>,
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

/// Makes the volumes of a plan ready, and clears up after the job.
///
/// # Contract
/// - `prepare` makes every cache and temporary volume of the plan exist, or fails. It never makes,
///   changes or looks at what is the user's own.
/// - `prepare` is idempotent by name: a volume that is there is used again, and says
///   [`VolumeState::Reused`] unless this very run made it. Of runs that prepare one cache at once,
///   exactly one is told [`VolumeState::Created`].
/// - `prepare` refuses a volume that has the name but not the identity of what was planned, with
///   [`VolumeError::Mismatch`], and does not change it.
/// - After a failed or dropped `prepare`, caches that were made stay, as they are found again by
///   name. Temporary volumes may exist: give [`PreparedVolumes::abandoned`] to `finish`.
/// - `confirm` looks again, once a container has been created that mounts the volumes: none can
///   vanish from then on. A cache that was `Reused` and is another run's by now, or this run's, is
///   [`VolumeState::Recreated`]: it vanished after `prepare`. One that has lost its identity is
///   refused as by `prepare`, one that is not there is [`VolumeError::Vanished`]. Only what was
///   `Reused` is looked at: nobody has counted on what is in another one. On Podman, which makes a
///   volume anew without the labels of its mount, one without labels is `Recreated`, too.
/// - `make_writable` lets every user write to the root of each of our volumes that nobody has
///   touched, in a container that was created and not started: one that is still as an engine makes
///   it, empty, root's and closed to others. It leaves alone what an image has filled, or given
///   another owner or mode, what was used before, what the container may only read, what a driver
///   or options of its own keep, and what is not ours. It can be called again, and by several runs
///   at once.
/// - `adopt` finds the volumes of a container that an earlier process prepared, by the container's
///   mounts: caches and temporary volumes by their labels, all else as the user's own. It refuses
///   volumes of other owners, and temporary ones of other runs, with [`VolumeError::Foreign`];
///   one that is gone is [`VolumeError::Vanished`]. It makes nothing. What it finds is for `finish`:
///   the options of the first mounting, but for read-only, are not known any more.
/// - `finish` removes the temporary volumes of the run, whatever the outcome; caches, and what is
///   the user's own, stay. It tries each, and reports each that it could not remove; one that is
///   gone already counts as removed. So it can be called again. A stranger's volume that has the
///   name of an abandoned one stays.
/// - A temporary volume that stays in use is tried again for a few seconds, then reported with
///   [`VolumeError::InUse`]: it stays, found by its labels.
/// - What is the user's own has no state, and neither has a folder of the host; every other prepared
///   volume has one.
/// - All methods may be called concurrently, for the same and for different runs.
///
/// Not promised: that a prepared volume still exists when a container is created, for which there is
/// `confirm`. The mounts carry its labels and driver, so that an engine makes it anew as ours. With the options `Z` and `O`, and
/// `z` with another driver than `local`, it would be made anew as a stranger's: only a bind string
/// can say those.
#[async_trait]
pub trait VolumeManager: Debug + Send + Sync {
    /// Makes the volumes of `plan` exist, and tells which were there.
    ///
    /// # Errors
    /// [`VolumeError`], of the first volume in the plan's order that is not ready.
    async fn prepare(&self, plan: &VolumePlan) -> Result<PreparedVolumes, VolumeError>;

    /// The volumes as they are now that a container has been created that mounts them, in the order
    /// in which they were. It has no default, so that a manager that wraps another cannot lose the
    /// check. A manager whose volumes cannot vanish returns them as they are.
    ///
    /// # Errors
    /// [`VolumeError`], of the first volume that is not what was prepared: nothing should be started
    /// with it.
    async fn confirm(&self, prepared: &PreparedVolumes) -> Result<PreparedVolumes, VolumeError>;

    /// Makes fresh volumes writable for every user, in a container that has them mounted and was
    /// not started yet. Returns the names of those that it opened.
    ///
    /// # Errors
    /// [`VolumeError::Closed`]: an image that does not run as root may fail to write then.
    async fn make_writable(
        &self,
        container: &ContainerId,
        prepared: &PreparedVolumes,
    ) -> Result<Vec<VolumeName>, VolumeError>;

    /// Finds the volumes that a container of `run` was given, for a process that carries the run
    /// on. Its caches have no other state than [`VolumeState::Reused`].
    ///
    /// # Errors
    /// [`VolumeError`], of the first mount that cannot be adopted.
    async fn adopt(
        &self,
        mounts: &[MountPoint],
        owner: &str,
        run: &str,
    ) -> Result<PreparedVolumes, VolumeError>;

    /// Clears up after the run. Call it once the run's containers are gone: a volume in use cannot
    /// be removed.
    async fn finish(&self, prepared: PreparedVolumes, outcome: Outcome) -> FinishReport;
}

#[cfg(feature = "mock")]
mockall::mock! {
    /// A mock of [`VolumeManager`].
    #[derive(Debug)]
    pub VolumeManager {}

    #[async_trait]
    impl VolumeManager for VolumeManager {
        async fn prepare(&self, plan: &VolumePlan) -> Result<PreparedVolumes, VolumeError>;

        async fn confirm(
            &self,
            prepared: &PreparedVolumes,
        ) -> Result<PreparedVolumes, VolumeError>;

        async fn make_writable(
            &self,
            container: &ContainerId,
            prepared: &PreparedVolumes,
        ) -> Result<Vec<VolumeName>, VolumeError>;

        async fn adopt(
            &self,
            mounts: &[MountPoint],
            owner: &str,
            run: &str,
        ) -> Result<PreparedVolumes, VolumeError>;

        async fn finish(&self, prepared: PreparedVolumes, outcome: Outcome) -> FinishReport;
    }
}
