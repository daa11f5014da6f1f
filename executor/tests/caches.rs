//! Caches that are not what they were: gone, or without their folder, under a job that has found them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{sync::Arc, time::Duration};

use common::Events;
use docker_api_trait::{ApiError, DockerApi, ImageReference, Operation};
use executor::{
    Cancel, Command, Executor, ExecutorConfig, FailureReason, JobOutcome, JobResult, JobSpec,
    RunContext, Trust,
    error::{PrepareError, RunError},
    outcome::Phase,
    plan,
};
use testkit::{FakeDocker, Fault, FaultKind, FaultyDocker, ScriptedRun, Side, Site};
use tokio::{sync::Notify, time::sleep};
use volume_manager::{DockerVolumeManager, VolumeState};

fn engine() -> FakeDocker {
    FakeDocker::new().with_image("busybox")
}

fn executor_with(engine: &FakeDocker, config: ExecutorConfig) -> Executor {
    let docker: Arc<dyn DockerApi> = Arc::new(engine.clone());
    let volumes = DockerVolumeManager::new(Arc::clone(&docker));
    Executor::with_engine_as_is(docker, Arc::new(volumes), config).without_instance()
}

fn job() -> JobSpec {
    let image: ImageReference = "busybox".parse().unwrap();
    let mut job = JobSpec::new("app", Trust::Trusted, image, Command::script("make").unwrap());
    job.volumes.push("/cache".to_owned());
    job
}

async fn run(engine: &FakeDocker) -> JobResult {
    let executor = executor_with(engine, ExecutorConfig::new("ci"));
    executor.job(&job()).run().await.unwrap()
}

#[track_caller]
fn assert_clean(engine: &FakeDocker, result: &JobResult) {
    assert!(engine.containers().is_empty(), "{:?}", engine.containers());
    assert!(result.cleanup.failed.is_empty(), "{:?}", result.cleanup);
}

#[tokio::test(start_paused = true)]
async fn a_cache_that_vanishes_under_a_job_is_told_of_and_is_reported_as_recreated() {
    let engine = engine();
    run(&engine).await;
    let faulty = FaultyDocker::new(Arc::new(engine.clone()));
    let others = engine.clone();
    faulty.on_call(move |call, side| {
        if (call.operation, side) == (Operation::CreateContainer, Side::Before) {
            let name = others.volume_names().remove(0);
            others.vanish_volume(&name.parse().unwrap());
        }
        Box::pin(std::future::ready(()))
    });
    let events = Events::default();
    let volumes = DockerVolumeManager::new(Arc::new(faulty.clone()));
    let executor =
        Executor::with_engine_as_is(Arc::new(faulty), Arc::new(volumes), ExecutorConfig::new("ci"))
            .without_instance()
            .with_observer(Arc::new(events.clone()));
    let result = executor.job(&job()).run().await.unwrap();
    assert!(matches!(result.outcome, JobOutcome::Succeeded), "{:?}", result.outcome);
    assert_eq!(result.volumes.states(), [Some(VolumeState::Recreated)]);
    assert_eq!(events.count("CacheVanished"), 1, "{:?}", events.texts());
    // Nobody has written to it, and every user may.
    let name = engine.volume_names().remove(0);
    assert_eq!(engine.volume_root(&name).unwrap().mode, 0o777);
    assert_eq!(run(&engine).await.volumes.states(), [Some(VolumeState::Reused)]);
}

/// What an engine says that finds no folder for a volume; measured on Engine 20.10.
fn lost_folder(volume: &str) -> ApiError {
    let path = format!("/var/lib/docker/volumes/{volume}/_data");
    let words = format!(
        "error evaluating symlinks from mount source \"{path}\": lstat {path}: no such file or \
         directory"
    );
    ApiError::from_status(Operation::StartContainer, 500, words)
}

/// An engine with the job's cache, which holds a file.
async fn warm_engine() -> (FakeDocker, String) {
    let engine = engine();
    engine.script_first(ScriptedRun::exits(0).writing("/cache/file"));
    run(&engine).await;
    let name = engine.volume_names().remove(0);
    assert_eq!(engine.volume_files(&name).len(), 1);
    (engine, name)
}

fn rebuilding() -> ExecutorConfig {
    let mut config = ExecutorConfig::new("ci");
    config.rebuild_caches = true;
    config
}

#[tokio::test(start_paused = true)]
async fn a_cache_without_its_folder_is_made_anew_once_where_that_is_wanted() {
    for (wanted, times, rebuilt, succeeds) in
        [(true, 1, 1, true), (true, 2, 1, false), (false, 1, 0, false)]
    {
        let (engine, name) = warm_engine().await;
        for _ in 0..times {
            let lost = name.clone();
            engine.refuse_once(Operation::StartContainer, move || lost_folder(&lost));
        }
        let config = if wanted { rebuilding() } else { ExecutorConfig::new("ci") };
        let events = Events::default();
        let executor = executor_with(&engine, config).with_observer(Arc::new(events.clone()));
        let result = executor.job(&job()).run().await.unwrap();
        let what = format!("{wanted} {times}: {:?}", result.outcome);
        assert_eq!(matches!(result.outcome, JobOutcome::Succeeded), succeeds, "{what}");
        assert_eq!(events.count("CacheRebuilt"), rebuilt, "{what}");
        assert_eq!(engine.volume_names(), [name.as_str()], "{what}");
        assert_eq!(engine.volume_files(&name).is_empty(), wanted, "{what}");
        assert_clean(&engine, &result);
        if succeeds {
            assert_eq!(result.volumes.states(), [Some(VolumeState::Created)]);
            assert_eq!(engine.volume_root(&name).unwrap().mode, 0o777);
            continue;
        }
        let JobOutcome::Failed(FailureReason::System { error }) = &result.outcome else {
            panic!("{what}")
        };
        assert!(matches!(**error, RunError::Prepare(PrepareError::VolumeLost { .. })), "{what}");
        assert!(!error.is_retryable());
        assert_eq!(result.phase, Phase::Start);
    }
}

#[tokio::test(start_paused = true)]
async fn a_cache_that_others_hold_is_not_made_anew() {
    let (engine, name) = warm_engine().await;
    let other = executor_with(&engine, ExecutorConfig::new("ci"));
    let held = plan(&job(), other.config(), &RunContext::draw()).unwrap();
    let holder = other.prepare(&held, &Cancel::new()).await.unwrap();
    let lost = name.clone();
    engine.refuse_once(Operation::StartContainer, move || lost_folder(&lost));
    let executor = executor_with(&engine, rebuilding());
    let result = executor.job(&job()).run().await.unwrap();
    let JobOutcome::Failed(FailureReason::System { error }) = &result.outcome else {
        panic!("{:?}", result.outcome)
    };
    assert!(matches!(**error, RunError::Prepare(PrepareError::VolumeLost { .. })), "{error:?}");
    assert!(result.cleanup.failed.is_empty(), "{:?}", result.cleanup);
    assert_eq!(engine.volume_files(&name).len(), 1, "it is as it was");
    other.finish(holder, &Cancel::new()).await;
    assert!(engine.containers().is_empty());
}

/// An engine whose warm cache has lost its folder, behind faults, and an executor that makes it anew.
async fn lost() -> (FakeDocker, FaultyDocker, Executor) {
    let (engine, name) = warm_engine().await;
    engine.refuse_once(Operation::StartContainer, move || lost_folder(&name));
    let faulty = FaultyDocker::new(Arc::new(engine.clone()));
    let docker: Arc<dyn DockerApi> = Arc::new(faulty.clone());
    let volumes = DockerVolumeManager::new(Arc::clone(&docker));
    (
        engine,
        faulty,
        Executor::with_engine_as_is(docker, Arc::new(volumes), rebuilding()).without_instance(),
    )
}

/// Checks that nothing is left but the cache, when what was told of is taken away, and that the cache
/// can be used.
async fn assert_only_a_cache(engine: &FakeDocker, what: &str) {
    // What a dropped request brings comes within a second.
    sleep(Duration::from_secs(2)).await;
    for container in engine.containers() {
        engine.vanish_container(&container.id);
    }
    assert!(engine.volumes().len() <= 1, "{what}: {:?}", engine.volumes());
    // The folder may still be lost.
    let executor = executor_with(engine, rebuilding());
    let result = executor.job(&job()).run().await.unwrap();
    assert!(matches!(result.outcome, JobOutcome::Succeeded), "{what}: {:?}", result.outcome);
    assert_eq!(engine.volumes().len(), 1, "{what}: {:?}", engine.volumes());
}

#[tokio::test(start_paused = true)]
async fn a_job_that_makes_its_cache_anew_leaves_nothing_whatever_befalls_its_requests() {
    let calls = {
        let (_, faulty, executor) = lost().await;
        let result = executor.job(&job()).run().await.unwrap();
        assert!(matches!(result.outcome, JobOutcome::Succeeded), "{:?}", result.outcome);
        faulty.calls().len()
    };
    assert!(calls >= 16, "{calls}");
    let kinds = [FaultKind::Status(500), FaultKind::Lost, FaultKind::TimedOut];
    for (number, side) in (0..calls).flat_map(|number| Side::BOTH.map(|side| (number, side))) {
        for kind in kinds {
            let what = format!("{number} {side:?} {kind:?}");
            let (engine, faulty, executor) = lost().await;
            faulty.inject(Fault { site: Site::Nth(number), side, kind });
            let result = executor.job(&job()).run().await.unwrap();
            assert!(faulty.met() > 0, "{what} was never met");
            let told: Vec<_> = result.cleanup.failed.iter().map(|one| one.name.clone()).collect();
            let untold = engine.containers().into_iter().find(|one| !told.contains(&one.name));
            assert!(untold.is_none(), "{what}: {untold:?} of {told:?}");
            if let JobOutcome::Failed(reason) = &result.outcome {
                let FailureReason::System { .. } = reason else { panic!("{what}: {reason:?}") };
            }
            assert_only_a_cache(&engine, &what).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_makes_its_cache_anew_is_stopped_and_let_go_of_at_any_moment() {
    let (_, faulty, executor) = lost().await;
    executor.job(&job()).run().await.unwrap();
    let calls = faulty.calls();
    let removal = calls.iter().position(|call| call.operation == Operation::RemoveVolume).unwrap();
    for (number, side) in (0..calls.len()).flat_map(|number| Side::BOTH.map(|side| (number, side)))
    {
        for lets_go in [false, true] {
            let what = format!("{number} {side:?} {lets_go}");
            let (engine, faulty, executor) = lost().await;
            let (cancel, reached) = (Cancel::new(), Arc::new(Notify::new()));
            let (stop, passed) = (cancel.clone(), Arc::clone(&reached));
            faulty.on_call(move |call, at| {
                if (call.number, at) == (number, side) {
                    if lets_go { passed.notify_one() } else { stop.stop() }
                }
                Box::pin(std::future::ready(()))
            });
            let job = job();
            let run = executor.job(&job).cancel(&cancel).run();
            let result = tokio::select! {
                biased;
                () = reached.notified() => None,
                result = run => Some(result.unwrap()),
            };
            executor.idle().await;
            assert!(engine.containers().is_empty(), "{what}: {:?}", engine.containers());
            if let Some(result) = result.filter(|_| !lets_go) {
                assert!(result.cleanup.failed.is_empty(), "{what}: {:?}", result.cleanup);
            }
            if !lets_go && number < removal {
                let name = engine.volume_names().remove(0);
                assert_eq!(engine.volume_files(&name).len(), 1, "{what}: nobody wants it anew");
            }
            assert_only_a_cache(&engine, &what).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn of_jobs_that_have_lost_a_cache_together_none_takes_anothers_new_one_away() {
    let (engine, faulty, executor) = lost().await;
    let other = engine.clone();
    // Another job makes the cache anew while this one clears up, and fills it.
    faulty.on_call(move |call, side| {
        let other = other.clone();
        Box::pin(async move {
            if (call.operation, call.nth, side) == (Operation::RemoveContainer, 0, Side::After) {
                other.vanish_volume(&other.volume_names().remove(0).parse().unwrap());
                other.script_first(ScriptedRun::exits(0).writing("/cache/new"));
                run(&other).await;
            }
        })
    });
    let events = Events::default();
    let executor = executor.with_observer(Arc::new(events.clone()));
    let result = executor.job(&job()).run().await.unwrap();
    assert!(matches!(result.outcome, JobOutcome::Succeeded), "{:?}", result.outcome);
    assert_eq!(result.volumes.states(), [Some(VolumeState::Reused)]);
    let name = engine.volume_names().remove(0);
    assert_eq!(engine.volume_files(&name).into_iter().collect::<Vec<_>>(), ["new"]);
    assert_eq!(events.count("CacheRebuilt"), 0, "{:?}", events.texts());
}
