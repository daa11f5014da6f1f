//! Images on the fake engine: when they are pulled, with which credentials, and what becomes of pulls
//! that fail.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use common::{
    Events, assert_clean, assert_succeeded, engine, error, executor, executor_with, failure, image,
    job, run, seconds, step,
};
use docker_api_trait::{ApiError, ImageApi, ImageReference, Operation};
use executor::{
    Cancel, Event, ExecutorConfig, FailureReason, JobEvent, JobResult, JobSpec, Observer,
    RefusalCause, Variable,
    error::{ImageError, PrepareError, RunError},
    image::{AuthConfig, PullFault, PullPolicy},
    job::RegistryLogin,
    outcome::Phase,
};
use futures_util::FutureExt as _;
use testkit::{FakeDocker, ScriptedRun};
use tokio::time::{Instant, sleep};

const REGISTRY: &str = "registry.example:5000";
const PRIVATE: &str = "registry.example:5000/team/app:1";

fn job_of(name: &str) -> JobSpec {
    let mut job = job([step("a")]);
    job.image = image(name).into();
    job
}

fn policies(policies: &[PullPolicy]) -> ExecutorConfig {
    let mut config = ExecutorConfig::new("ci");
    config.images.pull_policies = policies.to_vec();
    config
}

async fn watched(
    engine: &FakeDocker,
    config: ExecutorConfig,
    job: &JobSpec,
) -> (JobResult, Events) {
    let events = Events::default();
    let executor = executor_with(engine, config).with_observer(Arc::new(events.clone()));
    let result = executor.job(job).run().await.unwrap();
    assert_clean(engine, &result);
    (result, events)
}

#[track_caller]
fn assert_pull_failure(result: &JobResult, retryable: bool) {
    assert!(
        matches!(failure(result, Phase::Prepare, retryable), FailureReason::ImagePull { .. }),
        "{:?}",
        result.outcome
    );
}

/// What the registry, or the way to it, had against the pull. Only what may pass can be tried again.
#[track_caller]
fn assert_fault(result: &JobResult, expected: PullFault) {
    match error(result, Phase::Prepare, expected == PullFault::Transient) {
        RunError::Image(ImageError::Pull { fault, .. }) => assert_eq!(*fault, expected),
        error => panic!("{error:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn an_image_that_is_there_is_pulled_only_when_it_always_is() {
    for (policy, pulls) in
        [(PullPolicy::Always, 1), (PullPolicy::IfNotPresent, 0), (PullPolicy::Never, 0)]
    {
        let engine = engine().with_registry_image("busybox");
        let (result, events) = watched(&engine, policies(&[policy]), &job_of("busybox")).await;
        assert_succeeded(&result);
        assert_eq!(engine.pull_requests().len(), pulls, "{policy}");
        assert_eq!(events.count("PullStarted"), pulls, "{policy}");
        assert_eq!(events.count("PullProgressed") > 0, pulls > 0, "{policy}");
        let by_id = engine.container_requests()[0].image.as_str().starts_with("sha256:");
        assert_eq!(by_id, pulls > 0, "{policy}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_missing_image_is_pulled_once_and_then_used() {
    let engine = FakeDocker::new().with_registry_image("tool");
    let config = || policies(&[PullPolicy::IfNotPresent]);
    let (result, events) = watched(&engine, config(), &job_of("tool")).await;
    assert_succeeded(&result);
    assert_eq!(events.count("PullStarted"), 1);
    let (result, events) = watched(&engine, config(), &job_of("tool")).await;
    assert_succeeded(&result);
    assert_eq!((events.count("PullStarted"), engine.pull_requests().len()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_missing_image_that_may_never_be_pulled_is_named() {
    let engine = FakeDocker::new().with_registry_image("tool");
    let (result, _) = watched(&engine, policies(&[PullPolicy::Never]), &job_of("tool")).await;
    assert_pull_failure(&result, false);
    assert!(
        matches!(
            error(&result, Phase::Prepare, false),
            RunError::Image(ImageError::Missing { .. })
        ),
        "{:?}",
        result.outcome
    );
    assert!(engine.pull_requests().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_missing_container_of_volumes_from_is_no_missing_image() {
    for policy in [PullPolicy::IfNotPresent, PullPolicy::Never] {
        let engine = engine().with_registry_image("busybox");
        engine.refuse(Operation::CreateContainer, || {
            let words = "No such container: gone";
            ApiError::from_status(Operation::CreateContainer, 404, words)
        });
        let mut config = policies(&[policy]);
        config.containers.host.volumes_from = vec!["gone".to_owned()];
        let (result, _) = watched(&engine, config, &job_of("busybox")).await;
        let error = error(&result, Phase::Prepare, false);
        let RunError::Prepare(PrepareError::Refused { cause, .. }) = error else {
            panic!("{policy}: {error:?}")
        };
        assert_eq!(*cause, RefusalCause::Container, "{policy}");
        assert!(engine.pull_requests().is_empty(), "{policy}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_image_that_is_there_for_another_platform_is_not_called_missing() {
    let engine = engine();
    let mut job = job_of("busybox");
    job.image.platform = Some("linux/arm64".to_owned());
    let (result, _) = watched(&engine, policies(&[PullPolicy::Never]), &job).await;
    assert_pull_failure(&result, false);
    let error = error(&result, Phase::Prepare, false);
    let RunError::Image(ImageError::Platform { wanted, found, .. }) = error else {
        panic!("{error:?}")
    };
    assert_eq!((wanted.as_str(), found.as_deref()), ("linux/arm64", Some("linux/amd64")));
    let hint = error.hint().unwrap();
    assert!(hint.contains("docker pull --platform linux/arm64 busybox"), "{hint}");
}

/// Gives the tag to another image as soon as the pull has brought it.
#[derive(Debug)]
struct Mover(FakeDocker);

impl Observer for Mover {
    fn event(&self, event: &Event<'_>) {
        if let JobEvent::PullProgressed(progress) = event.kind
            && progress.status.starts_with("Status: Downloaded")
        {
            let name = image("busybox");
            let moved = self.0.import_image(&name, Bytes::from_static(b"another"));
            moved.now_or_never().unwrap().unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_tag_that_moves_after_the_pull_changes_nothing() {
    for policy in [PullPolicy::Always, PullPolicy::IfNotPresent] {
        let engine = FakeDocker::new().with_registry_image("busybox");
        let executor = executor_with(&engine, policies(&[policy]));
        let executor = executor.with_observer(Arc::new(Mover(engine.clone())));
        let job = job_of("busybox");
        let result = executor.job(&job).run().await.unwrap();
        assert_succeeded(&result);
        let moved = engine.inspect_image(&image("busybox")).await.unwrap().id;
        let used = engine.container_requests().last().unwrap().image.clone();
        assert!(used.as_str().starts_with("sha256:"), "{used}");
        assert_ne!(used.as_str(), moved);
    }
}

#[tokio::test(start_paused = true)]
async fn several_policies_are_tried_in_their_order() {
    use PullPolicy::{Always, IfNotPresent, Never};
    for (order, here, expected) in [
        // The registry does not have it; the engine may.
        (vec![Always, IfNotPresent], true, true),
        (vec![Always, Never], true, true),
        (vec![Never, IfNotPresent], false, false),
        (vec![Always, Never], false, false),
    ] {
        let engine = if here { engine() } else { FakeDocker::new() };
        let (result, events) = watched(&engine, policies(&order), &job_of("busybox")).await;
        assert_eq!(events.count("PolicyFailed"), 1, "{order:?}");
        if expected {
            assert_succeeded(&result);
        } else {
            assert_pull_failure(&result, false);
        }
    }
    // The first that brings it is the last that is tried.
    let engine = FakeDocker::new().with_registry_image("busybox");
    let (result, events) = watched(&engine, policies(&[Never, Always]), &job_of("busybox")).await;
    assert_succeeded(&result);
    let event = events.first("PolicyFailed").unwrap();
    assert!(event.contains("Never"), "{event}");
}

#[tokio::test(start_paused = true)]
async fn what_may_pass_is_tried_again_and_nothing_else() {
    for (words, faults, pulls, expected) in [
        ("Get \"https://x\": dial tcp: lookup x: no such host", 2, 3, None),
        ("toomanyrequests: slow down", 1, 2, None),
        ("received unexpected HTTP status: 503 Service Unavailable", 1, 2, None),
        ("manifest unknown", 1, 1, Some(PullFault::Refused)),
        ("unauthorized: authentication required", 1, 1, Some(PullFault::Refused)),
        ("no space left on device", 1, 1, Some(PullFault::Other)),
    ] {
        let engine = FakeDocker::new().with_registry_image("busybox");
        engine.fail_pulls(faults, words);
        let (result, events) =
            watched(&engine, ExecutorConfig::new("ci"), &job_of("busybox")).await;
        assert_eq!(engine.pull_requests().len(), pulls, "{words}");
        assert_eq!(events.count("PullRetried"), pulls - 1, "{words}");
        match expected {
            None => assert_succeeded(&result),
            Some(expected) => assert_fault(&result, expected),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_does_not_pass_is_given_up() {
    let engine = FakeDocker::new().with_registry_image("busybox");
    engine.fail_pulls(1000, "dial tcp 10.0.0.1:443: connection refused");
    let begin = Instant::now();
    let (result, events) = watched(&engine, ExecutorConfig::new("ci"), &job_of("busybox")).await;
    assert_pull_failure(&result, true);
    assert_fault(&result, PullFault::Transient);
    let retries = events.count("PullRetried");
    assert!((1..10).contains(&retries), "{retries}");
    assert!(begin.elapsed() < Duration::from_mins(5), "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_pull_that_says_nothing_is_given_up_and_not_tried_again() {
    let engine = FakeDocker::new().with_registry_image("busybox");
    engine.stall_pulls();
    let mut config = ExecutorConfig::new("ci");
    config.images.stall_timeout = seconds(20);
    let begin = Instant::now();
    let (result, events) = watched(&engine, config, &job_of("busybox")).await;
    assert_pull_failure(&result, true);
    let RunError::Image(ImageError::Stalled { after, .. }) = error(&result, Phase::Prepare, true)
    else {
        panic!("{:?}", result.outcome)
    };
    assert_eq!((*after, begin.elapsed()), (seconds(20), seconds(20)));
    assert_eq!((engine.pull_requests().len(), events.count("PullRetried")), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_pull_whose_end_proves_nothing_is_no_image() {
    // The messages come to their end, and the engine does not have it.
    let engine = FakeDocker::new().with_registry_image("busybox");
    engine.refuse(Operation::InspectImage, || ApiError::NotFound {
        operation: Operation::InspectImage,
        message: "no such image".to_owned(),
    });
    let (result, _) = watched(&engine, ExecutorConfig::new("ci"), &job_of("busybox")).await;
    assert_pull_failure(&result, false);
}

/// A Docker `config.json` with a login for a registry.
fn auths(registry: &str) -> String {
    // ci:s3cret
    format!(r#"{{"auths": {{"{registry}": {{"auth": "Y2k6czNjcmV0"}}}}}}"#)
}

fn locked() -> FakeDocker {
    engine().with_locked_registry_image(PRIVATE, "ci", "s3cret")
}

#[tokio::test(start_paused = true)]
async fn credentials_come_from_the_job_its_variable_or_the_user() {
    for source in ["job", "variable", "user"] {
        let engine = locked();
        let (mut job, mut executor) = (job_of(PRIVATE), executor(&engine));
        match source {
            "job" => job.registries.push(RegistryLogin::new(REGISTRY, "ci", "s3cret")),
            "variable" => {
                let variable = Variable::new("DOCKER_AUTH_CONFIG", auths(REGISTRY)).unwrap();
                job.variables.push(variable.masked());
            }
            _ => {
                let config = AuthConfig::parse("config.json", &auths(REGISTRY)).unwrap();
                executor = executor.with_auth_config(config);
            }
        }
        let result = executor.job(&job).run().await.unwrap();
        assert_succeeded(&result);
        let credential = engine.pull_requests()[0].credential.clone().unwrap();
        assert_eq!((credential.username.as_str(), credential.server.as_str()), ("ci", REGISTRY));
        assert!(!format!("{:?}", engine.pull_requests()).contains("s3cret"), "{source}");
        assert_clean(&engine, &result);
    }
}

#[tokio::test(start_paused = true)]
async fn a_credential_is_shown_to_its_own_registry_alone() {
    let engine = locked().with_registry_image("busybox:2");
    for other in ["registry.example", "example:5000", "registry.example:5001", "docker.io"] {
        let mut job = job_of(PRIVATE);
        job.registries.push(RegistryLogin::new(other, "ci", "s3cret"));
        job.variables.push(Variable::new("DOCKER_AUTH_CONFIG", auths(other)).unwrap());
        let config = AuthConfig::parse("config.json", &auths(other)).unwrap();
        let executor = executor(&engine).with_auth_config(config);
        let result = executor.job(&job).run().await.unwrap();
        assert_fault(&result, PullFault::Refused);
        assert!(engine.pull_requests().last().unwrap().credential.is_none(), "{other}");
    }
    let mut job = job_of("busybox:2");
    job.registries.push(RegistryLogin::new(REGISTRY, "ci", "s3cret"));
    assert_succeeded(&run(&engine, &job).await);
    assert!(engine.pull_requests().last().unwrap().credential.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_wrong_password_is_a_pull_failure_that_does_not_show_it() {
    let engine = locked();
    let mut job = job_of(PRIVATE);
    job.registries.push(RegistryLogin::new(REGISTRY, "ci", "hunter2"));
    let result = run(&engine, &job).await;
    assert_fault(&result, PullFault::Refused);
    assert!(!format!("{result:?}").contains("hunter2"));
}

#[tokio::test(start_paused = true)]
async fn a_jobs_configuration_runs_no_program_of_this_machine() {
    for helper in
        [r#"{"credsStore": "pass"}"#, r#"{"credHelpers": {"registry.example:5000": "pass"}}"#]
    {
        let engine = locked();
        let mut job = job_of(PRIVATE);
        job.variables.push(Variable::new("DOCKER_AUTH_CONFIG", helper).unwrap());
        let result = run(&engine, &job).await;
        assert_fault(&result, PullFault::Refused);
        let hint = error(&result, Phase::Prepare, false).hint().unwrap();
        assert!(hint.contains("DOCKER_AUTH_CONFIG may not name a credential helper"), "{hint}");
        assert_clean(&engine, &result);
    }
}

#[tokio::test(start_paused = true)]
async fn a_broken_source_of_credentials_fails_no_job_with_a_public_image() {
    for broken in ["s3cret", r#"{"credsStore": "pass"}"#, r#"{"auths": {"docker.io": "s3cret"}}"#] {
        let engine = engine().with_registry_image("busybox");
        let mut job = job_of("busybox");
        job.variables.push(Variable::new("DOCKER_AUTH_CONFIG", broken).unwrap());
        let user = AuthConfig::parse("/home/ci/.docker/config.json", "{s3cret").unwrap_err();
        let events = Arc::new(Unusable::default());
        let executor = executor_with(&engine, policies(&[PullPolicy::Always]))
            .with_auth_config(AuthConfig::broken(user))
            .with_observer(Arc::clone(&events) as _);
        let result = executor.job(&job).run().await.unwrap();
        assert_succeeded(&result);
        let events = events.0.lock().unwrap();
        assert_eq!(events.len(), 2, "{events:?}");
        assert!(events.iter().any(|why| why.contains("/home/ci/.docker/config.json")));
        assert!(events.iter().any(|why| why.contains("DOCKER_AUTH_CONFIG")));
        assert!(!events.concat().contains("s3cret"), "{events:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_broken_source_of_credentials_leaves_the_others_in_use() {
    let engine = locked();
    let mut job = job_of(PRIVATE);
    job.variables.push(Variable::new("DOCKER_AUTH_CONFIG", "{").unwrap());
    job.registries.push(RegistryLogin::new(REGISTRY, "ci", "s3cret"));
    let result = run(&engine, &job).await;
    assert_succeeded(&result);
}

/// The sources of credentials that could not be used.
#[derive(Debug, Default)]
struct Unusable(std::sync::Mutex<Vec<String>>);

impl Observer for Unusable {
    fn event(&self, event: &Event<'_>) {
        if let JobEvent::CredentialsUnusable { why, .. } = event.kind {
            self.0.lock().unwrap().push((*why).to_owned());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn eight_jobs_share_a_pull_and_survive_the_one_who_began_it() {
    let engine = FakeDocker::new().with_registry_image("busybox");
    // So that the pull takes a while.
    engine.fail_pulls(1, "net/http: TLS handshake timeout");
    engine.script(ScriptedRun::exits(0));
    let (executor, job) = (executor(&engine), job_of("busybox"));
    let cancels: Vec<_> = (0..8).map(|_| Cancel::new()).collect();
    let runs = cancels.iter().map(|cancel| executor.job(&job).cancel(cancel).run());
    let runs = futures_util::future::join_all(runs);
    let first = async {
        sleep(Duration::from_millis(50)).await;
        cancels[0].stop();
    };
    let (results, ()) = tokio::join!(runs, first);
    let results: Vec<_> = results.into_iter().map(Result::unwrap).collect();
    assert!(
        matches!(failure(&results[0], Phase::Prepare, false), FailureReason::Canceled),
        "{:?}",
        results[0].outcome
    );
    for result in &results[1..] {
        assert_succeeded(result);
    }
    // One that failed and one that did not, for all.
    assert_eq!(engine.pull_requests().len(), 2);
    assert_clean(&engine, &results[0]);
}

#[tokio::test(start_paused = true)]
async fn jobs_with_other_credentials_pull_for_themselves() {
    let engine = locked();
    engine.fail_pulls(1, "i/o timeout");
    let executor = executor(&engine);
    let (mut allowed, other) = (job_of(PRIVATE), job_of(PRIVATE));
    allowed.registries.push(RegistryLogin::new(REGISTRY, "ci", "s3cret"));
    let run = |job| executor.job(job).cancel(Box::leak(Box::new(Cancel::new()))).run();
    let (allowed, other) = tokio::join!(run(&allowed), run(&other));
    assert_succeeded(&allowed.unwrap());
    assert_fault(&other.unwrap(), PullFault::Refused);
}

#[tokio::test(start_paused = true)]
async fn the_platform_is_asked_for_in_the_pull_and_the_creation() {
    let engine = engine().with_registry_image("busybox");
    let mut job = job_of("busybox");
    job.image.platform = Some("linux/arm64".to_owned());
    let result = run(&engine, &job).await;
    assert_succeeded(&result);
    // What the engine has is for another platform.
    assert_eq!(engine.pull_requests()[0].platform.as_deref(), Some("linux/arm64"));
    let requests = engine.container_requests();
    assert!(requests.iter().all(|request| request.platform.as_deref() == Some("linux/arm64")));
}

#[tokio::test(start_paused = true)]
async fn an_image_by_its_id_or_digest_is_used_as_it_is() {
    let engine = engine().with_registry_image("tool");
    let id = engine.inspect_image(&image("busybox")).await.unwrap().id;
    assert_succeeded(&run(&engine, &job_of(&id)).await);
    assert!(engine.pull_requests().is_empty());
    let reference = format!("tool@sha256:{}", "0".repeat(64));
    let engine = FakeDocker::new().with_registry_image(&reference);
    let job = job_of(&reference);
    let (result, _) = watched(&engine, policies(&[PullPolicy::Always]), &job).await;
    assert_succeeded(&result);
    let asked: ImageReference = engine.pull_requests()[0].image.clone();
    assert_eq!(asked.as_str(), reference);
}
