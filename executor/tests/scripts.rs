//! Scripts that were not planned, and jobs that only they use.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use common::{assert_clean, engine, executor, image, job, step, words};
use executor::{
    Cancel, FailureReason, JobOutcome, JobPlan, JobSpec, MemorySink, NullSink, PrepareFailure,
    PreparedJob, RunContext, Script, ScriptError, Trust, job::ContainerKind, job::JobError,
    outcome::TimedPart, plan,
};
use testkit::ScriptedRun;

fn without_steps() -> JobSpec {
    let mut job = JobSpec::with_steps("app", Trust::Trusted, image("busybox"), []);
    job.shells = vec![ContainerKind::Build, ContainerKind::Helper];
    job
}

fn planned(executor: &executor::Executor, job: &JobSpec) -> JobPlan {
    plan(job, executor.config(), &RunContext::draw()).unwrap()
}

async fn prepared(executor: &executor::Executor, job: &JobSpec) -> PreparedJob {
    executor.prepare(&planned(executor, job), &Cancel::new()).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_job_without_steps_runs_the_scripts_that_come() {
    let engine = engine();
    let executor = executor(&engine);
    let mut job = prepared(&executor, &without_steps()).await;
    assert_eq!(engine.containers().len(), 2);
    let log = MemorySink::new();
    for (name, container) in [("get", ContainerKind::Helper), ("build", ContainerKind::Build)] {
        engine.script_next(ScriptedRun::exits(0).prints_stdout(name));
        let script = Script::new(name, "true").unwrap();
        let result = executor
            .run_script(&mut job, container, &script, &mut log.clone(), &Cancel::new())
            .await
            .unwrap();
        assert_eq!((result.name.as_str(), result.container), (name, container));
        assert_eq!(result.outcome.exit_code(), Some(0));
    }
    assert_eq!(log.text(docker_api_trait::LogSource::Stdout), "getbuild");
    let result = executor.finish(job, &Cancel::new()).await;
    assert!(result.is_success(), "{:?}", result.outcome);
    assert_eq!(words(&result), [("get", "succeeded"), ("build", "succeeded")]);
    assert_clean(&engine, &result);
}

#[tokio::test(start_paused = true)]
async fn a_script_that_fails_or_takes_too_long_is_the_jobs_failure() {
    let engine = engine();
    let executor = executor(&engine);
    let mut job = prepared(&executor, &without_steps()).await;
    let mut run = async |run: ScriptedRun, script: Script| {
        engine.script_next(run);
        let (cancel, build) = (Cancel::new(), ContainerKind::Build);
        executor.run_script(&mut job, build, &script, &mut NullSink, &cancel).await.unwrap()
    };
    let script = |name| Script::new(name, "false").unwrap();
    run(ScriptedRun::exits(1), script("may").allowed_to_fail()).await;
    let slow = ScriptedRun::exits(0).lasting(Duration::from_hours(1));
    let late = run(slow, script("slow").with_timeout(Duration::from_secs(1))).await;
    assert!(format!("{:?}", late.outcome).contains("Timeout"), "{:?}", late.outcome);
    let result = executor.finish(job, &Cancel::new()).await;
    let JobOutcome::Failed(FailureReason::Timeout { what, .. }) = result.outcome else {
        panic!("{:?}", result.outcome)
    };
    assert_eq!(what, TimedPart::Step);
}

#[tokio::test(start_paused = true)]
async fn scripts_need_a_shell_and_a_name() {
    let engine = engine();
    let executor = executor(&engine);
    let mut job = prepared(&executor, &job([step("a")])).await;
    let script = |name: &str| Script::new(name, "true").unwrap();
    for (container, script, expected) in [
        (
            ContainerKind::Helper,
            script("b"),
            ScriptError::NoShell { container: ContainerKind::Helper },
        ),
        (ContainerKind::Build, script(""), ScriptError::Name { name: String::new() }),
        (ContainerKind::Build, script("a"), ScriptError::Name { name: "a".to_owned() }),
        (
            ContainerKind::Build,
            script("after_script"),
            ScriptError::Name { name: "after_script".to_owned() },
        ),
    ] {
        let refused =
            executor.run_script(&mut job, container, &script, &mut NullSink, &Cancel::new()).await;
        assert_eq!(refused.unwrap_err(), expected);
    }
    assert!(matches!(Script::new("nul", "a\0b"), Err(JobError::NulInCommand)));
    assert!(!format!("{:?}", script("x")).contains("true"), "a text may have secrets in it");
    // Nothing ran: the planned step is still missing.
    let remaining = executor.run_remaining_steps(&mut job, &mut NullSink, &Cancel::new()).await;
    assert_eq!(remaining.len(), 1);
    assert!(executor.run_remaining_steps(&mut job, &mut NullSink, &Cancel::new()).await.is_empty());
    let result = executor.finish(job, &Cancel::new()).await;
    assert!(result.is_success(), "{:?}", result.outcome);
}

#[tokio::test(start_paused = true)]
async fn the_run_id_is_known_before_the_job_runs() {
    let engine = engine();
    let executor = executor(&engine);
    let run = executor.job(&job([step("a")]));
    let id = run.run_id().to_owned();
    let result = run.run().await.unwrap();
    assert_eq!(result.run, id);
    let plan = planned(&executor, &job([step("a")]));
    assert_eq!(executor.planned_job(&plan).run_id(), plan.run);
}

#[test]
fn a_prepared_job_can_be_shared_and_a_failed_one_is_an_error() {
    fn shared<T: Send + Sync>() {}
    fn error<T: std::error::Error + Send + Sync>() {}
    shared::<PreparedJob>();
    error::<PrepareFailure>();
}

#[tokio::test(start_paused = true)]
async fn a_step_that_does_not_begin_in_time_is_the_jobs_failure() {
    let engine = engine();
    let executor = executor(&engine);
    let mut spec = job([step("a"), step("b")]);
    spec.script_timeout = Some(Duration::from_secs(1));
    let mut job = prepared(&executor, &spec).await;
    let (cancel, mut sink) = (Cancel::new(), NullSink);
    executor.run_step(&mut job, "a", &mut sink, &cancel).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let results = executor.run_remaining_steps(&mut job, &mut sink, &cancel).await;
    assert!(results[0].outcome.is_skipped(), "{results:?}");
    let result = executor.finish(job, &cancel).await;
    let JobOutcome::Failed(FailureReason::Timeout { what, .. }) = result.outcome else {
        panic!("{:?}", result.outcome)
    };
    assert_eq!(what, TimedPart::Script);
}
