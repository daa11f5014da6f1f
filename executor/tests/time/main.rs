//! Time limits and cancellation: what they end, what still runs, and that nothing is left.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;

mod cancel;
mod limits;
mod moments;
mod stop;

use std::time::Duration;

use common::{
    engine, executor, failure, image, job, run_and, seconds, step, step_when, with_after_script,
};
use docker_api_trait::{Health, HealthStatus};
use executor::{
    Cancel, FailureReason, JobResult, JobSpec, NullSink, ServiceSpec,
    job::StepWhen,
    outcome::{Phase, TimedPart},
};
use testkit::{FakeDocker, ScriptedRun};
use tokio::time::Instant;

async fn run(engine: &FakeDocker, job: &JobSpec) -> (JobResult, Duration) {
    let begin = Instant::now();
    let result = common::run(engine, job).await;
    (result, begin.elapsed())
}

async fn run_and_stop(engine: &FakeDocker, job: &JobSpec, after: u64) -> (JobResult, Duration) {
    let begin = Instant::now();
    let result = run_and(&executor(engine), job, NullSink, seconds(after), Cancel::stop).await;
    (result, begin.elapsed().saturating_sub(seconds(after)))
}

#[track_caller]
fn assert_timed_out(result: &JobResult, part: TimedPart, after: u64) {
    let phase = if part == TimedPart::Prepare { Phase::Prepare } else { Phase::Script };
    let FailureReason::Timeout { what, limit } = failure(result, phase, false) else {
        panic!("{:?}", result.outcome)
    };
    assert_eq!((*what, *limit), (part, seconds(after)));
}

#[track_caller]
fn assert_canceled(result: &JobResult, phase: Phase) {
    assert!(
        matches!(failure(result, phase, false), FailureReason::Canceled),
        "{:?}",
        result.outcome
    );
}

/// A job with all that there is: services, a helper, two kinds of volumes, an after-script.
fn large_job() -> JobSpec {
    let steps = [step("sources").in_helper(), step("build"), step_when("x", StepWhen::Always)];
    let mut job = with_after_script(job(steps));
    job.helper_image = Some(image("helper").into());
    job.volumes = vec!["/cache".to_owned()];
    job.services.push(ServiceSpec::new(image("db")));
    job
}

fn large_engine() -> FakeDocker {
    let healthy = Health::new(HealthStatus::Healthy);
    let engine = engine().with_registry_image("helper").with_image("db");
    let engine = engine.with_image_health("db", seconds(3), healthy);
    engine.script_for_image("db", ScriptedRun::never_ends());
    engine
}
