//! The one place in which secrets are removed from the texts that leave the executor: errors, reasons,
//! reports and events. The log has its masker.
//!
//! Every match names every variant and every field, so that a new one does not compile until its text
//! is redacted. Names of containers, volumes, networks and images are kept: a user needs them to find
//! the object, and a plan refuses masked variables in them.

mod error;
mod observer;

use std::{error::Error, fmt, io, path::PathBuf, sync::Arc};

use crate::{
    describe::describe,
    error::RunError,
    log::{LogEnd, Truncation},
    outcome::{
        CleanupFailure, CleanupReport, FailureReason, JobResult, Readiness, ServiceResult,
        StepOutcome, StepResult,
    },
    plan::JobPlan,
    workspace::{ArtifactReport, RelativePath, Skipped, UploadReport},
};

pub(crate) use observer::RedactingObserver;

/// What stands for a secret.
const REPLACEMENT: &str = "…";

/// Replaces a job's secrets in texts.
#[derive(Clone)]
pub(crate) struct Redactor {
    /// None is empty. The longest comes first: nothing is left of a secret that begins with another.
    secrets: Arc<[String]>,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Redactor({} secrets)", self.secrets.len())
    }
}

impl Redactor {
    /// Replaces the secrets of a job: its masked variables, and the options of its volumes, which an
    /// engine repeats when it cannot mount one.
    pub(crate) fn of(plan: &JobPlan) -> Self {
        let of_job = plan.secrets.iter().map(|secret| secret.0.as_str());
        Self::new(plan.volumes.secrets().into_iter().chain(of_job))
    }

    pub(crate) fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut secrets: Vec<_> = secrets.into_iter().filter(|one| !one.is_empty()).collect();
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self { secrets: secrets.into_iter().map(ToOwned::to_owned).collect() }
    }

    /// Returns the text without secrets.
    pub(crate) fn text(&self, text: String) -> String {
        self.secrets.iter().fold(text, |text, secret| {
            if text.contains(&**secret) { text.replace(&**secret, REPLACEMENT) } else { text }
        })
    }

    fn path(&self, path: PathBuf) -> PathBuf {
        match path.to_str() {
            Some(text) if !self.is_clean(text) => self.text(text.to_owned()).into(),
            _ => path,
        }
    }

    fn relative(&self, path: RelativePath) -> RelativePath {
        match str::from_utf8(path.as_bytes()) {
            Ok(text) if !self.is_clean(text) => {
                RelativePath::new(self.text(text.to_owned())).unwrap_or(path)
            }
            _ => path,
        }
    }

    fn is_clean(&self, text: &str) -> bool {
        !self.secrets.iter().any(|secret| text.contains(&**secret))
    }

    /// A cause from outside this workspace. One with a secret in its chain becomes plain text.
    fn cause(&self, cause: Box<dyn Error + Send + Sync>) -> Box<dyn Error + Send + Sync> {
        let words = describe(&*cause);
        if self.is_clean(&words) { cause } else { self.text(words).into() }
    }

    fn system(&self, cause: io::Error) -> io::Error {
        let words = describe(&cause);
        if self.is_clean(&words) { cause } else { io::Error::new(cause.kind(), self.text(words)) }
    }

    /// The reason without secrets. An error that has been handed out already has been here before.
    pub(crate) fn reason(&self, reason: FailureReason) -> FailureReason {
        use FailureReason as R;
        let shared = |error: Arc<RunError>| match Arc::try_unwrap(error) {
            Ok(error) => Arc::new(self.run_error(error)),
            Err(error) => error,
        };
        match reason {
            R::ImagePull { error } => R::ImagePull { error: shared(error) },
            R::System { error } => R::System { error: shared(error) },
            R::Script { exit_code, cause } => R::Script { exit_code, cause },
            R::Timeout { what, limit } => R::Timeout { what, limit },
            R::Canceled => R::Canceled,
            R::Incomplete { steps } => {
                R::Incomplete { steps: steps.into_iter().map(|step| self.text(step)).collect() }
            }
        }
    }

    /// The report without secrets.
    pub(crate) fn cleanup(&self, report: CleanupReport) -> CleanupReport {
        let CleanupReport { removed, failed } = report;
        let failed = failed.into_iter().map(|CleanupFailure { kind, name, error }| {
            CleanupFailure { kind, name, error: self.cleanup_error(error) }
        });
        CleanupReport { removed, failed: failed.collect() }
    }

    pub(crate) fn log_end(&self, end: LogEnd) -> LogEnd {
        match end {
            LogEnd::Complete => LogEnd::Complete,
            LogEnd::Truncated(why) => LogEnd::Truncated(match why {
                Truncation::Sink(words) => Truncation::Sink(self.text(words)),
                Truncation::Engine(words) => Truncation::Engine(self.text(words)),
                Truncation::Panicked(words) => Truncation::Panicked(self.text(words)),
                Truncation::Earlier(words) => Truncation::Earlier(self.text(words)),
                why @ (Truncation::NotStarted | Truncation::Interrupted | Truncation::Limit) => why,
            }),
        }
    }

    fn step(&self, step: &StepResult) -> StepResult {
        let StepResult { name, container, outcome, allow_failure, duration, log } = step;
        StepResult {
            name: self.text(name.clone()),
            container: *container,
            outcome: match outcome {
                StepOutcome::Succeeded => StepOutcome::Succeeded,
                // Redacted when the step ended.
                StepOutcome::Failed(reason) => StepOutcome::Failed(reason.clone()),
                StepOutcome::Skipped => StepOutcome::Skipped,
            },
            allow_failure: *allow_failure,
            duration: *duration,
            log: self.log_end(log.clone()),
        }
    }

    fn service(&self, service: &ServiceResult) -> ServiceResult {
        let ServiceResult { name, image, readiness, duration } = service;
        ServiceResult {
            name: name.clone(),
            image: image.clone(),
            readiness: match readiness.clone() {
                Readiness::NotStarted { why, hint } => {
                    Readiness::NotStarted { why: self.text(why), hint }
                }
                Readiness::Unknown { why } => Readiness::Unknown { why: self.text(why) },
                Readiness::TimedOut { health, loopback } => {
                    Readiness::TimedOut { health: self.text(health), loopback }
                }
                other @ (Readiness::Healthy
                | Readiness::Listening(_)
                | Readiness::Bound(_)
                | Readiness::Running
                | Readiness::Unchecked
                | Readiness::Exited { .. }) => other,
            },
            duration: *duration,
        }
    }

    pub(crate) fn upload(&self, report: &UploadReport) -> UploadReport {
        let UploadReport { files, bytes, kept, removed, skipped } = report.clone();
        let skipped = skipped.into_iter().map(|text| self.text(text)).collect();
        UploadReport { files, bytes, kept, removed, skipped }
    }

    pub(crate) fn artifacts(&self, report: &ArtifactReport) -> ArtifactReport {
        let ArtifactReport { files, folders, links, bytes, skipped, linked, unmatched } =
            report.clone();
        let skipped = skipped
            .into_iter()
            .map(|Skipped { path, reason }| Skipped { path: self.text(path), reason });
        ArtifactReport {
            files,
            folders,
            links,
            bytes,
            skipped: skipped.collect(),
            // A caller fetches these by their paths.
            linked,
            unmatched: unmatched.into_iter().map(|text| self.text(text)).collect(),
        }
    }

    /// Returns the result without secrets. Its outcome and its steps' outcomes are redacted when they
    /// are known, because the steps that follow depend on them.
    pub(crate) fn result(&self, result: JobResult) -> JobResult {
        let JobResult {
            run,
            job,
            project,
            started_at,
            ended_at,
            outcome,
            phase,
            engine,
            volumes,
            steps,
            services,
            upload,
            artifacts,
            log,
            timings,
            api_requests,
            cleanup,
        } = result;
        JobResult {
            run,
            job: self.text(job),
            project,
            started_at,
            ended_at,
            outcome,
            phase,
            engine,
            volumes,
            steps: steps.iter().map(|step| self.step(step)).collect(),
            services: services.iter().map(|service| self.service(service)).collect(),
            upload: upload.as_ref().map(|report| self.upload(report)),
            artifacts: artifacts.as_ref().map(|report| self.artifacts(report)),
            log: self.log_end(log),
            timings,
            api_requests,
            cleanup: self.cleanup(cleanup),
        }
    }
}

#[cfg(test)]
mod tests;
