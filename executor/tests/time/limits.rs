//! Time limits of a job, its preparation and its steps.

use docker_api_trait::Operation;
use executor::{
    Cancel, FailureReason, NullSink,
    job::StepWhen,
    log::{LogEnd, Truncation},
    outcome::{Phase, StepOutcome, TimedPart},
};
use testkit::ScriptedRun;

use super::{assert_canceled, assert_timed_out, run};
use crate::common::{
    assert_clean, assert_succeeded, engine, executor, failure, fed, job, outcome, ran, run_and,
    seconds, step, step_when, with_after_script, words,
};

#[tokio::test(start_paused = true)]
async fn a_preparation_that_takes_too_long_is_given_up() {
    let engine = engine();
    engine.hold(Operation::CreateVolume);
    let mut job = with_after_script(job([step("a")]));
    job.volumes.push("/cache".to_owned());
    job.prepare_timeout = Some(seconds(20));
    let (result, took) = run(&engine, &job).await;
    assert_timed_out(&result, TimedPart::Prepare, 20);
    assert!(result.steps.is_empty());
    assert_eq!(result.log, LogEnd::Truncated(Truncation::NotStarted));
    // It may still finish the request that it is in.
    assert!(took <= seconds(26), "{took:?}");
    assert_clean(&engine, &result);
}

#[tokio::test(start_paused = true)]
async fn a_preparation_that_is_just_in_time_leaves_the_steps_alone() {
    let engine = engine();
    engine.script(ScriptedRun::exits(0).lasting(seconds(60)));
    let mut job = job([step("a")]);
    job.prepare_timeout = Some(seconds(20));
    assert_succeeded(&run(&engine, &job).await.0);
}

#[tokio::test(start_paused = true)]
async fn a_step_that_takes_too_long_is_stopped_and_what_asks_for_failures_runs() {
    let engine = engine();
    engine.script_next(ScriptedRun::never_ends());
    let mut slow = step("slow");
    slow.timeout = Some(seconds(30));
    let steps = [slow, step("next"), step_when("else", StepWhen::Failure)];
    let (result, took) = run(&engine, &with_after_script(job(steps))).await;
    assert_timed_out(&result, TimedPart::Step, 30);
    assert_eq!(ran(&result), ["slow", "else", "after_script"]);
    assert_eq!(took, seconds(30));
    assert_clean(&engine, &result);
}

#[tokio::test(start_paused = true)]
async fn a_step_that_may_fail_may_also_take_too_long() {
    let engine = engine();
    engine.script_next(ScriptedRun::never_ends());
    let mut slow = step("slow");
    (slow.timeout, slow.allow_failure) = (Some(seconds(30)), true);
    let (result, _) = run(&engine, &job([slow, step("next")])).await;
    assert_succeeded(&result);
    assert_eq!(words(&result), [("slow", "failed"), ("next", "succeeded")]);
}

#[tokio::test(start_paused = true)]
async fn a_script_that_takes_too_long_ends_the_steps_and_not_the_after_script() {
    let engine = engine();
    engine.script_next(ScriptedRun::exits(0).lasting(seconds(20)));
    engine.script_next(ScriptedRun::never_ends());
    let mut job = job([step("a"), step("b"), step_when("ever", StepWhen::Always)]);
    job.script_timeout = Some(seconds(30));
    let (result, took) = run(&engine, &with_after_script(job)).await;
    assert_timed_out(&result, TimedPart::Script, 30);
    assert_eq!(ran(&result), ["a", "b", "after_script"]);
    assert_eq!(took, seconds(30));
    assert_clean(&engine, &result);
}

#[tokio::test(start_paused = true)]
async fn an_after_script_that_takes_too_long_changes_nothing() {
    let engine = engine();
    engine.script_next(ScriptedRun::exits(0));
    engine.script_next(ScriptedRun::never_ends());
    let mut job = with_after_script(job([step("a")]));
    job.after_script_timeout = Some(seconds(30));
    let (result, took) = run(&engine, &job).await;
    assert_succeeded(&result);
    let StepOutcome::Failed(FailureReason::Timeout { what: TimedPart::AfterScript, .. }) =
        outcome(&result, "after_script")
    else {
        panic!("{:?}", result.steps)
    };
    assert_eq!(took, seconds(30));
    assert_clean(&engine, &result);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_takes_too_long_has_no_after_script() {
    let engine = engine();
    engine.script(ScriptedRun::never_ends());
    let mut job = with_after_script(job([step("a"), step_when("ever", StepWhen::Always)]));
    job.timeout = Some(seconds(30));
    let (result, took) = run(&engine, &job).await;
    assert_timed_out(&result, TimedPart::Job, 30);
    assert_eq!(ran(&result), ["a"]);
    assert_eq!(took, seconds(30));
    assert_clean(&engine, &result);
}

#[tokio::test(start_paused = true)]
async fn a_failed_job_whose_time_is_over_has_no_after_script() {
    let engine = engine();
    engine.script_next(ScriptedRun::exits(1));
    engine.script(ScriptedRun::never_ends());
    let mut job = with_after_script(job([step("a"), step_when("ever", StepWhen::Always)]));
    job.timeout = Some(seconds(30));
    let (result, _) = run(&engine, &job).await;
    assert!(matches!(
        failure(&result, Phase::Script, false),
        FailureReason::Script { exit_code: 1, .. }
    ));
    assert_eq!(ran(&result), ["a", "ever"]);
    assert_eq!(fed(&engine), ["a", "ever"]);
    assert_clean(&engine, &result);
}

#[tokio::test(start_paused = true)]
async fn the_jobs_time_is_that_of_the_after_script_too() {
    let engine = engine();
    engine.script_next(ScriptedRun::exits(0));
    engine.script(ScriptedRun::never_ends());
    let mut job = with_after_script(job([step("a")]));
    job.timeout = Some(seconds(30));
    let (result, took) = run(&engine, &job).await;
    assert_succeeded(&result);
    assert_eq!(outcome(&result, "after_script").as_str(), "failed");
    assert_eq!(took, seconds(30));
    assert_clean(&engine, &result);
}

#[tokio::test(start_paused = true)]
async fn an_after_script_runs_after_a_cancellation_and_not_after_a_kill_or_a_system_failure() {
    for (kill, expected) in [(false, vec!["a", "after_script"]), (true, vec!["a"])] {
        let engine = engine();
        engine.script_next(ScriptedRun::never_ends());
        let job = with_after_script(job([step("a"), step_when("ever", StepWhen::Always)]));
        let act = |cancel: &Cancel| if kill { cancel.kill() } else { cancel.stop() };
        let result = run_and(&executor(&engine), &job, NullSink, seconds(1), act).await;
        assert_canceled(&result, Phase::Script);
        assert_eq!(ran(&result), expected);
        assert_clean(&engine, &result);
    }
}
