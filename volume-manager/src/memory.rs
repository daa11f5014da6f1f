//! A `VolumeManager` without an engine.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use docker_api_trait::{
    ApiError, Capabilities, ContainerId, MountPoint, Operation, Volume, VolumeName,
};

use crate::{
    adopt::{adopt, volume_of},
    context::{PrepareContext, VolumeEvent},
    error::VolumeError,
    kind::VolumeKind,
    manager::{AttachReport, FailedRemoval, FinishReport, Outcome, VolumeManager},
    permission,
    plan::{ManagedVolume, VolumePlan},
    prepared::{PreparedVolume, PreparedVolumes},
    verify,
};

/// Keeps volumes in memory, by the contract of [`VolumeManager`]: for tests of code that uses
/// volumes, and for trying out what a plan would do. It holds no files. Clones share the volumes.
#[derive(Debug, Clone, Default)]
pub struct InMemoryVolumeManager {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    volumes: BTreeMap<String, Volume>,
    /// Those that every user may write to.
    open: BTreeSet<String>,
    /// Those that a container is said to use.
    occupied: BTreeSet<String>,
    /// How long each preparation waits first.
    delay: Duration,
}

impl State {
    /// Creates a volume, or finds it.
    fn create(&mut self, volume: PreparedVolume) -> Result<PreparedVolume, VolumeError> {
        let Some(wanted) = volume.managed() else { return Ok(volume) };
        let found = self.volumes.entry(wanted.name.to_string()).or_insert_with(|| {
            let mut volume = Volume::local(wanted.name.as_str());
            volume.labels = wanted.labels.clone();
            volume.driver.clone_from(&wanted.driver.name);
            volume.options.clone_from(&wanted.driver.options);
            volume
        });
        verify::prepared(volume, found)
    }

    fn confirm(&self, before: &PreparedVolume) -> Result<PreparedVolume, VolumeError> {
        let Some(wanted) = verify::to_confirm(before) else { return Ok(before.clone().held()) };
        let found = self.volumes.get(wanted.name.as_str());
        verify::confirm(before, wanted, found, Capabilities::DOCKER)
    }

    /// Removes the volume that was planned; `None` when another one has its name.
    fn finish(&mut self, wanted: &ManagedVolume) -> Option<Result<(), VolumeError>> {
        let name = &wanted.name;
        let found = self.volumes.get(name.as_str());
        if found.is_some_and(|found| verify::verify(wanted, found).is_err()) {
            return None;
        }
        if self.occupied.contains(name.as_str()) {
            let message = format!("remove {name}: volume is in use");
            let source = ApiError::Conflict { operation: Operation::RemoveVolume, message };
            return Some(Err(VolumeError::InUse { volume: name.clone(), source }));
        }
        self.remove(name);
        Some(Ok(()))
    }

    fn remove(&mut self, name: &VolumeName) {
        self.volumes.remove(name.as_str());
        self.open.remove(name.as_str());
    }
}

impl InMemoryVolumeManager {
    /// A manager without volumes.
    pub fn new() -> Self {
        Self::default()
    }

    /// The volumes that exist, by name.
    pub fn volumes(&self) -> Vec<Volume> {
        self.lock().volumes.values().cloned().collect()
    }

    /// Puts a volume there, as if somebody else had made it; one of that name is replaced.
    pub fn insert(&self, volume: Volume) {
        self.lock().volumes.insert(volume.name.clone(), volume);
    }

    /// Takes a volume away, as if somebody else had removed it.
    pub fn vanish(&self, name: &VolumeName) {
        self.lock().remove(name);
    }

    /// Has a volume in use, as if a container had it mounted: it cannot be removed until it is
    /// [released](Self::release).
    pub fn occupy(&self, name: &VolumeName) {
        self.lock().occupied.insert(name.to_string());
    }

    /// Ends the use that [`occupy`](Self::occupy) began.
    pub fn release(&self, name: &VolumeName) {
        self.lock().occupied.remove(name.as_str());
    }

    /// Has each `prepare` wait so long for its first volume, by its context's clock, as if another job
    /// used it: for tests of code that is cancelled while it waits.
    pub fn delay(&self, delay: Duration) {
        self.lock().delay = delay;
    }

    /// Waits for the delay, if there is one.
    async fn wait(
        &self,
        volumes: &PreparedVolumes,
        context: &PrepareContext<'_>,
    ) -> Result<(), VolumeError> {
        let delay = self.lock().delay;
        let managed = volumes.volumes.iter().find(|volume| volume.managed().is_some());
        let Some(first) = managed.filter(|_| !delay.is_zero()) else { return Ok(()) };
        context.report(&VolumeEvent::Waiting { destination: &first.planned.destination });
        context.wait(context.clock().sleep(delay)).await
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Maps of values are whole after any panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl VolumeManager for InMemoryVolumeManager {
    async fn prepare(
        &self,
        plan: &VolumePlan,
        context: &PrepareContext<'_>,
    ) -> Result<PreparedVolumes, VolumeError> {
        let unprepared = PreparedVolumes::unprepared(plan);
        self.wait(&unprepared, context).await?;
        let create = |volume: PreparedVolume| {
            if volume.managed().is_some() {
                context.check()?;
            }
            self.lock().create(volume)
        };
        let prepared = unprepared.volumes.into_iter().map(create).collect::<Result<_, _>>()?;
        context.report_ready(&prepared);
        Ok(prepared)
    }

    /// There are no files here, and nothing that could be closed: it remembers what an engine would
    /// have opened.
    async fn attached(
        &self,
        _container: &ContainerId,
        prepared: &PreparedVolumes,
    ) -> Result<AttachReport, VolumeError> {
        let mut state = self.lock();
        let confirmed = prepared.volumes.iter().map(|before| state.confirm(before));
        let mut report = AttachReport::new(confirmed.collect::<Result<_, _>>()?);
        let unused = permission::candidates(&report.volumes).filter_map(|volume| {
            let name = &volume.managed()?.name;
            state.open.insert(name.to_string()).then(|| name.clone())
        });
        report.opened = unused.collect();
        Ok(report)
    }

    async fn adopt(
        &self,
        mounts: &[MountPoint],
        owner: &str,
        run: &str,
    ) -> Result<PreparedVolumes, VolumeError> {
        let state = self.lock();
        let adopted = mounts.iter().map(|mount| {
            let name = volume_of(mount)?;
            let found = name.and_then(|name| state.volumes.get(name.as_str()));
            adopt(mount, found, owner, run)
        });
        adopted.filter_map(Result::transpose).collect()
    }

    async fn finish(&self, prepared: PreparedVolumes, _outcome: Outcome) -> FinishReport {
        let mut state = self.lock();
        let mut report = FinishReport::new(&prepared);
        for (_, wanted) in prepared.of_kind(VolumeKind::Temporary) {
            let name = wanted.name.clone();
            match state.finish(wanted) {
                Some(Ok(())) => report.removed.push(name),
                Some(Err(error)) => report.failed.push(FailedRemoval::new(name, error)),
                // Another one's: a name alone is never a reason to touch a volume.
                None => {}
            }
        }
        report
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Mutex, time::SystemTime};

    use futures_util::FutureExt as _;

    use super::*;
    use crate::{
        context::{Cancellation, VolumeObserver},
        identity::{Provenance, Scope},
        plan::{VolumeDemand, plan},
        policy::Policy,
    };

    /// Is cancelled once it is told so.
    #[derive(Debug, Default)]
    struct Switch(Mutex<bool>);

    #[async_trait]
    impl Cancellation for Switch {
        fn is_cancelled(&self) -> bool {
            *self.0.lock().unwrap()
        }

        async fn cancelled(&self) {
            std::future::poll_fn(|_| {
                if self.is_cancelled() {
                    std::task::Poll::Ready(())
                } else {
                    std::task::Poll::Pending
                }
            })
            .await;
        }
    }

    /// Collects events in words.
    #[derive(Debug, Default)]
    struct Words(Mutex<Vec<String>>);

    impl VolumeObserver for Words {
        fn event(&self, event: &VolumeEvent<'_>) {
            self.0.lock().unwrap().push(match event {
                VolumeEvent::Waiting { destination } => format!("waiting for {destination}"),
                VolumeEvent::Ready(volume) => format!("ready {}", volume.planned.destination),
            });
        }
    }

    #[test]
    fn a_wait_is_reported_and_ends_when_it_is_cancelled() {
        let (manager, switch, words) =
            (InMemoryVolumeManager::new(), Switch::default(), Words::default());
        manager.delay(Duration::from_hours(1));
        let origin = Provenance::new("1", SystemTime::UNIX_EPOCH);
        let demand = VolumeDemand::new(["/a", "/b"].map(|spec| spec.parse().unwrap()));
        let scope = Scope::trusted("ci", "app");
        let plan = plan(&demand, &scope, &origin, &Policy::default()).unwrap();
        let context = PrepareContext::default().with_cancellation(&switch).with_observer(&words);
        let mut waiting = manager.prepare(&plan, &context);
        assert!((&mut waiting).now_or_never().is_none());
        *switch.0.lock().unwrap() = true;
        let stopped = waiting.now_or_never().expect("it stops at once");
        assert!(matches!(stopped, Err(VolumeError::Cancelled)), "{stopped:?}");
        assert_eq!(*words.0.lock().unwrap(), ["waiting for /a"]);
        assert!(manager.volumes().is_empty());
    }
}
