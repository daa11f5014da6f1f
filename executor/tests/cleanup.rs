//! What cleanup does with an engine that is slow or mute, and what is left when a process dies.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command as Program, Stdio},
    sync::Arc,
    time::Duration,
};

use common::{engine, executor_with, failure, image, job, seconds, step};
use docker_api_trait::{
    BollardDocker, ContainerApi as _, DockerApi, Endpoint, LabelFilter, NetworkApi as _, Operation,
    VolumeApi as _,
};
use executor::{
    Cancel, Executor, ExecutorConfig, FailureReason, JobResult, JobSpec, Observer, ServiceSpec,
    Trust,
    instance::{Instances, Life},
    outcome::{ObjectKind, Phase, TimedPart},
    plan,
    report::JobReport,
    sweep::Sweep,
};
use testkit::{FakeDocker, Fault, FaultKind, FaultyDocker, ScriptedRun, Site, suite};
use tokio::time::{Instant, sleep};
use volume_manager::{DockerVolumeManager, Policy, label};

/// With temporary volumes alone.
fn config(owner: &str) -> ExecutorConfig {
    let mut config = ExecutorConfig::new(owner);
    config.policy = Policy::default().with_cache_disabled(true);
    config
}

/// A job with a service and a volume.
fn large_job() -> JobSpec {
    let mut job = job([step("a")]);
    job.volumes.push("/cache".to_owned());
    job.services.push(ServiceSpec::new(image("db")));
    job
}

fn large_engine() -> FakeDocker {
    let engine = engine().with_image("db");
    engine.script_for_image("db", ScriptedRun::never_ends());
    engine
}

fn on(docker: Arc<dyn DockerApi>) -> Executor {
    let volumes = DockerVolumeManager::new(Arc::clone(&docker));
    Executor::with_engine_as_is(docker, Arc::new(volumes), config("ci")).without_instance()
}

/// Runs the job over an engine with a fault; how long it took.
async fn run_with(engine: &FakeDocker, fault: Fault) -> (JobResult, Duration) {
    let faulty = FaultyDocker::with_faults(Arc::new(engine.clone()), [fault]);
    let begin = Instant::now();
    let run = on(Arc::new(faulty));
    let result = run.job(&large_job()).run().await.unwrap();
    (result, begin.elapsed())
}

/// What could not be removed, in one word each.
fn failed(result: &JobResult) -> Vec<&'static str> {
    let mut kinds: Vec<_> =
        result.cleanup.failed.iter().map(|failed| failed.kind.as_str()).collect();
    kinds.sort_unstable();
    kinds
}

#[tokio::test(start_paused = true)]
async fn volumes_get_their_time_when_a_container_is_stuck() {
    let engine = large_engine();
    let site = Site::NthOf(Operation::RemoveContainer, 0);
    let (result, took) = run_with(&engine, Fault::before(site, FaultKind::Hang)).await;
    assert!(took <= seconds(61), "{took:?}");
    assert_eq!(failed(&result), ["container", "volume"]);
    // The volume was tried as well: the stuck container is why it stays.
    assert!(engine.calls().contains(&Operation::RemoveVolume));
    let removed: Vec<_> = result.cleanup.removed.iter().map(|one| one.kind).collect();
    assert_eq!(removed, [ObjectKind::Container, ObjectKind::Network]);
}

#[tokio::test(start_paused = true)]
async fn a_container_that_goes_late_leaves_nothing_behind() {
    let engine = large_engine();
    let site = Site::NthOf(Operation::RemoveContainer, 0);
    let late = FaultKind::Delay(seconds(40));
    let (result, took) = run_with(&engine, Fault::before(site, late)).await;
    assert!(took >= seconds(40) && took <= seconds(60), "{took:?}");
    common::assert_succeeded(&result);
    common::assert_clean(&engine, &result);
    assert_eq!(result.cleanup.removed.len(), 4, "{:?}", result.cleanup.removed);
}

#[tokio::test(start_paused = true)]
async fn a_time_limit_ends_the_job_of_a_mute_engine() {
    let engine = large_engine();
    engine.script(ScriptedRun::never_ends());
    let faulty = FaultyDocker::with_faults(Arc::new(engine.clone()), []);
    let executor = on(Arc::new(faulty.clone()));
    let mut job = large_job();
    job.steps[0].timeout = Some(seconds(5));
    let begin = Instant::now();
    let mute = async {
        sleep(seconds(2)).await;
        faulty.inject(Fault::before(Site::From(faulty.calls().len()), FaultKind::Hang));
    };
    let cancel = Cancel::new();
    let run = executor.job(&job).cancel(&cancel).run();
    let (result, ()) = tokio::join!(run, mute);
    let (result, took) = (result.unwrap(), begin.elapsed());
    let reason = failure(&result, Phase::Script, false);
    let part = TimedPart::Step;
    assert!(matches!(reason, FailureReason::Timeout { what, .. } if *what == part), "{reason:?}");
    // The limit, the grace, and ten seconds for an engine that might have answered.
    assert!(took <= seconds(5 + 10 + 10), "{took:?}");
    assert_eq!(failed(&result), ["container", "container", "network", "volume"]);
    let report = JobReport::from(&result);
    let timeout = report.timeout.unwrap();
    assert_eq!(
        (timeout.part.as_str(), timeout.limit_ms, timeout.step.as_deref()),
        ("step", 5000, Some("a"))
    );
    assert_eq!(report.error.as_deref(), Some("the step a took longer than 5s"));
    assert!(report.hint.is_some());
    assert_eq!(report.steps[0].error, report.error);
}

/// The labels' value that tells who made the containers.
fn makers(engine: &FakeDocker) -> Vec<String> {
    let requests = engine.container_requests();
    requests.iter().map(|request| request.labels[label::INSTANCE].clone()).collect()
}

fn sweep(engine: &FakeDocker, state: &Path) -> Sweep {
    Sweep::new(Arc::new(engine.clone())).with_instances(Instances::open(state).unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_run_holds_a_lock_until_its_executor_ends() {
    let state = tempfile::tempdir().unwrap();
    let instances = Instances::open(state.path()).unwrap();
    let engine = large_engine();
    let executor = executor_with(&engine, config("ci")).with_instances(instances.clone());
    let result = executor.job(&large_job()).run().await.unwrap();
    common::assert_clean(&engine, &result);
    let makers = makers(&engine);
    assert_eq!(makers.len(), 2);
    assert!(makers.iter().all(|maker| instances.life(maker) == Life::Lives), "{makers:?}");
    drop(executor);
    assert!(makers.iter().all(|maker| instances.life(maker) == Life::Dead), "{makers:?}");
    assert_eq!(instances.dead().unwrap(), [""; 0], "a clean end is no cue for a sweep");
}

#[tokio::test(start_paused = true)]
async fn a_sweep_takes_what_a_dead_executor_left() {
    let state = tempfile::tempdir().unwrap();
    let instances = Instances::open(state.path()).unwrap();
    let engine = large_engine();
    engine.script(ScriptedRun::never_ends());
    let executor = executor_with(&engine, config("ci")).with_instances(instances.clone());
    let plan = plan(&large_job(), executor.config(), &executor.context().await).unwrap();
    let run = executor.planned_job(&plan).run_unsupervised();
    // As with a process that dies: nothing is cleaned up.
    assert!(tokio::time::timeout(seconds(5), run).await.is_err());
    let report = sweep(&engine, state.path()).run().await.unwrap();
    assert!(report.removed.is_empty() && report.kept.len() == 4, "{report:?}");
    drop(executor);
    assert_eq!(instances.dead().unwrap().len(), 1, "the cue for a sweep");
    let report = sweep(&engine, state.path()).run().await.unwrap();
    assert_eq!(report.removed.len(), 4, "{report:?}");
    let left = (engine.containers(), engine.networks(), engine.volumes());
    assert!(left.0.is_empty() && left.1.is_empty() && left.2.is_empty(), "{left:?}");
}

#[tokio::test(start_paused = true)]
async fn a_job_runs_though_no_lock_can_be_held() {
    let state = tempfile::tempdir().unwrap();
    let instances = Instances::open(state.path()).unwrap();
    std::fs::remove_dir_all(state.path()).unwrap();
    let engine = large_engine();
    let events = common::Events::default();
    let observer: Arc<dyn Observer> = Arc::new(events.clone());
    let executor = executor_with(&engine, config("ci")).with_instances(instances);
    let executor = executor.with_observer(observer);
    let result = executor.job(&large_job()).run().await.unwrap();
    common::assert_succeeded(&result);
    assert_eq!(events.count("NoInstance"), 1);
}

#[tokio::test(start_paused = true)]
async fn claims_the_lock_again_after_a_failed_claim() {
    let state = tempfile::tempdir().unwrap();
    let instances = Instances::open(state.path()).unwrap();
    let engine = large_engine();
    let events = common::Events::default();
    let executor = executor_with(&engine, config("ci")).with_instances(instances.clone());
    let executor = executor.with_observer(Arc::new(events.clone()));
    let aside = state.path().with_extension("aside");
    std::fs::rename(state.path(), &aside).unwrap();
    let result = executor.job(&large_job()).run().await.unwrap();
    common::assert_succeeded(&result);
    assert_eq!(events.count("NoInstance"), 1);
    let makers_before = makers(&engine);
    assert!(makers_before.iter().all(|maker| instances.life(maker) == Life::Unknown));
    std::fs::rename(&aside, state.path()).unwrap();
    executor.job(&large_job()).run().await.unwrap();
    assert_eq!(events.count("NoInstance"), 1);
    let later = makers(&engine).split_off(makers_before.len());
    assert!(!later.is_empty());
    assert!(later.iter().all(|maker| instances.life(maker) == Life::Lives), "{later:?}");
}

#[tokio::test(start_paused = true)]
async fn a_plan_with_the_executors_context_leaves_no_lock_file() {
    let state = tempfile::tempdir().unwrap();
    let instances = Instances::open(state.path()).unwrap();
    let engine = large_engine();
    for staged in [false, true] {
        let executor = executor_with(&engine, config("ci")).with_instances(instances.clone());
        // A context that no run uses leaves nothing, either.
        executor.context().await;
        let plan = plan(&large_job(), executor.config(), &executor.context().await).unwrap();
        let result = if staged {
            let job = executor.prepare(&plan, &Cancel::new()).await.unwrap();
            executor.finish(job, &Cancel::new()).await
        } else {
            executor.planned_job(&plan).run().await
        };
        common::assert_clean(&engine, &result);
        drop(executor);
        assert_eq!(instances.dead().unwrap(), [""; 0], "staged: {staged}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_job_leaves_no_lock_file_and_a_dropped_one_does() {
    let state = tempfile::tempdir().unwrap();
    let instances = Instances::open(state.path()).unwrap();
    let engine = large_engine();
    for abandoned in [true, false] {
        let executor = executor_with(&engine, config("ci")).with_instances(instances.clone());
        let plan = plan(&large_job(), executor.config(), &executor.context().await).unwrap();
        drop(executor.prepare(&plan, &Cancel::new()).await.unwrap());
        if abandoned {
            let report = executor.abandon(&plan, &Cancel::new()).await;
            assert!(report.failed.is_empty(), "{report:?}");
        }
        drop(executor);
        assert_eq!(instances.dead().unwrap().len(), usize::from(!abandoned));
    }
}

/// The owner of what the killed process makes; set in that process alone.
const OWNER: &str = "BERTH_KILLED_OWNER";

/// What the process does that is killed: a job without a time limit, by the library alone.
#[tokio::test]
#[ignore = "needs Docker: cargo xtask e2e"]
async fn killed_program() {
    let Ok(owner) = std::env::var(OWNER) else { return };
    let docker = Arc::new(BollardDocker::new(Endpoint::Unix(suite::socket())).unwrap());
    let volumes = Arc::new(DockerVolumeManager::new(docker.clone()));
    let script = executor::Command::script("echo the step runs; sleep 600").unwrap();
    let mut job = JobSpec::new("killed", Trust::Trusted, suite::image(), script);
    job.volumes.push("/cache".to_owned());
    let mut service = ServiceSpec::new(suite::image());
    service.command = ["sleep", "600"].map(str::to_owned).into();
    job.services.push(service);
    let executor = Executor::with_engine_as_is(docker, volumes, config(&owner))
        .with_observer(Arc::new(Shouting));
    executor.job(&job).run().await.unwrap();
}

/// Says when the step begins.
#[derive(Debug)]
struct Shouting;

impl Observer for Shouting {
    #[allow(clippy::print_stdout, reason = "the test reads it")]
    fn event(&self, event: &executor::Event<'_>) {
        if let executor::JobEvent::StepStarted { .. } = event.kind {
            println!("\nthe step begins");
        }
    }
}

#[tokio::test]
#[ignore = "needs Docker: cargo xtask e2e"]
async fn a_sweep_takes_what_a_killed_library_process_left() {
    let state = tempfile::tempdir().unwrap();
    let owner = format!("{}-killed-{}", suite::owner(), executor::RunContext::draw().run);
    let mut child = Program::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed_program", "--ignored", "--nocapture"])
        .env(OWNER, &owner)
        .env("BERTH_STATE_DIR", state.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let begins = lines.map_while(Result::ok).any(|line| line == "the step begins");
    // SIGKILL.
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(begins);
    let engine = BollardDocker::new(Endpoint::Unix(suite::socket())).unwrap();
    let left = async || {
        let labelled = [LabelFilter::equals(label::OWNER, &owner)];
        let containers = engine.list_containers(&labelled).await.unwrap().len();
        let networks = engine.list_networks(&labelled).await.unwrap().len();
        (containers, networks, engine.list_volumes(&labelled).await.unwrap().len())
    };
    let before = left().await;
    assert!(before.0 >= 1 && (before.1, before.2) == (1, 1), "{before:?}");
    let sweep = Sweep::new(Arc::new(engine.clone())).with_owner(&owner);
    let sweep = sweep.with_instances(Instances::open(state.path()).unwrap());
    let report = sweep.run().await.unwrap();
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(left().await, (0, 0, 0), "{report:?}");
}
