//! One job under faults, and what must be true after it.

use std::{sync::Arc, time::Duration};

use docker_api_trait::{DockerApi, LogSource, Operation};
use executor::{
    Cancel, Executor, ExecutorConfig, FailureReason, ImageSpec, JobOutcome, JobResult, JobSpec,
    MemorySink, RetryPolicy, RunContext, ServiceSpec, SteadyDocker,
    instance::Instances,
    job::BuildSpec,
    log::LogEnd,
    outcome::{Phase, StepOutcome},
    plan,
    sweep::Sweep,
};
use testkit::{
    Baseline, Call, Delivered, Difference, FakeDocker, Fault, FaultyDocker, ScriptedRun, Side,
};
use tokio::sync::Notify;
use volume_manager::{BuildStrategy, DockerVolumeManager};

use crate::common::{image, job, program, seconds, step, with_after_script};

/// What the steps write, all of it.
pub(crate) const LOG: &str = "one\ntwo\nthree\n";
/// The longest that any case may take: the job's time limit, its cleanup and an outage.
const BOUND: Duration = Duration::from_mins(10 + 2 + 1);

/// A job, and what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// Two containers, a service, a network, a cache and a temporary volume; succeeds.
    Happy,
    /// The same, and its second step fails with 3.
    Failing,
    /// Programs of their own, one after another.
    Programs,
    /// The same beside a service, in a network.
    ServedPrograms,
}

impl Scenario {
    /// Those that meet every fault at every request.
    pub(crate) const ALL: [Self; 3] = [Self::Happy, Self::Failing, Self::Programs];

    /// How many containers it has whose steps run in a shell.
    pub(crate) fn shells(self) -> usize {
        match self {
            Self::Happy | Self::Failing => 2,
            Self::Programs | Self::ServedPrograms => 0,
        }
    }

    /// How many steps it runs.
    pub(crate) fn steps(self) -> usize {
        match self {
            Self::Happy => 4,
            // The after-script follows the one that fails.
            Self::Failing => 3,
            Self::Programs | Self::ServedPrograms => 2,
        }
    }

    /// How many of them write.
    fn outputs(self) -> usize {
        match self {
            Self::Happy | Self::Programs | Self::ServedPrograms => self.steps(),
            Self::Failing => 1,
        }
    }

    fn engine(self) -> FakeDocker {
        let engine = FakeDocker::new().with_image("busybox").with_image("helper").with_image("db");
        let written = || ScriptedRun::exits(0).prints_stdout(LOG).lasting(seconds(5));
        engine.script_for_image("db", ScriptedRun::never_ends());
        engine.script(written());
        if self == Self::Failing {
            engine.script_next(ScriptedRun::exits(0));
            engine.script_next(ScriptedRun::exits(3).lasting(seconds(1)));
        }
        engine
    }

    fn job(self) -> JobSpec {
        let mut job = match self {
            Self::Happy | Self::Failing => {
                let mut job =
                    with_after_script(job([step("sources").in_helper(), step("a"), step("b")]));
                job.services.push(ServiceSpec::new(image("db")));
                job
            }
            Self::Programs => job([program("a"), program("b")]),
            Self::ServedPrograms => {
                let mut job = job([program("a"), program("b")]);
                job.services.push(ServiceSpec::new(image("db")));
                job
            }
        };
        job.volumes = vec!["/cache".to_owned()];
        // Gone with the job.
        job.build = Some(BuildSpec::new("/builds", BuildStrategy::Clone));
        job.timeout = Some(seconds(600));
        job
    }
}

/// A case that is under way.
pub(crate) struct Case {
    pub(crate) engine: FakeDocker,
    pub(crate) faulty: FaultyDocker,
    pub(crate) docker: Arc<dyn DockerApi>,
    scenario: Scenario,
    instances: Instances,
    baseline: Baseline,
    _folder: tempfile::TempDir,
}

impl Case {
    pub(crate) async fn new(scenario: Scenario) -> Self {
        let engine = scenario.engine();
        warm(&engine, scenario).await;
        let faulty = FaultyDocker::new(Arc::new(engine.clone()));
        let policy = RetryPolicy::default();
        let docker: Arc<dyn DockerApi> =
            Arc::new(SteadyDocker::new(Arc::new(faulty.clone()), policy));
        let folder = tempfile::tempdir().unwrap();
        let instances = Instances::open(folder.path()).unwrap();
        let baseline = Baseline::of(&engine).await.unwrap();
        let baseline = baseline.with_canaries(&engine, &image("busybox")).await.unwrap();
        assert_eq!(baseline.canaries(), 1);
        let baseline = baseline.within(BOUND);
        Self { engine, faulty, docker, scenario, instances, baseline, _folder: folder }
    }

    pub(crate) fn with(self, faults: &[Fault]) -> Self {
        for fault in faults {
            self.faulty.inject(*fault);
        }
        self
    }

    pub(crate) fn executor(&self) -> Executor {
        let volumes = DockerVolumeManager::new(Arc::clone(&self.docker));
        let mut config = ExecutorConfig::new("ci");
        config.images.helper = Some(ImageSpec::new(image("helper")));
        Executor::new(Arc::clone(&self.docker), Arc::new(volumes), config).without_instance()
    }

    /// Runs the job in a process of its own, as it were: its evidence ends with it. What is left when
    /// it has ended, before any sweep, is told of.
    pub(crate) async fn run(&self) -> (JobResult, String) {
        let (result, log) = self.run_beside_others().await;
        let left = self.baseline.differences(&self.engine).await.unwrap();
        let told = |difference: &Difference| {
            let failed = &result.cleanup.failed;
            matches!(difference, Difference::Left { kind, name } if failed.iter().any(|failed| {
                failed.kind.as_str() == *kind && failed.name == *name
            }))
        };
        let untold: Vec<_> = left.iter().filter(|difference| !told(difference)).collect();
        let faults = &self.faulty;
        assert!(untold.is_empty(), "{faults:?}: {untold:?} of {:?}", result.cleanup);
        (result, log)
    }

    /// As [`run`](Self::run), while others, too, make things on the engine and take them away.
    pub(crate) async fn run_beside_others(&self) -> (JobResult, String) {
        let instance = self.instances.claim().unwrap();
        let context = RunContext::draw().with_instance(&instance);
        let executor = self.executor();
        let plan = plan(&self.scenario.job(), executor.config(), &context).unwrap();
        let sink = MemorySink::new();
        let result = executor.planned_job(&plan).sink(sink.clone()).run().await;
        instance.release(!result.cleanup.failed.is_empty());
        (result, sink.text(LogSource::Stdout))
    }

    /// Begins the job, and lets go of it when it has been polled so often, as when its process is
    /// killed. Whether it came to that.
    pub(crate) async fn run_and_drop_after(&self, polls: usize) -> bool {
        let instance = self.instances.claim().unwrap();
        let context = RunContext::draw().with_instance(&instance);
        let executor = self.executor();
        let plan = plan(&self.scenario.job(), executor.config(), &context).unwrap();
        let job = executor.planned_job(&plan).run_unsupervised();
        let mut job = Box::pin(job);
        let mut polled = 0;
        let ended = std::future::poll_fn(|context| {
            if polled == polls {
                return std::task::Poll::Ready(false);
            }
            polled += 1;
            job.as_mut().poll(context).map(|_| true)
        })
        .await;
        drop(job);
        drop(instance);
        !ended
    }

    /// Begins the job, and lets go of it so many turns of the runtime after its request of the number
    /// `moment / 2` begins, or, for an odd moment, after that has had its effect. Then waits until the
    /// executor is idle. Whether it came to that.
    pub(crate) async fn run_and_let_go_at(&self, moment: usize, turns: usize) -> bool {
        let reached = Arc::new(Notify::new());
        let passed = Arc::clone(&reached);
        let side = Side::BOTH[moment % 2];
        self.faulty.on_call(move |call, at| {
            let is_it = (call.number, at) == (moment / 2, side);
            let passed = Arc::clone(&passed);
            Box::pin(async move {
                if is_it {
                    passed.notify_one();
                    tokio::task::yield_now().await;
                }
            })
        });
        let until = async {
            reached.notified().await;
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
        };
        self.run_and_let_go(until).await
    }

    /// As [`run_and_let_go_at`](Self::run_and_let_go_at), after a time.
    pub(crate) async fn run_and_let_go_after(&self, time: Duration) -> bool {
        self.run_and_let_go(tokio::time::sleep(time)).await
    }

    async fn run_and_let_go(&self, until: impl Future<Output = ()>) -> bool {
        let instance = self.instances.claim().unwrap();
        let context = RunContext::draw().with_instance(&instance);
        let executor = self.executor();
        let plan = plan(&self.scenario.job(), executor.config(), &context).unwrap();
        let cancel = Cancel::new();
        let let_go = tokio::select! {
            biased;
            () = until => true,
            _ = executor.planned_job(&plan).cancel(&cancel).run() => false,
        };
        executor.idle().await;
        instance.release(false);
        let_go
    }

    /// Checks that nothing is left, without any sweep.
    pub(crate) async fn assert_untouched(&self, what: &str) {
        assert_eq!(self.baseline.broken(&self.engine).await.unwrap(), [], "{what}");
        // What a dropped request brings comes within a second.
        tokio::time::sleep(seconds(2)).await;
        assert_eq!(self.baseline.broken(&self.engine).await.unwrap(), [], "{what}");
    }

    /// A sweep of the engine that meets no fault.
    pub(crate) fn sweep(&self) -> Sweep {
        let engine: Arc<dyn DockerApi> = Arc::new(self.engine.clone());
        Sweep::new(engine).with_instances(self.instances.clone())
    }

    /// Checks all that must be true, after the sweep that follows a crash. Faults are over by then.
    pub(crate) async fn assert_invariants(&self, what: &str) {
        self.faulty.heal();
        // What a dropped request brings comes within a second.
        tokio::time::sleep(seconds(2)).await;
        for _ in 0..2 {
            let report = self.sweep().run().await.unwrap();
            assert!(report.is_complete(), "{what}: {report:?}");
        }
        assert_eq!(self.baseline.broken(&self.engine).await.unwrap(), [], "{what}");
        assert!(self.instances.dead().unwrap().is_empty(), "{what}: nobody is remembered");
    }

    /// Checks what every result must be: one outcome, a log that is a true beginning with an explicit
    /// end, and an engine that is known to whoever came beyond the connection.
    pub(crate) fn assert_result(&self, what: &str, result: &JobResult, log: &str) {
        let whole = LOG.repeat(self.scenario.outputs());
        // Every step, also the after-script.
        let steps_ended = result.steps.iter().all(|step| {
            matches!(
                step.outcome,
                StepOutcome::Succeeded
                    | StepOutcome::Skipped
                    | StepOutcome::Failed(FailureReason::Script { .. })
            )
        });
        let is_complete = steps_ended && result.log == LogEnd::Complete;
        let log = Delivered { came: log.as_bytes(), whole: whole.as_bytes(), is_complete };
        assert_eq!(log.broken(), None, "{what}");
        let connected = result.phase > Phase::Connect;
        assert_eq!(connected, result.engine.is_some(), "{what}: {result:?}");
    }
}

/// Fills the job's cache with what must be there afterwards.
async fn warm(engine: &FakeDocker, scenario: Scenario) {
    let mut job = scenario.job();
    job.steps = vec![step("warm")];
    (job.after_script, job.services) = (None, Vec::new());
    let fresh = engine.clone();
    let before = ScriptedRun::exits(0).writing("/cache/canary");
    let volumes = DockerVolumeManager::new(Arc::new(fresh.clone()));
    let executor = Executor::new(Arc::new(fresh), Arc::new(volumes), ExecutorConfig::new("ci"))
        .without_instance();
    engine.script_first(before);
    let result = executor.job(&job).run().await.unwrap();
    assert!(matches!(result.outcome, JobOutcome::Succeeded), "{:?}", result.outcome);
}

/// The calls of a scenario without faults.
pub(crate) async fn calls(scenario: Scenario) -> Vec<Call> {
    let case = Case::new(scenario).await;
    let (result, _) = case.run().await;
    assert!(result.cleanup.failed.is_empty(), "{result:?}");
    case.assert_invariants("without a fault").await;
    let calls = case.faulty.calls();
    assert!(calls.len() >= 9, "{calls:?}");
    assert!(calls.iter().any(|call| call.operation == Operation::RemoveContainer));
    calls
}
