use std::time::Duration;

use docker_api_trait::{ApiError, ConnectFailure, ImageReference, Operation};
use volume_manager::VolumeError;

use super::*;
use crate::{
    error::{CleanupError, ImageError, PrepareError, ResumeError, StepError, TransferError},
    event::{Event, JobEvent, Observer},
    image::{BrokenCredentials, PullFault},
    workspace::{RelativePath, WorkspaceError},
};

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
fn errors() -> Vec<RunError> {
    let transfers = workspace_errors().map(|error| TransferError::Workspace(error).into());
    engine_errors().into_iter().chain(job_errors()).chain(transfers).collect()
}

fn workspace_errors() -> impl Iterator<Item = WorkspaceError> {
    let path = || RelativePath::new("a").unwrap();
    [
        WorkspaceError::Folder { path: "a".into(), source: system() },
        WorkspaceError::Git { path: "a".into(), detail: said() },
        WorkspaceError::Read { path: path(), source: system() },
        WorkspaceError::Shrunk { path: path() },
        WorkspaceError::Pattern { pattern: said(), problem: said() },
        WorkspaceError::Transfer { source: said().into() },
        WorkspaceError::Write { path: said(), source: system() },
        WorkspaceError::Abandoned,
    ]
    .into_iter()
}

fn lost() -> ApiError {
    ApiError::Lost { operation: Operation::Info, source: said().into() }
}

fn name() -> String {
    "a".to_owned()
}

/// Failures of the engine.
fn engine_errors() -> [RunError; 11] {
    let away = ApiError::Gone {
        operation: Operation::Info,
        after: Duration::ZERO,
        source: Box::new(ApiError::Unreachable {
            endpoint: said(),
            failure: ConnectFailure::Other,
            source: Box::new(system()),
        }),
    };
    [
        RunError::Prepare(PrepareError::Engine(engine())),
        RunError::Prepare(PrepareError::Engine(lost())),
        RunError::Prepare(PrepareError::Engine(away)),
        RunError::Prepare(PrepareError::DiskFull { source: engine() }),
        RunError::Prepare(PrepareError::NameTaken { name: name(), source: engine() }),
        RunError::Step(StepError::Interrupted { container: name() }),
        RunError::Step(StepError::EngineLost { source: lost() }),
        RunError::Panicked { message: said() },
        RunError::Prepare(PrepareError::Network { source: engine() }),
        RunError::Prepare(PrepareError::Volumes(VolumeError::Closed { source: lost() })),
        RunError::Prepare(PrepareError::Volumes(VolumeError::Unadoptable { destination: said() })),
    ]
}

/// Failures of what a job asks for.
fn job_errors() -> [RunError; 16] {
    [
        RunError::Image(ImageError::Pull {
            image: image(),
            fault: PullFault::Other,
            source: Arc::new(engine()),
            broken_credentials: vec![BrokenCredentials { why: said(), hint: "a hint" }],
        }),
        RunError::Image(ImageError::Stalled { image: image(), after: Duration::ZERO }),
        RunError::Image(ImageError::Missing { image: image() }),
        RunError::Image(ImageError::Platform {
            image: image(),
            wanted: said(),
            found: Some(said()),
        }),
        RunError::Prepare(PrepareError::UnsupportedSystem { os: said() }),
        RunError::Prepare(PrepareError::Start { source: engine() }),
        RunError::Prepare(PrepareError::Refused {
            cause: crate::RefusalCause::NoCommand,
            source: engine(),
        }),
        RunError::Step(StepError::NoShell { image: image(), detail: said() }),
        RunError::Prepare(PrepareError::ContainerVanished { container: name() }),
        RunError::Prepare(PrepareError::NetworkVanished { network: name() }),
        RunError::Prepare(PrepareError::VolumeLost {
            volume: name(),
            kind: volume_manager::VolumeKind::Cache,
            source: engine(),
        }),
        RunError::Transfer(TransferError::NoBuildFolder),
        RunError::Transfer(TransferError::WithoutShell),
        RunError::Transfer(TransferError::BuildFolder { code: 1, words: said() }),
        RunError::Earlier { message: said() },
        RunError::Step(StepError::ContainerLost { detail: said() }),
    ]
}

#[test]
fn no_event_shows_a_secret() {
    use crate::{image::PullPolicy, job::ContainerKind};
    #[derive(Debug, Default)]
    struct Shown(std::sync::Mutex<Vec<String>>);
    impl Observer for Shown {
        fn event(&self, event: &Event<'_>) {
            self.0.lock().unwrap().push(format!("{event:?}"));
        }
    }
    let shown = Arc::new(Shown::default());
    let observer: Arc<dyn Observer> = Arc::clone(&shown) as _;
    let observer = RedactingObserver {
        observer,
        run: "r".to_owned(),
        job: "j".to_owned(),
        redactor: Redactor::new([SECRET]),
    };
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

fn shown(error: &RunError) -> String {
    format!("{} {error:?} {:?}", describe(error), error.hint())
}

#[test]
fn no_error_shows_a_secret() {
    let redactor = Redactor::new([SECRET]);
    for error in errors() {
        let before = std::mem::discriminant(&error);
        let error = redactor.run_error(error);
        assert_eq!(std::mem::discriminant(&error), before);
        assert!(!shown(&error).contains(SECRET), "{error:?}");
    }
}

#[test]
fn no_error_of_a_resumption_or_a_cleanup_shows_a_secret() {
    let redactor = Redactor::new([SECRET]);
    let name = || "a".to_owned();
    let volume = || VolumeError::Unadoptable { destination: said() };
    for error in [
        ResumeError::Engine(engine()),
        ResumeError::Volumes(volume()),
        ResumeError::Attach(PrepareError::Start { source: engine() }),
        ResumeError::NotPrepared { run: name(), container: name() },
        ResumeError::OtherRun { progress: name(), plan: name() },
    ] {
        let error = redactor.resume(error);
        let text = format!("{} {error:?} {:?}", describe(&error), error.hint());
        assert!(!text.contains(SECRET), "{text}");
    }
    for error in [CleanupError::Engine(engine()), CleanupError::Volumes(volume())] {
        let error = redactor.cleanup_error(error);
        let text = format!("{} {error:?} {:?}", describe(&error), error.hint());
        assert!(!text.contains(SECRET), "{text}");
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
    let failed = |source| ImageError::Pull {
        image: image(),
        fault: PullFault::Other,
        source,
        broken_credentials: Vec::new(),
    };
    let error_of = |secret| Redactor::new([secret]).run_error(failed(Arc::clone(&shared)).into());
    let (one, other) = (error_of(SECRET), error_of("twice"));
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
        kind: crate::outcome::ObjectKind::Volume,
        name: "a".to_owned(),
        error: engine().into(),
    };
    let report = redactor.cleanup(CleanupReport { removed: Vec::new(), failed: vec![failed] });
    assert!(!format!("{report:?}").contains(SECRET), "{report:?}");
}
