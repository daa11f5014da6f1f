//! Services that do not become ready, and how they are reported.

use std::sync::Arc;

use docker_api_trait::{DockerApi, Health, HealthStatus, Operation};
use executor::{
    Executor, ExecutorConfig, FailureReason,
    outcome::{Phase, Readiness},
};
use testkit::{Fault, FaultKind, FaultyDocker, ScriptedRun, Site};
use volume_manager::DockerVolumeManager;

use super::{job_with_db, readiness, with_db, with_ports};
use crate::common::{Events, assert_clean, assert_succeeded, engine, failure, run, seconds};

#[tokio::test(start_paused = true)]
async fn a_service_that_is_not_ready_in_time_is_told_of_with_its_log() {
    let engine = with_ports(&["6379/tcp"]);
    let (outcome, took, events) = readiness(&engine).await;
    assert_eq!(outcome, Readiness::TimedOut { health: String::new(), loopback: None });
    assert_eq!(took, seconds(30));
    let event = events.first("ServiceFailed").unwrap();
    assert!(event.contains("starting"), "{event}");
    let mut sick = Health::new(HealthStatus::Unhealthy);
    "no route".clone_into(&mut sick.output);
    let engine = with_db().with_image_health("db", seconds(1), sick);
    let health = "no route".to_owned();
    assert_eq!(readiness(&engine).await.0, Readiness::TimedOut { health, loopback: None });
}

#[tokio::test(start_paused = true)]
async fn a_service_that_ends_is_told_of_with_the_end_of_its_log() {
    let engine = with_ports(&["6379/tcp"]);
    let run = ScriptedRun::exits(3).prints_stdout("x".repeat(100_000));
    engine.script_for_image("db", run.prints_stderr("no space left\n").lasting(seconds(2)));
    let (readiness, took, events) = readiness(&engine).await;
    assert_eq!(readiness, Readiness::Exited { exit_code: 3 });
    assert!(took >= seconds(2) && took <= seconds(4), "{took:?}");
    let event = events.first("ServiceFailed").unwrap();
    assert!(event.contains("xno space left"), "{}", event.len());
    assert!(event.len() < 70_000, "{}", event.len());
}

#[tokio::test(start_paused = true)]
async fn a_service_that_cannot_be_started_is_told_of() {
    let engine = with_db().with_image_without_shell("db");
    let mut job = job_with_db();
    job.services[0].image.entrypoint = vec!["sh".to_owned()];
    let result = run(&engine, &job).await;
    assert_succeeded(&result);
    assert!(matches!(result.services[0].readiness, Readiness::NotStarted { .. }), "{result:?}");
    assert_clean(&engine, &result);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_refused_is_reported_and_the_job_goes_on() {
    for mode in [None, Some("bridge"), Some("host")] {
        for status in [400, 409] {
            let engine = with_db();
            // The creation of the service comes first.
            let fault = Fault::before(
                Site::FirstOf(Operation::CreateContainer, 1),
                FaultKind::Status(status),
            );
            let faulty = FaultyDocker::with_faults(Arc::new(engine.clone()), [fault]);
            let events = Events::default();
            let mut config = ExecutorConfig::new("ci");
            config.containers.host.network_mode = mode.map(ToOwned::to_owned);
            let docker: Arc<dyn DockerApi> = Arc::new(faulty);
            let volumes = DockerVolumeManager::new(Arc::clone(&docker));
            let executor = Executor::with_engine_as_is(docker, Arc::new(volumes), config)
                .with_observer(Arc::new(events.clone()));
            let job = job_with_db();
            let result = executor.job(&job).run().await.unwrap();
            assert_succeeded(&result);
            let service = &result.services[0];
            assert_eq!(service.name, "db");
            assert!(matches!(service.readiness, Readiness::NotStarted { .. }), "{service:?}");
            assert_eq!(events.count("ServiceFailed"), 1);
            assert_clean(&engine, &result);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_ends_at_once_is_reported_with_a_hint() {
    let engine = with_ports(&["6379/tcp"]);
    engine.script_for_image("db", ScriptedRun::exits(0));
    let (readiness, _, events) = readiness(&engine).await;
    assert_eq!(readiness, Readiness::Exited { exit_code: 0 });
    assert!(readiness.hint().unwrap().contains("keep running"));
    assert_eq!(events.count("ServiceFailed"), 1);
}

#[tokio::test(start_paused = true)]
async fn an_image_of_a_service_that_nobody_has_fails_the_job() {
    let engine = engine();
    let result = run(&engine, &job_with_db()).await;
    assert!(
        matches!(failure(&result, Phase::Prepare, false), FailureReason::ImagePull { .. }),
        "{:?}",
        result.outcome
    );
    assert_clean(&engine, &result);
}
