//! A `VolumeManager` on an engine.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use backon::{ExponentialBuilder, FuturesTimerSleeper, Retryable as _};
use docker_api_trait::{ApiError, ContainerId, DockerApi, EngineProduct, MountPoint, VolumeName};
use futures_util::{StreamExt as _, stream};

use crate::{
    ContainerPath, FailedRemoval, FinishReport, Outcome, PlannedSource, PlannedVolume,
    PreparedVolume, PreparedVolumes, VolumeError, VolumeManager, VolumePlan, VolumeState,
    adopt::{adopt, volume_of},
    label, permission, verify,
};

/// So many requests are under way at once: enough to hide the engine's latency, few enough for its
/// sockets.
const CONCURRENCY: usize = 16;
/// So many links, one leading to the other, are followed, as on Linux.
const LINKS: usize = 40;

/// How long, and how often, a temporary volume that is still in use is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Backoff {
    /// The wait before the second try; each wait is twice the one before, and a little by chance.
    /// Default: 100 ms.
    pub first: Duration,
    /// How often it is tried after the first time. Default: 5, which takes 3 to 6 seconds.
    pub retries: usize,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_millis(100), retries: 5 }
    }
}

impl Backoff {
    /// So many tries more, the first after `first`.
    pub fn new(first: Duration, retries: usize) -> Self {
        Self { first, retries }
    }

    fn builder(self) -> ExponentialBuilder {
        ExponentialBuilder::default()
            .with_min_delay(self.first)
            .with_max_times(self.retries)
            .with_jitter()
    }
}

/// Makes volumes on an engine, by the contract of [`VolumeManager`]. One request for each volume
/// of a plan, made or found: creating a volume is idempotent, and the reply describes it.
#[derive(Debug, Clone)]
pub struct DockerVolumeManager {
    engine: Arc<dyn DockerApi>,
    backoff: Backoff,
}

impl DockerVolumeManager {
    /// A manager of the volumes on `engine`.
    pub fn new(engine: Arc<dyn DockerApi>) -> Self {
        Self { engine, backoff: Backoff::default() }
    }

    /// The manager with other patience for volumes in use.
    pub fn with_backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    async fn ready(&self, planned: &PlannedVolume) -> Result<PreparedVolume, VolumeError> {
        let Some(wanted) = planned.source.managed() else {
            return Ok(PreparedVolume::new(planned.clone(), None));
        };
        let found = self.engine.create_volume(&wanted.request()).await.map_err(|source| {
            VolumeError::Engine {
                volume: wanted.name.clone(),
                source: source.redacted(wanted.driver.secrets()),
            }
        })?;
        verify::prepared(planned, wanted, &found)
    }

    async fn confirmed(&self, before: &PreparedVolume) -> Result<PreparedVolume, VolumeError> {
        let wanted = before.planned.source.managed();
        let wanted = wanted.filter(|_| before.state == Some(VolumeState::Reused));
        let Some(wanted) = wanted else { return Ok(before.clone()) };
        let found = match self.engine.inspect_volume(&wanted.name).await {
            Ok(found) => Some(found),
            Err(ApiError::NotFound { .. }) => None,
            Err(source) => {
                return Err(VolumeError::Engine {
                    volume: wanted.name.clone(),
                    source: source.redacted(wanted.driver.secrets()),
                });
            }
        };
        verify::confirm(before, wanted, found.as_ref(), self.engine.product())
    }

    /// Removes a temporary volume. Whether one whose making was not confirmed is ours is looked at
    /// first: a name alone is never a reason to touch a volume.
    async fn remove(&self, volume: &PreparedVolume) -> Option<Result<(), VolumeError>> {
        let wanted = volume.planned.source.managed()?;
        if volume.state.is_none() {
            match self.engine.inspect_volume(&wanted.name).await {
                Ok(found) if verify::verify(wanted, &found).is_err() => return None,
                Ok(_) | Err(ApiError::NotFound { .. }) => {}
                Err(source) => {
                    let volume = wanted.name.clone();
                    return Some(Err(VolumeError::NotRemoved { volume, source }));
                }
            }
        }
        Some(self.remove_patiently(&wanted.name).await)
    }

    async fn remove_patiently(&self, name: &VolumeName) -> Result<(), VolumeError> {
        let attempt = || async {
            match self.engine.remove_volume(name).await {
                Ok(()) | Err(ApiError::NotFound { .. }) => Ok(()),
                Err(source) => Err(VolumeError::NotRemoved { volume: name.clone(), source }),
            }
        };
        let removed = attempt
            .retry(self.backoff.builder())
            .sleep(FuturesTimerSleeper)
            .when(VolumeError::is_conflict)
            .await;
        removed.map_err(|error| match error {
            VolumeError::NotRemoved { volume, source: source @ ApiError::Conflict { .. } } => {
                VolumeError::InUse { volume, source }
            }
            error => error,
        })
    }

    /// Where the root of a volume is in the container, when it is to be opened.
    async fn closed_root(
        &self,
        container: &ContainerId,
        volume: &PreparedVolume,
        nested: &[String],
    ) -> Result<Option<ContainerPath>, ApiError> {
        let mut path = volume.planned.destination.clone();
        // The engine mounts where a link of the image leads, as far as Linux follows one.
        for _ in 0..LINKS {
            // Owners are only in archives, which take the engine thirty times as long as a look.
            let details = self.engine.inspect_path(container, path.as_str()).await?;
            if let Some(target) = &details.target {
                let Some(next) = permission::follow(&path, target) else { return Ok(None) };
                path = next;
                continue;
            }
            if !permission::may_be_untouched(&details) {
                return Ok(None);
            }
            let archive = self.engine.download_archive(container, path.as_str()).await?;
            let product = self.engine.product();
            let is_untouched = permission::is_untouched(archive, nested, product).await?;
            return Ok(is_untouched.then_some(path));
        }
        Ok(None)
    }

    /// Unpacks the folder headers: all at the container's root, which Docker's engine takes into the
    /// volumes. Podman unpacks beside them what is not sent to a volume's own path; Docker's engine
    /// passes over the header of a path itself.
    async fn open(
        &self,
        container: &ContainerId,
        roots: &[&str],
        time: u64,
    ) -> Result<(), ApiError> {
        let archive = |folders: &[&str]| {
            let packed = permission::archive(folders.iter().copied(), time);
            packed.map_err(|error| permission::unsendable(&error))
        };
        if self.engine.product() != EngineProduct::Podman {
            return self.engine.upload_archive(container, "/", archive(roots)?).await;
        }
        let itself = archive(&["."])?;
        let uploads: Vec<_> = roots
            .iter()
            .map(|root| self.engine.upload_archive(container, root, itself.clone()))
            .collect();
        stream::iter(uploads).buffered(CONCURRENCY).collect::<Vec<_>>().await.into_iter().collect()
    }

    async fn adopted(
        &self,
        mount: &MountPoint,
        owner: &str,
        run: &str,
    ) -> Result<Option<PreparedVolume>, VolumeError> {
        let found = match volume_of(mount)? {
            None => None,
            Some(name) => match self.engine.inspect_volume(&name).await {
                Ok(volume) => Some(volume),
                Err(ApiError::NotFound { .. }) => None,
                Err(source) => return Err(VolumeError::Engine { volume: name, source }),
            },
        };
        let planned = adopt(mount, found.as_ref(), owner, run)?;
        Ok(planned.map(|planned| {
            let state = planned.source.managed().map(|_| VolumeState::Reused);
            let maker = found.as_ref().filter(|_| state.is_some()).and_then(verify::maker);
            let volume = PreparedVolume::new(planned, state);
            maker.into_iter().fold(volume, PreparedVolume::with_maker)
        }))
    }
}

#[async_trait]
impl VolumeManager for DockerVolumeManager {
    async fn prepare(&self, plan: &VolumePlan) -> Result<PreparedVolumes, VolumeError> {
        // All are awaited before the first error is returned: a request that is dropped half-way
        // might make its volume after `finish` has looked for it.
        let requests: Vec<_> = plan.volumes.iter().map(|planned| self.ready(planned)).collect();
        let volumes: Vec<_> = stream::iter(requests).buffered(CONCURRENCY).collect().await;
        volumes.into_iter().collect()
    }

    async fn confirm(&self, prepared: &PreparedVolumes) -> Result<PreparedVolumes, VolumeError> {
        let looks: Vec<_> = prepared.volumes.iter().map(|one| self.confirmed(one)).collect();
        let looked: Vec<_> = stream::iter(looks).buffered(CONCURRENCY).collect().await;
        looked.into_iter().collect()
    }

    async fn make_writable(
        &self,
        container: &ContainerId,
        prepared: &PreparedVolumes,
    ) -> Result<Vec<VolumeName>, VolumeError> {
        let failed = |source| VolumeError::Closed { source };
        let looks: Vec<_> = permission::candidates(prepared)
            .filter_map(|volume| Some((volume.planned.source.managed()?, volume)))
            .map(|(managed, volume)| async move {
                let nested = permission::nested(prepared, volume);
                let root = self.closed_root(container, volume, &nested).await?;
                Ok(root.map(|root| (managed, root)))
            })
            .collect();
        let looked: Vec<_> = stream::iter(looks).buffered(CONCURRENCY).collect().await;
        let closed: Result<Vec<_>, ApiError> =
            looked.into_iter().filter_map(Result::transpose).collect();
        let closed = closed.map_err(failed)?;
        let Some((first, _)) = closed.first() else { return Ok(Vec::new()) };
        let time = first.labels.get(label::CREATED_AT).and_then(|made| label::time(made));
        let time = time.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
        let roots: Vec<_> = closed.iter().map(|(_, root)| root.as_str()).collect();
        self.open(container, &roots, time.unwrap_or_default().as_secs()).await.map_err(failed)?;
        Ok(closed.into_iter().map(|(managed, _)| managed.name.clone()).collect())
    }

    async fn adopt(
        &self,
        mounts: &[MountPoint],
        owner: &str,
        run: &str,
    ) -> Result<PreparedVolumes, VolumeError> {
        let looks: Vec<_> = mounts.iter().map(|mount| self.adopted(mount, owner, run)).collect();
        let found: Vec<_> = stream::iter(looks).buffered(CONCURRENCY).collect().await;
        found.into_iter().filter_map(Result::transpose).collect()
    }

    async fn finish(&self, prepared: PreparedVolumes, _outcome: Outcome) -> FinishReport {
        let temporaries = || {
            let volumes = prepared.volumes.iter();
            volumes.filter(|one| matches!(one.planned.source, PlannedSource::Temporary(_)))
        };
        let removals: Vec<_> = temporaries().map(|volume| self.remove(volume)).collect();
        let removals: Vec<_> = stream::iter(removals).buffered(CONCURRENCY).collect().await;
        let mut report = FinishReport::default();
        for (name, removal) in prepared.temporaries().zip(removals) {
            match removal {
                Some(Ok(())) => report.removed.push(name.clone()),
                Some(Err(error)) => {
                    report.failed.push(FailedRemoval::new(name.clone(), error));
                }
                // A stranger's.
                None => {}
            }
        }
        report
    }
}
