//! Which steps run after what happened, and which failure is the job's. Pure.

use crate::{
    job::StepWhen,
    outcome::{FailureReason, StepOutcome, StepResult, TimedPart},
    plan::{JobPlan, StepPlan},
};

/// What made a job fail.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The step at this place among the results.
    Step(usize),
    /// Something before a step could begin.
    Before(FailureReason),
}

impl Failure {
    pub(crate) fn reason<'a>(&'a self, steps: &'a [StepResult]) -> Option<&'a FailureReason> {
        match self {
            Self::Before(reason) => Some(reason),
            Self::Step(index) => match &steps[*index].outcome {
                StepOutcome::Failed(reason) => Some(reason),
                StepOutcome::Succeeded | StepOutcome::Skipped => None,
            },
        }
    }
}

pub(crate) fn counts(result: &StepResult) -> bool {
    match &result.outcome {
        // Whatever becomes of the after-script, the job's outcome stays.
        _ if result.name == JobPlan::AFTER_SCRIPT => false,
        StepOutcome::Failed(FailureReason::Script { .. }) => !result.allow_failure,
        StepOutcome::Failed(FailureReason::Timeout { what: TimedPart::Step, .. }) => {
            !result.allow_failure
        }
        StepOutcome::Failed(_) => true,
        StepOutcome::Succeeded | StepOutcome::Skipped => false,
    }
}

pub(crate) fn first_failure(steps: &[StepResult]) -> Option<usize> {
    steps.iter().position(counts)
}

/// Whether a step is to run after what happened so far. After an interruption of the whole, or when
/// nobody can tell what happened, none is.
pub(crate) fn wants(when: StepWhen, failed: Option<&FailureReason>) -> bool {
    match failed {
        None => when != StepWhen::Failure,
        Some(
            FailureReason::Script { .. } | FailureReason::Timeout { what: TimedPart::Step, .. },
        ) => when != StepWhen::Success,
        Some(_) => false,
    }
}

/// Returns the failure of a job that ends now, if any: `failed`, or else a required step that did
/// not. The after-script does not count.
pub(crate) fn final_failure(
    planned: &[StepPlan],
    done: &[StepResult],
    failed: Option<Failure>,
    is_stopped: bool,
) -> Option<Failure> {
    if failed.is_some() {
        return failed;
    }
    let ran = |step: &StepPlan| {
        done.iter().any(|result| result.name == step.name && !result.outcome.is_skipped())
    };
    let missing = planned.iter().filter(|step| wants(step.when, None) && !ran(step));
    let steps: Vec<_> = missing.map(|step| step.name.clone()).collect();
    match (steps.is_empty(), is_stopped) {
        (true, _) => None,
        (false, true) => Some(Failure::Before(FailureReason::Canceled)),
        (false, false) => Some(Failure::Before(FailureReason::Incomplete { steps })),
    }
}
