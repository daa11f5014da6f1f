//! The span of a job, for `tracing`.

use crate::{
    outcome::{FailureReason, JobResult, OutcomeKind},
    plan::JobPlan,
};

/// The span of a job. How it ended is recorded at its end.
pub(crate) fn job_span(plan: &JobPlan) -> tracing::Span {
    tracing::info_span!(
        "job",
        run = %plan.run,
        job = %plan.job,
        project = %plan.project,
        outcome = tracing::field::Empty,
        failure_reason = tracing::field::Empty,
    )
}

/// Tells the log how a job ended, by its span and by one line.
pub(crate) fn trace_end(result: &JobResult) {
    let outcome = if result.is_success() { OutcomeKind::Succeeded } else { OutcomeKind::Failed };
    let outcome = outcome.as_str();
    let failure_reason = result.failure().map(FailureReason::as_str);
    tracing::Span::current().record("outcome", outcome).record("failure_reason", failure_reason);
    let (run, job, project) = (&result.run, &result.job, &result.project);
    tracing::info!(run, job, project, outcome, failure_reason, "the job has ended");
}
