//! A `VolumeManager` on an engine.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use backon::{ExponentialBuilder, FuturesTimerSleeper, Retryable as _};
use docker_api_trait::{ApiError, ContainerId, DockerApi, MountPoint, VolumeName};
use futures_util::{StreamExt as _, stream};

use crate::{
    adopt::{adopt, volume_of},
    context::PrepareContext,
    error::VolumeError,
    kind::VolumeKind,
    label,
    manager::{AttachReport, FailedRemoval, FinishReport, Outcome, VolumeManager},
    path::ContainerPath,
    permission,
    plan::{ManagedVolume, VolumePlan},
    prepared::{PreparedVolume, PreparedVolumes},
    verify,
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

    /// Creates a volume, or finds it: the engine's response describes the one that exists.
    async fn create(
        &self,
        volume: PreparedVolume,
        context: &PrepareContext<'_>,
    ) -> Result<PreparedVolume, VolumeError> {
        let Some(wanted) = volume.managed() else { return Ok(volume) };
        context.check()?;
        let created = self.engine.create_volume(&wanted.request()).await;
        let found = created.map_err(|source| failed(wanted, source))?;
        verify::prepared(volume, &found)
    }

    /// Compares what was found with what a container holds now.
    async fn confirm(&self, before: &PreparedVolume) -> Result<PreparedVolume, VolumeError> {
        let Some(wanted) = verify::to_confirm(before) else { return Ok(before.clone().held()) };
        let found = match self.engine.inspect_volume(&wanted.name).await {
            Ok(found) => Some(found),
            Err(ApiError::NotFound { .. }) => None,
            Err(source) => return Err(failed(wanted, source)),
        };
        verify::confirm(before, wanted, found.as_ref(), self.engine.capabilities())
    }

    /// Makes unused volumes writable for every user, and returns the names of those.
    async fn open_unused(
        &self,
        container: &ContainerId,
        prepared: &PreparedVolumes,
    ) -> Result<Vec<VolumeName>, ApiError> {
        let inspections: Vec<_> = permission::candidates(prepared)
            .filter_map(|volume| Some((volume.managed()?, volume)))
            .map(|(managed, volume)| async move {
                let nested = permission::nested(prepared, volume);
                let root = self.closed_root(container, volume, &nested).await?;
                Ok(root.map(|root| (managed, root)))
            })
            .collect();
        let closed: Vec<_> = stream::iter(inspections).buffered(CONCURRENCY).collect().await;
        let closed: Result<Vec<_>, ApiError> =
            closed.into_iter().filter_map(Result::transpose).collect();
        let closed = closed?;
        let Some((first, _)) = closed.first() else { return Ok(Vec::new()) };
        let time = first.labels.get(label::CREATED_AT).and_then(|made| label::time(made));
        let time = time.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
        let roots: Vec<_> = closed.iter().map(|(_, root)| root.as_str()).collect();
        self.open(container, &roots, time.unwrap_or_default().as_secs()).await?;
        Ok(closed.into_iter().map(|(managed, _)| managed.name.clone()).collect())
    }

    /// Removes a temporary volume. Whether one whose making was not confirmed is ours is looked at
    /// first: a name alone is never a reason to touch a volume.
    async fn remove(
        &self,
        volume: &PreparedVolume,
        wanted: &ManagedVolume,
    ) -> Option<Result<(), VolumeError>> {
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
            let owner = self.engine.capabilities().archive_owner;
            let is_untouched = permission::is_untouched(archive, nested, owner).await?;
            return Ok(is_untouched.then_some(path));
        }
        Ok(None)
    }

    /// Unpacks the headers of the directories: all at the container's root where that reaches the volumes,
    /// else each at its volume's own path. Docker's engine ignores the header of a path itself.
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
        if self.engine.capabilities().archives_reach_volumes {
            return self.engine.upload_archive(container, "/", archive(roots)?).await;
        }
        let itself = archive(&["."])?;
        let uploads: Vec<_> = roots
            .iter()
            .map(|root| self.engine.upload_archive(container, root, itself.clone()))
            .collect();
        stream::iter(uploads).buffered(CONCURRENCY).collect::<Vec<_>>().await.into_iter().collect()
    }

    async fn adopt_mount(
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
        adopt(mount, found.as_ref(), owner, run)
    }
}

/// A request about a volume that failed, without the secrets of its driver.
fn failed(wanted: &ManagedVolume, source: ApiError) -> VolumeError {
    let source = source.redacted(wanted.driver.secrets());
    VolumeError::Engine { volume: wanted.name.clone(), source }
}

#[async_trait]
impl VolumeManager for DockerVolumeManager {
    async fn prepare(
        &self,
        plan: &VolumePlan,
        context: &PrepareContext<'_>,
    ) -> Result<PreparedVolumes, VolumeError> {
        // All are awaited before the first error is returned: a request that is dropped half-way
        // might create its volume after `finish` has looked for it.
        let requests: Vec<_> = PreparedVolumes::unprepared(plan)
            .volumes
            .into_iter()
            .map(|volume| self.create(volume, context))
            .collect();
        let volumes: Vec<_> = stream::iter(requests).buffered(CONCURRENCY).collect().await;
        let prepared = volumes.into_iter().collect::<Result<_, _>>()?;
        context.report_ready(&prepared);
        Ok(prepared)
    }

    async fn attached(
        &self,
        container: &ContainerId,
        prepared: &PreparedVolumes,
    ) -> Result<AttachReport, VolumeError> {
        let inspections: Vec<_> = prepared.volumes.iter().map(|one| self.confirm(one)).collect();
        let confirmed: Vec<_> = stream::iter(inspections).buffered(CONCURRENCY).collect().await;
        let mut report = AttachReport::new(confirmed.into_iter().collect::<Result<_, _>>()?);
        // Nothing is opened that is not what was prepared.
        match self.open_unused(container, &report.volumes).await {
            Ok(opened) => report.opened = opened,
            Err(source) => report.closed = Some(VolumeError::Closed { source }),
        }
        Ok(report)
    }

    async fn adopt(
        &self,
        mounts: &[MountPoint],
        owner: &str,
        run: &str,
    ) -> Result<PreparedVolumes, VolumeError> {
        let inspections: Vec<_> =
            mounts.iter().map(|mount| self.adopt_mount(mount, owner, run)).collect();
        let found: Vec<_> = stream::iter(inspections).buffered(CONCURRENCY).collect().await;
        found.into_iter().filter_map(Result::transpose).collect()
    }

    async fn finish(&self, prepared: PreparedVolumes, _outcome: Outcome) -> FinishReport {
        let temporaries = prepared.of_kind(VolumeKind::Temporary);
        let removals: Vec<_> =
            temporaries.map(|(volume, wanted)| self.remove(volume, wanted)).collect();
        let removals: Vec<_> = stream::iter(removals).buffered(CONCURRENCY).collect().await;
        let mut report = FinishReport::new(&prepared);
        for (name, removal) in prepared.temporaries().zip(removals) {
            match removal {
                Some(Ok(())) => report.removed.push(name.clone()),
                Some(Err(error)) => {
                    report.failed.push(FailedRemoval::new(name.clone(), error));
                }
                // Another one's.
                None => {}
            }
        }
        report
    }
}
