//! Volumes.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::{
    ApiError,
    id::VolumeName,
    model::{LabelFilter, Volume, VolumeRequest},
};

/// Named volumes on the engine.
#[async_trait]
pub trait VolumeApi: Debug + Send + Sync {
    /// Creates a volume, or returns the one that has the name.
    ///
    /// Idempotent by name only: when the name is taken, the reply describes the *existing* volume,
    /// with its own labels and options, whatever the request says, and the call still succeeds. Of
    /// concurrent calls with one name exactly one creates; all replies describe that one's volume.
    ///
    /// # Errors
    /// [`ApiError::Conflict`] when the name is taken by a volume of another driver.
    async fn create_volume(&self, request: &VolumeRequest) -> Result<Volume, ApiError>;

    /// Looks at a volume.
    ///
    /// # Errors
    /// [`ApiError::NotFound`] when there is none of that name.
    async fn inspect_volume(&self, name: &VolumeName) -> Result<Volume, ApiError>;

    /// The volumes that carry all of `labels`, in the order of their names; all volumes when
    /// `labels` is empty.
    async fn list_volumes(&self, labels: &[LabelFilter]) -> Result<Vec<Volume>, ApiError>;

    /// Removes a volume and what is in it.
    ///
    /// # Errors
    /// [`ApiError::NotFound`] when there is none of that name; [`ApiError::Conflict`] while any
    /// container refers to it, be it stopped or never started.
    async fn remove_volume(&self, name: &VolumeName) -> Result<(), ApiError>;

    /// Removes the volumes that carry all of `labels` and that no container refers to, and what is
    /// in them; returns their names in order. With no labels, every such volume on the engine.
    ///
    /// Up to version 1.41 of the API the engine removes named volumes and anonymous ones alike.
    /// Later engines spare the named ones unless they are asked not to; they are asked.
    async fn prune_volumes(&self, labels: &[LabelFilter]) -> Result<Vec<String>, ApiError>;
}
