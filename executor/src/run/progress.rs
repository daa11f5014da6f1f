//! What became of a job's steps, as one process passes it on to the next.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    error::{ResumeError, RunError},
    log::{LogEnd, Truncation},
    outcome::{ExitCause, FailureKind, FailureReason, OutcomeKind, StepOutcome, StepResult},
    plan::JobPlan,
    report::StepReport,
};

/// The results of the steps of a run so far, to be written and read by another process:
/// [`PreparedJob::progress`](crate::run::prepared::PreparedJob::progress) gives it,
/// [`Executor::resume_with`](crate::executor::Executor::resume_with) takes it.
///
/// Keep it with the run's plan, as safe as that, and write it after each step. A step that is missing in it counts as not
/// run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct JobProgress {
    /// The run's unique id.
    pub run: String,
    /// The steps that ran, in the order in which they did.
    pub steps: Vec<StepReport>,
}

impl JobProgress {
    pub(crate) fn new(run: &str, steps: &[StepResult]) -> Self {
        Self { run: run.to_owned(), steps: steps.iter().map(StepReport::from).collect() }
    }

    /// The progress of a job of which no step has run.
    pub fn none(plan: &JobPlan) -> Self {
        Self { run: plan.run.clone(), steps: Vec::new() }
    }

    /// The results, for the plan that they belong to.
    pub(crate) fn results(&self, plan: &JobPlan) -> Result<Vec<StepResult>, ResumeError> {
        if self.run != plan.run {
            let (progress, plan) = (self.run.clone(), plan.run.clone());
            return Err(ResumeError::OtherRun { progress, plan });
        }
        Ok(self.steps.iter().map(|report| read(report, plan)).collect())
    }
}

/// The result of a step of the plan, or of a script that was not planned.
fn read(report: &StepReport, plan: &JobPlan) -> StepResult {
    let step = plan.step(&report.name);
    let container = step.map_or(report.container, |step| plan.containers[step.container].kind);
    let outcome = match report.outcome {
        OutcomeKind::Succeeded => StepOutcome::Succeeded,
        OutcomeKind::Skipped => StepOutcome::Skipped,
        OutcomeKind::Failed => StepOutcome::Failed(reason(report)),
    };
    let log = match (&report.log.reason, report.log.complete) {
        (_, true) => LogEnd::Complete,
        (reason, false) => {
            LogEnd::Truncated(Truncation::Earlier(reason.clone().unwrap_or_default()))
        }
    };
    StepResult {
        name: report.name.clone(),
        container,
        outcome,
        allow_failure: step.map_or(report.allow_failure, |step| step.allow_failure),
        duration: Duration::from_millis(report.duration_ms),
        log,
    }
}

/// Why a step failed. A report that makes no sense is a failure as well: it must not become a success.
fn reason(report: &StepReport) -> FailureReason {
    let error = || {
        let words = report.error.clone();
        let message = words.unwrap_or_else(|| format!("the step {} failed", report.name));
        Arc::new(RunError::Earlier { message })
    };
    let timeout = report.timeout.as_ref().map(|timeout| FailureReason::Timeout {
        what: timeout.part,
        limit: Duration::from_millis(timeout.limit_ms),
    });
    match (report.failure_reason, report.exit_code, timeout) {
        (Some(FailureKind::ScriptFailure), Some(exit_code), _) => {
            let cause = ExitCause::from_kind(report.exit_cause, exit_code);
            FailureReason::Script { exit_code, cause }
        }
        (Some(FailureKind::JobExecutionTimeout), _, Some(timeout)) => timeout,
        (Some(FailureKind::JobCanceled), ..) => FailureReason::Canceled,
        (Some(FailureKind::ImagePullFailure), ..) => FailureReason::ImagePull { error: error() },
        _ => FailureReason::System { error: error() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::ExecutorConfig,
        host::plan,
        job::{Command, ContainerKind, JobSpec, StepSpec},
        outcome::TimedPart,
        plan::RunContext,
    };
    use volume_manager::Trust;

    fn planned() -> JobPlan {
        let image: docker_api_trait::ImageReference = "busybox".parse().unwrap();
        let step = |name: &str| StepSpec::new(name, Command::script("x").unwrap());
        let job = JobSpec::with_steps("app", Trust::Trusted, image, [step("a"), step("b")]);
        plan(&job, &ExecutorConfig::new("ci"), &RunContext::draw()).unwrap()
    }

    fn result(outcome: StepOutcome, log: LogEnd) -> StepResult {
        let duration = Duration::from_millis(1500);
        let container = crate::job::ContainerKind::Build;
        StepResult { name: "a".into(), container, outcome, allow_failure: false, duration, log }
    }

    #[test]
    fn results_survive_writing_and_reading() {
        let plan = planned();
        let cause = ExitCause::OutOfMemory;
        let limit = Duration::from_secs(20);
        let error = || Arc::new(RunError::Panicked { message: "boom".into() });
        let failures = [
            FailureReason::Script { exit_code: 137, cause },
            FailureReason::Script { exit_code: 127, cause: ExitCause::NotFound },
            FailureReason::Timeout { what: TimedPart::AfterScript, limit },
            FailureReason::Canceled,
            FailureReason::ImagePull { error: error() },
            FailureReason::System { error: error() },
        ];
        let truncated = LogEnd::Truncated(Truncation::Limit);
        let outcomes =
            failures.map(|reason| result(StepOutcome::Failed(reason), truncated.clone()));
        let mut all = vec![result(StepOutcome::Succeeded, LogEnd::Complete)];
        all.push(result(StepOutcome::Skipped, LogEnd::Complete));
        all.extend(outcomes);
        let progress = JobProgress::new(&plan.run, &all);
        let text = serde_json::to_string(&progress).unwrap();
        let read: JobProgress = serde_json::from_str(&text).unwrap();
        assert_eq!(read, progress);
        let results = read.results(&plan).unwrap();
        assert_eq!(JobProgress::new(&plan.run, &results), progress);
    }

    #[test]
    fn progress_of_another_run_is_refused() {
        let (plan, other) = (planned(), planned());
        let error = JobProgress::none(&other).results(&plan).unwrap_err();
        assert!(matches!(error, ResumeError::OtherRun { .. }), "{error:?}");
    }

    #[test]
    fn scripts_that_were_not_planned_are_kept() {
        let plan = planned();
        let mut progress = JobProgress::none(&plan);
        progress.steps = vec![(&result(StepOutcome::Succeeded, LogEnd::Complete)).into()];
        "c".clone_into(&mut progress.steps[0].name);
        progress.steps[0].container = ContainerKind::Helper;
        let results = progress.results(&plan).unwrap();
        assert_eq!((results[0].name.as_str(), results[0].container), ("c", ContainerKind::Helper));
        assert_eq!(JobProgress::new(&plan.run, &results), progress);
    }

    #[test]
    fn a_report_that_makes_no_sense_is_no_success() {
        let plan = planned();
        let mut progress = JobProgress::none(&plan);
        progress.steps = vec![(&result(StepOutcome::Succeeded, LogEnd::Complete)).into()];
        progress.steps[0].outcome = OutcomeKind::Failed;
        let results = progress.results(&plan).unwrap();
        assert!(matches!(results[0].outcome, StepOutcome::Failed(_)), "{results:?}");
        let text = serde_json::to_string(&progress).unwrap();
        assert!(text.contains(r#""outcome":"failed""#), "{text}");
        for outcome in ["", "Succeeded"] {
            let text = text.replace(r#""failed""#, &format!("{outcome:?}"));
            assert!(serde_json::from_str::<JobProgress>(&text).is_err(), "{outcome}");
        }
    }
}
