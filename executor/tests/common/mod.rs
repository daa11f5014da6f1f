//! What the tests of whole jobs on the fake engine share: jobs, executors, sinks, and what must be
//! left afterwards.

#![allow(dead_code, reason = "each file of tests uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io,
    pin::pin,
    sync::{Arc, Mutex},
    task::Poll,
    time::Duration,
};

use async_trait::async_trait;
use docker_api_trait::{DockerApi, ImageReference, LogChunk};
use executor::{
    Cancel, Command, Event, Executor, ExecutorConfig, FailureReason, JobOutcome, JobResult,
    JobSpec, LogSink, NullSink, Observer, RunContext, StepSpec, Trust,
    error::RunError,
    job::StepWhen,
    outcome::{Phase, StepOutcome},
    plan,
};
use testkit::FakeDocker;
use tokio::time::sleep;
use volume_manager::DockerVolumeManager;

pub(crate) fn engine() -> FakeDocker {
    FakeDocker::new().with_image("busybox")
}

pub(crate) fn executor(engine: &FakeDocker) -> Executor {
    executor_with(engine, ExecutorConfig::new("ci"))
}

pub(crate) fn executor_with(engine: &FakeDocker, config: ExecutorConfig) -> Executor {
    let docker: Arc<dyn DockerApi> = Arc::new(engine.clone());
    let volumes = DockerVolumeManager::new(Arc::clone(&docker));
    Executor::with_engine_as_is(docker, Arc::new(volumes), config).without_instance()
}

/// Runs a job on an engine that is the fake, or has it behind it.
pub(crate) async fn run_on(docker: Arc<dyn DockerApi>, job: &JobSpec) -> JobResult {
    let volumes = DockerVolumeManager::new(Arc::clone(&docker));
    let executor =
        Executor::with_engine_as_is(docker, Arc::new(volumes), ExecutorConfig::new("ci"))
            .without_instance();
    executor.job(job).run().await.unwrap()
}

pub(crate) fn image(name: &str) -> ImageReference {
    name.parse().unwrap()
}

pub(crate) fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// A step whose script is its name.
pub(crate) fn step(name: &str) -> StepSpec {
    StepSpec::new(name, Command::script(name).unwrap())
}

pub(crate) fn step_when(name: &str, when: StepWhen) -> StepSpec {
    let mut step = step(name);
    step.when = when;
    step
}

pub(crate) fn program(name: &str) -> StepSpec {
    StepSpec::new(name, Command::program([name.to_owned(), "-x".to_owned()]).unwrap())
}

pub(crate) fn job(steps: impl IntoIterator<Item = StepSpec>) -> JobSpec {
    JobSpec::with_steps("app", Trust::Trusted, image("busybox"), steps)
}

pub(crate) fn with_after_script(mut job: JobSpec) -> JobSpec {
    job.after_script = Some(Command::script("after").unwrap());
    job
}

pub(crate) async fn run(engine: &FakeDocker, job: &JobSpec) -> JobResult {
    run_into(engine, job, NullSink).await
}

pub(crate) async fn run_into(
    engine: &FakeDocker,
    job: &JobSpec,
    sink: impl LogSink + 'static,
) -> JobResult {
    executor(engine).job(job).sink(sink).run().await.unwrap()
}

/// Runs a job and does something to it after a time.
pub(crate) async fn run_and(
    executor: &Executor,
    job: &JobSpec,
    sink: impl LogSink + 'static,
    after: Duration,
    act: impl FnOnce(&Cancel),
) -> JobResult {
    let cancel = Cancel::new();
    let acting = async {
        sleep(after).await;
        act(&cancel);
    };
    tokio::join!(executor.job(job).sink(sink).cancel(&cancel).run(), acting).0.unwrap()
}

/// Runs a job and does something when it has been polled so often; whether it came to that.
pub(crate) async fn run_and_after_polls(
    executor: &Executor,
    job: &JobSpec,
    polls: usize,
    act: impl FnOnce(&Cancel),
) -> (JobResult, bool) {
    let cancel = Cancel::new();
    let plan = plan(job, executor.config(), &RunContext::draw()).unwrap();
    // Its own await points are meant, not those of a task around it.
    let run = executor.planned_job(&plan).cancel(&cancel).run_unsupervised();
    let mut run = pin!(run);
    let (mut polled, mut act) = (0, Some(act));
    let result = std::future::poll_fn(|context| {
        if polled == polls
            && let Some(act) = act.take()
        {
            act(&cancel);
        }
        polled += 1;
        match run.as_mut().poll(context) {
            Poll::Ready(result) => Poll::Ready(result),
            Poll::Pending => Poll::Pending,
        }
    })
    .await;
    (result, act.is_none())
}

/// Nothing of a run is left but its caches, and cleanup had no trouble.
#[track_caller]
pub(crate) fn assert_clean(engine: &FakeDocker, result: &JobResult) {
    assert!(engine.containers().is_empty(), "{:?}", engine.containers());
    assert!(engine.networks().is_empty(), "{:?}", engine.networks());
    let temporary = |name: &String| !name.starts_with("berth-c1-");
    assert!(!engine.volume_names().iter().any(temporary), "{:?}", engine.volume_names());
    assert!(result.cleanup.failed.is_empty(), "{:?}", result.cleanup);
}

#[track_caller]
pub(crate) fn assert_succeeded(result: &JobResult) {
    assert!(matches!(result.outcome, JobOutcome::Succeeded), "{:?}", result.outcome);
}

/// Why a job failed, in that phase, and as one that may or may not be tried again.
#[track_caller]
pub(crate) fn failure(result: &JobResult, phase: Phase, retryable: bool) -> &FailureReason {
    let JobOutcome::Failed(reason) = &result.outcome else { panic!("{:?}", result.outcome) };
    assert_eq!((result.phase, reason.is_retryable()), (phase, retryable), "{reason:?}");
    reason
}

/// As [`failure`], of a job that was not its script's to lose.
#[track_caller]
pub(crate) fn error(result: &JobResult, phase: Phase, retryable: bool) -> &RunError {
    let reason = failure(result, phase, retryable);
    reason.error().unwrap_or_else(|| panic!("{reason:?}"))
}

/// The steps by name and one word for what became of them.
pub(crate) fn words(result: &JobResult) -> Vec<(&str, &str)> {
    result.steps.iter().map(|step| (step.name.as_str(), step.outcome.as_str())).collect()
}

/// The names of the steps that were run.
pub(crate) fn ran(result: &JobResult) -> Vec<&str> {
    let ran = result.steps.iter().filter(|step| !step.outcome.is_skipped());
    ran.map(|step| step.name.as_str()).collect()
}

pub(crate) fn outcome<'a>(result: &'a JobResult, step: &str) -> &'a StepOutcome {
    &result.steps.iter().find(|found| found.name == step).unwrap().outcome
}

/// The scripts of the steps that were run in shells, without what the supervisor is told of them.
pub(crate) fn fed(engine: &FakeDocker) -> Vec<String> {
    let texts = engine.scripts();
    let own = texts.iter().filter_map(|text| {
        let (_, quoted) = text.split_once("berth_script='")?;
        let (quoted, _) = quoted.rsplit_once("'\n#")?;
        let quoted = quoted.strip_prefix("{ exec 9<&-; } 2>/dev/null; ")?;
        Some(quoted.replace("'\\''", "'"))
    });
    own.collect()
}

/// Keeps events as text.
#[derive(Debug, Clone, Default)]
pub(crate) struct Events(Arc<Mutex<Vec<String>>>);

impl Events {
    pub(crate) fn texts(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// How many begin with this.
    pub(crate) fn count(&self, beginning: &str) -> usize {
        self.texts().iter().filter(|text| text.starts_with(beginning)).count()
    }

    pub(crate) fn first(&self, beginning: &str) -> Option<String> {
        self.texts().into_iter().find(|text| text.starts_with(beginning))
    }
}

impl Observer for Events {
    fn event(&self, event: &Event<'_>) {
        self.0.lock().unwrap().push(format!("{:?}", event.kind));
    }
}

/// Never takes a piece.
#[derive(Debug)]
pub(crate) struct StalledSink;

#[async_trait]
impl LogSink for StalledSink {
    async fn write(&mut self, _chunk: &LogChunk) -> io::Result<()> {
        std::future::pending().await
    }
}

/// Panics at the first piece.
#[derive(Debug)]
pub(crate) struct PanickingSink;

#[async_trait]
impl LogSink for PanickingSink {
    async fn write(&mut self, _chunk: &LogChunk) -> io::Result<()> {
        panic!("boom")
    }
}

/// Keeps all that a sink is told, as text; fails when its text comes up.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recorder {
    pub(crate) told: Arc<Mutex<Vec<String>>>,
    pub(crate) fails_at: Option<&'static str>,
    pub(crate) stalls_at: Option<&'static str>,
}

impl Recorder {
    pub(crate) fn told(&self) -> Vec<String> {
        self.told.lock().unwrap().clone()
    }

    async fn tell(&self, text: String) -> io::Result<()> {
        let (fails, stalls) = (self.fails_at == Some(&text), self.stalls_at == Some(&text));
        self.told.lock().unwrap().push(text);
        if stalls {
            std::future::pending::<()>().await;
        }
        if fails { Err(io::Error::other("the disk is full")) } else { Ok(()) }
    }
}

#[async_trait]
impl LogSink for Recorder {
    async fn write(&mut self, chunk: &LogChunk) -> io::Result<()> {
        self.tell(String::from_utf8_lossy(&chunk.bytes).into_owned()).await
    }

    async fn begin(&mut self, step: &str) -> io::Result<()> {
        self.tell(format!("begin {step}")).await
    }

    async fn end(&mut self, step: &str) -> io::Result<()> {
        self.tell(format!("end {step}")).await
    }
}
