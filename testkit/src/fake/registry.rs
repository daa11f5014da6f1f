//! The registries that the fake pulls from.

use std::collections::BTreeMap;

use docker_api_trait::{ApiError, ImageDetails, Operation, PullRequest, RegistryCredential};

use super::reference;

/// What can be pulled, and what is in the way.
#[derive(Debug, Default)]
pub(super) struct Registry {
    /// By reference with tag.
    images: BTreeMap<String, RegistryImage>,
    /// How many pulls fail next, and the words.
    pub(super) failing: Option<(usize, String)>,
    pub(super) stalled: bool,
    pub(super) requests: Vec<PullRequest>,
}

#[derive(Debug)]
struct RegistryImage {
    details: ImageDetails,
    /// The user and password that it is only given to.
    key: Option<(String, String)>,
}

impl Registry {
    pub(super) fn add(&mut self, reference: &str, key: Option<(String, String)>) {
        let name = reference::canonical(reference);
        let details = reference::in_registry(&name);
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
    pub(super) fn give(
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
            return if any { Ok(reference::in_registry(name)) } else { Err(absent(name)) };
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
    let (host, rest) = reference::repository(name).split_once('/')?;
    (host.contains(['.', ':']) || host == "localhost").then_some((host, rest))
}

/// Measured on Engine 20.10: a registry of one's own says what it does not have; the default one
/// does not tell that from what it does not give.
fn absent(name: &str) -> ApiError {
    let message = match host(name) {
        Some(_) => format!("manifest for {name} not found: manifest unknown: manifest unknown"),
        None => format!(
            "pull access denied for {}, repository does not exist or may require 'docker login'",
            reference::repository(name)
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
pub(super) fn version(name: &str) -> &str {
    name[reference::repository(name).len()..].trim_start_matches([':', '@'])
}
