//! An engine of a test's own, jobs on it, and what must be left of them.

use std::{path::PathBuf, sync::Arc, time::Duration};

use docker_api_trait::{BollardDocker, DockerApi, LogSource, VolumeApi as _};
use executor::{
    Cancel, Command, Executor, ExecutorConfig, FailureReason, JobOutcome, JobResult, JobSpec,
    MemorySink, RetryPolicy, RunContext, SteadyDocker, StepSpec, Trust, error::RunError,
    instance::Instances, job::BuildSpec, plan, sweep::Sweep,
};
use testkit::{Baseline, EngineOptions, PrivateEngine, suite};
use tokio::time::{sleep, timeout};
use volume_manager::{BuildStrategy, DockerVolumeManager};

/// The longest that a case may take: the longest outage, and the engine's own way down and up.
const BOUND: Duration = Duration::from_mins(5);
/// So long an engine's own work may go on after a job.
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub(crate) async fn engine(options: EngineOptions) -> PrivateEngine {
    let engine = PrivateEngine::start(options).await.unwrap();
    engine.copy_image(&suite::socket(), &suite::image()).await.unwrap();
    engine
}

pub(crate) struct Lab {
    instances: Instances,
    _folder: tempfile::TempDir,
    pub(crate) bare: BollardDocker,
    pub(crate) executor: Executor,
}

impl Lab {
    pub(crate) fn on(engine: &PrivateEngine, outage: Duration) -> Self {
        // The private engines have no bridge.
        Self::by(engine, Arc::new(engine.docker()), outage, Some("none"))
    }

    /// With a way of its own to the engine; without a network mode each job has a network of its own.
    pub(crate) fn by(
        engine: &PrivateEngine,
        docker: Arc<dyn DockerApi>,
        outage: Duration,
        network_mode: Option<&str>,
    ) -> Self {
        let policy = RetryPolicy::default().with_outage(outage);
        let docker = Arc::new(SteadyDocker::new(docker, policy));
        let volumes = DockerVolumeManager::new(docker.clone());
        let mut config = ExecutorConfig::new("outages");
        config.containers.host.network_mode = network_mode.map(str::to_owned);
        config.stop_grace = seconds(1);
        let executor = Executor::new(docker.clone(), Arc::new(volumes), config).without_instance();
        let folder = tempfile::tempdir().unwrap();
        let instances = Instances::open(folder.path()).unwrap();
        Self { instances, _folder: folder, bare: engine.docker(), executor }
    }

    /// With caches that are made anew when they have lost their folders.
    pub(crate) fn rebuilding_caches(self) -> Self {
        let mut config = self.executor.config().clone();
        config.rebuild_caches = true;
        let docker: Arc<dyn DockerApi> = Arc::new(self.bare.clone());
        let volumes = DockerVolumeManager::new(Arc::clone(&docker));
        Self {
            executor: Executor::with_engine_as_is(docker, Arc::new(volumes), config)
                .without_instance(),
            ..self
        }
    }

    /// Puts a canary into the job's cache.
    pub(crate) async fn warm(&self) {
        let script = "echo 0123456789abcdef0123456789abcdef > /cache/canary";
        let result = self.run(&job([step("warm", script)])).await;
        assert!(matches!(result.outcome, JobOutcome::Succeeded), "{:?}", result.outcome);
    }

    pub(crate) async fn assert_canary(&self) {
        let script = "grep -q 0123456789abcdef0123456789abcdef /cache/canary";
        let result = self.run(&job([step("look", script)])).await;
        assert!(matches!(result.outcome, JobOutcome::Succeeded), "{:?}", result.outcome);
    }

    /// The folder of the job's cache, which is warm: what is made there tells a step that waits for it
    /// to go on.
    pub(crate) async fn cache(&self) -> PathBuf {
        let volumes = self.bare.list_volumes(&[]).await.unwrap();
        assert_eq!(volumes.len(), 1, "{volumes:?}");
        volumes[0].mountpoint.clone().into()
    }

    /// How all is before an outage; the canaries of caches with it.
    pub(crate) async fn baseline(&self) -> Baseline {
        let baseline = Baseline::of(&self.bare).await.unwrap();
        let baseline = baseline.with_canaries(&self.bare, &suite::image()).await.unwrap();
        baseline.within(BOUND).patient(PATIENCE).ignoring_tasks()
    }

    /// Runs a job as a process of its own would.
    pub(crate) async fn run(&self, job: &JobSpec) -> JobResult {
        let instance = self.instances.claim().unwrap();
        let context = RunContext::draw().with_instance(&instance);
        let plan = plan(job, self.executor.config(), &context).unwrap();
        let result = self.executor.planned_job(&plan).run().await;
        instance.release(!result.cleanup.failed.is_empty());
        result
    }

    pub(crate) async fn sweep(&self) {
        let sweep = Sweep::new(Arc::new(self.bare.clone())).with_instances(self.instances.clone());
        assert!(sweep.run().await.unwrap().is_complete());
    }

    /// Runs a job and does something to its engine when its output says `started`.
    pub(crate) async fn run_and(
        &self,
        job: &JobSpec,
        act: impl Future<Output = ()>,
    ) -> (JobResult, String) {
        self.run_with(job, &Cancel::new(), act).await
    }

    /// As [`run_and`](Self::run_and), with a handle to cancel the job.
    pub(crate) async fn run_with(
        &self,
        job: &JobSpec,
        cancel: &Cancel,
        act: impl Future<Output = ()>,
    ) -> (JobResult, String) {
        self.run_into(&MemorySink::new(), job, cancel, act).await
    }

    /// As [`run_with`](Self::run_with), with a sink that the deed can look at.
    pub(crate) async fn run_into(
        &self,
        sink: &MemorySink,
        job: &JobSpec,
        cancel: &Cancel,
        act: impl Future<Output = ()>,
    ) -> (JobResult, String) {
        let instance = self.instances.claim().unwrap();
        let context = RunContext::draw().with_instance(&instance);
        let plan = plan(job, self.executor.config(), &context).unwrap();
        let run = self.executor.planned_job(&plan).sink(sink.clone()).cancel(cancel).run();
        let acting = async {
            until(|| sink.text(LogSource::Stdout).contains("started")).await;
            act.await;
        };
        let (result, ()) = tokio::join!(run, acting);
        instance.release(!result.cleanup.failed.is_empty());
        (result, sink.text(LogSource::Stdout))
    }
}

/// Waits until something is so, a minute at most.
pub(crate) async fn until(is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(seconds(60), waiting).await.expect("it comes to be so");
}

pub(crate) fn step(name: &str, script: &str) -> StepSpec {
    StepSpec::new(name, Command::script(script).unwrap())
}

pub(crate) fn job(steps: impl IntoIterator<Item = StepSpec>) -> JobSpec {
    let mut job = JobSpec::with_steps("app", Trust::Trusted, suite::image(), steps);
    job.volumes = vec!["/cache".to_owned()];
    job.build = Some(BuildSpec::new("/builds", BuildStrategy::Clone));
    job.timeout = Some(seconds(300));
    job
}

pub(crate) fn cause(result: &JobResult) -> &RunError {
    let JobOutcome::Failed(FailureReason::System { error }) = &result.outcome else {
        panic!("{:?}", result.outcome)
    };
    error
}
