//! A mock, for tests that ask "was it called, in what order".

use async_trait::async_trait;
use docker_api_trait::{ContainerId, MountPoint};

use super::{
    contract::VolumeManager,
    report::{AttachReport, FinishReport, Outcome},
};
use crate::{
    context::PrepareContext, error::VolumeError, plan::VolumePlan, prepared::PreparedVolumes,
};

mockall::mock! {
    /// A mock of [`VolumeManager`]. Its expectations have the arguments of the trait's methods, except
    /// the context of [`prepare`](VolumeManager::prepare).
    #[derive(Debug)]
    pub VolumeManager {
        /// What [`VolumeManager::prepare`] calls.
        pub fn prepare(&self, plan: &VolumePlan) -> Result<PreparedVolumes, VolumeError>;

        /// What [`VolumeManager::attached`] calls.
        pub fn attached(
            &self,
            container: &ContainerId,
            prepared: &PreparedVolumes,
        ) -> Result<AttachReport, VolumeError>;

        /// What [`VolumeManager::adopt`] calls.
        pub fn adopt(
            &self,
            mounts: &[MountPoint],
            owner: &str,
            run: &str,
        ) -> Result<PreparedVolumes, VolumeError>;

        /// What [`VolumeManager::finish`] calls.
        pub fn finish(&self, prepared: PreparedVolumes, outcome: Outcome) -> FinishReport;
    }
}

/// By hand, because mockall cannot express the lifetime of a [`PrepareContext`].
#[async_trait]
impl VolumeManager for MockVolumeManager {
    async fn prepare(
        &self,
        plan: &VolumePlan,
        _context: &PrepareContext<'_>,
    ) -> Result<PreparedVolumes, VolumeError> {
        Self::prepare(self, plan)
    }

    async fn attached(
        &self,
        container: &ContainerId,
        prepared: &PreparedVolumes,
    ) -> Result<AttachReport, VolumeError> {
        Self::attached(self, container, prepared)
    }

    async fn adopt(
        &self,
        mounts: &[MountPoint],
        owner: &str,
        run: &str,
    ) -> Result<PreparedVolumes, VolumeError> {
        Self::adopt(self, mounts, owner, run)
    }

    async fn finish(&self, prepared: PreparedVolumes, outcome: Outcome) -> FinishReport {
        Self::finish(self, prepared, outcome)
    }
}
