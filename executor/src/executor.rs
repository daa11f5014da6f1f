//! Running whole jobs.

use std::{future::Future, sync::Arc, time::SystemTime};

use docker_api_trait::{DockerApi, Input};
use futures_util::FutureExt as _;
use tracing::Instrument as _;
use volume_manager::{DockerVolumeManager, VolumeManager};

use crate::{
    AuthConfig, Cancel, Event, ExecutorConfig, Instances, JobError, JobEvent, JobPlan, JobResult,
    JobSpec, LogSink, Observer, RunContext, SteadyDocker, Transfers,
    host::plan_aside,
    image::Images,
    redact::RedactingObserver,
    run::{
        Run,
        evidence::Evidence,
        span::job_span,
        supervise::{Supervisor, caught},
        when::Failure,
    },
};

/// Runs jobs on an engine.
///
/// # Contract
/// - Jobs may run concurrently on one executor; each is cleaned up by itself. Pulls of one image are
///   shared.
/// - [`run`](Self::run) always cleans up before it returns, whatever the outcome, and its result
///   says what it could not remove. All that it makes carries the run's labels from the moment of
///   its creation.
/// - To stop a job, use its [`Cancel`] and await the result. A job whose future is dropped instead is
///   stopped at once and cleaned up by a task of its own; [`idle`](Self::idle) waits for that. So is
///   one whose sink or observer panics: it fails with [`RunError::Panicked`](crate::RunError::Panicked). When the process
///   dies, or the runtime ends before, what the job made stays until it is swept by its labels: what
///   [`run`](Self::run) made, as soon as its process is dead.
/// - Stage by stage, [`prepare`](Self::prepare), [`run_step`](Self::run_step) and
///   [`finish`](Self::finish) do the same; whoever calls them decides which steps run. A job that was
///   prepared can be carried on by another process with [`resume`](Self::resume).
/// - Must be used within a tokio runtime with time; its futures can be spawned.
#[derive(Debug, Clone)]
pub struct Executor {
    pub(crate) docker: Arc<dyn DockerApi>,
    pub(crate) volumes: Arc<dyn VolumeManager>,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) images: Images,
    pub(crate) config: ExecutorConfig,
    pub(crate) supervisor: Supervisor,
    pub(crate) evidence: Evidence,
}

impl Executor {
    /// An executor for the engine `docker`, with volumes from `volumes`. Requests that failed are repeated
    /// where that is safe, and an engine that is unreachable is waited for: a handle that
    /// [does not do so itself](docker_api_trait::SystemApi::is_steady) is given to a
    /// [`SteadyDocker`](crate::SteadyDocker) with the default [`RetryPolicy`](crate::RetryPolicy).
    ///
    /// The requests of `volumes` are its own: see [`for_engine`](Self::for_engine).
    pub fn new(
        docker: Arc<dyn DockerApi>,
        volumes: Arc<dyn VolumeManager>,
        config: ExecutorConfig,
    ) -> Self {
        Self::with_engine_as_is(SteadyDocker::ensure(docker), volumes, config)
    }

    /// An executor for the engine `docker`, as by [`new`](Self::new), with volumes on the same engine:
    /// both share what is known of the connection.
    pub fn for_engine(docker: Arc<dyn DockerApi>, config: ExecutorConfig) -> Self {
        let docker = SteadyDocker::ensure(docker);
        let volumes = DockerVolumeManager::new(Arc::clone(&docker));
        Self::with_engine_as_is(docker, Arc::new(volumes), config)
    }

    /// An executor for the engine `docker`, without retries and without patience for an engine that is
    /// unreachable, unless the handle has them itself.
    pub fn with_engine_as_is(
        docker: Arc<dyn DockerApi>,
        volumes: Arc<dyn VolumeManager>,
        config: ExecutorConfig,
    ) -> Self {
        let images = Images::new(Arc::clone(&docker));
        let (supervisor, evidence) = (Supervisor::new(), Evidence::of_user());
        Self { docker, volumes, observer: Arc::new(()), images, config, supervisor, evidence }
    }

    /// The executor with an observer of its jobs' progress.
    pub fn with_observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    /// The executor with the registry credentials of the user that runs jobs, beside those that come
    /// with a job.
    pub fn with_auth_config(mut self, config: AuthConfig) -> Self {
        self.images = self.images.with_auth_config(config);
        self
    }

    /// The executor with its lock in this state directory. Before the first run.
    pub fn with_instances(mut self, instances: Instances) -> Self {
        self.evidence = Evidence::given(instances);
        self
    }

    /// The executor without a lock: what a run leaves whose process is killed goes by the job's deadline
    /// alone, and a job without a time limit has none.
    pub fn without_instance(mut self) -> Self {
        self.evidence = Evidence::none();
        self
    }

    /// Returns when no job is under way, also none whose future was dropped: what comes before a
    /// runtime is shut down. Jobs that were prepared stage by stage are not waited for.
    pub async fn idle(&self) {
        self.supervisor.idle().await;
    }

    /// The settings.
    pub fn config(&self) -> &ExecutorConfig {
        &self.config
    }

    /// A run's context with the lock of this executor, for a plan that the same executor
    /// [runs](Self::run_plan). For a job that another process is to carry on, use
    /// [`RunContext::draw`]: it would be swept when this process ends.
    ///
    /// Once every run with such a context has been cleaned up by this executor, its lock file is
    /// removed with the executor. Otherwise the file remains and causes the next sweep.
    pub async fn context(&self) -> RunContext {
        let (context, unheld) = self.evidence.context().await;
        if let Some(error) = &unheld {
            let event = JobEvent::NoInstance(error);
            self.observer.event(&Event::new(&context.run, "", SystemTime::now(), &event));
        }
        context
    }

    /// Plans a job and runs it. All that it makes carries the label of a lock that this process holds, in
    /// [the user's state directory](Instances::of_user) unless another is
    /// [given](Self::with_instances): when the process is killed, the next [`Sweep`](crate::Sweep) with
    /// that directory removes what it left. Where no lock can be held the job runs all the same, and the
    /// observer gets [`JobEvent::NoInstance`].
    ///
    /// What it mounts of the host is judged by what it is on this very host, as
    /// by [`plan()`](crate::plan()): a link to an engine's socket is refused. Of an engine on another
    /// machine, links of this one say nothing: use [`plan()`](crate::plan()) and [`run_plan`](Self::run_plan).
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
        let (context, unheld) = self.evidence.context().await;
        let plan = plan_aside(job, &self.config, context).await?;
        if let Some(error) = &unheld {
            let observer = RedactingObserver::new(Arc::clone(&self.observer), &plan);
            observer.event(&JobEvent::NoInstance(error));
        }
        Ok(self.run_plan(&plan, sink, cancel).await)
    }

    /// Runs a plan. A plan is for one run: its names and labels are that run's.
    ///
    /// When the process dies, a container ends as soon as its step does: its shell reads from it.
    pub async fn run_plan(
        &self,
        plan: &JobPlan,
        sink: Box<dyn LogSink>,
        cancel: &Cancel,
    ) -> JobResult {
        self.run_plan_with(plan, &Transfers::none(), sink, cancel).await
    }

    /// Runs a plan with a project's files brought into its build folder before the steps, and
    /// artifacts taken from there after them. As [`run_plan`](Self::run_plan) otherwise.
    ///
    /// Files that cannot be brought make the job fail before its first step, artifacts that cannot be
    /// had after its last one; a script's own failure goes before that.
    pub async fn run_plan_with(
        &self,
        plan: &JobPlan,
        transfers: &Transfers,
        sink: Box<dyn LogSink>,
        cancel: &Cancel,
    ) -> JobResult {
        let cancel = cancel.child();
        let job = self.carry_out(plan.clone(), transfers.clone(), sink, cancel.clone());
        self.supervisor.run(cancel, job.boxed()).await
    }

    /// A run of a plan as a future that owns all it needs, for a caller that has tasks of its own:
    /// [`run_plan_with`](Self::run_plan_with) is this in a task that outlives its caller.
    ///
    /// One that is dropped cleans nothing up: what it made stays until it is swept by its labels.
    pub fn carry_out(
        &self,
        plan: JobPlan,
        transfers: Transfers,
        mut sink: Box<dyn LogSink>,
        cancel: Cancel,
    ) -> impl Future<Output = JobResult> + Send + use<> {
        let executor = self.clone();
        let span = job_span(&plan);
        let job = async move {
            let mut job = match executor.prepare_job(&plan, Input::Once, &cancel).await {
                Ok(job) => job,
                Err(result) => return *result,
            };
            let mut run = Run::new(&executor, &mut job, &cancel);
            let work = run.work(&transfers, &mut *sink);
            let failed = caught(work.map(Ok).boxed()).await;
            let failed = failed.unwrap_or_else(|panicked| Some(Failure::Before(panicked)));
            executor.end(job, failed, &cancel).await
        };
        job.instrument(span)
    }
}
