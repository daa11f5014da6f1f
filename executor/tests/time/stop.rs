//! How a running step is stopped and killed.

use std::time::Duration;

use docker_api_trait::Operation;
use executor::{
    Cancel, ExecutorConfig, FailureReason, NullSink,
    log::LogEnd,
    outcome::{Phase, StepOutcome, TimedPart},
};
use testkit::ScriptedRun;
use tokio::time::Instant;

use super::{assert_canceled, assert_timed_out, run_and_stop};
use crate::common::{
    Recorder, StalledSink, assert_clean, engine, executor, executor_with, job, outcome, program,
    ran, run_and, seconds, step, with_after_script, words,
};

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
    let result = crate::common::run_into(&engine, &job, StalledSink).await;
    assert_timed_out(&result, TimedPart::Job, 30);
    assert!(begin.elapsed() <= seconds(42), "{:?}", begin.elapsed());
    assert_clean(&engine, &result);
}
