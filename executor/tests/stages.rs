//! A job stage by stage, perhaps by several processes, on the fake engine.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{
    PanickingSink, Recorder, assert_clean, assert_succeeded, engine, executor, executor_with,
    failure, fed, image, job, program, seconds, step, step_when, with_after_script, words,
};
use docker_api_trait::{Input, LogChunk, Operation};
use executor::{
    Cancel, Executor, ExecutorConfig, FailureReason, JobPlan, JobResult, JobSpec, LogSink,
    NullSink, PreparedJob, RunContext, ServiceSpec, Variable,
    error::{ResumeError, UnknownStep},
    job::StepWhen,
    log::{LogEnd, Truncation},
    outcome::{Phase, StepOutcome, TimedPart},
    plan,
    report::JobReport,
    run::JobProgress,
};
use testkit::{FakeDocker, ScriptedRun};
use tokio::time::{Instant, sleep};
use volume_manager::Policy;

/// A job with a service, a helper, secrets, and temporary volumes.
fn large_job() -> JobSpec {
    let mut job = with_after_script(job([step("sources").in_helper(), step("a"), step("b")]));
    job.volumes = vec!["/builds".to_owned(), "/cache".to_owned()];
    job.services.push(ServiceSpec::new(image("db")));
    job.variables.push(Variable::new("TOKEN", "s3cret").unwrap().masked());
    job.variables.push(Variable::new("KEY", "k3y").unwrap().file());
    job
}

fn large_engine() -> FakeDocker {
    let engine = engine().with_image("db");
    engine.script_for_image("db", ScriptedRun::never_ends());
    engine
}

fn config() -> ExecutorConfig {
    let mut config = ExecutorConfig::new("ci");
    config.policy = Policy::default().with_cache_disabled(true);
    config
}

fn planned(job: &JobSpec) -> JobPlan {
    plan(job, &config(), &RunContext::draw()).unwrap()
}

/// The plan as another process gets it.
fn handed_on(plan: &JobPlan) -> JobPlan {
    let read: JobPlan = serde_json::from_str(&serde_json::to_string(plan).unwrap()).unwrap();
    assert_eq!(read, *plan);
    read
}

/// The progress of a job as another process gets it.
fn passed_on(job: &PreparedJob) -> JobProgress {
    serde_json::from_str(&serde_json::to_string(&job.progress()).unwrap()).unwrap()
}

/// The steps that a job lacked to be complete.
#[track_caller]
fn not_run(result: &JobResult, phase: Phase) -> Vec<String> {
    match failure(result, phase, false) {
        FailureReason::Incomplete { steps } => steps.clone(),
        other => panic!("{other:?}"),
    }
}

async fn prepared(executor: &Executor, plan: &JobPlan) -> PreparedJob {
    executor.prepare(plan, &Cancel::new()).await.unwrap()
}

async fn step_of(executor: &Executor, job: &mut PreparedJob, step: &str) -> String {
    let result = executor.run_step(job, step, &mut NullSink, &Cancel::new()).await.unwrap();
    result.outcome.as_str().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_job_can_be_run_stage_by_stage() {
    let engine = large_engine();
    let executor = executor_with(&engine, config());
    let plan = planned(&large_job());
    let mut job = prepared(&executor, &plan).await;
    assert_eq!((&*job.plan(), job.steps().len()), (&plan, 0));
    engine.script_next(ScriptedRun::exits(0).prints_stdout("<s3cret>"));
    let mut sink = Recorder::default();
    let result = executor.run_step(&mut job, "a", &mut sink, &Cancel::new()).await.unwrap();
    assert!(matches!(result.outcome, StepOutcome::Succeeded), "{result:?}");
    assert_eq!(sink.told()[0], "begin a");
    assert_eq!(step_of(&executor, &mut job, "sources").await, "succeeded");
    assert_eq!(step_of(&executor, &mut job, "b").await, "succeeded");
    assert!(!sink.told().concat().contains("s3cret"), "{:?}", sink.told());
    assert_eq!(step_of(&executor, &mut job, "after_script").await, "succeeded");
    let result = executor.finish(job, &Cancel::new()).await;
    assert_succeeded(&result);
    let expected = ["a", "sources", "b", "after_script"].map(|step| (step, "succeeded"));
    assert_eq!(words(&result), expected);
    assert!(engine.volumes().is_empty(), "{:?}", engine.volumes());
    assert_clean(&engine, &result);
}

#[tokio::test(start_paused = true)]
async fn which_steps_run_is_the_callers_to_say() {
    let engine = large_engine();
    let executor = executor_with(&engine, config());
    let mut job = prepared(&executor, &planned(&large_job())).await;
    engine.script_next(ScriptedRun::exits(4));
    for (step, expected) in [("a", "failed"), ("sources", "succeeded"), ("a", "succeeded")] {
        assert_eq!(step_of(&executor, &mut job, step).await, expected);
    }
    let unknown = executor.run_step(&mut job, "c", &mut NullSink, &Cancel::new()).await;
    assert!(matches!(unknown, Err(UnknownStep { .. })), "{unknown:?}");
    let result = executor.finish(job, &Cancel::new()).await;
    assert!(matches!(
        failure(&result, Phase::Script, false),
        FailureReason::Script { exit_code: 4, .. }
    ));
    assert_clean(&engine, &result);
}

#[tokio::test(start_paused = true)]
async fn another_process_carries_a_job_on_and_leaves_nothing() {
    let engine = large_engine();
    let plan = planned(&large_job());
    let first = executor_with(&engine, config());
    let mut job = prepared(&first, &plan).await;
    assert_eq!(step_of(&first, &mut job, "sources").await, "succeeded");
    let progress = passed_on(&job);
    // The process ends without a word.
    drop((job, first));
    assert_eq!(engine.containers().len(), 3);
    let (second, plan) = (executor_with(&engine, config()), handed_on(&plan));
    let mut job = second.resume_with(&plan, &progress).await.unwrap();
    for step in ["a", "b", "after_script"] {
        assert_eq!(step_of(&second, &mut job, step).await, "succeeded");
    }
    let result = second.finish(job, &Cancel::new()).await;
    assert_succeeded(&result);
    assert_eq!(fed(&engine), ["sources", "a", "b", "after"]);
    assert_eq!(engine.container_requests().len(), 3);
    assert!(engine.volumes().is_empty(), "{:?}", engine.volumes());
    assert_clean(&engine, &result);
}

#[tokio::test(start_paused = true)]
async fn a_process_for_each_stage_is_fine() {
    let engine = large_engine();
    let plan = planned(&large_job());
    let mut progress = passed_on(&prepared(&executor_with(&engine, config()), &plan).await);
    for step in ["sources", "a", "b"] {
        let executor = executor_with(&engine, config());
        let mut job = executor.resume_with(&handed_on(&plan), &progress).await.unwrap();
        assert_eq!(step_of(&executor, &mut job, step).await, "succeeded");
        progress = passed_on(&job);
    }
    let executor = executor_with(&engine, config());
    let job = executor.resume_with(&plan, &progress).await.unwrap();
    let result = executor.finish(job, &Cancel::new()).await;
    assert_succeeded(&result);
    assert_eq!(words(&result), ["sources", "a", "b"].map(|step| (step, "succeeded")));
    assert!(engine.volumes().is_empty(), "{:?}", engine.volumes());
    assert_clean(&engine, &result);
}

#[tokio::test(start_paused = true)]
async fn what_is_gone_or_has_ended_cannot_be_carried_on() {
    let plan = planned(&large_job());
    let not_prepared = |resumed: Result<PreparedJob, ResumeError>| match resumed {
        Err(ResumeError::NotPrepared { run, container }) => {
            assert_eq!(run, plan.run);
            container
        }
        other => panic!("{other:?}"),
    };
    // Nothing was prepared.
    let engine = large_engine();
    let executor = executor_with(&engine, config());
    let container = not_prepared(executor.resume(&plan).await);
    assert!(container.starts_with("berth-b1-"), "{container}");
    // One of two containers is gone.
    drop(prepared(&executor, &plan).await);
    let helper = engine.containers().into_iter().find(|one| one.name.starts_with("berth-h1-"));
    engine.vanish_container(&helper.unwrap().id);
    let container = not_prepared(executor.resume(&plan).await);
    assert!(container.starts_with("berth-h1-"), "{container}");
    // A job that was run is over.
    let engine = large_engine();
    let executor = executor_with(&engine, config());
    assert_succeeded(&executor.planned_job(&plan).run().await);
    not_prepared(executor.resume(&plan).await);
}

#[tokio::test(start_paused = true)]
async fn a_job_of_programs_is_carried_on_with_its_volumes_or_not_at_all() {
    let engine = engine();
    let mut job = job([program("a"), program("b")]);
    job.volumes = vec!["/cache".to_owned()];
    let plan = planned(&job);
    let executor = executor_with(&engine, config());
    let mut job = prepared(&executor, &plan).await;
    assert_eq!(step_of(&executor, &mut job, "a").await, "succeeded");
    drop(job);
    let mut job = executor.resume(&handed_on(&plan)).await.unwrap();
    assert_eq!(step_of(&executor, &mut job, "b").await, "succeeded");
    assert!(engine.container_requests().iter().all(|request| request.mounts.len() == 1));
    let result = executor.finish(job, &Cancel::new()).await;
    assert!(engine.volumes().is_empty(), "{:?}", engine.volumes());
    assert_clean(&engine, &result);
    let gone = executor.resume(&plan).await;
    assert!(matches!(gone, Err(ResumeError::NotPrepared { .. })), "{gone:?}");
}

#[tokio::test(start_paused = true)]
async fn a_prepared_shell_outlives_its_client_and_one_of_a_whole_run_does_not() {
    let engine = large_engine();
    let executor = executor_with(&engine, config());
    drop(prepared(&executor, &planned(&large_job())).await);
    let inputs = |engine: &FakeDocker| {
        let requests = engine.container_requests();
        let shells =
            requests.iter().filter(|request| request.labels["dev.berth.kind"] != "service");
        shells.map(|request| request.input).collect::<Vec<_>>()
    };
    assert_eq!(inputs(&engine), [Input::Kept, Input::Kept]);
    sleep(seconds(3600)).await;
    let states: Vec<_> = engine.containers().iter().map(|one| one.status.as_str()).collect();
    assert_eq!(states, ["running"; 3]);
    // A run that goes away with its process cleans nothing up, but its shells end.
    let engine = common::engine();
    engine.script(ScriptedRun::exits(0).lasting(seconds(5)));
    let executor = common::executor(&engine);
    let job = job([step("a")]);
    let cancel = Cancel::new();
    let run = executor.planned_job(&planned(&job)).cancel(&cancel).run_unsupervised();
    assert!(tokio::time::timeout(seconds(1), run).await.is_err());
    assert_eq!(inputs(&engine), [Input::Once]);
    sleep(seconds(10)).await;
    assert_eq!(engine.containers()[0].status.as_str(), "exited");
}

#[tokio::test(start_paused = true)]
async fn a_preparation_that_fails_is_a_result_and_cleans_up() {
    let engine = FakeDocker::new();
    let executor = executor_with(&engine, config());
    let refused = executor.prepare(&planned(&large_job()), &Cancel::new()).await.unwrap_err();
    assert!(refused.to_string().contains("could not be prepared: the image"), "{refused}");
    let result = refused.into_result();
    assert!(
        matches!(failure(&result, Phase::Prepare, false), FailureReason::ImagePull { .. }),
        "{:?}",
        result.outcome
    );
    assert_eq!(result.log, LogEnd::Truncated(Truncation::NotStarted));
    assert!(engine.volumes().is_empty(), "{:?}", engine.volumes());
    assert_clean(&engine, &result);
}

#[tokio::test(start_paused = true)]
async fn a_step_of_a_cancelled_job_does_not_begin_and_its_after_script_does() {
    let engine = large_engine();
    let executor = executor_with(&engine, config());
    let mut job = prepared(&executor, &planned(&large_job())).await;
    let cancel = Cancel::new();
    cancel.stop();
    let result = executor.run_step(&mut job, "a", &mut NullSink, &cancel).await.unwrap();
    assert!(matches!(result.outcome, StepOutcome::Failed(FailureReason::Canceled)), "{result:?}");
    assert_eq!(result.log, LogEnd::Truncated(Truncation::NotStarted));
    executor.run_step(&mut job, "after_script", &mut NullSink, &cancel).await.unwrap();
    assert_eq!(fed(&engine), ["after"]);
    let result = executor.finish(job, &cancel).await;
    assert!(
        matches!(failure(&result, Phase::Script, false), FailureReason::Canceled),
        "{:?}",
        result.outcome
    );
    assert_clean(&engine, &result);
}

#[tokio::test(start_paused = true)]
async fn each_stage_keeps_its_time_limit() {
    let engine = large_engine();
    let executor = executor_with(&engine, config());
    let mut spec = large_job();
    spec.steps[1].timeout = Some(seconds(20));
    spec.after_script_timeout = Some(seconds(30));
    let mut job = prepared(&executor, &planned(&spec)).await;
    engine.script(ScriptedRun::never_ends());
    for (step, part, limit) in
        [("a", TimedPart::Step, 20), ("after_script", TimedPart::AfterScript, 30)]
    {
        let begin = Instant::now();
        let result = executor.run_step(&mut job, step, &mut NullSink, &Cancel::new()).await;
        let result = result.unwrap();
        let StepOutcome::Failed(FailureReason::Timeout { what, .. }) = &result.outcome else {
            panic!("{result:?}")
        };
        assert_eq!((*what, begin.elapsed()), (part, seconds(limit)));
    }
    let result = executor.finish(job, &Cancel::new()).await;
    assert_clean(&engine, &result);
}

#[tokio::test(start_paused = true)]
async fn a_shell_that_a_step_killed_is_started_again_for_the_next_stage() {
    let engine = large_engine();
    let executor = executor_with(&engine, config());
    let mut job = prepared(&executor, &planned(&large_job())).await;
    engine.script_next(ScriptedRun::exits(137).kills_shell());
    assert_eq!(step_of(&executor, &mut job, "a").await, "failed");
    assert_eq!(step_of(&executor, &mut job, "b").await, "succeeded");
    let starts = engine.calls().into_iter().filter(|call| *call == Operation::StartContainer);
    assert_eq!(starts.count(), 4);
    let result = executor.finish(job, &Cancel::new()).await;
    assert!(matches!(
        failure(&result, Phase::Script, false),
        FailureReason::Script { exit_code: 137, .. }
    ));
    assert_clean(&engine, &result);
}

#[tokio::test(start_paused = true)]
async fn a_written_plan_holds_what_another_process_needs_and_debug_output_does_not_show_it() {
    let plan = planned(&large_job());
    assert!(serde_json::to_string(&plan).unwrap().contains("s3cret"));
    assert!(!format!("{plan:?}").contains("s3cret"));
    let engine = large_engine();
    let executor = executor(&engine);
    let job = executor.prepare(&handed_on(&plan), &Cancel::new()).await.unwrap();
    assert!(!format!("{job:?}").contains("s3cret"));
    let result = executor.finish(job, &Cancel::new()).await;
    assert_clean(&engine, &result);
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_steps_did_not_all_run_is_incomplete() {
    let engine = large_engine();
    let executor = executor_with(&engine, config());
    let job = prepared(&executor, &planned(&large_job())).await;
    let result = executor.finish(job, &Cancel::new()).await;
    assert_eq!(not_run(&result, Phase::Start), ["sources", "a", "b"]);
    assert_clean(&engine, &result);
    // The after-script and what asks for a failure need not run.
    let mut spec = large_job();
    spec.steps.push(step_when("on-failure", StepWhen::Failure));
    spec.steps.push(step_when("always", StepWhen::Always));
    let mut job = prepared(&executor, &planned(&spec)).await;
    for step in ["sources", "b"] {
        assert_eq!(step_of(&executor, &mut job, step).await, "succeeded");
    }
    let result = executor.finish(job, &Cancel::new()).await;
    assert_eq!(not_run(&result, Phase::Script), ["a", "always"]);
    let report = JobReport::from(&result);
    assert_eq!(
        report.failure_reason.map(executor::outcome::FailureKind::as_str),
        Some("job_incomplete")
    );
    assert_eq!(report.steps_not_run, ["a", "always"]);
    assert_eq!(
        report.error.as_deref(),
        Some("the job ended before these steps had run: a, always")
    );
    assert_clean(&engine, &result);
}

#[tokio::test(start_paused = true)]
async fn a_job_stopped_between_its_stages_is_canceled() {
    let engine = large_engine();
    let executor = executor_with(&engine, config());
    for ran in [&[][..], &["sources", "a"]] {
        let mut job = prepared(&executor, &planned(&large_job())).await;
        for step in ran {
            assert_eq!(step_of(&executor, &mut job, step).await, "succeeded");
        }
        let cancel = Cancel::new();
        cancel.stop();
        let result = executor.finish(job, &cancel).await;
        let phase = if ran.is_empty() { Phase::Start } else { Phase::Script };
        let reason = failure(&result, phase, false);
        assert!(matches!(reason, FailureReason::Canceled), "{reason:?}");
        assert_clean(&engine, &result);
    }
    // All that had to run has run.
    let mut job = prepared(&executor, &planned(&large_job())).await;
    for step in ["sources", "a", "b"] {
        assert_eq!(step_of(&executor, &mut job, step).await, "succeeded");
    }
    let cancel = Cancel::new();
    cancel.stop();
    assert_succeeded(&executor.finish(job, &cancel).await);
}

#[tokio::test(start_paused = true)]
async fn a_failure_in_one_process_is_the_outcome_in_the_next() {
    let engine = large_engine();
    let plan = planned(&large_job());
    let first = executor_with(&engine, config());
    let mut job = prepared(&first, &plan).await;
    engine.script_next(ScriptedRun::exits(3));
    assert_eq!(step_of(&first, &mut job, "sources").await, "failed");
    let progress = passed_on(&job);
    drop((job, first));
    // With the progress it is that failure, without it nothing is known.
    let second = executor_with(&engine, config());
    let job = second.resume(&plan).await.unwrap();
    drop(job);
    let job = second.resume_with(&plan, &progress).await.unwrap();
    let result = second.finish(job, &Cancel::new()).await;
    let reason = failure(&result, Phase::Script, false);
    assert!(matches!(reason, FailureReason::Script { exit_code: 3, .. }), "{reason:?}");
    assert_eq!(words(&result), [("sources", "failed")]);
    assert_clean(&engine, &result);
    let plan = planned(&large_job());
    drop(prepared(&second, &plan).await);
    let job = second.resume(&plan).await.unwrap();
    let result = second.finish(job, &Cancel::new()).await;
    assert_eq!(not_run(&result, Phase::Start), ["sources", "a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_cannot_be_resumed_can_be_abandoned() {
    let engine = large_engine();
    let plan = planned(&large_job());
    let executor = executor_with(&engine, config());
    drop(prepared(&executor, &plan).await);
    let helper = engine.containers().into_iter().find(|one| one.name.starts_with("berth-h1-"));
    engine.vanish_container(&helper.unwrap().id);
    for _ in 0..2 {
        let error = executor.resume(&plan).await.unwrap_err();
        assert!(matches!(error, ResumeError::NotPrepared { .. }), "{error:?}");
        assert_eq!(engine.containers().len(), 2, "a resume that fails changes nothing");
    }
    let report = executor.abandon(&plan, &Cancel::new()).await;
    assert!(report.failed.is_empty(), "{report:?}");
    let mut kinds: Vec<_> = report.removed.iter().map(|one| one.kind.as_str()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds, ["container", "network", "volume"]);
    let left = (engine.containers(), engine.networks(), engine.volumes());
    assert!(left.0.is_empty() && left.1.is_empty() && left.2.is_empty(), "{left:?}");
    let again = executor.abandon(&plan, &Cancel::new()).await;
    assert!(again.failed.is_empty(), "{again:?}");
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_panics_in_a_stage_fails_its_step() {
    let engine = large_engine();
    let executor = executor_with(&engine, config());
    let mut job = prepared(&executor, &planned(&large_job())).await;
    engine.script_next(ScriptedRun::never_ends().prints_stdout("x"));
    let result = executor.run_step(&mut job, "a", &mut PanickingSink, &Cancel::new()).await;
    let result = result.unwrap();
    assert!(
        matches!(result.outcome, StepOutcome::Failed(FailureReason::System { .. })),
        "{result:?}"
    );
    assert_eq!(result.log, LogEnd::Truncated(Truncation::Panicked("boom".to_owned())));
    // The container is not left with the first script.
    assert_eq!(step_of(&executor, &mut job, "b").await, "succeeded");
    let result = executor.finish(job, &Cancel::new()).await;
    assert_clean(&engine, &result);
}

/// Counts its calls, and fails each.
#[derive(Debug, Default)]
struct Broken(usize);

#[async_trait::async_trait]
impl LogSink for Broken {
    async fn write(&mut self, _chunk: &LogChunk) -> std::io::Result<()> {
        self.0 += 1;
        Err(std::io::Error::other("the disk is full"))
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_sink_gets_no_more_stage_by_stage() {
    let engine = engine();
    let executor = executor(&engine);
    let plan = planned(&job([step("a"), step("b")]));
    let mut job = prepared(&executor, &plan).await;
    let mut sink = Broken::default();
    for name in ["a", "b"] {
        engine.script_next(ScriptedRun::exits(0).prints_stdout("words"));
        let step = executor.run_step(&mut job, name, &mut sink, &Cancel::new()).await.unwrap();
        let LogEnd::Truncated(Truncation::Sink(why)) = &step.log else { panic!("{step:?}") };
        assert_eq!((step.outcome.as_str(), why.as_str()), ("succeeded", "the disk is full"));
    }
    assert_eq!(sink.0, 1);
    assert_succeeded(&executor.finish(job, &Cancel::new()).await);
}
