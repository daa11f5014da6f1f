//! Outputs and waits that break off, end too early, or stall.

use std::sync::Arc;

use docker_api_trait::{ApiError, Operation};
use executor::{
    FailureReason, JobOutcome, JobResult,
    error::{RunError, StepError},
    log::{LogEnd, Truncation},
    outcome::{Phase, TimedPart},
};
use testkit::{FakeDocker, Fault, FaultKind, FaultyDocker, ScriptedRun, Side, Site};

use crate::{
    case::{Case, Scenario, calls},
    common::{error, job, run_on, seconds, step},
};

#[tokio::test(start_paused = true)]
async fn a_stream_that_breaks_ends_or_stalls_anywhere_never_makes_a_success_of_it() {
    let mut cases = 0;
    for scenario in Scenario::ALL {
        for call in calls(scenario).await {
            if !matches!(call.operation, Operation::AttachContainer | Operation::WaitContainer) {
                continue;
            }
            for pieces in 0..6 {
                for kind in
                    [FaultKind::Cut(pieces), FaultKind::End(pieces), FaultKind::Stall(pieces)]
                {
                    cases += 1;
                    let fault = Fault { site: Site::Nth(call.number), side: Side::After, kind };
                    let what = format!("{scenario:?} {fault:?} {:?}", call.operation);
                    let case = Case::new(scenario).await.with(&[fault]);
                    let (result, log) = case.run().await;
                    case.assert_result(&what, &result, &log);
                    // After the one that filled the cache.
                    let codes = &case.engine.exit_codes()[1..];
                    assert_end(&what, scenario, kind, &result, codes);
                    case.assert_invariants(&what).await;
                }
            }
        }
    }
    assert!(cases >= 150, "{cases}");
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_was_back_before_anybody_looked_is_told_by_a_wait_that_it_lost() {
    for (kind, is_lost) in [(FaultKind::Cut(0), true), (FaultKind::Delay(seconds(0)), false)] {
        let engine = FakeDocker::new().with_image("busybox");
        engine.script(ScriptedRun::exits(137).kills_shell());
        // The first is for the shell's own exit.
        let site = Site::NthOf(Operation::WaitContainer, 1);
        let faulty = FaultyDocker::new(Arc::new(engine.clone()));
        faulty.inject(Fault { site, side: Side::After, kind });
        let result = run_on(Arc::new(faulty.clone()), &job([step("a")])).await;
        assert_eq!(faulty.met(), 1, "{kind:?}");
        if is_lost {
            let error = error(&result, Phase::Script, true);
            assert!(matches!(error, RunError::Step(StepError::Interrupted { .. })), "{error:?}");
        } else {
            let JobOutcome::Failed(FailureReason::Script { exit_code: 137, .. }) = result.outcome
            else {
                panic!("{:?}", result.outcome)
            };
        }
        assert!(engine.containers().is_empty(), "{kind:?}");
    }
}

/// Checks how a job ended, against what its steps have ended with on the engine.
fn assert_end(what: &str, scenario: Scenario, kind: FaultKind, result: &JobResult, codes: &[i64]) {
    assert_eq!(result.phase, Phase::Script, "{what}");
    if let LogEnd::Truncated(Truncation::Engine(words)) = &result.log {
        assert!(!words.is_empty(), "{what}");
    }
    match &result.outcome {
        JobOutcome::Succeeded => {
            assert_ne!(scenario, Scenario::Failing, "{what}");
            assert_eq!(codes, vec![0; scenario.steps()], "{what}");
        }
        JobOutcome::Failed(reason @ FailureReason::Script { exit_code: 3, .. }) => {
            assert_eq!(scenario, Scenario::Failing, "{what}");
            assert!(codes.contains(&3) && !reason.is_retryable(), "{what}: {codes:?}");
        }
        // Of a shell that was never heard nobody can say whether it is one.
        JobOutcome::Failed(reason @ FailureReason::System { error })
            if matches!(**error, RunError::Step(StepError::NoShell { .. })) =>
        {
            assert!(
                matches!(kind, FaultKind::Stall(_)) && !reason.is_retryable(),
                "{what}: {error:?}"
            );
        }
        JobOutcome::Failed(reason @ FailureReason::System { error }) => {
            let is_lost = match &**error {
                RunError::Step(StepError::ContainerLost { .. }) => true,
                RunError::Step(StepError::EngineLost { source }) => {
                    matches!(source, ApiError::Lost { .. })
                }
                _ => false,
            };
            assert!(is_lost && reason.is_retryable(), "{what}: {error:?}");
        }
        JobOutcome::Failed(reason @ FailureReason::Timeout { what: TimedPart::Job, .. }) => {
            assert!(matches!(kind, FaultKind::Stall(_)), "{what}");
            assert!(!matches!(result.log, LogEnd::Complete), "{what}: {:?}", result.log);
            assert!(!reason.is_retryable(), "{what}");
        }
        other => panic!("{what}: {other:?}"),
    }
}
