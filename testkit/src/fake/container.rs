//! `ContainerApi` on the fake.

use std::time::Duration;

use async_trait::async_trait;
use docker_api_trait::{
    ApiError, Attachment, ContainerApi, ContainerDetails, ContainerId, ContainerRequest,
    ContainerSummary, CreatedContainer, ExitFuture, ExitStatus, LabelFilter, LogOptions, LogStream,
    Mount, MountKind, MountPoint, MountSource, Operation, Signal, VolumeName, VolumeRequest,
    WaitCondition,
};
use futures_util::{FutureExt as _, future};
use tokio::{sync::watch, time::Instant};

use super::{
    FakeDocker, image,
    life::Life,
    log,
    mount::{self, MountedVolume},
    network, start,
    state::{State, StoredContainer},
    stream, volume,
};

#[async_trait]
impl ContainerApi for FakeDocker {
    /// Measured on Engine 20.10: mounts are checked one by one first, then the image, then the name.
    /// Only then come the bind strings, and then the mounts again: each is checked for a destination
    /// that is there already, and its volume is created. Volumes that were created until something is
    /// wrong stay.
    async fn create_container(
        &self,
        request: &ContainerRequest,
    ) -> Result<CreatedContainer, ApiError> {
        // The journal holds the requests of refused and held calls too.
        self.state().container_requests.push(request.clone());
        let operation = Operation::CreateContainer;
        let binds = request.mounts.iter().map(Mount::bind_string).collect::<Result<Vec<_>, _>>();
        let binds = binds.map_err(|message| ApiError::Rejected { operation, message })?;
        let reply = self.admit(operation).await?;
        let outcome = create(&mut self.state(), request, &binds);
        reply.deliver(outcome).await
    }

    async fn inspect_container(&self, id: &ContainerId) -> Result<ContainerDetails, ApiError> {
        let operation = Operation::InspectContainer;
        let reply = self.admit(operation).await?;
        let outcome = details(&mut self.state(), operation, id);
        reply.deliver(outcome).await
    }

    /// Measured on Engine 20.10: the newest comes first.
    async fn list_containers(
        &self,
        labels: &[LabelFilter],
    ) -> Result<Vec<ContainerSummary>, ApiError> {
        let reply = self.admit(Operation::ListContainers).await?;
        let mut containers = self.containers();
        containers.retain(|container| labels.iter().all(|label| label.matches(&container.labels)));
        containers.reverse();
        reply.deliver(Ok(containers)).await
    }

    /// Measured on Engine 20.10: the newest comes first.
    async fn list_containers_using(
        &self,
        volume: &VolumeName,
    ) -> Result<Vec<ContainerSummary>, ApiError> {
        let reply = self.admit(Operation::ListContainers).await?;
        let users = {
            let state = self.state();
            state
                .users_of(volume.as_str())
                .into_iter()
                .map(StoredContainer::summary)
                .rev()
                .collect()
        };
        reply.deliver(Ok(users)).await
    }

    /// The log has the output of every run, except that of further programs.
    async fn container_logs(
        &self,
        id: &ContainerId,
        options: &LogOptions,
    ) -> Result<LogStream, ApiError> {
        let reply = self.admit(Operation::ContainerLogs).await?;
        let outcome = log::open(&mut self.state(), id, options);
        reply.deliver(outcome).await
    }

    /// Measured on Engine 20.10: a stream that is attached while the container does not run shows
    /// its next run; when it is removed without one, the stream stays open for ever.
    async fn attach_container(&self, id: &ContainerId) -> Result<LogStream, ApiError> {
        let operation = Operation::AttachContainer;
        let reply = self.admit(operation).await?;
        let outcome = self.state().container(operation, id).map(|container| {
            let now = Instant::now();
            let (run, first) = {
                let life = container.life.borrow();
                (life.current_or_next_run(now), life.written(now))
            };
            stream::output(container.life.subscribe(), run, first)
        });
        reply.deliver(outcome).await
    }

    async fn attach_container_with_input(&self, id: &ContainerId) -> Result<Attachment, ApiError> {
        let reply = self.admit(Operation::AttachContainer).await?;
        let outcome = self.attachment(id);
        reply.deliver(outcome).await
    }

    /// Measured on Engine 20.10: when the container is removed while it runs, waiters get 137; when
    /// it is removed while it does not, they get its last exit code, which is 0 for one that never
    /// ran.
    async fn wait_container(
        &self,
        id: &ContainerId,
        condition: WaitCondition,
    ) -> Result<ExitFuture, ApiError> {
        let operation = Operation::WaitContainer;
        let reply = self.admit(operation).await?;
        let outcome =
            self.state().container(operation, id).map(|container| waiter(container, condition));
        reply.deliver(outcome).await
    }

    /// Measured on Engine 20.10: a container that has ended runs once more. One that cannot be
    /// started keeps its state, and an inspection tells the reason; when it never ran its exit code
    /// is 127 or 128 then.
    async fn start_container(&self, id: &ContainerId) -> Result<(), ApiError> {
        let reply = self.admit(Operation::StartContainer).await?;
        let outcome = start::start(&mut self.state(), id);
        reply.deliver(outcome).await
    }

    /// A run that does not ignore the stop ends at once with exit code 143; one that does is killed
    /// after `grace`, exit code 137, unless it ends before by itself. A caller that goes away does
    /// not save it.
    async fn stop_container(&self, id: &ContainerId, grace: Duration) -> Result<(), ApiError> {
        let operation = Operation::StopContainer;
        let reply = self.admit(operation).await?;
        let outcome = match self.ask_to_stop(operation, id, grace) {
            Ok(Some(stopped)) => stopped.await.map(|_| ()),
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        reply.deliver(outcome).await
    }

    /// A run that does not ignore the stop ends with exit code 143 when it is asked to; a shell that
    /// is fed its steps does not listen. A kill ends both with 137.
    async fn kill_container(&self, id: &ContainerId, signal: Signal) -> Result<(), ApiError> {
        let reply = self.admit(Operation::KillContainer).await?;
        let outcome = start::kill(&self.state(), id, signal);
        reply.deliver(outcome).await
    }

    async fn remove_container(&self, id: &ContainerId) -> Result<(), ApiError> {
        let operation = Operation::RemoveContainer;
        let reply = self.admit(operation).await?;
        let outcome = {
            let mut state = self.state();
            let found = state.container(operation, id).map(|_| ());
            state.take_container(id);
            found
        };
        reply.deliver(outcome).await
    }

    /// The fake has no anonymous volumes; it notes whose would stay.
    async fn remove_container_alone(&self, id: &ContainerId) -> Result<(), ApiError> {
        let name = {
            let state = self.state();
            state.containers.get(id).map(|container| container.summary.name.clone())
        };
        self.remove_container(id).await?;
        self.state().removed_alone.extend(name);
        Ok(())
    }
}

/// Creates a container; `binds` has the bind string of each mount that is sent as one.
fn create(
    state: &mut State,
    request: &ContainerRequest,
    binds: &[Option<String>],
) -> Result<CreatedContainer, ApiError> {
    let operation = Operation::CreateContainer;
    for (mount, _) in request.mounts.iter().zip(binds).filter(|(_, bind)| bind.is_none()) {
        mount::check(mount, &state.missing_host_paths)
            .map_err(|message| ApiError::Rejected { operation, message })?;
    }
    let Some(image) = image::find(state, request.image.as_str()) else {
        let message = image::no_such_image(&request.image);
        return Err(ApiError::NotFound { operation, message });
    };
    image::check_platform(state, request, &image)?;
    let name = request.name.as_str();
    if let Some(holder) = state.containers.values().find(|holder| holder.summary.name == name) {
        let message = format!(
            "Conflict. The container name \"/{name}\" is already in use by container \"{}\". You \
             have to remove (or rename) that container to be able to reuse that name.",
            holder.summary.id
        );
        return Err(ApiError::Conflict { operation, message });
    }
    let mut mounted = mount_all(state, request, binds)?;
    for volume in &mut mounted.volumes {
        volume.destination = state.resolve(&image.id, &volume.destination);
    }
    for volume in mounted.volumes.iter().filter(|volume| volume.copies) {
        state.fill_from_image(&image.id, volume);
    }
    state.containers_created += 1;
    let id = nth_id(state.containers_created);
    let mut summary = ContainerSummary::new(id.clone(), name);
    summary.labels = request.labels.clone();
    summary.created = Some(state.time(Instant::now()));
    let life = watch::Sender::new(Life::default());
    let Mounted { volumes, mut points } = mounted;
    points.sort_by(|one, other| one.destination.cmp(&other.destination));
    let container = StoredContainer {
        summary,
        request: request.clone(),
        image: image.id,
        place: network::place(request),
        volumes,
        mounts: points,
        life,
    };
    state.containers.insert(id.clone(), container);
    Ok(CreatedContainer::new(id))
}

/// What a new container has mounted.
#[derive(Default)]
struct Mounted {
    volumes: Vec<MountedVolume>,
    points: Vec<MountPoint>,
}

fn mount_all(
    state: &mut State,
    request: &ContainerRequest,
    binds: &[Option<String>],
) -> Result<Mounted, ApiError> {
    let mut mounted = Mounted::default();
    let pairs = || request.mounts.iter().zip(binds);
    for (mount, bind) in pairs().filter(|(_, bind)| bind.is_some()) {
        mounted.add(state, mount, bind.as_deref())?;
    }
    for (mount, _) in pairs().filter(|(_, bind)| bind.is_none()) {
        mounted.add(state, mount, None)?;
    }
    Ok(mounted)
}

impl Mounted {
    fn add(
        &mut self,
        state: &mut State,
        mount: &Mount,
        bind: Option<&str>,
    ) -> Result<(), ApiError> {
        let operation = Operation::CreateContainer;
        let (destination, shown) = match bind {
            Some(bind) => {
                let destination = mount::check_bind(mount, bind)
                    .map_err(|message| ApiError::Engine { operation, status: 500, message })?;
                (destination.clone(), destination)
            }
            None => (mount::clean(&mount.destination), mount.destination.clone()),
        };
        if self.points.iter().any(|point| point.destination == destination) {
            let message = format!("Duplicate mount point: {shown}");
            return Err(ApiError::Rejected { operation, message });
        }
        let mut point = match &mount.source {
            MountSource::Volume { name, labels, driver, options, no_copy } => {
                let mut volume = VolumeRequest::new(name.clone());
                // A bind string has no place for any of it.
                if bind.is_none() {
                    volume.labels.clone_from(labels);
                    volume.driver.clone_from(driver);
                    volume.options.clone_from(options);
                }
                let volume = volume::create(state, operation, &volume)?;
                self.volumes.push(MountedVolume {
                    volume: name.as_str().to_owned(),
                    destination: destination.clone(),
                    read_only: mount.read_only,
                    copies: !no_copy,
                });
                let mut point = MountPoint::new(MountKind::Volume, volume.mountpoint, destination);
                point.name = Some(volume.name);
                point
            }
            MountSource::Host { path, .. } => {
                MountPoint::new(MountKind::Host, mount::clean(path), destination)
            }
            MountSource::Pipe { path } => {
                let message = format!(
                    "create {path}: {path:?} includes invalid characters for a local volume name, \
                     only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host \
                     directory, use absolute path"
                );
                return Err(ApiError::Rejected { operation, message });
            }
            _ => MountPoint::new(MountKind::Other, "", destination),
        };
        point.read_only = mount.read_only;
        self.points.push(point);
        Ok(())
    }
}

/// The count comes first: people and programs show the first 12 digits of an id.
fn nth_id(count: u64) -> ContainerId {
    ContainerId::new(format!("{count:012x}{:052}", 0)).expect("64 hexadecimal digits")
}

fn details(
    state: &mut State,
    operation: Operation,
    id: &ContainerId,
) -> Result<ContainerDetails, ApiError> {
    let container = state.container(operation, id)?;
    let now = Instant::now();
    let condition = container.life.borrow().condition(now);
    let mut details = ContainerDetails::created(container.summary.id.clone());
    details.name.clone_from(&container.summary.name);
    details.mounts.clone_from(&container.mounts);
    details.status = condition.status;
    details.exit_code = condition.exit_code;
    details.oom_killed = condition.oom_killed;
    details.error.clone_from(&condition.error);
    details.image.clone_from(&container.image);
    details.networks = network::shown(container);
    details.labels = container.summary.labels.clone();
    details.health = image::health(state, &container.image, &condition, now);
    let mut written = |moment: Option<Instant>| {
        moment.map(|moment| state.written_time(moment)).unwrap_or_default()
    };
    details.started_at = written(condition.started_at);
    details.finished_at = written(condition.finished_at);
    Ok(details)
}

fn waiter(container: &StoredContainer, condition: WaitCondition) -> ExitFuture {
    let now = Instant::now();
    let (running, run, last) = {
        let life = container.life.borrow();
        (life.is_running(now), life.current_or_next_run(now), life.condition(now))
    };
    if condition == WaitCondition::NotRunning && !running {
        let mut status = ExitStatus::new(last.exit_code);
        status.error = Some(last.error).filter(|words| !words.is_empty());
        return future::ready(Ok(status)).boxed();
    }
    stream::exit(container.life.subscribe(), run, Operation::WaitContainer)
}
