//! The span of a job, for `tracing`.

use crate::{
    outcome::{FailureReason, JobResult, OutcomeKind},
    plan::JobPlan,
    redact::Redactor,
};

/// The span of a job, without its secrets. How it ended is recorded at its end.
pub(crate) fn job_span(plan: &JobPlan) -> tracing::Span {
    let redactor = Redactor::of(plan);
    tracing::info_span!(
        "job",
        run = %plan.run,
        job = redactor.text(plan.job.clone()),
        project = redactor.text(plan.project.clone()),
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
