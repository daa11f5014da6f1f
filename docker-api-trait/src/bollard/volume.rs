//! `VolumeApi` on a real engine.

use async_trait::async_trait;
use bollard::query_parameters::{ListVolumesOptions, PruneVolumesOptions, RemoveVolumeOptions};

use super::{BollardDocker, convert};
use crate::{
    ApiError, ApiVersion, EngineProduct, LabelFilter, Operation, SystemApi as _, Volume, VolumeApi,
    VolumeName, VolumeRequest,
};

/// The last version of the API in which pruning takes named volumes without being asked to.
const NAMED_ARE_PRUNED: ApiVersion = ApiVersion { major: 1, minor: 41 };

#[async_trait]
impl VolumeApi for BollardDocker {
    async fn create_volume(&self, request: &VolumeRequest) -> Result<Volume, ApiError> {
        let body = convert::volume_request(request);
        match self.call(Operation::CreateVolume, self.docker().create_volume(body)).await {
            Ok(reply) => {
                let volume = convert::volume(reply);
                // Engine 20.10, when it was started anew, has forgotten scope, labels and options of a
                // volume that is there, until somebody asks for the volume itself.
                if volume.scope.is_empty() {
                    return self.inspect_volume(&request.name).await;
                }
                Ok(volume)
            }
            // Making a volume is idempotent by name, on Podman only when nobody makes it meanwhile.
            Err(ApiError::Conflict { message, .. })
                if message.ends_with(convert::VOLUME_EXISTS) =>
            {
                self.inspect_volume(&request.name).await
            }
            Err(error) => Err(error),
        }
    }

    async fn inspect_volume(&self, name: &VolumeName) -> Result<Volume, ApiError> {
        let reply = self
            .call(Operation::InspectVolume, self.docker().inspect_volume(name.as_str()))
            .await?;
        Ok(convert::volume(reply))
    }

    async fn list_volumes(&self, labels: &[LabelFilter]) -> Result<Vec<Volume>, ApiError> {
        let options = ListVolumesOptions { filters: convert::label_filters(labels) };
        let reply =
            self.call(Operation::ListVolumes, self.docker().list_volumes(Some(options))).await?;
        let volumes = reply.volumes.unwrap_or_default().into_iter().map(convert::volume);
        let mut volumes: Vec<_> =
            volumes.filter(|volume| convert::has(labels, &volume.labels)).collect();
        volumes.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(volumes)
    }

    async fn remove_volume(&self, name: &VolumeName) -> Result<(), ApiError> {
        // `force` would only hide a volume that is gone already.
        let options = RemoveVolumeOptions { force: false };
        self.call(
            Operation::RemoveVolume,
            self.docker().remove_volume(name.as_str(), Some(options)),
        )
        .await
    }

    async fn prune_volumes(&self, labels: &[LabelFilter]) -> Result<Vec<String>, ApiError> {
        let mut filters = convert::label_filters(labels).unwrap_or_default();
        // Engines that do not know the filter, up to version 1.41 of the API, refuse it: asking for
        // all is only right, and only needed, where named volumes would be spared.
        let version = self.version().await?;
        if version.product == EngineProduct::Podman {
            return self.prune_one_by_one(labels).await;
        }
        if version.api_version > NAMED_ARE_PRUNED {
            filters.insert("all".to_owned(), vec!["true".to_owned()]);
        }
        let options = PruneVolumesOptions { filters: Some(filters) };
        let reply =
            self.call(Operation::PruneVolumes, self.docker().prune_volumes(Some(options))).await?;
        let mut names = reply.volumes_deleted.unwrap_or_default();
        names.sort();
        Ok(names)
    }
}

impl BollardDocker {
    /// Podman prunes what has any of several labels, not all of them. A volume that is in use is
    /// refused by the engine, as it is when pruning.
    async fn prune_one_by_one(&self, labels: &[LabelFilter]) -> Result<Vec<String>, ApiError> {
        let mut names = Vec::new();
        for volume in self.list_volumes(labels).await? {
            let Ok(name) = VolumeName::new(volume.name.clone()) else { continue };
            match self.remove_volume(&name).await {
                Ok(()) => names.push(volume.name),
                Err(ApiError::Conflict { .. } | ApiError::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(names)
    }
}
