//! `VolumeApi` on a real engine.

use async_trait::async_trait;
use bollard::query_parameters::{ListVolumesOptions, RemoveVolumeOptions};

use super::{BollardDocker, convert};
use crate::{ApiError, LabelFilter, Operation, Volume, VolumeApi, VolumeName, VolumeRequest};

#[async_trait]
impl VolumeApi for BollardDocker {
    async fn create_volume(&self, request: &VolumeRequest) -> Result<Volume, ApiError> {
        let body = convert::volume_request(request);
        let reply = self.call(Operation::CreateVolume, self.docker().create_volume(body)).await?;
        Ok(convert::volume(reply))
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
        let mut volumes: Vec<_> =
            reply.volumes.unwrap_or_default().into_iter().map(convert::volume).collect();
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
}
