//! Time limits and cancellation: what they end, what still runs, and that nothing is left.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use common::{
    Events, Recorder, StalledSink, assert_clean, assert_succeeded, engine, error, executor,
    executor_with, failure, fed, image, job, outcome, program, ran, run_and, run_and_after_polls,
    seconds, step, step_when, with_after_script, words,
};
use docker_api_trait::{ApiError, Health, HealthStatus, Operation};
use executor::{
    Cancel, ExecutorConfig, FailureReason, JobResult, JobSpec, NullSink, ServiceSpec,
    error::{CleanupError, RunError, StepError},
    job::StepWhen,
    log::{LogEnd, Truncation},
    outcome::{Phase, StepOutcome, TimedPart},
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

#[tokio::test(start_paused = true)]
async fn a_step_that_heeds_the_request_to_stop_keeps_its_container() {
    let engine = engine();
    engine.script_next(ScriptedRun::never_ends());
    let (result, took) = run_and_stop(&engine, &with_after_script(job([step("a")])), 1).await;
    assert_canceled(&result, Phase::Script);
    assert_eq!(took, Duration::ZERO);
    let request = &engine.exec_requests()[0];
    assert_eq!(request.command, ["sh", "-c", "kill -TERM -1"]);
    // The container's own user: another one could not signal its processes.
    assert_eq!(request.user, None);
    assert!(!engine.calls().contains(&Operation::KillContainer));
    assert_clean(&engine, &result);
}

#[tokio::test(start_paused = true)]
async fn a_step_that_ignores_the_request_is_killed_after_its_grace_and_its_container_started_again()
{
    let engine = engine();
    engine.script_next(ScriptedRun::never_ends().ignoring_stop());
    let (result, took) = run_and_stop(&engine, &with_after_script(job([step("a")])), 1).await;
    assert_canceled(&result, Phase::Script);
    assert!(took >= seconds(10) && took <= seconds(12), "{took:?}");
    assert_eq!(words(&result), [("a", "failed"), ("after_script", "succeeded")]);
    let starts = engine.calls().into_iter().filter(|call| *call == Operation::StartContainer);
    assert_eq!(starts.count(), 2);
    assert_eq!(engine.container_requests().len(), 1);
    assert_clean(&engine, &result);
}

#[tokio::test(start_paused = true)]
async fn a_program_is_asked_and_killed_too() {
    for (run_, least, most) in
        [(ScriptedRun::never_ends(), 0, 0), (ScriptedRun::never_ends().ignoring_stop(), 10, 12)]
    {
        let engine = engine();
        engine.script_next(run_);
        let (result, took) = run_and_stop(&engine, &job([program("a"), program("b")]), 1).await;
        assert_canceled(&result, Phase::Script);
        assert!(took >= seconds(least) && took <= seconds(most), "{took:?}");
        assert!(engine.exec_requests().is_empty());
        assert_clean(&engine, &result);
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_grace_nobody_is_asked() {
    let engine = engine();
    engine.script_next(ScriptedRun::never_ends());
    let mut config = ExecutorConfig::new("ci");
    config.stop_grace = Duration::ZERO;
    let executor = executor_with(&engine, config);
    let result = run_and(&executor, &job([step("a")]), NullSink, seconds(1), Cancel::stop).await;
    assert_canceled(&result, Phase::Script);
    assert!(engine.exec_requests().is_empty());
    assert_clean(&engine, &result);
}

#[tokio::test(start_paused = true)]
async fn a_second_cancellation_kills_at_once() {
    let engine = engine();
    engine.script(ScriptedRun::never_ends().ignoring_stop());
    let cancel = Cancel::new();
    let begin = Instant::now();
    let people = async {
        tokio::time::sleep(seconds(1)).await;
        cancel.stop();
        tokio::time::sleep(seconds(1)).await;
        cancel.kill();
    };
    let (executor, job) = (executor(&engine), with_after_script(job([step("a")])));
    let (result, ()) = tokio::join!(executor.job(&job).cancel(&cancel).run(), people);
    let result = result.unwrap();
    assert_canceled(&result, Phase::Script);
    assert_eq!(begin.elapsed(), seconds(2));
    assert_eq!(ran(&result), ["a"]);
    assert_clean(&engine, &result);
}

#[tokio::test(start_paused = true)]
async fn a_second_cancellation_ends_the_after_script() {
    let engine = engine();
    engine.script(ScriptedRun::never_ends());
    let cancel = Cancel::new();
    let begin = Instant::now();
    let people = async {
        tokio::time::sleep(seconds(1)).await;
        cancel.stop();
        tokio::time::sleep(seconds(1)).await;
        cancel.kill();
    };
    let (executor, job) = (executor(&engine), with_after_script(job([step("a")])));
    let (result, ()) = tokio::join!(executor.job(&job).cancel(&cancel).run(), people);
    let result = result.unwrap();
    assert_canceled(&result, Phase::Script);
    assert_eq!(begin.elapsed(), seconds(2));
    assert!(matches!(
        outcome(&result, "after_script"),
        StepOutcome::Failed(FailureReason::Canceled)
    ));
    assert_clean(&engine, &result);
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_stalls_keeps_nobody_from_stopping_a_job() {
    for stalls_at in ["begin a", "out", "end a", "begin after_script"] {
        for ignores in [false, true] {
            let engine = engine();
            let run_ = if ["begin a", "end a"].contains(&stalls_at) {
                ScriptedRun::exits(0)
            } else if ignores {
                ScriptedRun::never_ends().ignoring_stop()
            } else {
                ScriptedRun::never_ends()
            };
            engine.script_next(run_.prints_stdout("out").pausing(seconds(5)).prints_stdout("x"));
            let sink = Recorder { stalls_at: Some(stalls_at), ..Recorder::default() };
            let mut job = with_after_script(job([step("a")]));
            job.after_script_timeout = Some(seconds(30));
            let begin = Instant::now();
            let result =
                run_and(&executor(&engine), &job, sink.clone(), seconds(1), Cancel::stop).await;
            let took = begin.elapsed();
            let most = if stalls_at == "begin after_script" { 44 } else { 13 };
            assert!(took <= seconds(most), "{stalls_at} {ignores}: {took:?}");
            assert_eq!(sink.told().last().unwrap(), stalls_at);
            assert_ne!(result.log, LogEnd::Complete);
            assert_clean(&engine, &result);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_stalls_keeps_no_time_limit_from_ending_a_job() {
    let engine = engine();
    engine.script(ScriptedRun::exits(0).prints_stdout("out"));
    let mut job = job([step("a"), step("b")]);
    job.timeout = Some(seconds(30));
    let begin = Instant::now();
    let result = common::run_into(&engine, &job, StalledSink).await;
    assert_timed_out(&result, TimedPart::Job, 30);
    assert!(begin.elapsed() <= seconds(42), "{:?}", begin.elapsed());
    assert_clean(&engine, &result);
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

#[tokio::test(start_paused = true)]
async fn a_cancellation_is_heard_in_every_phase() {
    for (operation, phase) in [
        (Operation::Version, Phase::Connect),
        (Operation::CreateVolume, Phase::Prepare),
        (Operation::CreateNetwork, Phase::Prepare),
        (Operation::CreateContainer, Phase::Prepare),
        (Operation::PullImage, Phase::Prepare),
        (Operation::AttachContainer, Phase::Prepare),
        (Operation::WaitContainer, Phase::Prepare),
        (Operation::InspectPath, Phase::Prepare),
        (Operation::StartContainer, Phase::Start),
        (Operation::InspectContainer, Phase::Start),
    ] {
        let engine = large_engine();
        engine.hold(operation);
        let (result, took) = run_and_stop(&engine, &large_job(), 1).await;
        assert_canceled(&result, phase);
        assert!(result.steps.is_empty(), "{operation:?}");
        assert!(took <= seconds(7), "{operation:?}: {took:?}");
        assert_clean(&engine, &result);
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_wait_for_a_service_ends_at_once() {
    let engine = large_engine();
    let (result, took) = run_and_stop(&engine, &large_job(), 1).await;
    assert_canceled(&result, Phase::Start);
    assert_eq!(took, Duration::ZERO);
    assert_clean(&engine, &result);
}

#[tokio::test(start_paused = true)]
async fn a_pull_that_is_cancelled_ends_at_once() {
    let engine = large_engine();
    engine.stall_pulls();
    let (result, took) = run_and_stop(&engine, &large_job(), 1).await;
    assert_canceled(&result, Phase::Prepare);
    assert_eq!(took, Duration::ZERO);
    assert_clean(&engine, &result);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_hangs_between_steps_keeps_nobody_from_stopping_a_job() {
    // A program's container is created when its step comes.
    for held in [Operation::CreateContainer, Operation::StartContainer] {
        let engine = engine();
        engine.script(ScriptedRun::exits(0).lasting(seconds(1)));
        let begin = Instant::now();
        let (executor, job) = (executor(&engine), job([program("a"), program("b")]));
        let cancel = Cancel::new();
        let people = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            engine.hold(held);
            tokio::time::sleep(seconds(3)).await;
            cancel.stop();
        };
        let (result, ()) = tokio::join!(executor.job(&job).cancel(&cancel).run(), people);
        let result = result.unwrap();
        assert_canceled(&result, Phase::Script);
        assert!(begin.elapsed() <= seconds(10), "{held:?}: {:?}", begin.elapsed());
        assert_clean(&engine, &result);
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_during_cleanup_changes_nothing() {
    let engine = engine();
    for _ in 0..30 {
        engine.refuse_once(Operation::RemoveContainer, || ApiError::Conflict {
            operation: Operation::RemoveContainer,
            message: "removal is already in progress".to_owned(),
        });
    }
    let (result, _) = run_and_stop(&engine, &job([step("a")]), 1).await;
    assert_succeeded(&result);
    assert_eq!(result.timings.cleanup, seconds(3));
    assert_clean(&engine, &result);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_does_not_clean_up_is_given_up_and_told_of() {
    let engine = engine();
    engine.hold(Operation::RemoveContainer);
    let (result, took) = run(&engine, &job([step("a")])).await;
    assert_succeeded(&result);
    assert_eq!(took, seconds(60));
    let failed = &result.cleanup.failed[0].error;
    assert!(matches!(failed, CleanupError::Engine(ApiError::TimedOut { .. })), "{failed:?}");
}

#[tokio::test(start_paused = true)]
async fn whoever_watches_hears_of_an_interruption_when_it_begins() {
    let engine = engine();
    engine.script_next(ScriptedRun::never_ends().ignoring_stop());
    let events = Events::default();
    let executor = executor(&engine).with_observer(std::sync::Arc::new(events.clone()));
    let job = with_after_script(job([step("a")]));
    let result = run_and(&executor, &job, NullSink, seconds(1), Cancel::stop).await;
    assert_canceled(&result, Phase::Script);
    assert_eq!(events.count("Stopping"), 1);
    let texts = events.texts();
    let place = |beginning| texts.iter().position(|text| text.starts_with(beginning)).unwrap();
    assert!(place("Stopping") < place("StepEnded"));
}

#[tokio::test(start_paused = true)]
async fn each_interruption_is_told_once() {
    let always = |name| step_when(name, StepWhen::Always);
    let watched = |engine: &FakeDocker| {
        let events = Events::default();
        let executor = executor(engine).with_observer(std::sync::Arc::new(events.clone()));
        (executor, events)
    };
    // Stopped in the second step, which runs although the first has failed; the third one begins no more.
    let engine = engine();
    engine.script_next(ScriptedRun::exits(1).lasting(seconds(2)));
    engine.script_next(ScriptedRun::never_ends());
    let (executor, events) = watched(&engine);
    let stopped = job([step("a"), always("b"), always("c")]);
    let result = run_and(&executor, &stopped, NullSink, seconds(3), Cancel::stop).await;
    let FailureReason::Script { exit_code: 1, .. } = failure(&result, Phase::Script, false) else {
        panic!("{:?}", result.outcome)
    };
    assert_eq!(words(&result), [("a", "failed"), ("b", "failed"), ("c", "skipped")]);
    assert_eq!(events.count("Stopping"), 1);
    // A step's limit is one thing, the job's another.
    let engine = common::engine();
    engine.script_next(ScriptedRun::never_ends());
    engine.script_next(ScriptedRun::never_ends());
    let (executor, events) = watched(&engine);
    let mut limited = job([step("a"), always("b"), always("c")]);
    limited.steps[0].timeout = Some(seconds(1));
    limited.timeout = Some(seconds(5));
    let result = executor.job(&limited).run().await.unwrap();
    assert_timed_out(&result, TimedPart::Step, 1);
    assert_eq!(events.count("Stopping"), 2);
}

/// Stops a job at each of its await points, every one in a run of its own.
async fn sweep(kill: bool, prepare: impl Fn(&FakeDocker), job: &JobSpec) -> usize {
    let act = |cancel: &Cancel| if kill { cancel.kill() } else { cancel.stop() };
    for polls in 0.. {
        let engine = large_engine();
        engine.take_turns();
        prepare(&engine);
        let (result, acted) = run_and_after_polls(&executor(&engine), job, polls, act).await;
        assert_clean(&engine, &result);
        if !acted {
            return polls;
        }
        if result.steps.is_empty() {
            assert!(result.phase <= Phase::Start, "{:?}", result.phase);
            assert_canceled(&result, result.phase);
        }
    }
    unreachable!("a job ends")
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_stopped_at_any_moment_leaves_nothing() {
    let points = sweep(false, |_| {}, &large_job()).await;
    assert!(points > 40, "{points}");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_killed_at_any_moment_leaves_nothing() {
    let points = sweep(true, |_| {}, &large_job()).await;
    assert!(points > 40, "{points}");
}

#[tokio::test(start_paused = true)]
async fn a_failing_job_that_is_stopped_or_killed_at_any_moment_leaves_nothing() {
    let fails = |engine: &FakeDocker| {
        engine.script_next(ScriptedRun::exits(0));
        engine.script_next(ScriptedRun::exits(1).lasting(seconds(1)));
        engine.script_next(ScriptedRun::exits(137).kills_shell());
    };
    for kill in [false, true] {
        let points = sweep(kill, fails, &large_job()).await;
        assert!(points > 40, "{points}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_of_programs_that_is_stopped_or_killed_at_any_moment_leaves_nothing() {
    let mut job = job([program("a"), program("b"), program("c")]);
    job.volumes = vec!["/cache".to_owned()];
    let last = |engine: &FakeDocker| engine.script(ScriptedRun::exits(0).lasting(seconds(1)));
    for kill in [false, true] {
        let points = sweep(kill, last, &job).await;
        assert!(points > 30, "{points}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_lost_its_engine_is_no_cancelled_one() {
    let engine = engine();
    engine.script_next(ScriptedRun::exits(0).lasting(seconds(2)).kills_shell());
    let away = |_: &Cancel| engine.unreachable();
    let job = with_after_script(job([step("a")]));
    let result = run_and(&executor(&engine), &job, NullSink, seconds(1), away).await;
    assert!(
        matches!(
            error(&result, Phase::Script, true),
            RunError::Step(StepError::ContainerLost { .. })
        ),
        "{:?}",
        result.outcome
    );
    assert_eq!(ran(&result), ["a"]);
    assert!(!result.cleanup.failed.is_empty());
}
