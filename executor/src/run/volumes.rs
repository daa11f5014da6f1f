//! A job's volumes: prepared before its containers exist, and confirmed and made writable once the first
//! container holds them.

use docker_api_trait::{ContainerId, ContainerName, EngineProduct};
use futures_util::future;
use volume_manager::{PreparedVolumes, VolumeError, VolumeState};

use crate::{
    FailureReason, JobEvent, PrepareError, describe,
    run::{
        Inputs,
        state::{Slot, Trace},
    },
};

/// A container that has the volumes.
pub(super) struct Holder {
    id: ContainerId,
    name: String,
}

impl Holder {
    /// The first that is there.
    pub(super) fn first<'a>(
        mut containers: impl Iterator<Item = (&'a Trace<ContainerId>, &'a ContainerName)>,
    ) -> Option<Self> {
        containers.find_map(|(trace, name)| {
            Some(Self { id: trace.known()?.clone(), name: name.to_string() })
        })
    }
}

impl Inputs<'_> {
    /// Listens, and looks after the volumes, which this container holds from now on. On Podman an
    /// attachment makes a container ready, and a volume's folder of the image's, if there is one, gives
    /// an empty volume its owner and mode: what was opened before is looked at again.
    pub(super) async fn hold_volumes(
        &self,
        heard: impl Future<Output = Result<(), FailureReason>>,
        holder: Option<&Holder>,
        prepared: &PreparedVolumes,
    ) -> Result<PreparedVolumes, FailureReason> {
        let Some(holder) = holder else {
            heard.await?;
            return Ok(prepared.clone());
        };
        // Nothing is opened that is not what was prepared.
        let opened = async {
            let confirmed = self.confirm_volumes(holder, prepared).await?;
            let was_closed = self.open_volumes(&holder.id, &confirmed).await;
            Ok::<_, PrepareError>((confirmed, was_closed))
        };
        if self.docker.product() != EngineProduct::Podman {
            let (heard, opened) = future::join(heard, opened).await;
            heard?;
            return Ok(opened?.0);
        }
        let (confirmed, was_closed) = opened.await?;
        heard.await?;
        if was_closed {
            self.open_volumes(&holder.id, &confirmed).await;
        }
        Ok(confirmed)
    }

    /// The volumes as they are in a container that keeps them from vanishing.
    async fn confirm_volumes(
        &self,
        holder: &Holder,
        prepared: &PreparedVolumes,
    ) -> Result<PreparedVolumes, PrepareError> {
        let confirmed = match self.volumes.confirm(prepared).await {
            Ok(confirmed) => confirmed,
            // Together with what held it.
            Err(VolumeError::Vanished { .. }) => {
                let container = holder.name.clone();
                return Err(PrepareError::ContainerVanished { container });
            }
            Err(error) => return Err(error.into()),
        };
        for volume in &confirmed.volumes {
            if volume.state == Some(VolumeState::Recreated) {
                self.observer.event(&JobEvent::CacheVanished(volume));
            }
        }
        Ok(confirmed)
    }

    /// Makes fresh volumes writable, in the first container that has them, and says whether any was
    /// closed. Whether a failure matters depends on the image's user: a script of root's does not care.
    async fn open_volumes(&self, container: &ContainerId, prepared: &PreparedVolumes) -> bool {
        match self.volumes.make_writable(container, prepared).await {
            Ok(opened) => !opened.is_empty(),
            Err(error) => {
                self.warn(&describe(&error));
                false
            }
        }
    }

    /// Returns the first container of the job that was created.
    pub(super) fn first_container(&self, slots: &[Slot]) -> Option<Holder> {
        let traces = slots.iter().map(|slot| &slot.trace);
        Holder::first(traces.zip(self.plan.containers.iter().map(|one| &one.name)))
    }
}
