//! One container from creation to exit, in the order that loses neither output nor exit: create,
//! attach, wait, start.

use std::time::Duration;

use docker_api_trait::{
    ApiError, ContainerId, ContainerStatus, CreatedContainer, DockerApi, ExitFuture, ExitStatus,
    Mount, WaitCondition,
};
use futures_util::future;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    Cancel, ContainerPlan, ExecutorError, FailureReason, JobEvent, LogEnd, LogSink, Observer,
    Truncation, image, log::Pump,
};

/// What may exist on the engine because of a container's creation.
#[derive(Debug, Clone, Default)]
pub(crate) enum ContainerTrace {
    /// Nothing.
    #[default]
    None,
    /// Perhaps a container, under the plan's name and labels: the reply did not come.
    Unknown,
    /// This container.
    Known(ContainerId),
}

/// When a job has to stop, other than by itself.
#[derive(Debug)]
pub(crate) struct Interrupt<'a> {
    cancel: &'a Cancel,
    timeout: Option<(Duration, Instant)>,
}

impl<'a> Interrupt<'a> {
    pub(crate) fn new(cancel: &'a Cancel, begin: Instant, limit: Option<Duration>) -> Self {
        let timeout = limit.and_then(|limit| Some((limit, begin.checked_add(limit)?)));
        Self { cancel, timeout }
    }

    /// Returns when the job has to stop.
    pub(crate) async fn occurs(&self) -> FailureReason {
        let timed_out = async {
            match self.timeout {
                Some((limit, at)) => {
                    tokio::time::sleep_until(at).await;
                    limit
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.cancel.stopped() => FailureReason::Canceled,
            limit = timed_out => FailureReason::Timeout { limit },
        }
    }

    /// Whether the job has to stop now. Asked between requests, so that none is dropped half-way.
    pub(crate) fn check(&self) -> Result<(), FailureReason> {
        if self.cancel.is_stopped() {
            return Err(FailureReason::Canceled);
        }
        match self.timeout {
            Some((limit, at)) if Instant::now() >= at => Err(FailureReason::Timeout { limit }),
            _ => Ok(()),
        }
    }
}

/// A container that is ready to be started: nothing that it does will be missed.
pub(crate) struct Ready<'a> {
    id: ContainerId,
    exit: ExitFuture,
    pump: Pump<'a>,
}

/// Creates the container. Pulls the image if the engine does not have it: asking first would cost
/// each warm job a request.
pub(crate) async fn create(
    docker: &dyn DockerApi,
    container: &ContainerPlan,
    mounts: Vec<Mount>,
    trace: &mut ContainerTrace,
    observer: &dyn Observer,
    interrupt: &Interrupt<'_>,
) -> Result<ContainerId, FailureReason> {
    let request = container.request(mounts);
    let created = match try_create(docker, &request, trace).await {
        Err(ApiError::NotFound { .. }) => {
            // A pull may take minutes; it leaves nothing behind when it is dropped.
            tokio::select! {
                pulled = image::pull(docker, &container.image, observer) => pulled?,
                reason = interrupt.occurs() => return Err(reason),
            }
            try_create(docker, &request, trace).await
        }
        other => other,
    };
    let created = created.map_err(ExecutorError::from)?;
    for warning in &created.warnings {
        observer.event(&JobEvent::Warned(warning));
    }
    Ok(created.id)
}

/// Attaches to the container and registers for its exit.
pub(crate) async fn listen<'a>(
    docker: &dyn DockerApi,
    id: &ContainerId,
    sink: &'a mut dyn LogSink,
) -> Result<Ready<'a>, FailureReason> {
    let stream = docker.attach_container(id).await.map_err(ExecutorError::from)?;
    let exit =
        docker.wait_container(id, WaitCondition::NextExit).await.map_err(ExecutorError::from)?;
    Ok(Ready { id: id.clone(), exit, pump: Pump::new(stream, sink) })
}

async fn try_create(
    docker: &dyn DockerApi,
    request: &docker_api_trait::ContainerRequest,
    trace: &mut ContainerTrace,
) -> Result<CreatedContainer, ApiError> {
    // Intent first: whatever happens to the reply, cleanup will look.
    *trace = ContainerTrace::Unknown;
    let created = docker.create_container(request).await;
    match &created {
        Ok(created) => *trace = ContainerTrace::Known(created.id.clone()),
        Err(error) if !error.effect_unknown() => *trace = ContainerTrace::None,
        Err(_) => {}
    }
    created
}

impl Ready<'_> {
    /// Starts the container.
    pub(crate) async fn start(&self, docker: &dyn DockerApi) -> Result<(), FailureReason> {
        match docker.start_container(&self.id).await {
            Ok(()) => Ok(()),
            Err(source @ (ApiError::Rejected { .. } | ApiError::NotFound { .. })) => {
                Err(ExecutorError::Start { source }.into())
            }
            Err(source) => Err(ExecutorError::from(source).into()),
        }
    }

    /// Delivers the output until the container has ended; tells how it and its log ended.
    pub(crate) async fn finish(
        self,
        docker: &dyn DockerApi,
        interrupt: &Interrupt<'_>,
        log: &mut LogEnd,
    ) -> Result<(), FailureReason> {
        let Self { id, exit, mut pump } = self;
        // Until it is known better: whoever drops us here stopped the job.
        *log = LogEnd::Truncated(Truncation::Interrupted);
        let exited = CancellationToken::new();
        let mut answer = None;
        let wait = async {
            answer = Some(exit.await);
            exited.cancel();
        };
        let interrupted = tokio::select! {
            biased;
            ((), end) = future::join(wait, pump.run(&exited)) => {
                *log = end;
                None
            }
            reason = interrupt.occurs() => Some(reason),
        };
        let status = match (answer, interrupted) {
            // A command that ended has its outcome; only the rest of its output is given up.
            (Some(Ok(status)), _) => status,
            (_, Some(reason)) => return Err(reason),
            // The reply was lost, not necessarily the container.
            (Some(Err(error)), None) => match look(docker, &id, &error).await {
                Ok(status) => status,
                Err(lost) => {
                    *log = LogEnd::Truncated(Truncation::Engine(error.to_string()));
                    return Err(lost.into());
                }
            },
            (None, None) => unreachable!("the wait is part of what ended"),
        };
        match status {
            ExitStatus { error: Some(detail), .. } => {
                Err(ExecutorError::ContainerLost { detail }.into())
            }
            ExitStatus { code: 0, .. } => Ok(()),
            ExitStatus { code, .. } => Err(FailureReason::Script { exit_code: code }),
        }
    }
}

/// Looks at a container whose waiter got no answer.
async fn look(
    docker: &dyn DockerApi,
    id: &ContainerId,
    cause: &ApiError,
) -> Result<ExitStatus, ExecutorError> {
    let lost = |what: String| ExecutorError::ContainerLost { detail: format!("{cause}; {what}") };
    match docker.inspect_container(id).await {
        Ok(details) if details.status == ContainerStatus::Exited => {
            Ok(ExitStatus::new(details.exit_code))
        }
        Ok(details) => Err(lost(format!("its state is {:?}", details.status).to_lowercase())),
        Err(error) => Err(lost(error.to_string())),
    }
}
