//! Pulls, and the registries that the fake pulls from.

use std::collections::BTreeMap;

use docker_api_trait::{
    ApiError, ImageDetails, Operation, PullProgress, PullRequest, PullStream, RegistryCredential,
};
use futures_util::{StreamExt as _, stream};

use super::{FakeDocker, image};

/// What can be pulled, and what is in the way.
#[derive(Debug, Default)]
pub(super) struct Registry {
    /// By reference with tag.
    images: BTreeMap<String, RegistryImage>,
    /// How many pulls fail next, and the words.
    failing: Option<(usize, String)>,
    stalled: bool,
    requests: Vec<PullRequest>,
}

#[derive(Debug)]
struct RegistryImage {
    details: ImageDetails,
    /// The user and password that it is only given to.
    key: Option<(String, String)>,
}

impl Registry {
    pub(super) fn add(&mut self, reference: &str, key: Option<(String, String)>) {
        let name = image::canonical(reference);
        let details = image::in_registry(&name);
        self.images.insert(name, RegistryImage { details, key });
    }

    pub(super) fn details(&self, name: &str) -> Option<&ImageDetails> {
        self.images.get(name).map(|image| &image.details)
    }

    pub(super) fn details_mut(&mut self, name: &str) -> Option<&mut ImageDetails> {
        self.images.get_mut(name).map(|image| &mut image.details)
    }

    pub(super) fn note(&mut self, request: &PullRequest) {
        self.requests.push(request.clone());
    }

    /// What the registry gives for `name`, in its form with a tag.
    fn give(
        &mut self,
        name: &str,
        credential: Option<&RegistryCredential>,
        any: bool,
    ) -> Result<ImageDetails, ApiError> {
        if let Some((left, words)) = self.failing.as_mut().filter(|(left, _)| *left > 0) {
            *left -= 1;
            return Err(engine_error(words.clone()));
        }
        let Some(found) = self.images.get(name) else {
            return if any { Ok(image::in_registry(name)) } else { Err(absent(name)) };
        };
        let shown = credential.map(|shown| (shown.username.clone(), shown.password.clone()));
        match (&found.key, shown) {
            (Some(key), Some(shown)) if *key != shown => {
                Err(engine_error("unauthorized: authentication required".to_owned()))
            }
            (Some(_), None) => Err(locked(name)),
            _ => Ok(found.details.clone()),
        }
    }
}

fn engine_error(message: String) -> ApiError {
    ApiError::Engine { operation: Operation::PullImage, status: 500, message }
}

/// The host of a reference's registry and the rest, tag and digest aside; `None` when it is the
/// default one.
fn host(name: &str) -> Option<(&str, &str)> {
    let (host, rest) = image::repository(name).split_once('/')?;
    (host.contains(['.', ':']) || host == "localhost").then_some((host, rest))
}

/// Measured on Engine 20.10: a registry of one's own says what it does not have; the default one
/// does not tell that from what it does not give.
fn absent(name: &str) -> ApiError {
    let message = match host(name) {
        Some(_) => format!("manifest for {name} not found: manifest unknown: manifest unknown"),
        None => format!(
            "pull access denied for {}, repository does not exist or may require 'docker login'",
            image::repository(name)
        ),
    };
    ApiError::NotFound { operation: Operation::PullImage, message }
}

/// Measured on Engine 20.10: without a credential the engine does not even ask.
fn locked(name: &str) -> ApiError {
    match host(name) {
        Some((host, path)) => engine_error(format!(
            "Head \"http://{host}/v2/{path}/manifests/{}\": no basic auth credentials",
            version(name)
        )),
        None => absent(name),
    }
}

/// A reference's tag or digest.
fn version(name: &str) -> &str {
    name[image::repository(name).len()..].trim_start_matches([':', '@'])
}

/// Setting it up, and looking at it.
impl FakeDocker {
    /// Fails the next `count` pulls with these words of the engine's, as when a registry cannot be
    /// reached for a while. A second call replaces the first.
    pub fn fail_pulls(&self, count: usize, message: &str) {
        self.state().registry.failing = Some((count, message.to_owned()));
    }

    /// Lets every later pull begin and then say nothing, for ever.
    pub fn stall_pulls(&self) {
        self.state().registry.stalled = true;
    }

    /// The request of every call of `pull_image` so far, in order, whatever became of it. This does
    /// not count as a call.
    pub fn pull_requests(&self) -> Vec<PullRequest> {
        self.state().registry.requests.clone()
    }

    pub(super) fn pull(&self, request: &PullRequest) -> Result<PullStream, ApiError> {
        let name = image::canonical(request.image.as_str());
        let (mut details, stalled) = {
            let mut state = self.state();
            let any = state.any_image;
            let details = state.registry.give(&name, request.credential.as_ref(), any)?;
            (details, state.registry.stalled)
        };
        if let Some(platform) = request.platform.as_deref().filter(|platform| !platform.is_empty())
        {
            image::set_platform(&mut details, platform);
        }
        let repository = image::repository(&name);
        let digest = details.digests.first().and_then(|digest| digest.split_once('@'));
        let digest = digest.map(|(_, digest)| digest.to_owned()).unwrap_or_default();
        let begin = [
            message(Some(version(&name).to_owned()), format!("Pulling from {repository}")),
            message(Some("0123456789ab".to_owned()), "Pull complete".to_owned()),
            message(None, format!("Digest: {digest}")),
        ];
        if stalled {
            let begin = begin.into_iter().take(1).map(Ok);
            return Ok(stream::iter(begin).chain(stream::pending()).boxed());
        }
        let docker = self.clone();
        let end = stream::once(async move {
            let status = format!("Status: Downloaded newer image for {name}");
            image::put(&mut docker.state(), name, details);
            Ok(message(None, status))
        });
        Ok(stream::iter(begin.map(Ok)).chain(end).boxed())
    }
}

fn message(layer: Option<String>, status: String) -> PullProgress {
    let mut message = PullProgress::default();
    message.layer = layer;
    message.status = status;
    message
}
