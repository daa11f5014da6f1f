//! The way of one job, from the first request to the last.

use std::{sync::Arc, time::Duration};

use docker_api_trait::{DockerApi, EngineVersion};
use futures_util::future;
use tokio::time::{Instant, timeout};
use tracing::Instrument as _;
use volume_manager::{Outcome, PreparedVolumes, VolumeManager};

use crate::{
    Cancel, ExecutorConfig, ExecutorError, FailureReason, JobError, JobEvent, JobOutcome, JobPlan,
    JobResult, JobSpec, LogEnd, LogSink, Observer, RunContext, Timings, Truncation,
    cleanup::{Leavings, clean_up},
    describe, plan, step,
    step::{ContainerTrace, Interrupt},
};

/// An interrupted job may finish the request that it is in, for so long, so that its effect is
/// known. Then it is dropped, and cleanup looks for the effect.
const SETTLE: Duration = Duration::from_secs(5);

/// Runs jobs on an engine.
///
/// # Contract
/// - Jobs may run concurrently on one executor; each is cleaned up by itself.
/// - [`run`](Self::run) always cleans up before it returns, whatever the outcome, and its result
///   says what it could not remove. All that it makes carries the run's labels from the moment of
///   its creation.
/// - To stop a job, use its [`Cancel`] and await the result. A future that is dropped instead
///   cleans nothing up: what the job made then stays until it is swept by its labels.
#[derive(Debug, Clone)]
pub struct Executor {
    docker: Arc<dyn DockerApi>,
    volumes: Arc<dyn VolumeManager>,
    observer: Arc<dyn Observer>,
    config: ExecutorConfig,
}

/// What is known of a run while it goes on; it outlives an attempt that is dropped.
#[derive(Debug)]
struct Progress {
    engine: Option<EngineVersion>,
    volumes: PreparedVolumes,
    container: ContainerTrace,
    running: bool,
    log: LogEnd,
    timings: Timings,
}

impl Executor {
    /// An executor for the engine `docker`, with volumes from `volumes`.
    pub fn new(
        docker: Arc<dyn DockerApi>,
        volumes: Arc<dyn VolumeManager>,
        config: ExecutorConfig,
    ) -> Self {
        Self { docker, volumes, observer: Arc::new(()), config }
    }

    /// The executor with an observer of its jobs' progress.
    pub fn with_observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    /// Plans a job and runs it.
    ///
    /// # Errors
    /// [`JobError`] when the job cannot be planned: nothing was started then, and no request sent.
    /// Whatever happens later is part of the result.
    pub async fn run(
        &self,
        job: &JobSpec,
        sink: Box<dyn LogSink>,
        cancel: &Cancel,
    ) -> Result<JobResult, JobError> {
        let plan = plan(job, &self.config, &RunContext::draw())?;
        Ok(self.run_plan(&plan, sink, cancel).await)
    }

    /// Runs a plan. A plan is for one run: its names and labels are that run's.
    pub async fn run_plan(
        &self,
        plan: &JobPlan,
        mut sink: Box<dyn LogSink>,
        cancel: &Cancel,
    ) -> JobResult {
        let span = tracing::debug_span!("job", run = %plan.run, project = %plan.project);
        self.carry_out(plan, &mut *sink, cancel).instrument(span).await
    }

    async fn carry_out(
        &self,
        plan: &JobPlan,
        sink: &mut dyn LogSink,
        cancel: &Cancel,
    ) -> JobResult {
        let requests_before = self.docker.requests_sent();
        let interrupt = Interrupt::new(cancel, Instant::now(), plan.timeout);
        let mut progress = Progress {
            engine: None,
            volumes: PreparedVolumes::default(),
            container: ContainerTrace::None,
            running: false,
            log: LogEnd::Truncated(Truncation::NotStarted),
            timings: Timings::default(),
        };
        let ended = {
            let attempt = self.attempt(plan, &mut progress, sink, &interrupt);
            let mut attempt = std::pin::pin!(attempt);
            tokio::select! {
                biased;
                ended = &mut attempt => ended,
                reason = interrupt.occurs() => tokio::select! {
                    biased;
                    ended = timeout(SETTLE, &mut attempt) => ended.unwrap_or(Err(reason)),
                    () = cancel.killed() => Err(FailureReason::Canceled),
                },
            }
        };
        let ended = ended.map_err(|reason| reason.redacted(&plan.volumes.secrets()));
        if matches!(ended, Err(FailureReason::Canceled | FailureReason::Timeout { .. })) {
            self.observer.event(&JobEvent::Stopping);
        }
        let begin = Instant::now();
        let leavings = Leavings {
            container: progress.container,
            volumes: progress.volumes.clone(),
            running: progress.running,
            outcome: if ended.is_ok() { Outcome::Succeeded } else { Outcome::Failed },
        };
        let cleanup =
            clean_up(&*self.docker, &*self.volumes, plan, &self.config, leavings, cancel).await;
        progress.timings.cleanup = begin.elapsed();
        JobResult {
            run: plan.run.clone(),
            project: plan.project.clone(),
            outcome: match ended {
                Ok(()) => JobOutcome::Succeeded,
                Err(reason) => JobOutcome::Failed(reason),
            },
            engine: progress.engine,
            volumes: progress.volumes,
            log: progress.log,
            timings: progress.timings,
            api_requests: self.docker.requests_sent() - requests_before,
            cleanup,
        }
    }

    /// From the connection to the command's end. Whatever it may leave on the engine is noted in
    /// `progress` before it is asked for.
    async fn attempt(
        &self,
        plan: &JobPlan,
        progress: &mut Progress,
        sink: &mut dyn LogSink,
        interrupt: &Interrupt<'_>,
    ) -> Result<(), FailureReason> {
        let mut clock = Instant::now();
        let mut lap = || {
            let took = clock.elapsed();
            clock += took;
            took
        };
        let docker = &*self.docker;
        let engine = docker.version().await.map_err(ExecutorError::from)?;
        progress.timings.connect = lap();
        self.observer.event(&JobEvent::Connected(&engine));
        let os = engine.os.clone();
        progress.engine = Some(engine);
        if os != "linux" {
            return Err(ExecutorError::UnsupportedSystem { os }.into());
        }
        interrupt.check()?;

        progress.volumes = PreparedVolumes::abandoned(&plan.volumes);
        progress.volumes =
            self.volumes.prepare(&plan.volumes).await.map_err(ExecutorError::from)?;
        for volume in &progress.volumes.volumes {
            self.observer.event(&JobEvent::VolumeReady(volume));
        }
        interrupt.check()?;
        let mounts = progress.volumes.mounts();
        let container = step::create(
            docker,
            &plan.container,
            mounts,
            &mut progress.container,
            &*self.observer,
            interrupt,
        )
        .await?;
        interrupt.check()?;
        let (ready, opened) = future::join(
            step::listen(docker, &container, sink),
            self.volumes.make_writable(&container, &progress.volumes),
        )
        .await;
        let ready = ready?;
        if let Err(error) = opened {
            // Whether that matters depends on the image's user: a script of root's does not care.
            self.observer.event(&JobEvent::Warned(&describe(&error)));
        }
        interrupt.check()?;
        progress.timings.prepare = lap();

        progress.running = true;
        let started = ready.start(docker).await;
        progress.timings.start = lap();
        started?;
        self.observer.event(&JobEvent::Started { container: plan.container.name.as_str() });
        let ended = ready.finish(docker, interrupt, &mut progress.log).await;
        progress.timings.script = lap();
        // A command that ended needs no grace to stop.
        progress.running = !matches!(ended, Ok(()) | Err(FailureReason::Script { .. }));
        ended
    }
}
