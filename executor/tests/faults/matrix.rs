//! Every fault at every request, before and after its effect: once, three times, always.

use executor::{FailureReason, JobOutcome, JobResult};
use testkit::{Call, Fault, FaultKind, Side, Site};

use crate::{
    case::{Case, Scenario, calls},
    common::seconds,
    ending::{Ending, is_survived},
};

const STATUSES: [u16; 4] = [429, 500, 502, 503];

fn kinds() -> Vec<FaultKind> {
    let mut kinds = vec![
        FaultKind::Lost,
        FaultKind::Unreachable,
        FaultKind::TimedOut,
        FaultKind::Garbage,
        FaultKind::Delay(seconds(3)),
        FaultKind::Hang,
    ];
    kinds.extend(STATUSES.map(FaultKind::Status));
    kinds
}

fn is_expected_end(scenario: Scenario, result: &JobResult) -> bool {
    match (scenario, &result.outcome) {
        (
            Scenario::Happy | Scenario::Programs | Scenario::ServedPrograms,
            JobOutcome::Succeeded,
        ) => true,
        (Scenario::Failing, JobOutcome::Failed(FailureReason::Script { exit_code, .. })) => {
            *exit_code == 3
        }
        _ => false,
    }
}

/// Runs one case; whether the job ended as without the fault.
async fn tried(scenario: Scenario, fault: Fault, call: Call) -> bool {
    let expected = Ending::by(fault, call, scenario.shells());
    let what = format!("{scenario:?} {fault:?}");
    let case = Case::new(scenario).await.with(&[fault]);
    let (result, log) = case.run().await;
    assert!(case.faulty.met() > 0, "{what} was never met");
    case.assert_result(&what, &result, &log);
    let as_usual = is_expected_end(scenario, &result);
    if !as_usual {
        expected.check(&what, &result);
    }
    case.assert_invariants(&what).await;
    as_usual
}

async fn once(scenario: Scenario) -> usize {
    let mut cases = 0;
    for call in calls(scenario).await {
        for side in Side::BOTH {
            for kind in kinds() {
                if side == Side::After && kind == FaultKind::Unreachable {
                    continue;
                }
                cases += 1;
                let site = Site::Nth(call.number);
                let as_usual = tried(scenario, Fault { site, side, kind }, call).await;
                let survived = is_survived(call, side, kind, scenario.shells());
                assert_eq!(as_usual, survived, "{scenario:?}: {call:?} {side:?} {kind:?}");
            }
        }
    }
    cases
}

#[tokio::test(start_paused = true)]
async fn every_fault_once_at_every_request_of_a_job_that_succeeds() {
    assert!(once(Scenario::Happy).await >= 400);
}

#[tokio::test(start_paused = true)]
async fn every_fault_once_at_every_request_of_a_job_that_fails() {
    assert!(once(Scenario::Failing).await >= 400);
}

#[tokio::test(start_paused = true)]
async fn every_fault_once_at_every_request_of_a_job_of_programs() {
    assert!(once(Scenario::Programs).await >= 150);
}

#[tokio::test(start_paused = true)]
async fn every_fault_three_times_and_always_at_every_operation() {
    let mut cases = 0;
    for scenario in Scenario::ALL {
        let mut operations: Vec<_> =
            calls(scenario).await.iter().map(|call| call.operation).collect();
        operations.sort_by_key(|operation| format!("{operation:?}"));
        operations.dedup();
        for operation in operations {
            for side in Side::BOTH {
                for kind in kinds() {
                    if side == Side::After && kind == FaultKind::Unreachable {
                        continue;
                    }
                    for site in [Site::FirstOf(operation, 3), Site::EveryOf(operation)] {
                        cases += 1;
                        let first = Call { number: 0, operation, nth: 0 };
                        let fault = Fault { site, side, kind };
                        let as_usual = tried(scenario, fault, first).await;
                        let busy = matches!(kind, FaultKind::Status(429 | 503));
                        // Three failures are two too few.
                        let gets_over =
                            side == Side::Before && busy && site == Site::FirstOf(operation, 3);
                        assert!(as_usual || !gets_over, "{scenario:?} {site:?} {kind:?}");
                    }
                }
            }
        }
    }
    assert!(cases >= 1000, "{cases}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_engine_makes_nothing_twice() {
    for scenario in Scenario::ALL {
        for seconds in [1, 5] {
            let delay = FaultKind::Delay(std::time::Duration::from_secs(seconds));
            let case = Case::new(scenario).await;
            for side in Side::BOTH {
                case.faulty.inject(Fault { site: Site::From(0), side, kind: delay });
            }
            let (result, log) = case.run().await;
            assert!(is_expected_end(scenario, &result), "{scenario:?}: {:?}", result.outcome);
            case.assert_result("slow", &result, &log);
            let calls = case.faulty.calls().len();
            let calm = self::calls(scenario).await.len();
            // The engine is asked every 15 s whether a step's container runs on.
            assert!(calls <= calm + 8, "{calls} instead of {calm}");
            case.assert_invariants("slow").await;
        }
    }
}
