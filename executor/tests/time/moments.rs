//! Jobs that are stopped or killed at each of their await points.

use executor::{Cancel, JobSpec, outcome::Phase};
use testkit::{FakeDocker, ScriptedRun};

use super::{assert_canceled, large_engine, large_job};
use crate::common::{assert_clean, executor, job, program, run_and_after_polls, seconds};

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
