//! `ImageApi` on a real engine.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bollard::{
    auth::DockerCredentials,
    query_parameters::{CreateImageOptions, RemoveImageOptions},
};
use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _, future};
use serde::Deserialize;

use super::{BollardDocker, convert};
use crate::{
    ApiError, ImageApi, ImageDetails, ImageReference, ImageSummary, LabelFilter, Operation,
    PullRequest, PullStream, RegistryCredential,
};

#[async_trait]
impl ImageApi for BollardDocker {
    async fn inspect_image(&self, image: &ImageReference) -> Result<ImageDetails, ApiError> {
        let reply =
            self.call(Operation::InspectImage, self.docker().inspect_image(image.as_str())).await?;
        Ok(convert::image(reply))
    }

    async fn pull_image(&self, request: &PullRequest) -> Result<PullStream, ApiError> {
        let options = CreateImageOptions {
            from_image: Some(convert::with_tag(&request.image)),
            platform: request.platform.clone().unwrap_or_default(),
            ..CreateImageOptions::default()
        };
        let credentials = request.credential.as_ref().map(credentials);
        let mut replies = self.docker().create_image(Some(options), None, credentials).boxed();
        // The first message is awaited here, so that a refusal is this call's error.
        let first = self
            .call(Operation::PullImage, replies.next().map(Option::transpose))
            .await?
            .map(convert::pull_progress);
        let endpoint = self.endpoint().clone();
        let rest = replies.map(move |reply| match reply {
            Ok(info) => Ok(convert::pull_progress(info)),
            Err(error) => Err(convert::error(Operation::PullImage, &endpoint, error)),
        });
        Ok(futures_util::stream::iter(first.map(Ok)).chain(rest).boxed())
    }

    async fn import_image(&self, image: &ImageReference, archive: Bytes) -> Result<(), ApiError> {
        let options = CreateImageOptions {
            from_src: Some("-".to_owned()),
            repo: Some(convert::with_tag(image)),
            ..CreateImageOptions::default()
        };
        let replies =
            self.docker().create_image(Some(options), Some(bollard::body_full(archive)), None);
        self.call(Operation::ImportImage, replies.try_for_each(|_| future::ok(()))).await
    }

    async fn list_images(&self, labels: &[LabelFilter]) -> Result<Vec<ImageSummary>, ApiError> {
        let filters = convert::label_filters(labels).unwrap_or_default();
        let filters = serde_json::json!(filters).to_string();
        let query = [("filters", filters.as_str())];
        let listed: Vec<ListedImage> =
            self.get(Operation::ListImages, "/images/json", &query).await?;
        let mut images: Vec<_> = listed.into_iter().map(summary).collect();
        images.retain(|image| convert::has(labels, &image.labels));
        images.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(images)
    }

    async fn remove_image(&self, image: &ImageReference) -> Result<(), ApiError> {
        let options = RemoveImageOptions { force: false, noprune: false, platforms: None };
        let removal = self.docker().remove_image(image.as_str(), Some(options), None);
        self.call(Operation::RemoveImage, removal).await.map(drop)
    }
}

/// An image in the engine's list. Engines write `null` for what is missing.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ListedImage {
    id: String,
    repo_tags: Option<Vec<String>>,
    repo_digests: Option<Vec<String>>,
    labels: Option<BTreeMap<String, String>>,
}

fn summary(listed: ListedImage) -> ImageSummary {
    // Engine 20.10 lists an image without names as `<none>:<none>`.
    let names = |listed: Option<Vec<String>>| {
        let mut names = listed.unwrap_or_default();
        names.retain(|name| !name.starts_with("<none>"));
        names.sort();
        names
    };
    ImageSummary {
        tags: names(listed.repo_tags),
        digests: names(listed.repo_digests),
        labels: listed.labels.unwrap_or_default(),
        ..ImageSummary::new(listed.id)
    }
}

fn credentials(credential: &RegistryCredential) -> DockerCredentials {
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    DockerCredentials {
        username: some(&credential.username),
        password: some(&credential.password),
        auth: None,
        email: None,
        serveraddress: some(&credential.server),
        identitytoken: credential.identity_token.clone(),
        registrytoken: None,
    }
}
