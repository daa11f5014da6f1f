//! Running whole jobs.

#[cfg(feature = "bollard")]
mod connect;
mod job_run;
mod lifecycle;
mod stages;

use std::{sync::Arc, time::SystemTime};

use docker_api_trait::DockerApi;
use volume_manager::{DockerVolumeManager, VolumeManager};

pub use self::{
    job_run::JobRun,
    stages::{PrepareFailure, Script, ScriptError},
};
use crate::{
    SteadyDocker,
    config::ExecutorConfig,
    event::{Event, JobEvent, Observer},
    host::plan_aside,
    image::{AuthConfig, Images},
    instance::{InstanceError, Instances},
    job::{JobError, JobSpec},
    plan::{JobPlan, RunContext},
    run::{evidence::Evidence, supervise::Supervisor},
};

/// Runs jobs on an engine.
///
/// [`connect`](Self::connect) is the short way to one; [`job`](Self::job) runs a job.
///
/// # Contract
/// - Jobs may run concurrently on one executor; each is cleaned up by itself. Pulls of one image are
///   shared.
/// - [`JobRun::run`] always cleans up before it returns, whatever the outcome, and its result says what
///   it could not remove. Everything that it creates carries the run's labels from the moment of its
///   creation.
/// - To stop a job, use its [`Cancel`](crate::cancel::Cancel) and await the result. A job whose future is dropped
///   instead is stopped at once and cleaned up by a task of its own; [`idle`](Self::idle) waits for that.
///   So is one whose sink or observer panics: it fails with
///   [`RunError::Panicked`](crate::error::RunError::Panicked). When the process dies, or the runtime ends before,
///   what the job created stays until it is swept by its labels, which is as soon as its process is dead.
/// - Stage by stage, [`prepare`](Self::prepare), [`run_step`](Self::run_step),
///   [`run_script`](Self::run_script) and [`finish`](Self::finish) do the same, and the caller decides
///   which steps run. A job that was prepared can be carried on by another process with
///   [`resume`](Self::resume).
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

    /// Returns a context for a run of this executor: planned with it, everything that a job creates
    /// carries the label of a lock that this process holds. When the process is killed, the next
    /// [`Sweep`](crate::sweep::Sweep) removes what is left.
    ///
    /// For a job that another process is to carry on, use [`RunContext::draw`]: with this context a
    /// sweep would remove the job when this process ends. Once every run with such a context has been
    /// cleaned up by this executor, the lock file is removed with the executor. Otherwise the file
    /// remains, and the next sweep removes it.
    pub async fn context(&self) -> RunContext {
        let (context, error) = self.evidence.attach(RunContext::draw()).await;
        if let Some(error) = &error {
            self.report_missing_lock(&context.run, "", error);
        }
        context
    }

    fn report_missing_lock(&self, run: &str, job: &str, error: &InstanceError) {
        let event = JobEvent::NoInstance(error);
        self.observer.event(&Event::new(run, job, SystemTime::now(), &event));
    }

    /// Plans a job for a run of this executor, with its [`context`](Self::context).
    ///
    /// What it mounts of the host is judged by what it is on this very host, as by
    /// [`plan()`](crate::plan()): a link to an engine's socket is refused. For an engine on another
    /// machine, use [`plan_for_remote_engine`](crate::plan::plan_for_remote_engine), as links of this one say
    /// nothing.
    ///
    /// # Errors
    /// [`JobError`] when the job cannot be run as it is described, or may not.
    pub async fn plan(&self, job: &JobSpec) -> Result<JobPlan, JobError> {
        self.plan_for(job, RunContext::draw()).await
    }

    async fn plan_for(&self, job: &JobSpec, context: RunContext) -> Result<JobPlan, JobError> {
        let (context, error) = self.evidence.attach(context).await;
        let plan = plan_aside(job, &self.config, context).await?;
        if let Some(error) = &error {
            self.report_missing_lock(&plan.run, &job.id, error);
        }
        Ok(plan)
    }

    /// Returns a job that is about to run. [`JobRun::run`] plans it as [`plan`](Self::plan) does, and
    /// runs it:
    ///
    /// ```
    /// # use executor::{Executor, JobResult, JobSpec, MemorySink, job::JobError};
    /// # async fn example(executor: Executor, spec: JobSpec) -> Result<JobResult, JobError> {
    /// let log = MemorySink::new();
    /// executor.job(&spec).sink(log.clone()).run().await
    /// # }
    /// ```
    pub fn job(&self, job: &JobSpec) -> JobRun {
        JobRun::new(self, job.clone(), RunContext::draw())
    }

    /// Returns a planned job that is about to run. A plan is for one run: its names and labels are that
    /// run's.
    pub fn planned_job(&self, plan: &JobPlan) -> JobRun<JobPlan> {
        let context = RunContext::new(plan.run.clone(), String::new(), SystemTime::now());
        JobRun::new(self, plan.clone(), context)
    }
}
