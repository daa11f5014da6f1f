//! Cancellation in every phase of a job.

use std::time::Duration;

use docker_api_trait::{ApiError, Operation};
use executor::{
    Cancel, FailureReason, NullSink,
    error::{CleanupError, RunError, StepError},
    job::StepWhen,
    outcome::{Phase, TimedPart},
};
use testkit::{FakeDocker, ScriptedRun};
use tokio::time::Instant;

use super::{assert_canceled, assert_timed_out, large_engine, large_job, run, run_and_stop};
use crate::common::{
    Events, assert_clean, assert_succeeded, engine, error, executor, failure, job, program, ran,
    run_and, seconds, step, step_when, with_after_script, words,
};

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
    let engine = crate::common::engine();
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
