//! Images.

use std::fmt::Debug;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;

use crate::{
    ApiError,
    id::ImageReference,
    model::{ImageDetails, ImageSummary, LabelFilter, PullProgress, PullRequest},
};

/// The messages of a pull, in the engine's order. The pull goes on while the stream is polled; when
/// it is dropped the engine abandons the pull.
pub type PullStream = BoxStream<'static, Result<PullProgress, ApiError>>;

/// Images on the engine.
#[async_trait]
pub trait ImageApi: Debug + Send + Sync {
    /// Looks at an image that the engine has.
    ///
    /// # Errors
    /// [`ApiError::NotFound`] when it does not have it.
    async fn inspect_image(&self, image: &ImageReference) -> Result<ImageDetails, ApiError>;

    /// Pulls an image from its registry.
    ///
    /// # Errors
    /// Before the stream: [`ApiError::NotFound`] and others when the registry refuses. In the
    /// stream: [`ApiError::Reported`] with the engine's words when the pull fails, [`ApiError::Lost`] or
    /// [`ApiError::Protocol`] when it breaks off. An end without
    /// an error does not prove that the image is there: inspect it.
    async fn pull_image(&self, request: &PullRequest) -> Result<PullStream, ApiError>;

    /// Makes an image of a root file system, given as an uncompressed tar archive, under the name
    /// `image`. An image that had the name loses it.
    async fn import_image(&self, image: &ImageReference, archive: Bytes) -> Result<(), ApiError>;

    /// Returns the images that carry all of `labels`, by id; all images when `labels` is empty.
    async fn list_images(&self, labels: &[LabelFilter]) -> Result<Vec<ImageSummary>, ApiError>;

    /// Removes a name of an image, and the image itself with its last name. A reference without tag or
    /// digest means `latest`. An id removes an image that has at most one name.
    ///
    /// # Errors
    /// [`ApiError::NotFound`] when the engine has no such image; [`ApiError::Conflict`] when a container,
    /// running or not, uses an image that would be removed, or when an image of several names is given by
    /// its id.
    async fn remove_image(&self, image: &ImageReference) -> Result<(), ApiError>;
}
