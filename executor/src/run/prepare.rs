//! Making a job ready for its steps. Whatever it may leave on the engine is noted before it is asked
//! for.

use docker_api_trait::{
    ApiError, ContainerId, ContainerName, ContainerRequest, DockerApi, EngineProduct,
    ImageReference, Input, Mount, NetworkId, Operation, WaitCondition,
};
use futures_util::{FutureExt as _, future};
use volume_manager::{PreparedVolumes, VolumeError, VolumeManager, VolumeState};

use crate::{
    ContainerPlan, ExecutorError, FailureReason, ImagePlan, JobEvent, JobPlan, Masker, NetworkPlan,
    Observer, Phase, Process, RefusalCause, describe,
    engine_error::classify,
    image::{Images, Use},
    redact::Redactor,
    refusal,
    run::files,
    run::interrupt::Interrupt,
    run::service::{health_start, service_hosts},
    run::state::{RunState, Slot, Trace},
    shell::{BEGIN_LIMIT, Greeting, Session},
};

/// All that preparing needs.
pub(crate) struct Preparation<'a> {
    pub(crate) docker: &'a dyn DockerApi,
    pub(crate) volumes: &'a dyn VolumeManager,
    pub(crate) observer: &'a dyn Observer,
    pub(crate) images: &'a Images,
    pub(crate) plan: &'a JobPlan,
    pub(crate) masker: &'a Masker,
    pub(crate) input: Input,
    pub(crate) interrupt: &'a Interrupt<'a>,
}

/// Why a container was not created.
pub(crate) enum NotCreated {
    /// The engine refused the container.
    Refused(ApiError),
    /// Its image, its network or an interruption.
    Failed(FailureReason),
}

/// A container that has the volumes.
struct Holder {
    id: ContainerId,
    name: String,
}

impl Holder {
    /// The first that is there.
    fn first<'a>(
        mut containers: impl Iterator<Item = (&'a Trace<ContainerId>, &'a ContainerName)>,
    ) -> Option<Self> {
        containers.find_map(|(trace, name)| {
            Some(Self { id: trace.known()?.clone(), name: name.to_string() })
        })
    }
}

impl Preparation<'_> {
    /// Connects, makes volumes, network and containers, starts services and shells, and waits for
    /// the services. Containers are created together and started together: that is where the time
    /// goes.
    pub(crate) async fn run(&self, state: &mut RunState) -> Result<(), FailureReason> {
        let mut mark = state.prepared_from;
        let (engine, info) = future::join(self.docker.version(), self.docker.info()).await;
        let engine = engine.map_err(ExecutorError::from)?;
        state.live_restore = info.map_err(ExecutorError::from)?.live_restore;
        state.timings.connect += RunState::lap(&mut mark);
        self.observer.event(&JobEvent::Connected(&engine));
        let os = engine.os.clone();
        let health_start = health_start(&engine, self.plan.timeouts.service);
        state.engine = Some(engine);
        if os != "linux" {
            return Err(ExecutorError::UnsupportedSystem { os }.into());
        }
        self.interrupt.check()?;
        state.phase = Phase::Prepare;
        self.volumes_and_network(state).await?;
        self.interrupt.check()?;
        let mounts = state.volumes.mounts();
        let prepared = state.volumes.clone();
        let RunState { containers, services, timings, hosts, phase, volumes, .. } = &mut *state;
        if self.plan.network == NetworkPlan::Bridge {
            // The job's host table needs the services' addresses.
            self.create_services(services, &mounts, health_start).await?;
            let slots = services.iter().map(|slot| &slot.trace);
            let service = Holder::first(slots.zip(self.plan.services.iter().map(|one| &one.name)));
            let heard = self.attach_services(services);
            *volumes = self.held(heard, service.as_ref(), &prepared).await?;
            self.interrupt.check()?;
            self.start_services(services).await;
            *hosts = service_hosts(self.docker, self.plan, services).await?;
            self.containers_created(containers, &mounts, hosts).await?;
            // A service that was left out holds nothing.
            let holder = self.first_container(containers).filter(|_| service.is_none());
            let heard = self.containers_heard(containers);
            if let Some(holder) = holder {
                *volumes = self.held(heard, Some(&holder), &prepared).await?;
            } else {
                heard.await?;
            }
            timings.prepare += RunState::lap(&mut mark);
            self.interrupt.check()?;
            *phase = Phase::Start;
            self.containers_started(containers).await?;
        } else {
            let (of_services, of_containers) = future::join(
                self.create_services(services, &mounts, health_start),
                self.containers_created(containers, &mounts, &[]),
            )
            .await;
            of_services?;
            of_containers?;
            self.interrupt.check()?;
            let holder = self.first_container(containers);
            let heard =
                future::join(self.containers_heard(containers), self.attach_services(services));
            let heard = heard.map(|(of_containers, of_services)| of_containers.and(of_services));
            *volumes = self.held(heard, holder.as_ref(), &prepared).await?;
            timings.prepare += RunState::lap(&mut mark);
            self.interrupt.check()?;
            *phase = Phase::Start;
            let (started, ()) =
                future::join(self.containers_started(containers), self.start_services(services))
                    .await;
            started?;
        }
        self.interrupt.check()?;
        let shells = started_shells(&state.containers);
        if self.input == Input::Kept {
            // Another process may carry the job on: it attaches to supervisors that are ready.
            let sessions = state.containers.iter_mut().filter_map(|slot| slot.session.as_mut());
            let ready = sessions.map(|session| tokio::time::timeout(BEGIN_LIMIT, session.ready()));
            tokio::select! {
                biased;
                _ = future::join_all(ready) => {}
                reason = self.interrupt.occurs() => return Err(reason),
            }
        }
        // A look at a service leaves nothing behind when it is dropped.
        tokio::select! {
            biased;
            () = self.await_services(&mut state.services, &shells) => {}
            reason = self.interrupt.occurs() => return Err(reason),
        }
        state.timings.start += RunState::lap(&mut mark);
        Ok(())
    }

    async fn volumes_and_network(&self, state: &mut RunState) -> Result<(), FailureReason> {
        let network = async {
            let NetworkPlan::Own(own) = &self.plan.network else { return Ok(Trace::None) };
            match self.docker.create_network(&own.request()).await {
                Ok(id) => Ok(Trace::Known(id)),
                Err(error) => Err(error),
            }
        };
        state.volumes = PreparedVolumes::abandoned(&self.plan.volumes);
        if matches!(self.plan.network, NetworkPlan::Own(_)) {
            state.network = Trace::Unknown;
        }
        let (volumes, network): (_, Result<Trace<NetworkId>, ApiError>) =
            future::join(self.volumes.prepare(&self.plan.volumes), network).await;
        match network {
            Ok(trace) => state.network = trace,
            Err(error) => {
                if !error.effect_unknown() {
                    state.network = Trace::None;
                }
                return Err(ExecutorError::Network { source: error }.into());
            }
        }
        state.volumes = volumes.map_err(ExecutorError::from)?;
        for volume in &state.volumes.volumes {
            self.observer.event(&JobEvent::VolumeReady(volume));
        }
        Ok(())
    }

    fn first_container(&self, slots: &[Slot]) -> Option<Holder> {
        let traces = slots.iter().map(|slot| &slot.trace);
        Holder::first(traces.zip(self.plan.containers.iter().map(|one| &one.name)))
    }

    /// Creates the shells, and of programs the first: each other one is created when its step comes.
    async fn containers_created(
        &self,
        slots: &mut [Slot],
        mounts: &[Mount],
        hosts: &[String],
    ) -> Result<(), FailureReason> {
        let first_program = first_program(self.plan);
        let wanted =
            slots.iter_mut().zip(&self.plan.containers).enumerate().filter(|(index, (_, plan))| {
                matches!(plan.process, Process::Shell(_)) || Some(*index) == first_program
            });
        let created = wanted.map(|(_, (slot, plan))| {
            self.create_container(plan, &mut slot.trace, mounts.to_vec(), hosts)
        });
        all(future::join_all(created).await)
    }

    pub(crate) async fn create_container(
        &self,
        plan: &ContainerPlan,
        trace: &mut Trace<ContainerId>,
        mounts: Vec<Mount>,
        hosts: &[String],
    ) -> Result<(), FailureReason> {
        let request = |image: ImageReference| {
            let mut request = plan.request(image, mounts.clone(), self.input);
            request.host.extra_hosts.extend(hosts.iter().cloned());
            request
        };
        match self.create(&plan.image, trace, request).await {
            Ok(()) => Ok(()),
            Err(NotCreated::Refused(refused)) => {
                Err(self.not_created(refused, plan.name.as_str()).into())
            }
            Err(NotCreated::Failed(reason)) => Err(reason),
        }
    }

    /// Creates a container of an image that is there, or is pulled as its policies say.
    pub(crate) async fn create(
        &self,
        image: &ImagePlan,
        trace: &mut Trace<ContainerId>,
        request: impl Fn(ImageReference) -> ContainerRequest,
    ) -> Result<(), NotCreated> {
        let mut attempts = self.images.attempts(self.plan, image, self.observer);
        loop {
            // A pull may take minutes; it leaves nothing behind when it is dropped.
            let used = tokio::select! {
                biased;
                used = attempts.next() => used.map_err(|error| NotCreated::Failed(error.into()))?,
                reason = self.interrupt.occurs() => return Err(NotCreated::Failed(reason)),
            };
            let (reference, may_be_missing) = match used {
                Use::Present(reference) => (reference, false),
                Use::Perhaps(reference) => (reference, true),
            };
            match try_create(self.docker, &request(reference), trace).await {
                Ok(warnings) => {
                    for warning in &warnings {
                        self.warn(warning);
                    }
                    return Ok(());
                }
                Err(refused) => {
                    if let Some(error) =
                        refusal::of_the_network(self.docker, self.plan, &refused).await
                    {
                        return Err(NotCreated::Failed(error.into()));
                    }
                    // Docker also answers 404 when a container of `volumes_from` does not exist.
                    let is_missing = matches!(
                        refused,
                        ApiError::NotFound { operation: Operation::CreateContainer, .. }
                    ) && RefusalCause::of(&refused).is_none();
                    if !is_missing || !may_be_missing {
                        return Err(NotCreated::Refused(refused));
                    }
                    attempts.missing(refused);
                }
            }
        }
    }

    /// The error of a container that the engine refused to create.
    pub(crate) fn not_created(&self, refused: ApiError, name: &str) -> ExecutorError {
        match refused {
            source @ ApiError::Conflict { operation: Operation::CreateContainer, .. }
                if is_taken(&source, name) =>
            {
                ExecutorError::NameTaken { name: name.to_owned(), source }
            }
            error => refusal::of_a_volume(self.plan, classify(error)),
        }
    }

    /// Attaches to every container that was created, waits for its exit, and puts in its files.
    async fn containers_heard(&self, slots: &mut [Slot]) -> Result<(), FailureReason> {
        let heard = slots.iter_mut().zip(&self.plan.containers).filter_map(|(slot, plan)| {
            let id = slot.trace.known()?.clone();
            Some(async move {
                let (session, files) = future::join(
                    attach(self.docker, &id, plan, false),
                    files::put(self.docker, &id, &self.plan.files),
                )
                .await;
                files.map_err(|error| {
                    vanished(refusal::of_a_volume(self.plan, error), &plan.name)
                })?;
                slot.session = Some(session?);
                Ok::<(), FailureReason>(())
            })
        });
        all(future::join_all(heard).await)
    }

    /// Listens, and looks after the volumes, which this container holds from now on. On Podman an
    /// attachment makes a container ready, and a volume's folder of the image's, if there is one, gives
    /// an empty volume its owner and mode: what was opened before is looked at again.
    async fn held(
        &self,
        heard: impl Future<Output = Result<(), FailureReason>>,
        holder: Option<&Holder>,
        prepared: &PreparedVolumes,
    ) -> Result<PreparedVolumes, FailureReason> {
        let Some(holder) = holder else {
            heard.await?;
            return Ok(prepared.clone());
        };
        // Nothing is opened that is not what was prepared.
        let opened = async {
            let confirmed = self.confirmed(holder, prepared).await?;
            let was_closed = self.opened(&holder.id, &confirmed).await;
            Ok::<_, ExecutorError>((confirmed, was_closed))
        };
        if self.docker.product() != EngineProduct::Podman {
            let (heard, opened) = future::join(heard, opened).await;
            heard?;
            return Ok(opened?.0);
        }
        let (confirmed, was_closed) = opened.await?;
        heard.await?;
        if was_closed {
            self.opened(&holder.id, &confirmed).await;
        }
        Ok(confirmed)
    }

    /// The volumes as they are in a container that keeps them from vanishing.
    async fn confirmed(
        &self,
        holder: &Holder,
        prepared: &PreparedVolumes,
    ) -> Result<PreparedVolumes, ExecutorError> {
        let confirmed = match self.volumes.confirm(prepared).await {
            Ok(confirmed) => confirmed,
            // Together with what held it.
            Err(VolumeError::Vanished { .. }) => {
                let container = holder.name.clone();
                return Err(ExecutorError::ContainerVanished { container });
            }
            Err(error) => return Err(error.into()),
        };
        for volume in &confirmed.volumes {
            if volume.state == Some(VolumeState::Recreated) {
                self.observer.event(&JobEvent::CacheVanished(volume));
            }
        }
        Ok(confirmed)
    }

    /// Makes fresh volumes writable, in the first container that has them, and says whether any was
    /// closed. Whether a failure matters depends on the image's user: a script of root's does not care.
    async fn opened(&self, container: &ContainerId, prepared: &PreparedVolumes) -> bool {
        match self.volumes.make_writable(container, prepared).await {
            Ok(opened) => !opened.is_empty(),
            Err(error) => {
                self.warn(&describe(&error));
                false
            }
        }
    }

    /// An engine's words without secrets.
    pub(crate) fn harmless(&self, words: &str) -> String {
        Redactor::of(self.plan).text(self.masker.text(words))
    }

    /// Tells of something odd, in an engine's words.
    pub(crate) fn warn(&self, words: &str) {
        self.observer.event(&JobEvent::Warned(&self.harmless(words)));
    }

    async fn containers_started(&self, slots: &mut [Slot]) -> Result<(), FailureReason> {
        let shells = slots.iter_mut().zip(&self.plan.containers).filter_map(|(slot, plan)| {
            let id = slot.trace.known()?.clone();
            matches!(plan.process, Process::Shell(_)).then(|| async move {
                start(self.docker, self.plan, &id, slot, plan, self.observer).await
            })
        });
        all(future::join_all(shells).await)
    }
}

/// Whether it is a container's name that is taken, and not a volume's.
fn is_taken(error: &ApiError, name: &str) -> bool {
    matches!(error, ApiError::Conflict { message, .. } if message.contains(name))
}

/// Attaches to a container that was created, before its start so that nothing is missed; or, when
/// `is_ready`, to one whose supervisor has been heard before.
pub(crate) async fn attach(
    docker: &dyn DockerApi,
    id: &ContainerId,
    plan: &ContainerPlan,
    is_ready: bool,
) -> Result<Session, ExecutorError> {
    let attached = async {
        Ok(match plan.process {
            Process::Shell(_) => {
                let attached = docker.attach_container_with_input(id).await?;
                (Some(attached.input), attached.output)
            }
            Process::Program(_) => (None, docker.attach_container(id).await?),
        })
    };
    let exit = docker.wait_container(id, WaitCondition::NextExit);
    let (attached, exit) = future::join(attached, exit).await;
    let gone = |error: ApiError| {
        // Podman makes a container ready to start when somebody attaches.
        if error.is_unknown_user() {
            return ExecutorError::Start { source: error };
        }
        vanished(classify(error), &plan.name)
    };
    let (input, output) = attached.map_err(gone)?;
    let session = Session::new(id.clone(), input, output, exit.map_err(gone)?);
    Ok(match &plan.process {
        Process::Shell(entrypoint) if !is_ready => {
            session.expecting(Greeting::new(plan.name.as_str(), !entrypoint.is_empty()))
        }
        Process::Shell(_) | Process::Program(_) => session,
    })
}

/// A container that is not there was removed by somebody else: it was there before. One that is on its
/// way out is in conflict with everything.
pub(crate) fn vanished(error: ExecutorError, container: &ContainerName) -> ExecutorError {
    match error {
        ExecutorError::Engine(ApiError::NotFound { .. } | ApiError::Conflict { .. }) => {
            ExecutorError::ContainerVanished { container: container.to_string() }
        }
        error => error,
    }
}

/// Starts a container of a job; a refusal is told apart from an engine that fails.
pub(crate) async fn start(
    docker: &dyn DockerApi,
    job: &JobPlan,
    id: &ContainerId,
    slot: &mut Slot,
    plan: &ContainerPlan,
    observer: &dyn Observer,
) -> Result<(), FailureReason> {
    slot.started = true;
    let Err(refused) = docker.start_container(id).await else {
        observer.event(&JobEvent::Started { container: plan.name.as_str() });
        return Ok(());
    };
    // A later step begins anew.
    slot.started = false;
    slot.session = None;
    // The container itself, or what it needs: its network, its program.
    if matches!(refused, ApiError::NotFound { .. })
        && let Err(error @ ApiError::NotFound { .. }) = docker.inspect_container(id).await
    {
        return Err(vanished(error.into(), &plan.name).into());
    }
    if let Some(error) = refusal::of_the_network(docker, job, &refused).await {
        return Err(error.into());
    }
    Err(match classify(refused) {
        ExecutorError::Engine(source @ (ApiError::NotFound { .. } | ApiError::Rejected { .. })) => {
            ExecutorError::Start { source }
        }
        error => vanished(refusal::of_a_volume(job, error), &plan.name),
    }
    .into())
}

/// The containers that run a shell by now.
fn started_shells(slots: &[Slot]) -> Vec<ContainerId> {
    let started = slots.iter().filter(|slot| slot.started);
    started.filter_map(|slot| slot.trace.known().cloned()).collect()
}

/// The place of the first container that is a program's.
pub(crate) fn first_program(plan: &JobPlan) -> Option<usize> {
    plan.containers.iter().position(|one| matches!(one.process, Process::Program(_)))
}

/// Creates a container; what may exist now is noted in `trace` whatever comes back.
async fn try_create(
    docker: &dyn DockerApi,
    request: &ContainerRequest,
    trace: &mut Trace<ContainerId>,
) -> Result<Vec<String>, ApiError> {
    // Intent first: whatever happens to the reply, cleanup will look.
    *trace = Trace::Unknown;
    match docker.create_container(request).await {
        Ok(created) => {
            *trace = Trace::Known(created.id);
            Ok(created.warnings)
        }
        Err(error) => {
            if !error.effect_unknown() {
                *trace = Trace::None;
            }
            Err(error)
        }
    }
}

/// The first failure of several, after all have ended.
pub(crate) fn all(
    done: impl IntoIterator<Item = Result<(), FailureReason>>,
) -> Result<(), FailureReason> {
    done.into_iter().collect()
}
