//! An engine that goes mute: it keeps its connections, and says nothing more.

use std::sync::{Arc, Mutex};

use docker_api_trait::{ApiError, Operation};
use executor::{
    FailureReason, JobOutcome, JobResult,
    error::{PrepareError, RunError, StepError},
    outcome::{Phase, StepOutcome, StepResult, TimedPart},
};
use testkit::{Call, Fault, FaultKind, Side, Site};
use tokio::time::{Duration, Instant};

use crate::case::{Case, Scenario};

/// The engine is asked every 15 s, is given up after a minute of silence, and a look takes 10 s.
const BOUND: Duration = Duration::from_secs(15 + 60 + 10);
/// As long as the adapter waits for a look.
const LOOK: Duration = Duration::from_secs(10);

/// The job's time limit.
const LIMIT: Duration = Duration::from_mins(10);

/// In which way nothing comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Silence {
    /// Requests are not carried out, and are given up at once.
    AtOnce,
    /// They are carried out, and given up in their time.
    InTime,
    /// Nobody gives them up: not what the adapter does, but an engine may be another one.
    Never,
}

impl Silence {
    const ALL: [Self; 3] = [Self::AtOnce, Self::InTime, Self::Never];

    fn faults(self, from: usize) -> Vec<Fault> {
        let from = Site::From(from);
        match self {
            Self::AtOnce => vec![Fault::before(from, FaultKind::TimedOut)],
            Self::InTime => vec![
                Fault::before(from, FaultKind::Delay(LOOK)),
                Fault::after(from, FaultKind::TimedOut),
            ],
            Self::Never => vec![Fault::before(from, FaultKind::Hang)],
        }
    }
}

/// What a container that is not heard any more leaves of its streams.
fn stalled(scenario: Scenario, place: usize) -> [Fault; 2] {
    // The mark of its beginning has come: after the supervisor's greeting on both outputs.
    let pieces = if place < scenario.shells() { 3 } else { 1 };
    [
        Fault::after(Site::NthOf(Operation::AttachContainer, place), FaultKind::Stall(pieces)),
        Fault::after(Site::NthOf(Operation::WaitContainer, place), FaultKind::Stall(0)),
    ]
}

/// A job one of whose containers is not heard, on an engine that is mute from a call on, if ever.
async fn run(scenario: Scenario, place: usize, mute: &[Fault]) -> (Case, JobResult, Vec<Instant>) {
    let case = Case::new(scenario).await.with(mute).with(&stalled(scenario, place));
    let begins = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&begins);
    case.faulty.on_call(move |_, side| {
        if side == Side::Before {
            seen.lock().unwrap().push(Instant::now());
        }
        Box::pin(std::future::ready(()))
    });
    let (result, log) = case.run().await;
    case.assert_result(&format!("{scenario:?} {place} {mute:?}"), &result, &log);
    let begins = begins.lock().unwrap().clone();
    (case, result, begins)
}

/// For how long the engine had said nothing, and the step that waited for it had run, when that was given
/// up.
fn silence(from: usize, calls: &[Call], begins: &[Instant], result: &JobResult) -> Duration {
    let looks = |call: &Call| {
        matches!(call.operation, Operation::InspectContainer | Operation::InspectImage)
    };
    let next = (from + 1..calls.len()).find(|number| !looks(&calls[*number]));
    let since_the_answer = begins[next.unwrap()] - begins[from - 1];
    let is_lost = |step: &&StepResult| matches!(step.outcome, StepOutcome::Failed(_));
    let step = result.steps.iter().find(is_lost).unwrap();
    since_the_answer.min(step.duration)
}

fn is_timeout(result: &JobResult) -> bool {
    let JobOutcome::Failed(reason) = &result.outcome else { return false };
    matches!(reason, FailureReason::Timeout { what: TimedPart::Job, .. })
}

/// Checks the end of a job whose engine went mute at `call`, before its steps had ended. Whether it was
/// given up while a step ran.
fn assert_end(what: &str, silence: Silence, call: Call, shells: usize, result: &JobResult) -> bool {
    let JobOutcome::Failed(reason) = &result.outcome else { panic!("{what}: {result:?}") };
    if silence == Silence::Never {
        assert!(is_timeout(result) && !reason.is_retryable(), "{what}: {reason:?}");
        return false;
    }
    let FailureReason::System { error } = reason else { panic!("{what}: {reason:?}") };
    assert!(error.is_retryable() && reason.is_retryable(), "{what}: {error:?}");
    // A job does without a service, whether it was started or not.
    let is_lost = match call.operation {
        Operation::InspectContainer | Operation::InspectImage => true,
        Operation::StartContainer => shells > 0 && call.nth >= shells,
        _ => false,
    };
    if is_lost {
        let RunError::Step(StepError::EngineLost { source }) = &**error else {
            panic!("{what}: {error:?}")
        };
        assert!(matches!(source, ApiError::TimedOut { .. }), "{what}: {source:?}");
        assert_eq!(result.phase, Phase::Script, "{what}");
    } else {
        let RunError::Prepare(PrepareError::Engine(ApiError::TimedOut { operation, .. })) =
            &**error
        else {
            panic!("{what}: {error:?}")
        };
        assert_eq!(*operation, call.operation, "{what}");
        // A program's container is made when its step's turn comes.
        let phase = if shells > 0 { Phase::Start } else { Phase::Script };
        assert_eq!(result.phase, phase, "{what}");
    }
    is_lost
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_goes_mute_while_a_step_is_waited_for_is_lost_in_time() {
    let mut lost = 0;
    for (scenario, place) in
        Scenario::ALL.into_iter().flat_map(|scenario| [0, 1].map(|place| (scenario, place)))
    {
        let (case, calm, calm_begins) = run(scenario, place, &[]).await;
        case.assert_invariants("not mute").await;
        let calls = case.faulty.calls();
        let is = |operation| move |call: &Call| call.operation == operation;
        let started = calls.iter().position(is(Operation::StartContainer)).unwrap();
        let over = calls
            .iter()
            .position(|call| {
                matches!(call.operation, Operation::CreateExec | Operation::RemoveContainer)
            })
            .unwrap();
        for (from, how) in
            (started + 1..calls.len()).flat_map(|from| Silence::ALL.map(|how| (from, how)))
        {
            let what = format!("{scenario:?} {place} {how:?} from {from}");
            let (case, result, begins) = run(scenario, place, &how.faults(from)).await;
            assert_eq!(case.faulty.calls()[..=from], calls[..=from], "{what}");
            if from >= over {
                let [outcome, expected] =
                    [&result, &calm].map(|result| format!("{:?}", result.outcome));
                assert_eq!((outcome, result.phase), (expected, calm.phase), "{what}");
            } else if is_timeout(&result) && calm_begins[from] - calm_begins[0] + BOUND > LIMIT {
                // The job's own limit came first.
            } else if assert_end(&what, how, calls[from], scenario.shells(), &result) {
                lost += 1;
                let silence = silence(from, &case.faulty.calls(), &begins, &result);
                assert!(silence <= BOUND, "{what}: {silence:?}");
            }
            case.assert_invariants(&what).await;
        }
    }
    println!("lost {lost} times");
    assert!(lost >= 200, "{lost}");
}
