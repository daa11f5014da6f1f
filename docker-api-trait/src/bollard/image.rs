//! `ImageApi` on a real engine.

use async_trait::async_trait;
use bollard::{auth::DockerCredentials, query_parameters::CreateImageOptions};
use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _, future};

use super::{BollardDocker, convert};
use crate::{
    ApiError, ImageApi, ImageDetails, ImageReference, Operation, PullRequest, PullStream,
    RegistryCredential,
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
