//! Whole jobs on the fake engine: what they leave, and how they end.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{io, sync::Arc, time::Duration};

use async_trait::async_trait;
use docker_api_trait::{
    ApiError, DockerApi, ImageReference, LogChunk, LogSource, Operation, Volume,
};
use executor::{
    Cancel, Command, Executor, ExecutorConfig, FailureReason, JobOutcome, JobResult, JobSpec,
    LogSink, MemorySink, NullSink, RunContext,
    error::{CleanupError, PrepareError, RunError, StepError},
    log::{LogEnd, Truncation},
    outcome::Phase,
    plan,
    report::JobReport,
};
use testkit::{FakeDocker, ScriptedRun};
use tokio::time::{Instant, sleep};
use volume_manager::{DockerVolumeManager, Policy, Trust, VolumeDriver, VolumeError, VolumeState};

fn engine() -> FakeDocker {
    FakeDocker::new().with_image("busybox")
}

fn executor(engine: &FakeDocker) -> Executor {
    executor_with(engine, ExecutorConfig::new("ci"))
}

fn executor_with(engine: &FakeDocker, config: ExecutorConfig) -> Executor {
    let docker: Arc<dyn DockerApi> = Arc::new(engine.clone());
    let volumes = DockerVolumeManager::new(Arc::clone(&docker));
    Executor::with_engine_as_is(docker, Arc::new(volumes), config).without_instance()
}

fn image(name: &str) -> ImageReference {
    name.parse().unwrap()
}

fn job() -> JobSpec {
    let command = Command::script("make").unwrap();
    let mut job = JobSpec::new("app", Trust::Trusted, image("busybox"), command);
    job.volumes.push("/cache".to_owned());
    job
}

async fn run(engine: &FakeDocker) -> JobResult {
    executor(engine).job(&job()).run().await.unwrap()
}

/// Runs the job and asks it to stop after a second.
async fn run_and_stop(engine: &FakeDocker, sink: Box<dyn LogSink>, kill: bool) -> JobResult {
    let cancel = Cancel::new();
    let stop = async {
        sleep(Duration::from_secs(1)).await;
        if kill { cancel.kill() } else { cancel.stop() }
    };
    let executor = executor(engine);
    let job = job();
    tokio::join!(executor.job(&job).sink(sink).cancel(&cancel).run(), stop).0.unwrap()
}

#[track_caller]
fn assert_clean(engine: &FakeDocker, result: &JobResult) {
    assert!(engine.containers().is_empty(), "{:?}", engine.containers());
    assert!(result.cleanup.failed.is_empty(), "{:?}", result.cleanup);
}

#[tokio::test(start_paused = true)]
async fn a_script_that_succeeds_is_a_success_and_leaves_its_cache() {
    let engine = engine();
    let result = run(&engine).await;
    assert!(matches!(result.outcome, JobOutcome::Succeeded), "{:?}", result.outcome);
    assert_eq!(result.log, LogEnd::Complete);
    assert_eq!(engine.volumes().len(), 1);
    assert_clean(&engine, &result);
}

#[tokio::test(start_paused = true)]
async fn a_script_that_fails_is_an_outcome_with_its_exit_code() {
    let engine = engine();
    engine.script(ScriptedRun::exits(3));
    let result = run(&engine).await;
    let JobOutcome::Failed(FailureReason::Script { exit_code: 3, .. }) = result.outcome else {
        panic!("{:?}", result.outcome)
    };
    assert_clean(&engine, &result);
}

#[tokio::test(start_paused = true)]
async fn reuses_the_cache_volume_across_jobs_of_one_project() {
    let engine = engine();
    assert_eq!(run(&engine).await.volumes.states(), [Some(VolumeState::Created)]);
    assert_eq!(run(&engine).await.volumes.states(), [Some(VolumeState::Reused)]);
    for (project, trust) in [("other", Trust::Trusted), ("app", Trust::Untrusted)] {
        let mut job = job();
        (job.project, job.trust) = (project.to_owned(), trust);
        let result = executor(&engine).job(&job).run().await.unwrap();
        assert_eq!(result.volumes.states(), [Some(VolumeState::Created)], "{project} {trust:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_outputs_are_kept_apart_and_delivered_whole() {
    let engine = engine();
    engine.script(ScriptedRun::exits(0).prints_stdout("one").prints_stderr("two"));
    let sink = MemorySink::new();
    let result = executor(&engine).job(&job()).sink(sink.clone()).run().await.unwrap();
    assert_eq!(result.log, LogEnd::Complete);
    assert_eq!(sink.text(LogSource::Stdout), "one");
    assert_eq!(sink.text(LogSource::Stderr), "two");
}

#[tokio::test(start_paused = true)]
async fn a_warm_job_sends_ten_requests_in_the_order_that_loses_nothing() {
    let engine = engine();
    for other in 0..50 {
        engine.insert_volume(Volume::local(format!("other-{other}")));
    }
    run(&engine).await;
    let before = engine.calls().len();
    let result = run(&engine).await;
    assert_eq!(
        engine.calls()[before..],
        [
            Operation::Version,
            Operation::Info,
            Operation::CreateVolume,
            Operation::CreateContainer,
            Operation::AttachContainer,
            Operation::WaitContainer,
            Operation::InspectVolume,
            Operation::InspectPath,
            Operation::StartContainer,
            Operation::RemoveContainer,
        ]
    );
    assert_eq!(result.api_requests, 10);
}

#[tokio::test(start_paused = true)]
async fn a_fresh_cache_is_opened_before_the_start_and_an_open_one_looked_at() {
    let engine = engine();
    let between = |calls: &[Operation]| {
        let begin = calls.iter().position(|call| *call == Operation::CreateContainer).unwrap();
        let end = calls.iter().position(|call| *call == Operation::StartContainer).unwrap();
        let listens = [Operation::AttachContainer, Operation::WaitContainer];
        let calls = calls[begin + 1..end].iter().copied();
        calls.filter(|call| !listens.contains(call)).collect::<Vec<_>>()
    };
    run(&engine).await;
    let cold = engine.calls();
    assert_eq!(
        between(&cold),
        [Operation::InspectPath, Operation::DownloadArchive, Operation::UploadArchive]
    );
    let name = engine.volume_names().remove(0);
    assert_eq!(engine.volume_root(&name).unwrap().mode, 0o777);
    run(&engine).await;
    assert_eq!(
        between(&engine.calls()[cold.len()..]),
        [Operation::InspectVolume, Operation::InspectPath]
    );
}

#[tokio::test(start_paused = true)]
async fn a_volumes_secrets_are_not_in_what_the_engine_says_of_it() {
    let engine = engine();
    let mut config = ExecutorConfig::new("ci");
    let driver = VolumeDriver::new("local")
        .with_option("type", "cifs")
        .with_option("device", "//host/share")
        .with_option("o", "username=u,password=hunter2");
    config.policy = Policy::default().with_driver(driver);
    for operation in
        [Operation::CreateVolume, Operation::CreateContainer, Operation::StartContainer]
    {
        engine.refuse_once(operation, || {
            let words = "failed to mount: data: username=u,password=hunter2: permission denied";
            ApiError::from_status(Operation::StartContainer, 500, words)
        });
        let executor = executor_with(&engine, config.clone());
        let result = executor.job(&job()).run().await.unwrap();
        let report = serde_json::to_string(&JobReport::from(&result)).unwrap();
        assert!(report.contains("password=…") && !report.contains("hunter2"), "{report}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cache_that_stays_closed_is_a_warning_and_no_failure() {
    let engine = engine();
    engine.refuse(Operation::UploadArchive, || {
        ApiError::from_status(Operation::UploadArchive, 500, "disk on fire")
    });
    assert!(matches!(run(&engine).await.outcome, JobOutcome::Succeeded));
}

#[tokio::test(start_paused = true)]
async fn a_missing_image_is_pulled_and_one_that_nobody_has_is_a_pull_failure() {
    let engine = FakeDocker::new().with_registry_image("busybox");
    assert!(matches!(run(&engine).await.outcome, JobOutcome::Succeeded));
    let engine = FakeDocker::new();
    let result = run(&engine).await;
    assert!(
        matches!(result.outcome, JobOutcome::Failed(FailureReason::ImagePull { .. })),
        "{:?}",
        result.outcome
    );
    assert_clean(&engine, &result);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_takes_too_long_is_stopped() {
    let engine = engine();
    engine.script(ScriptedRun::never_ends());
    let mut job = job();
    job.timeout = Some(Duration::from_secs(5));
    let result = executor(&engine).job(&job).run().await.unwrap();
    assert!(
        matches!(result.outcome, JobOutcome::Failed(FailureReason::Timeout { .. })),
        "{:?}",
        result.outcome
    );
    assert_eq!(result.log, LogEnd::Truncated(Truncation::Interrupted));
    assert_clean(&engine, &result);
}

#[tokio::test(start_paused = true)]
async fn a_stopped_job_gets_its_grace_and_a_killed_one_does_not() {
    for (kill, least, most) in [(false, 10, 12), (true, 0, 2)] {
        let engine = engine();
        engine.script(ScriptedRun::never_ends().ignoring_stop());
        let begin = Instant::now();
        let result = run_and_stop(&engine, Box::new(NullSink), kill).await;
        assert!(
            matches!(result.outcome, JobOutcome::Failed(FailureReason::Canceled)),
            "{:?}",
            result.outcome
        );
        let took = begin.elapsed().as_secs();
        assert!((least..=most).contains(&took), "kill {kill}: {took} s");
        assert_clean(&engine, &result);
    }
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_cannot_be_reached_is_a_system_failure_with_nothing_to_clean() {
    let engine = engine();
    engine.unreachable();
    let result = run(&engine).await;
    let JobOutcome::Failed(reason @ FailureReason::System { error }) = &result.outcome else {
        panic!("{:?}", result.outcome)
    };
    assert!(
        matches!(**error, RunError::Prepare(PrepareError::Engine(ApiError::Unreachable { .. }))),
        "{error:?}"
    );
    assert!(reason.is_retryable() && error.hint().is_some());
    assert_eq!(result.phase, Phase::Connect);
    assert!(result.cleanup.failed.is_empty(), "{:?}", result.cleanup);
}

#[tokio::test(start_paused = true)]
async fn a_container_whose_creation_got_no_reply_is_found_and_removed() {
    let engine = engine();
    engine.lose_reply_once(Operation::CreateContainer);
    let result = run(&engine).await;
    let JobOutcome::Failed(reason @ FailureReason::System { error }) = &result.outcome else {
        panic!("{:?}", result.outcome)
    };
    let operation = Operation::CreateContainer;
    assert!(
        matches!(&**error, RunError::Prepare(PrepareError::Engine(ApiError::Lost { operation: of, .. })) if *of == operation),
        "{error:?}"
    );
    assert!(reason.is_retryable());
    assert_eq!(result.phase, Phase::Prepare);
    assert_eq!(result.cleanup.removed.len(), 1);
    assert_clean(&engine, &result);
}

#[tokio::test(start_paused = true)]
async fn a_strangers_volume_is_refused_before_any_container_is_made() {
    let engine = engine();
    let name = run(&engine).await.volumes.volumes[0].name().to_owned();
    engine.vanish_volume(&name.parse().unwrap());
    let mut stranger = Volume::local(name);
    stranger.options.insert("device".to_owned(), "/etc".to_owned());
    engine.insert_volume(stranger);
    let before = engine.container_requests().len();
    let result = run(&engine).await;
    let JobOutcome::Failed(FailureReason::System { error }) = &result.outcome else {
        panic!("{:?}", result.outcome)
    };
    assert!(
        matches!(**error, RunError::Prepare(PrepareError::Volumes(VolumeError::Mismatch { .. }))),
        "{error:?}"
    );
    assert_eq!(engine.container_requests().len(), before);
}

#[tokio::test(start_paused = true)]
async fn a_container_that_somebody_removes_is_never_a_success() {
    let engine = engine();
    engine.script(ScriptedRun::never_ends());
    let thief = async {
        sleep(Duration::from_secs(1)).await;
        engine.vanish_container(&engine.containers()[0].id);
    };
    let (result, ()) = tokio::join!(run(&engine), thief);
    let JobOutcome::Failed(reason @ FailureReason::System { error }) = &result.outcome else {
        panic!("{:?}", result.outcome)
    };
    assert!(matches!(**error, RunError::Step(StepError::ContainerVanished { .. })), "{error:?}");
    assert!(reason.is_retryable());
    assert_eq!(result.phase, Phase::Script);
    assert_clean(&engine, &result);
}

#[tokio::test(start_paused = true)]
async fn temporary_volumes_go_whatever_the_outcome() {
    for code in [0, 1] {
        let engine = engine();
        engine.script(ScriptedRun::exits(code));
        let mut config = ExecutorConfig::new("ci");
        config.policy = Policy::default().with_cache_disabled(true);
        let executor = executor_with(&engine, config);
        let result = executor.job(&job()).run().await.unwrap();
        assert_eq!(result.cleanup.removed.len(), 2);
        assert!(engine.volumes().is_empty());
        assert_clean(&engine, &result);
    }
}

/// Fails, or never returns.
#[derive(Debug)]
struct BadSink {
    stalls: bool,
}

#[async_trait]
impl LogSink for BadSink {
    async fn write(&mut self, _chunk: &LogChunk) -> io::Result<()> {
        if self.stalls {
            std::future::pending::<()>().await;
        }
        Err(io::Error::other("the disk is full"))
    }
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_fails_does_not_fail_the_job_but_the_log_says_so() {
    let engine = engine();
    engine.script(ScriptedRun::exits(0).prints_stdout("one"));
    let sink = Box::new(BadSink { stalls: false });
    let result = executor(&engine).job(&job()).sink(sink).run().await.unwrap();
    assert!(matches!(result.outcome, JobOutcome::Succeeded), "{:?}", result.outcome);
    assert!(matches!(result.log, LogEnd::Truncated(Truncation::Sink(_))), "{:?}", result.log);
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_stalls_does_not_keep_a_job_from_being_stopped() {
    let engine = engine();
    engine.script(ScriptedRun::never_ends().prints_stdout("one"));
    let result = run_and_stop(&engine, Box::new(BadSink { stalls: true }), false).await;
    assert!(
        matches!(result.outcome, JobOutcome::Failed(FailureReason::Canceled)),
        "{:?}",
        result.outcome
    );
    assert_clean(&engine, &result);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_removed_is_reported_and_does_not_change_the_outcome() {
    let engine = engine();
    engine.refuse(Operation::RemoveContainer, || {
        ApiError::from_status(Operation::RemoveContainer, 500, "device busy")
    });
    let result = run(&engine).await;
    assert!(matches!(result.outcome, JobOutcome::Succeeded), "{:?}", result.outcome);
    let [failed] = &result.cleanup.failed[..] else { panic!("{:?}", result.cleanup) };
    assert!(
        matches!(failed.error, CleanupError::Engine(ApiError::Engine { status: 500, .. })),
        "{failed:?}"
    );
    let report = serde_json::to_value(JobReport::from(&result)).unwrap();
    assert_eq!(report["cleanup"]["not_removed"][0]["kind"], "container");
    assert_eq!(report["outcome"], "succeeded");
}

#[tokio::test(start_paused = true)]
async fn the_report_says_how_it_ended_in_gitlabs_words() {
    let engine = engine();
    engine.script(ScriptedRun::exits(3));
    let report = serde_json::to_value(JobReport::from(&run(&engine).await)).unwrap();
    assert_eq!(report["schema"], 1);
    assert_eq!(report["outcome"], "failed");
    assert_eq!(report["exit_code"], 3);
    assert_eq!(report["failure_reason"], "script_failure");
    assert_eq!(report["volumes"][0]["destination"], "/cache");
    assert_eq!(report["volumes"][0]["kind"], "cache");
    assert_eq!(report["volumes"][0]["state"], "created");
    assert_eq!(report["cleanup"]["removed"][0]["kind"], "container");
}

#[tokio::test(start_paused = true)]
async fn among_the_hosts_processes_a_job_is_killed_and_not_asked() {
    // To ask is to signal every process that can be seen; then what is left is looked for.
    for (mode, asked) in [(None, 2), (Some("host"), 0), (Some("container:x"), 0)] {
        let engine = engine();
        engine.script(ScriptedRun::never_ends());
        let mut config = ExecutorConfig::new("ci");
        config.containers.host.pid_mode = mode.map(str::to_owned);
        let mut job = job();
        job.timeout = Some(Duration::from_secs(5));
        let executor = executor_with(&engine, config);
        let result = executor.job(&job).run().await.unwrap();
        let outcome = &result.outcome;
        let timed_out = matches!(outcome, JobOutcome::Failed(FailureReason::Timeout { .. }));
        assert!(timed_out, "{outcome:?}");
        assert_eq!(engine.exec_requests().len(), asked, "{mode:?}");
        assert!(engine.containers().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_can_be_spawned_whole_or_stage_by_stage() {
    let engine = engine();
    let executor = executor(&engine);
    let whole = tokio::spawn({
        let executor = executor.clone();
        async move { executor.job(&job()).run().await }
    });
    let staged = tokio::spawn(async move {
        let plan = plan(&job(), executor.config(), &RunContext::draw()).unwrap();
        let cancel = Cancel::new();
        let mut prepared = executor.prepare(&plan, &cancel).await.unwrap();
        executor.run_step(&mut prepared, "script", &mut NullSink, &cancel).await.unwrap();
        let progress = prepared.progress();
        drop(prepared);
        let prepared = executor.resume_with(&plan, &progress).await.unwrap();
        executor.finish(prepared, &cancel).await
    });
    assert!(matches!(whole.await.unwrap().unwrap().outcome, JobOutcome::Succeeded));
    assert!(matches!(staged.await.unwrap().outcome, JobOutcome::Succeeded));
    assert!(engine.containers().is_empty());
}
