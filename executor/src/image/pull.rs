//! Images on their way to the engine: policies in order, pulls that jobs share.

use std::{sync::Arc, time::Duration};

use docker_api_trait::{
    ApiError, DockerApi, ImageReference, PlatformMismatch, PullProgress, PullRequest,
    RegistryCredential,
};
use futures_util::StreamExt as _;

use super::{
    AuthConfig, BrokenCredentials, CredentialHelpers, CredentialSources, Flights, Progress,
    PullFault, PullKey, PullPolicy, RegistryImage, Resolved, WatchError, retry_pull, watch_stalls,
};
use crate::{
    describe::describe,
    error::ImageError,
    event::JobEvent,
    plan::{ImagePlan, JobPlan},
    redact::RedactingObserver,
};

/// Brings images to the engine. Clones share pulls that are under way.
#[derive(Debug, Clone)]
pub(crate) struct Images {
    docker: Arc<dyn DockerApi>,
    pulls: Flights<PullKey, Told, Result<ImageReference, PullError>>,
    user: Option<AuthConfig>,
    helpers: CredentialHelpers,
}

/// What those who wait for a pull hear of it.
#[derive(Debug, Clone)]
enum Told {
    Progressed(PullProgress),
    Retried(String),
}

/// Why a pull failed; for all who waited for it.
#[derive(Debug, Clone)]
enum PullError {
    Engine(Arc<ApiError>),
    Stalled(Duration),
}

impl PullError {
    fn fault(&self) -> PullFault {
        match self {
            Self::Engine(error) => PullFault::of(error),
            Self::Stalled(_) => PullFault::Other,
        }
    }

    fn words(&self) -> String {
        match self {
            Self::Engine(error) => describe(&**error),
            Self::Stalled(after) => format!("nothing new came for {} s", after.as_secs()),
        }
    }

    fn of_image(
        self,
        image: &ImageReference,
        broken_credentials: Vec<BrokenCredentials>,
    ) -> ImageError {
        let image = image.clone();
        match self {
            Self::Engine(source) => {
                let fault = PullFault::of(&source);
                ImageError::Pull { image, fault, source, broken_credentials }
            }
            Self::Stalled(after) => ImageError::Stalled { image, after },
        }
    }
}

/// What a container may be created of.
#[derive(Debug)]
pub(crate) enum Use {
    /// An image that was pulled, by its id: a tag that moves meanwhile changes nothing.
    Present(ImageReference),
    /// An image that the engine has or has not: creating tells. Asking first would cost every warm
    /// job a request.
    Perhaps(ImageReference),
}

impl Images {
    pub(crate) fn new(docker: Arc<dyn DockerApi>) -> Self {
        let (pulls, helpers) = (Flights::new(), CredentialHelpers::default());
        Self { docker, pulls, user: None, helpers }
    }

    /// With the configuration of the user that runs jobs.
    pub(crate) fn with_auth_config(mut self, user: AuthConfig) -> Self {
        self.user = Some(user);
        self
    }

    /// The ways to an image, in the order of its policies.
    pub(crate) fn attempts<'a>(
        &'a self,
        plan: &'a JobPlan,
        image: &'a ImagePlan,
        observer: &'a RedactingObserver,
    ) -> Attempts<'a> {
        Attempts { images: self, plan, image, observer, next: 0, missing: None, failure: None }
    }

    async fn pull(
        &self,
        plan: &JobPlan,
        image: &ImagePlan,
        policy: PullPolicy,
        observer: &RedactingObserver,
    ) -> Result<ImageReference, ImageError> {
        observer.event(&JobEvent::PullStarted(&image.reference));
        let Resolved { credential, broken } = self.credential(plan, image).await;
        for source in &broken {
            let (image, why) = (&image.reference, source.why.as_str());
            observer.event(&JobEvent::CredentialsUnusable { image, why });
        }
        let key = PullKey {
            image: image.reference.clone(),
            platform: image.platform.clone(),
            credential: credential.clone(),
            policy,
        };
        let secrets: Vec<String> =
            credential.iter().flat_map(super::Credential::secrets).map(ToOwned::to_owned).collect();
        let mut request = PullRequest::new(image.reference.clone());
        request.platform.clone_from(&image.platform);
        request.credential = credential.map(|credential| {
            let mut shown = RegistryCredential::new(
                credential.server,
                credential.username,
                credential.password,
            );
            shown.identity_token = credential.identity_token;
            shown
        });
        let (docker, stall) = (Arc::clone(&self.docker), plan.timeouts.stall);
        let flight = self.pulls.join(key, |progress| async move {
            let pull = || pull_once(&*docker, &request, &secrets, stall, &progress);
            let told = |error: &PullError, _: Duration| {
                progress.tell(Told::Retried(error.words()));
            };
            retry_pull(pull, PullError::fault, told).await
        });
        let pulled = flight.wait(|told| match told {
            Told::Progressed(message) => observer.event(&JobEvent::PullProgressed(&message)),
            Told::Retried(why) => {
                observer.event(&JobEvent::PullRetried { image: &image.reference, why: &why });
            }
        });
        pulled.await.map_err(|error| error.of_image(&image.reference, broken))
    }

    /// What opens the image's registry: the job's, or else that of the user that runs jobs. A job's
    /// own configuration cannot name a credential helper: that is a program of this machine's.
    async fn credential(&self, plan: &JobPlan, image: &ImagePlan) -> Resolved {
        // An id is in no registry, and a reference that no registry takes is the engine's to refuse.
        let Ok(registry) = RegistryImage::parse(image.reference.as_str()) else {
            return Resolved::default();
        };
        let mut sources = CredentialSources::default();
        sources.user.clone_from(&self.user);
        sources.job.clone_from(&plan.registries);
        if let Some(text) = &plan.registry_config {
            let read = AuthConfig::parse("DOCKER_AUTH_CONFIG", &text.0);
            sources.variable = Some(read.unwrap_or_else(AuthConfig::broken).without_helpers());
        }
        sources.resolve(&registry, &self.helpers).await
    }
}

async fn pull_once(
    docker: &dyn DockerApi,
    request: &PullRequest,
    secrets: &[String],
    stall: Duration,
    progress: &Progress<Told>,
) -> Result<ImageReference, PullError> {
    // A registry's answer, which the engine hands on, may repeat what it was sent.
    let secrets = || secrets.iter().map(String::as_str);
    let failed = |error: ApiError| PullError::Engine(Arc::new(error.redacted(secrets())));
    let messages = docker.pull_image(request).await.map_err(failed)?;
    let mut messages = std::pin::pin!(watch_stalls(messages, stall));
    while let Some(message) = messages.next().await {
        match message {
            Ok(message) => progress.tell(Told::Progressed(message)),
            Err(WatchError::Stalled { after }) => return Err(PullError::Stalled(after)),
            Err(WatchError::Source(error)) => return Err(failed(error)),
        }
    }
    // The end of the messages does not prove that the image is there.
    let image = docker.inspect_image(&request.image).await.map_err(failed)?;
    ImageReference::new(image.id).map_err(|error| {
        failed(ApiError::Protocol {
            operation: docker_api_trait::Operation::InspectImage,
            detail: error.to_string(),
        })
    })
}

/// The ways to an image, one after another.
pub(crate) struct Attempts<'a> {
    images: &'a Images,
    plan: &'a JobPlan,
    image: &'a ImagePlan,
    observer: &'a RedactingObserver,
    next: usize,
    /// What the engine said when it did not have what was given.
    missing: Option<ApiError>,
    failure: Option<ImageError>,
}

impl Attempts<'_> {
    /// The next way that has not failed.
    ///
    /// # Errors
    /// That of the last policy, when all have failed.
    pub(crate) async fn next(&mut self) -> Result<Use, ImageError> {
        let image = self.image;
        loop {
            let Some(policy) = image.pull_policies.get(self.next).copied() else {
                let nothing = || ImageError::Missing { image: image.reference.clone() };
                return Err(self.failure.take().unwrap_or_else(nothing));
            };
            let missing = std::mem::take(&mut self.missing);
            match (policy, missing) {
                (PullPolicy::IfNotPresent | PullPolicy::Never, None) => {
                    return Ok(Use::Perhaps(image.reference.clone()));
                }
                (PullPolicy::Never, Some(missing)) => {
                    let image = image.reference.clone();
                    self.failed(match missing.platform_mismatch() {
                        Some(PlatformMismatch { wanted, found, .. }) => {
                            ImageError::Platform { image, wanted, found }
                        }
                        None => ImageError::Missing { image },
                    });
                }
                (PullPolicy::Always, _) | (PullPolicy::IfNotPresent, Some(_)) => {
                    let pulled = self.images.pull(self.plan, image, policy, self.observer).await;
                    match pulled {
                        Ok(id) => return Ok(Use::Present(id)),
                        Err(error) => self.failed(error),
                    }
                }
            }
        }
    }

    /// The engine does not have what [`next`](Self::next) gave.
    pub(crate) fn missing(&mut self, refused: ApiError) {
        self.missing = Some(refused);
    }

    fn failed(&mut self, error: ImageError) {
        if let Some(policy) = self.image.pull_policies.get(self.next).copied()
            && self.next + 1 < self.image.pull_policies.len()
        {
            self.observer.event(&JobEvent::PolicyFailed {
                image: &self.image.reference,
                policy,
                why: &describe(&error),
            });
        }
        self.next += 1;
        self.failure = Some(error);
    }
}
