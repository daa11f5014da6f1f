//! The one place in which secrets are removed from the texts that leave the executor: errors, reasons,
//! reports and events. The log has its masker.
//!
//! Every match names every variant and every field, so that a new one does not compile until its text
//! is redacted. Names of containers, volumes, networks and images are kept: a user needs them to find
//! the object, and a plan refuses masked variables in them.

use std::{error::Error, fmt, io, path::PathBuf, sync::Arc};

use docker_api_trait::ApiError;

use crate::{
    ArtifactReport, BrokenCredentials, CleanupFailure, CleanupReport, ExecutorError, FailureReason,
    JobEvent, JobPlan, JobResult, LogEnd, Observer, Readiness, RelativePath, ServiceResult,
    Skipped, StepOutcome, StepResult, Truncation, UploadReport, WorkspaceError, describe,
};

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

    fn engine(&self, error: ApiError) -> ApiError {
        error.redacted(self.secrets.iter().map(String::as_str))
    }

    /// The error without secrets.
    pub(crate) fn error(&self, error: ExecutorError) -> ExecutorError {
        use ExecutorError as E;
        match error {
            E::Engine(error) => E::Engine(self.engine(error)),
            E::DiskFull { source } => E::DiskFull { source: self.engine(source) },
            E::NameTaken { name, source } => E::NameTaken { name, source: self.engine(source) },
            E::Interrupted { container } => E::Interrupted { container },
            E::EngineLost { source } => E::EngineLost { source: self.engine(source) },
            E::Panicked { message } => E::Panicked { message: self.text(message) },
            E::Network { source } => E::Network { source: self.engine(source) },
            E::Volumes(error) => {
                E::Volumes(error.redacted(self.secrets.iter().map(String::as_str)))
            }
            // Jobs share a pull, and each has secrets of its own.
            E::ImagePull { image, fault, source, broken_credentials } => E::ImagePull {
                image,
                fault,
                source: Arc::new(source.to_redacted(self.secrets.iter().map(String::as_str))),
                broken_credentials: broken_credentials
                    .into_iter()
                    .map(|BrokenCredentials { why, hint }| BrokenCredentials {
                        why: self.text(why),
                        hint,
                    })
                    .collect(),
            },
            E::PullStalled { image, after } => E::PullStalled { image, after },
            E::ImageMissing { image } => E::ImageMissing { image },
            E::ImagePlatform { image, wanted, found } => E::ImagePlatform {
                image,
                wanted: self.text(wanted),
                found: found.map(|found| self.text(found)),
            },
            E::UnsupportedSystem { os } => E::UnsupportedSystem { os: self.text(os) },
            E::Start { source } => E::Start { source: self.engine(source) },
            // Berth's words for a kind of refusal.
            E::Refused { cause, source } => E::Refused { cause, source: self.engine(source) },
            E::NoShell { image, detail } => E::NoShell { image, detail: self.text(detail) },
            E::ContainerVanished { container } => E::ContainerVanished { container },
            E::NetworkVanished { network } => E::NetworkVanished { network },
            E::VolumeLost { volume, kind, source } => {
                E::VolumeLost { volume, kind, source: self.engine(source) }
            }
            // It has numbers alone.
            E::Mask(error) => E::Mask(error),
            E::Workspace(error) => E::Workspace(self.workspace(error)),
            E::NoBuildFolder => E::NoBuildFolder,
            E::WorkspaceWithoutShell => E::WorkspaceWithoutShell,
            E::BuildFolder { code, words } => E::BuildFolder { code, words: self.text(words) },
            E::UnknownStep { step } => E::UnknownStep { step: self.text(step) },
            E::OtherRun { progress, plan } => E::OtherRun { progress, plan },
            E::Earlier { message } => E::Earlier { message: self.text(message) },
            E::NotPrepared { run, container } => E::NotPrepared { run, container },
            E::ContainerLost { detail } => E::ContainerLost { detail: self.text(detail) },
        }
    }

    fn workspace(&self, error: WorkspaceError) -> WorkspaceError {
        use WorkspaceError as E;
        match error {
            E::Folder { path, source } => {
                E::Folder { path: self.path(path), source: self.system(source) }
            }
            E::Git { path, detail } => E::Git { path: self.path(path), detail: self.text(detail) },
            E::Read { path, source } => {
                E::Read { path: self.relative(path), source: self.system(source) }
            }
            E::Shrunk { path } => E::Shrunk { path: self.relative(path) },
            E::Pattern { pattern, problem } => {
                E::Pattern { pattern: self.text(pattern), problem: self.text(problem) }
            }
            // Numbers and texts of this program.
            E::Archive(fault) => E::Archive(fault),
            E::Limit(limit) => E::Limit(limit),
            E::Transfer { source } => E::Transfer { source: self.cause(source) },
            // What it names came out of a container.
            E::Write { path, source } => {
                E::Write { path: self.text(path), source: self.system(source) }
            }
            E::Abandoned => E::Abandoned,
        }
    }

    /// The reason without secrets. An error that has been handed out already has been here before.
    pub(crate) fn reason(&self, reason: FailureReason) -> FailureReason {
        use FailureReason as R;
        let shared = |error: Arc<ExecutorError>| match Arc::try_unwrap(error) {
            Ok(error) => Arc::new(self.error(error)),
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
            CleanupFailure { kind, name, error: self.error(error) }
        });
        CleanupReport { removed, failed: failed.collect() }
    }

    fn log_end(&self, end: LogEnd) -> LogEnd {
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
            project,
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
            project,
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

/// Hands a job's events on without secrets.
#[derive(Debug)]
pub(crate) struct RedactingObserver {
    observer: Arc<dyn Observer>,
    redactor: Redactor,
}

impl RedactingObserver {
    pub(crate) fn new(observer: Arc<dyn Observer>, plan: &JobPlan) -> Self {
        Self { observer, redactor: Redactor::of(plan) }
    }

    /// Returns what removes the job's secrets from other texts.
    pub(crate) fn redactor(&self) -> &Redactor {
        &self.redactor
    }
}

impl Observer for RedactingObserver {
    fn event(&self, event: &JobEvent<'_>) {
        use JobEvent as E;
        let text = |text: &str| self.redactor.text(text.to_owned());
        match event {
            E::PullProgressed(progress) => {
                let mut progress = (*progress).clone();
                progress.status = text(&progress.status);
                self.observer.event(&E::PullProgressed(&progress));
            }
            E::PullRetried { image, why } => {
                self.observer.event(&E::PullRetried { image, why: &text(why) });
            }
            E::CredentialsUnusable { image, why } => {
                self.observer.event(&E::CredentialsUnusable { image, why: &text(why) });
            }
            E::PolicyFailed { image, policy, why } => {
                let policy = *policy;
                self.observer.event(&E::PolicyFailed { image, policy, why: &text(why) });
            }
            E::ServiceReady(service) => {
                self.observer.event(&E::ServiceReady(&self.redactor.service(service)));
            }
            E::ServiceFailed { service, log } => {
                let service = self.redactor.service(service);
                self.observer.event(&E::ServiceFailed { service: &service, log: &text(log) });
            }
            E::Uploaded(report) => {
                self.observer.event(&E::Uploaded(&self.redactor.upload(report)));
            }
            E::NotCollected(why) => self.observer.event(&E::NotCollected(&text(why))),
            E::Collected(report) => {
                self.observer.event(&E::Collected(&self.redactor.artifacts(report)));
            }
            E::StepStarted { step } => self.observer.event(&E::StepStarted { step: &text(step) }),
            E::StepEnded(step) => {
                self.observer.event(&E::StepEnded(&self.redactor.step(step)));
            }
            E::Warned(words) => self.observer.event(&E::Warned(&text(words))),
            // Names of objects and numbers. An interruption has no text.
            E::Connected(_)
            | E::VolumeReady(_)
            | E::CacheVanished(_)
            | E::CacheRebuilt { volume: _ }
            | E::PullStarted(_)
            | E::Started { container: _ }
            | E::Uploading(_)
            | E::NoInstance(_)
            | E::Noted(_)
            | E::Stopping(_) => self.observer.event(event),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use docker_api_trait::{ConnectFailure, ImageReference, Operation};
    use volume_manager::VolumeError;

    use super::*;
    use crate::{PullFault, RelativePath};

    const SECRET: &str = "hunter22";

    fn said() -> String {
        format!("it said {SECRET}, twice: {SECRET}")
    }

    fn image() -> ImageReference {
        "busybox".parse().unwrap()
    }

    fn system() -> io::Error {
        io::Error::other(said())
    }

    fn engine() -> ApiError {
        ApiError::from_status(Operation::StartContainer, 500, said())
    }

    /// One of every variant, with the secret in each text of it.
    fn errors() -> Vec<ExecutorError> {
        use ExecutorError as E;
        let path = || RelativePath::new("a").unwrap();
        let workspace = [
            WorkspaceError::Folder { path: "a".into(), source: system() },
            WorkspaceError::Git { path: "a".into(), detail: said() },
            WorkspaceError::Read { path: path(), source: system() },
            WorkspaceError::Shrunk { path: path() },
            WorkspaceError::Pattern { pattern: said(), problem: said() },
            WorkspaceError::Transfer { source: said().into() },
            WorkspaceError::Write { path: said(), source: system() },
            WorkspaceError::Abandoned,
        ];
        let lost = || ApiError::Lost { operation: Operation::Info, source: said().into() };
        let away = ApiError::Gone {
            operation: Operation::Info,
            after: Duration::ZERO,
            source: Box::new(ApiError::Unreachable {
                endpoint: said(),
                failure: ConnectFailure::Other,
                source: Box::new(system()),
            }),
        };
        let name = || "a".to_owned();
        let mut errors = vec![
            E::Engine(engine()),
            E::Engine(lost()),
            E::Engine(away),
            E::DiskFull { source: engine() },
            E::NameTaken { name: name(), source: engine() },
            E::Interrupted { container: name() },
            E::EngineLost { source: lost() },
            E::Panicked { message: said() },
            E::Network { source: engine() },
            E::Volumes(VolumeError::Closed { source: lost() }),
            E::Volumes(VolumeError::Unadoptable { destination: said() }),
            E::ImagePull {
                image: image(),
                fault: PullFault::Other,
                source: Arc::new(engine()),
                broken_credentials: vec![BrokenCredentials { why: said(), hint: "a hint" }],
            },
            E::PullStalled { image: image(), after: Duration::ZERO },
            E::ImageMissing { image: image() },
            E::ImagePlatform { image: image(), wanted: said(), found: Some(said()) },
            E::UnsupportedSystem { os: said() },
            E::Start { source: engine() },
            E::Refused { cause: crate::RefusalCause::NoCommand, source: engine() },
            E::NoShell { image: image(), detail: said() },
            E::ContainerVanished { container: name() },
            E::NetworkVanished { network: name() },
            E::VolumeLost { volume: name(), kind: "cache", source: engine() },
            E::NoBuildFolder,
            E::WorkspaceWithoutShell,
            E::BuildFolder { code: 1, words: said() },
            E::UnknownStep { step: said() },
            E::OtherRun { progress: name(), plan: name() },
            E::Earlier { message: said() },
            E::NotPrepared { run: name(), container: name() },
            E::ContainerLost { detail: said() },
        ];
        errors.extend(workspace.into_iter().map(E::from));
        errors
    }

    #[test]
    fn no_event_shows_a_secret() {
        use crate::{ContainerKind, PullPolicy};
        #[derive(Debug, Default)]
        struct Shown(std::sync::Mutex<Vec<String>>);
        impl Observer for Shown {
            fn event(&self, event: &JobEvent<'_>) {
                self.0.lock().unwrap().push(format!("{event:?}"));
            }
        }
        let shown = Arc::new(Shown::default());
        let observer: Arc<dyn Observer> = Arc::clone(&shown) as _;
        let observer = RedactingObserver { observer, redactor: Redactor::new([SECRET]) };
        let image = image();
        let service = ServiceResult {
            name: "db".to_owned(),
            image: image.to_string(),
            readiness: Readiness::NotStarted { why: said(), hint: None },
            duration: Duration::ZERO,
        };
        let step = StepResult {
            name: said(),
            container: ContainerKind::Build,
            outcome: StepOutcome::Skipped,
            allow_failure: false,
            duration: Duration::ZERO,
            log: LogEnd::Truncated(Truncation::Sink(said())),
        };
        let upload =
            UploadReport { files: 0, bytes: 0, kept: 0, removed: 0, skipped: vec![said()] };
        let artifacts = ArtifactReport { unmatched: vec![said()], ..ArtifactReport::default() };
        let mut progress = docker_api_trait::PullProgress::default();
        progress.status = said();
        let events = [
            JobEvent::PullProgressed(&progress),
            JobEvent::PullRetried { image: &image, why: &said() },
            JobEvent::CredentialsUnusable { image: &image, why: &said() },
            JobEvent::PolicyFailed { image: &image, policy: PullPolicy::Always, why: &said() },
            JobEvent::ServiceReady(&service),
            JobEvent::ServiceFailed { service: &service, log: &said() },
            JobEvent::Uploaded(&upload),
            JobEvent::NotCollected(&said()),
            JobEvent::Collected(&artifacts),
            JobEvent::StepStarted { step: &said() },
            JobEvent::StepEnded(&step),
            JobEvent::Warned(&said()),
        ];
        for event in &events {
            observer.event(event);
        }
        let shown = shown.0.lock().unwrap();
        assert_eq!(shown.len(), events.len());
        for text in &*shown {
            assert!(!text.contains(SECRET) && text.contains('…'), "{text}");
        }
    }

    fn shown(error: &ExecutorError) -> String {
        format!("{} {error:?} {:?}", describe(error), error.hint())
    }

    #[test]
    fn no_error_shows_a_secret() {
        let redactor = Redactor::new([SECRET]);
        for error in errors() {
            let before = std::mem::discriminant(&error);
            let error = redactor.error(error);
            assert_eq!(std::mem::discriminant(&error), before);
            assert!(!shown(&error).contains(SECRET), "{error:?}");
        }
    }

    #[test]
    fn no_reason_shows_a_secret() {
        let redactor = Redactor::new([SECRET]);
        for error in errors() {
            let reason = redactor.reason(error.into());
            assert!(!shown(reason.error().unwrap()).contains(SECRET), "{reason:?}");
        }
    }

    #[test]
    fn a_pull_that_jobs_share_is_redacted_for_each() {
        let shared = Arc::new(engine());
        let failed = |source| ExecutorError::ImagePull {
            image: image(),
            fault: PullFault::Other,
            source,
            broken_credentials: Vec::new(),
        };
        let one = Redactor::new([SECRET]).error(failed(Arc::clone(&shared)));
        let other = Redactor::new(["twice"]).error(failed(Arc::clone(&shared)));
        assert!(!describe(&one).contains(SECRET) && describe(&one).contains("twice"));
        assert!(!describe(&other).contains("twice") && describe(&other).contains(SECRET));
    }

    #[test]
    fn longest_secret_is_replaced_first() {
        let redactor = Redactor::new(["ab", "", "abcd"]);
        assert_eq!(redactor.text("abcd ab".to_owned()), "… …");
    }

    #[test]
    fn causes_without_a_secret_keep_their_type() {
        let cause = Redactor::new([SECRET]).cause(Box::new(io::Error::other("plain")));
        assert!(cause.downcast_ref::<io::Error>().is_some());
    }

    #[test]
    fn log_ends_and_cleanups_show_no_secret() {
        let redactor = Redactor::new([SECRET]);
        for why in [Truncation::Sink(said()), Truncation::Engine(said())] {
            let end = redactor.log_end(LogEnd::Truncated(why));
            assert!(!format!("{end:?}").contains(SECRET), "{end:?}");
        }
        let failed = CleanupFailure {
            kind: crate::ObjectKind::Volume,
            name: "a".to_owned(),
            error: engine().into(),
        };
        let report = redactor.cleanup(CleanupReport { removed: Vec::new(), failed: vec![failed] });
        assert!(!format!("{report:?}").contains(SECRET), "{report:?}");
    }
}
