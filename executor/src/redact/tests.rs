use std::time::Duration;

use docker_api_trait::{ConnectFailure, ImageReference, Operation};
use volume_manager::VolumeError;

use super::*;
use crate::{JobEvent, Observer, PullFault, RelativePath};

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
    let upload = UploadReport { files: 0, bytes: 0, kept: 0, removed: 0, skipped: vec![said()] };
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
