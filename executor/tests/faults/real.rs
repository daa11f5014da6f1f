//! Every fault at every request of jobs on a real engine: above the adapter, on both sides of the
//! effect, and below it, on the wire.

use std::{
    path::PathBuf,
    sync::{Arc, LazyLock},
    time::Duration,
};

use docker_api_trait::{
    ApiError, BollardDocker, ContainerApi as _, DockerApi, Endpoint, LabelFilter, LogSource,
    NetworkApi as _, Operation, VolumeApi as _,
};
use executor::{
    Cancel, Command, Executor, ExecutorConfig, FailureReason, JobOutcome, JobResult, JobSpec,
    MemorySink, RetryPolicy, RunContext, ServiceSpec, SteadyDocker, StepSpec, Trust,
    error::{PrepareError, RunError, StepError},
    instance::Instances,
    job::BuildSpec,
    log::LogEnd,
    outcome::{ObjectKind, Phase},
    plan,
    sweep::Sweep,
};
use futures_util::{StreamExt as _, stream};
use testkit::{
    Backend, Baseline, Call, Delivered, Fault, FaultKind, FaultyDocker, Proxy, Reply, Requests,
    Rule, Side, Site, WireFault, suite,
};
use tokio::time::{Instant, timeout};
use volume_manager::{BuildStrategy, DockerVolumeManager, label};

use crate::{
    common::seconds,
    ending::{Ending, is_survived},
};

/// So many cases run at once.
const AT_ONCE: usize = 6;
/// All steps of a job run in one container.
const SHELLS: usize = 1;
/// The longest that a case may take.
const BOUND: Duration = Duration::from_mins(5);
/// Connections are kept for 20 s after their last request.
const CONNECTIONS_END: Duration = Duration::from_mins(2);
/// All that the steps write: the first one when the cache still has its canary.
const LOG: &str = "kept\none\ntwo\n";
const WARM: &str = "echo 0123456789abcdef0123456789abcdef > /cache/canary";
const LOOK: &str = "grep -q 0123456789abcdef0123456789abcdef /cache/canary || exit 9; echo kept";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scenario {
    /// A service, a network, a cache, a temporary volume and two steps; succeeds.
    Happy,
    /// A cache and a temporary volume; its second step fails with 3.
    Failing,
}

impl Scenario {
    fn job(self) -> JobSpec {
        let last = if self == Self::Failing { "echo one; echo two; exit 3" } else { "echo two" };
        let steps = match self {
            Self::Happy => vec![step("look", LOOK), step("one", "echo one"), step("two", last)],
            Self::Failing => vec![step("look", LOOK), step("fail", last)],
        };
        let mut job = job(steps);
        if self == Self::Happy {
            let mut service = ServiceSpec::new(suite::image());
            service.command = vec!["sleep".to_owned(), "600".to_owned()];
            job.services.push(service);
        }
        job
    }

    fn is_expected(self, outcome: &JobOutcome) -> bool {
        match (self, outcome) {
            (Self::Happy, JobOutcome::Succeeded) => true,
            (Self::Failing, JobOutcome::Failed(FailureReason::Script { exit_code, .. })) => {
                *exit_code == 3
            }
            _ => false,
        }
    }
}

fn step(name: &str, script: &str) -> StepSpec {
    StepSpec::new(name, Command::script(script).unwrap())
}

fn job(steps: Vec<StepSpec>) -> JobSpec {
    let mut job = JobSpec::with_steps("real-faults", Trust::Trusted, suite::image(), steps);
    job.volumes = vec!["/cache".to_owned()];
    job.build = Some(BuildSpec::new("/builds", BuildStrategy::Clone));
    job.timeout = Some(seconds(100));
    job
}

fn bare(socket: PathBuf) -> BollardDocker {
    BollardDocker::new(Endpoint::Unix(socket)).unwrap()
}

/// Whose all objects of these tests are, and nobody else's: others may use the engine meanwhile.
fn owner() -> &'static str {
    static OWNER: LazyLock<String> =
        LazyLock::new(|| format!("{}-{}", suite::owner(), RunContext::draw().run));
    &OWNER
}

/// What has this label, is there and is no cache.
async fn left(engine: &BollardDocker, label: &str, value: &str) -> Vec<(ObjectKind, String)> {
    let labelled = [LabelFilter::equals(label, value)];
    let containers = engine.list_containers(&labelled).await.unwrap().into_iter();
    let networks = engine.list_networks(&labelled).await.unwrap().into_iter();
    let mut volumes = engine.list_volumes(&labelled).await.unwrap();
    // The cache was made by the first of all runs.
    volumes.retain(|volume| volume.labels.get(label::KIND).is_none_or(|kind| kind != "cache"));
    let containers = containers.map(|container| (ObjectKind::Container, container.name));
    let networks = networks.map(|network| (ObjectKind::Network, network.name));
    let volumes = volumes.into_iter().map(|volume| (ObjectKind::Volume, volume.name));
    containers.chain(networks).chain(volumes).collect()
}

/// Runs a job over `docker` as a process of its own would, and sweeps after it.
async fn run(docker: Arc<dyn DockerApi>, job: &JobSpec, what: &str) -> (JobResult, String) {
    let docker = Arc::new(SteadyDocker::new(docker, RetryPolicy::default()));
    let volumes = DockerVolumeManager::new(docker.clone());
    let mut config = ExecutorConfig::new(owner());
    config.stop_grace = seconds(1);
    let executor = Executor::new(docker, Arc::new(volumes), config).without_instance();
    let folder = tempfile::tempdir().unwrap();
    let instances = Instances::open(folder.path()).unwrap();
    let instance = instances.claim().unwrap();
    let context = RunContext::draw().with_instance(&instance);
    let plan = plan(job, executor.config(), &context).unwrap();
    let sink = MemorySink::new();
    let cancel = Cancel::new();
    let ended =
        timeout(BOUND, executor.planned_job(&plan).sink(sink.clone()).cancel(&cancel).run()).await;
    let result = ended.unwrap_or_else(|_| panic!("{what} does not end"));
    instance.release(!result.cleanup.failed.is_empty());
    let engine = bare(suite::socket());
    let failed = &result.cleanup.failed;
    let told = |(kind, name): &(ObjectKind, String)| {
        failed.iter().any(|failed| failed.kind == *kind && failed.name == *name)
    };
    let untold: Vec<_> =
        left(&engine, label::RUN, &plan.run).await.into_iter().filter(|one| !told(one)).collect();
    assert!(untold.is_empty(), "{what}: {untold:?} of {:?}", result.cleanup);
    let sweep =
        Sweep::new(Arc::new(engine.clone())).with_owner(owner()).with_instances(instances.clone());
    assert!(sweep.run().await.unwrap().is_complete(), "{what}");
    assert_eq!(left(&engine, label::RUN, &plan.run).await, [], "{what}");
    assert!(instances.dead().unwrap().is_empty(), "{what}: nobody is remembered");
    (result, sink.text(LogSource::Stdout))
}

/// Checks what every result must be; whether it is the one without a fault.
fn is_as_usual(scenario: Scenario, what: &str, result: &JobResult, log: &str) -> bool {
    let as_usual = scenario.is_expected(&result.outcome);
    let is_complete = as_usual && result.log == LogEnd::Complete;
    let log = Delivered { came: log.as_bytes(), whole: LOG.as_bytes(), is_complete };
    assert_eq!(log.broken(), None, "{what}");
    as_usual
}

/// Whether the fault was met. A run that asks less often than the one that the cases are of, for want
/// of a look that is made again, may end before.
async fn above(scenario: Scenario, call: Call, side: Side, kind: FaultKind) -> bool {
    let fault = Fault { site: Site::Nth(call.number), side, kind };
    let what = format!("{scenario:?} {call:?} {fault:?}");
    let faulty = FaultyDocker::new(Arc::new(bare(suite::socket())));
    faulty.inject(fault);
    let (result, log) = run(Arc::new(faulty.clone()), &scenario.job(), &what).await;
    let as_usual = is_as_usual(scenario, &what, &result, &log);
    if faulty.met() == 0 {
        assert!(faulty.calls().len() <= call.number, "{what} was never met");
        assert!(as_usual, "{what} was never met: {result:?}");
        return false;
    }
    // Other looks than without a fault may have come before.
    let call = faulty.calls()[call.number];
    assert_eq!(as_usual, is_survived(call, side, kind, SHELLS), "{what}: {result:?}");
    if !as_usual {
        Ending::by(fault, call, SHELLS).check(&what, &result);
    }
    true
}

/// As [`above`].
async fn below(scenario: Scenario, number: usize, side: Side, fault: WireFault) -> bool {
    let what = format!("{scenario:?} request {number} {side:?} {fault:?}");
    let proxy = Proxy::new(Backend::socket(suite::socket())).unwrap();
    proxy.inject(Rule { requests: Requests::any().nth(number), side, fault: fault.clone() });
    let engine = Arc::new(bare(proxy.socket()));
    let (result, log) = run(engine, &scenario.job(), &what).await;
    let as_usual = is_as_usual(scenario, &what, &result, &log);
    if proxy.met() == 0 {
        assert!(proxy.requests().len() <= number, "{what} was never met");
        assert!(as_usual, "{what} was never met: {result:?}");
        return false;
    }
    // Of all its requests, only that for the input of its shell cannot be made again.
    let is_attachment = proxy.requests()[number].request.target.contains("/attach?");
    let is_slow = matches!(fault, WireFault::Trickle(_));
    assert_eq!(as_usual, is_slow || !is_attachment, "{what}: {result:?}");
    if as_usual {
        return true;
    }
    let JobOutcome::Failed(reason @ FailureReason::System { error }) = &result.outcome else {
        panic!("{what}: {:?}", result.outcome)
    };
    let operation = Operation::AttachContainer;
    let (phase, is_expected) = match (fault, &**error) {
        (
            WireFault::Drop,
            RunError::Prepare(PrepareError::Engine(ApiError::Lost { operation: of, .. })),
        )
        | (
            WireFault::Reply(_),
            RunError::Prepare(PrepareError::Engine(ApiError::Engine {
                operation: of,
                status: 500,
                ..
            })),
        ) => (Phase::Prepare, *of == operation),
        (WireFault::CutBody(_), RunError::Step(StepError::ContainerLost { .. })) => {
            (Phase::Script, true)
        }
        (_, other) => panic!("{what}: {other:?}"),
    };
    assert!(is_expected && reason.is_retryable(), "{what}: {error:?}");
    assert_eq!(result.phase, phase, "{what}");
    true
}

/// What is met above the adapter: with each call of the job, each side, and each kind.
async fn cases_above(scenario: Scenario) -> Vec<(Call, Side, FaultKind)> {
    let faulty = FaultyDocker::new(Arc::new(bare(suite::socket())));
    let (result, log) = run(Arc::new(faulty.clone()), &scenario.job(), "calm").await;
    assert!(is_as_usual(scenario, "calm", &result, &log), "{result:?}");
    let kinds = [FaultKind::Status(500), FaultKind::Lost, FaultKind::TimedOut];
    let mut cases = Vec::new();
    for call in faulty.calls() {
        for side in Side::BOTH {
            cases.extend(kinds.map(|kind| (call, side, kind)));
        }
    }
    cases
}

/// What is met below it: with each request of the job.
async fn cases_below(scenario: Scenario) -> Vec<(usize, Side, WireFault)> {
    let proxy = Proxy::new(Backend::socket(suite::socket())).unwrap();
    let (result, log) = run(Arc::new(bare(proxy.socket())), &scenario.job(), "calm").await;
    assert!(is_as_usual(scenario, "calm", &result, &log), "{result:?}");
    let mut cases = Vec::new();
    for number in 0..proxy.requests().len() {
        cases.extend([
            (number, Side::Before, WireFault::Drop),
            (number, Side::After, WireFault::Drop),
            (number, Side::After, WireFault::CutBody(1)),
            (number, Side::After, WireFault::Reply(Reply::error(500, "ill"))),
            (number, Side::After, WireFault::Trickle(Duration::ZERO)),
        ]);
    }
    cases
}

#[tokio::test]
#[ignore = "needs Docker: cargo xtask e2e"]
async fn every_fault_at_every_request_of_jobs_on_a_real_engine() {
    let engine = bare(suite::socket());
    let (result, _) = run(Arc::new(engine.clone()), &job(vec![step("warm", WARM)]), "warm").await;
    assert!(matches!(result.outcome, JobOutcome::Succeeded), "{:?}", result.outcome);
    let baseline = Baseline::of_owner(&engine, owner()).await.unwrap();
    let baseline = baseline.with_canaries(&engine, &suite::image()).await.unwrap();
    assert_eq!(baseline.canaries(), 1);
    let baseline = baseline.patient(CONNECTIONS_END).alone();

    let begin = Instant::now();
    let (mut count, mut met) = (0, Vec::new());
    for scenario in [Scenario::Happy, Scenario::Failing] {
        let cases = cases_above(scenario).await;
        count += cases.len();
        let cases = cases.into_iter().map(|(call, side, kind)| above(scenario, call, side, kind));
        met.extend(stream::iter(cases).buffer_unordered(AT_ONCE).collect::<Vec<_>>().await);
    }
    let cases = cases_below(Scenario::Failing).await;
    count += cases.len();
    let cases = cases
        .into_iter()
        .map(|(number, side, fault)| below(Scenario::Failing, number, side, fault));
    met.extend(stream::iter(cases).buffer_unordered(AT_ONCE).collect::<Vec<_>>().await);
    let skipped = met.iter().filter(|met| !**met).count();
    println!("{count} cases in {:?}, of which {skipped} were not met", begin.elapsed());
    assert!(count >= 250, "{count}");
    assert!(skipped * 20 <= count, "{skipped} of {count} were not met");
    assert_eq!(baseline.broken(&engine).await.unwrap(), []);
    let caches = engine.list_volumes(&[LabelFilter::equals(label::OWNER, owner())]).await.unwrap();
    assert_eq!(caches.len(), 1, "{caches:?}");
    engine.remove_volume(&caches[0].name.parse().unwrap()).await.unwrap();
}
