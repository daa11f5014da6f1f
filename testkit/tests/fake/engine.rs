//! The engine as a whole: journal, faults, copies.

use super::*;

#[tokio::test]
async fn the_journal_holds_every_call_and_counts_each_as_a_request() {
    let docker = docker();
    let id = started(&docker, ScriptedRun::exits(0)).await;
    drop(docker.attach_container(&id).await);
    exit(&docker, &id, WaitCondition::NotRunning).await;
    assert!(docker.inspect_volume(&name("absent")).await.is_err());
    drop(docker.version()); // Never polled, so never sent.
    let expected = [
        Operation::CreateContainer,
        Operation::StartContainer,
        Operation::AttachContainer,
        Operation::WaitContainer,
        Operation::InspectVolume,
    ];
    assert_eq!(docker.calls(), expected);
    assert_eq!(docker.requests_sent(), 5);
    assert_eq!(docker.container_requests(), [job("job-0")]);
}

#[tokio::test]
async fn clones_are_handles_to_one_engine() {
    let docker = docker();
    let engine: Box<dyn DockerApi> = Box::new(docker.clone());
    engine.create_volume(&volume("cache")).await.unwrap();
    assert_eq!(docker.volume_names(), ["cache"]);
    assert_eq!(engine.version().await.unwrap().os, "linux");
}

#[tokio::test]
async fn a_refused_call_has_no_effect() {
    let docker = docker();
    let full = || ApiError::from_status(Operation::CreateVolume, 500, "no space left on device");
    docker.refuse_once(Operation::CreateVolume, full);
    assert!(matches!(
        docker.create_volume(&volume("cache")).await,
        Err(ApiError::Engine { status: 500, .. })
    ));
    assert_eq!(docker.volumes(), []);
    docker.create_volume(&volume("cache")).await.unwrap();

    docker.refuse(Operation::CreateVolume, full);
    for _ in 0..2 {
        assert!(docker.create_volume(&volume("other")).await.is_err());
    }
    assert_eq!(docker.volume_names(), ["cache"]);
}

#[tokio::test]
async fn a_call_whose_reply_is_lost_has_taken_effect() {
    let docker = docker();
    docker.lose_reply_once(Operation::CreateContainer);
    let error = docker.create_container(&job("job-1")).await.unwrap_err();
    assert!(matches!(error, ApiError::Lost { .. }) && error.effect_unknown());
    assert_eq!(docker.containers().len(), 1);
    assert!(docker.create_container(&job("job-2")).await.is_ok());
}

#[tokio::test]
async fn an_unreachable_engine_answers_nothing() {
    let docker = docker();
    docker.unreachable();
    assert!(matches!(docker.version().await, Err(ApiError::Unreachable { .. })));
    let create = docker.create_volume(&volume("cache")).await;
    assert!(matches!(create, Err(ApiError::Unreachable { .. })));
    assert_eq!(docker.volumes(), []);
}

#[tokio::test(start_paused = true)]
async fn a_held_call_stays_pending_without_effect() {
    let docker = docker();
    docker.hold(Operation::CreateVolume);
    assert!(timeout(HOUR, docker.create_volume(&volume("cache"))).await.is_err());
    assert_eq!(docker.volumes(), []);
    assert_eq!(docker.calls(), [Operation::CreateVolume]);
}

#[tokio::test]
async fn volumes_can_be_carried_to_another_engine() {
    let docker = docker();
    let labels = labels(&[("owner", "one")]);
    docker.create_volume(&volume("cache").with_labels(labels)).await.unwrap();
    let other = FakeDocker::new();
    other.create_volume(&volume("gone-afterwards")).await.unwrap();
    other.restore(docker.snapshot());
    assert_eq!(other.volumes(), docker.volumes());
}
