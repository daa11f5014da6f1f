//! The containers of a job: their creation, attachment and start.

use docker_api_trait::{
    ApiError, ContainerId, ContainerName, ContainerRequest, DockerApi, ImageReference, Operation,
    WaitCondition,
};
use futures_util::future;
use volume_manager::PreparedVolumes;

use crate::{
    RefusalCause,
    error::PrepareError,
    event::JobEvent,
    image::Use,
    outcome::FailureReason,
    plan::{ContainerPlan, ImagePlan, JobPlan, Process},
    refusal,
    run::{
        Inputs, files,
        state::{Slot, Trace},
    },
    shell::{Greeting, Session},
};

/// Why a container was not created.
pub(crate) enum NotCreated {
    /// The engine refused the container.
    Refused(ApiError),
    /// Its image, its network or an interruption.
    Failed(FailureReason),
}

impl Inputs<'_> {
    /// Creates the shells, and of programs the first: each other one is created when its step comes.
    pub(super) async fn create_containers(
        &self,
        slots: &mut [Slot],
        volumes: &PreparedVolumes,
        hosts: &[String],
    ) -> Result<(), FailureReason> {
        let first_program = first_program(self.plan);
        let wanted =
            slots.iter_mut().zip(&self.plan.containers).enumerate().filter(|(index, (_, plan))| {
                matches!(plan.process, Process::Shell(_)) || Some(*index) == first_program
            });
        let created = wanted
            .map(|(_, (slot, plan))| self.create_container(plan, &mut slot.trace, volumes, hosts));
        all(future::join_all(created).await)
    }

    pub(crate) async fn create_container(
        &self,
        plan: &ContainerPlan,
        trace: &mut Trace<ContainerId>,
        volumes: &PreparedVolumes,
        hosts: &[String],
    ) -> Result<(), FailureReason> {
        let request = |image: ImageReference| {
            let mut request = plan.request(image, volumes.mounts(), self.input);
            request.host.extra_hosts.extend(hosts.iter().cloned());
            request
        };
        match self.create(&plan.image, trace, request).await {
            Ok(()) => Ok(()),
            Err(NotCreated::Refused(refused)) => {
                Err(not_created(refused, plan.name.as_str(), volumes).into())
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

    /// Attaches to every container that was created, waits for its exit, and puts in its files.
    pub(super) async fn attach_containers(
        &self,
        slots: &mut [Slot],
        volumes: &PreparedVolumes,
    ) -> Result<(), FailureReason> {
        let heard = slots.iter_mut().zip(&self.plan.containers).filter_map(|(slot, plan)| {
            let id = slot.trace.known()?.clone();
            Some(async move {
                let (session, files) = future::join(
                    self.attach(&id, plan, false),
                    files::put(self.docker, &id, &self.plan.files),
                )
                .await;
                files
                    .map_err(|error| vanished(refusal::of_a_volume(volumes, error), &plan.name))?;
                slot.attach(session?);
                Ok::<(), FailureReason>(())
            })
        });
        all(future::join_all(heard).await)
    }

    pub(super) async fn start_containers(
        &self,
        slots: &mut [Slot],
        volumes: &PreparedVolumes,
    ) -> Result<(), FailureReason> {
        let shells = slots.iter_mut().zip(&self.plan.containers).filter_map(|(slot, plan)| {
            let id = slot.trace.known()?.clone();
            matches!(plan.process, Process::Shell(_))
                .then(|| async move { self.start(&id, slot, plan, volumes).await })
        });
        all(future::join_all(shells).await)
    }

    /// Attaches to a container that was created, before its start so that nothing is missed; or, when
    /// `is_ready`, to one whose supervisor has been heard before.
    pub(crate) async fn attach(
        &self,
        id: &ContainerId,
        plan: &ContainerPlan,
        is_ready: bool,
    ) -> Result<Session, PrepareError> {
        let attached = async {
            Ok(match plan.process {
                Process::Shell(_) => {
                    let attached = self.docker.attach_container_with_input(id).await?;
                    (Some(attached.input), attached.output)
                }
                Process::Program(_) => (None, self.docker.attach_container(id).await?),
            })
        };
        let exit = self.docker.wait_container(id, WaitCondition::NextExit);
        let (attached, exit) = future::join(attached, exit).await;
        let gone = |error: ApiError| {
            // Podman prepares a container for its start when a client attaches.
            if error.is_unknown_user() {
                return PrepareError::Start { source: error };
            }
            vanished(refusal::classify(error), &plan.name)
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

    /// Starts a container of a job; a refusal and a failing engine are different errors.
    pub(crate) async fn start(
        &self,
        id: &ContainerId,
        slot: &mut Slot,
        plan: &ContainerPlan,
        volumes: &PreparedVolumes,
    ) -> Result<(), FailureReason> {
        slot.started = true;
        let Err(refused) = self.docker.start_container(id).await else {
            self.observer.event(&JobEvent::Started { container: plan.name.as_str() });
            return Ok(());
        };
        // A later step starts it again.
        slot.started = false;
        slot.forget_session();
        // The container itself, or what it needs: its network, its program.
        if matches!(refused, ApiError::NotFound { .. })
            && let Err(error @ ApiError::NotFound { .. }) = self.docker.inspect_container(id).await
        {
            return Err(vanished(error.into(), &plan.name).into());
        }
        if let Some(error) = refusal::of_the_network(self.docker, self.plan, &refused).await {
            return Err(error.into());
        }
        Err(match refusal::classify(refused) {
            PrepareError::Engine(
                source @ (ApiError::NotFound { .. } | ApiError::Rejected { .. }),
            ) => PrepareError::Start { source },
            error => vanished(refusal::of_a_volume(volumes, error), &plan.name),
        }
        .into())
    }
}

/// Returns the error of a container of this name that the engine refused to create.
pub(super) fn not_created(
    refused: ApiError,
    name: &str,
    volumes: &PreparedVolumes,
) -> PrepareError {
    match refused {
        source if source.is_container_name_taken(name) => {
            PrepareError::NameTaken { name: name.to_owned(), source }
        }
        error => refusal::of_a_volume(volumes, refusal::classify(error)),
    }
}

/// A container that is not there was removed by another program, because it was created. One that is on its
/// way out is in conflict with everything.
pub(crate) fn vanished(error: PrepareError, container: &ContainerName) -> PrepareError {
    match error {
        PrepareError::Engine(ApiError::NotFound { .. } | ApiError::Conflict { .. }) => {
            PrepareError::ContainerVanished { container: container.to_string() }
        }
        error => error,
    }
}

/// The containers that run a shell by now.
pub(super) fn started_shells(slots: &[Slot]) -> Vec<ContainerId> {
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
