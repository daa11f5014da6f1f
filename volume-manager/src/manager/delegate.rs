//! A reference to a manager, and a box around one, are managers, too. No method has a default, so that
//! none can be lost on the way.

use std::sync::Arc;

use async_trait::async_trait;
use docker_api_trait::{ContainerId, MountPoint};

use super::{
    contract::VolumeManager,
    report::{AttachReport, FinishReport, Outcome},
};
use crate::{
    context::PrepareContext, error::VolumeError, plan::VolumePlan, prepared::PreparedVolumes,
};

macro_rules! delegate {
    ($pointer:ty) => {
        #[async_trait]
        impl<T: VolumeManager + ?Sized> VolumeManager for $pointer {
            async fn prepare(
                &self,
                plan: &VolumePlan,
                context: &PrepareContext<'_>,
            ) -> Result<PreparedVolumes, VolumeError> {
                (**self).prepare(plan, context).await
            }

            async fn attached(
                &self,
                container: &ContainerId,
                prepared: &PreparedVolumes,
            ) -> Result<AttachReport, VolumeError> {
                (**self).attached(container, prepared).await
            }

            async fn adopt(
                &self,
                mounts: &[MountPoint],
                owner: &str,
                run: &str,
            ) -> Result<PreparedVolumes, VolumeError> {
                (**self).adopt(mounts, owner, run).await
            }

            async fn finish(&self, prepared: PreparedVolumes, outcome: Outcome) -> FinishReport {
                (**self).finish(prepared, outcome).await
            }
        }
    };
}

delegate!(&T);
delegate!(Arc<T>);
delegate!(Box<T>);
