//! What the manager does when its engine does not do what it is asked for.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use docker_api_trait::{ApiError, ContainerApi as _, ContainerId, ContainerRequest, Operation};
use testkit::FakeDocker;
use volume_manager::{
    Backoff, DockerVolumeManager, Outcome, Policy, PrepareContext, PreparedVolume, PreparedVolumes,
    Provenance, Scope, VolumeDemand, VolumeDriver, VolumeError, VolumeManager, VolumePlan,
    VolumeState, plan,
};

fn planned(run: &str, specs: &[&str], policy: &Policy) -> VolumePlan {
    let specs = specs.iter().map(|spec| spec.parse().unwrap());
    let provenance = Provenance::new(run, SystemTime::UNIX_EPOCH);
    plan(&VolumeDemand::new(specs), &Scope::trusted("ci", "app"), &provenance, policy).unwrap()
}

async fn prepare(
    volumes: &DockerVolumeManager,
    plan: &VolumePlan,
) -> Result<PreparedVolumes, VolumeError> {
    volumes.prepare(plan, &PrepareContext::default()).await
}

fn broken() -> ApiError {
    ApiError::from_status(Operation::RemoveVolume, 500, "disk on fire")
}

#[tokio::test]
async fn every_removal_is_tried_and_every_failure_reported() {
    let docker = FakeDocker::new();
    let volumes = DockerVolumeManager::new(Arc::new(docker.clone()));
    let policy = Policy::default().with_cache_disabled(true);
    let plan = planned("1", &["/a", "/b", "/c"], &policy);
    let prepared = prepare(&volumes, &plan).await.unwrap();
    docker.refuse_once(Operation::RemoveVolume, broken);
    let report = volumes.finish(prepared, Outcome::Succeeded).await;
    assert_eq!((report.removed.len(), report.failed.len()), (2, 1));
    assert_eq!(docker.volume_names(), [report.failed[0].volume.to_string()]);
}

#[tokio::test]
async fn a_volume_costs_one_request_however_many_others_there_are() {
    let docker = FakeDocker::new();
    for other in 0..200 {
        docker.insert_volume(docker_api_trait::Volume::local(format!("other-{other}")));
    }
    let volumes = DockerVolumeManager::new(Arc::new(docker.clone()));
    for run in ["cold", "warm"] {
        let before = docker.calls().len();
        prepare(&volumes, &planned(run, &["/a", "/b"], &Policy::default())).await.unwrap();
        assert_eq!(docker.calls()[before..], [Operation::CreateVolume; 2]);
    }
}

#[tokio::test]
async fn an_engines_error_names_the_volume() {
    let docker = FakeDocker::new();
    docker.refuse(Operation::CreateVolume, broken);
    let volumes = DockerVolumeManager::new(Arc::new(docker));
    let plan = planned("1", &["/a"], &Policy::default());
    let error = prepare(&volumes, &plan).await.unwrap_err();
    let VolumeError::Engine { volume, .. } = error else { panic!("{error:?}") };
    assert_eq!(volume.as_str(), PreparedVolumes::unprepared(&plan).volumes[0].name());
}

#[tokio::test]
async fn a_temporary_in_use_is_tried_again_until_it_is_free() {
    let docker = FakeDocker::new();
    let patient = Backoff::new(Duration::from_millis(1), 5);
    let volumes = DockerVolumeManager::new(Arc::new(docker.clone())).with_backoff(patient);
    let plan = planned("1", &["/a"], &Policy::default().with_cache_disabled(true));
    let conflict = || ApiError::from_status(Operation::RemoveVolume, 409, "volume is in use");
    for (failures, tries, removed) in [(0, 1, true), (3, 4, true), (9, 6, false)] {
        let prepared = prepare(&volumes, &plan).await.unwrap();
        let before = docker.calls().len();
        for _ in 0..failures {
            docker.refuse_once(Operation::RemoveVolume, conflict);
        }
        let report = volumes.finish(prepared, Outcome::ScriptFailed).await;
        assert_eq!(docker.calls().len() - before, tries, "after {failures} conflicts");
        assert_eq!(report.removed.len(), usize::from(removed));
        if let Some(failed) = report.failed.first() {
            assert!(matches!(failed.error, VolumeError::InUse { .. }), "{failed:?}");
        }
    }
}

#[tokio::test]
async fn only_a_use_is_worth_another_try() {
    let docker = FakeDocker::new();
    let volumes = DockerVolumeManager::new(Arc::new(docker.clone()));
    let plan = planned("1", &["/a"], &Policy::default().with_cache_disabled(true));
    let prepared = prepare(&volumes, &plan).await.unwrap();
    docker.refuse(Operation::RemoveVolume, broken);
    let before = docker.calls().len();
    let report = volumes.finish(prepared, Outcome::ScriptFailed).await;
    assert_eq!((docker.calls().len() - before, report.failed.len()), (1, 1));
    assert!(matches!(report.failed[0].error, VolumeError::NotRemoved { .. }));
}

/// A container with the volumes of a plan, on an engine whose image has folders of its own.
async fn container(docker: &FakeDocker, prepared: &PreparedVolumes) -> ContainerId {
    let name = "job".parse().unwrap();
    let mut request = ContainerRequest::new(name, "busybox".parse().unwrap());
    request.mounts = prepared.mounts();
    docker.create_container(&request).await.unwrap().id
}

#[tokio::test]
async fn one_archive_opens_every_fresh_volume_and_spares_what_the_image_owns() {
    let docker = FakeDocker::new()
        .with_image("busybox")
        .with_image_folder("busybox", "/home/worker", 1000, 1000, 0o700)
        .with_image_folder("busybox", "/srv", 0, 0, 0o755)
        .with_image_link("busybox", "/link", "opt");
    let volumes = DockerVolumeManager::new(Arc::new(docker.clone()));
    let specs = ["/a", "/a/b", "/home/worker", "/srv:nocopy", "/link", "/ro:ro", "mine:/mine"];
    let plan = planned("1", &specs, &Policy::default());
    let prepared = prepare(&volumes, &plan).await.unwrap();
    let id = container(&docker, &prepared).await;
    let before = docker.calls().len();
    let opened = volumes.attached(&id, &prepared).await.unwrap().opened;
    let calls = docker.calls().split_off(before);
    let uploads = calls.iter().filter(|call| **call == Operation::UploadArchive);
    assert_eq!((uploads.count(), opened.len()), (1, 4));
    let mode = |destination: &str| {
        let is_at = |one: &&PreparedVolume| one.planned.destination.as_str() == destination;
        let volume = prepared.volumes.iter().find(is_at);
        docker.volume_root(volume.unwrap().name()).unwrap().mode
    };
    assert_eq!((mode("/a"), mode("/a/b"), mode("/srv")), (0o777, 0o777, 0o777));
    assert_eq!((mode("/home/worker"), mode("/ro"), mode("/mine")), (0o700, 0o755, 0o755));
    // Where a link of the image leads.
    assert_eq!(mode("/link"), 0o777);
}

#[tokio::test]
async fn reports_why_a_volume_stays_closed() {
    for operation in [Operation::InspectPath, Operation::DownloadArchive, Operation::UploadArchive]
    {
        let docker = FakeDocker::new().with_image("busybox");
        let volumes = DockerVolumeManager::new(Arc::new(docker.clone()));
        let prepared = prepare(&volumes, &planned("1", &["/a"], &Policy::default())).await.unwrap();
        let id = container(&docker, &prepared).await;
        docker.refuse(operation, broken);
        let report = volumes.attached(&id, &prepared).await.unwrap();
        assert!(report.opened.is_empty(), "{report:?}");
        let closed = report.closed.expect("the reason");
        assert!(matches!(closed, VolumeError::Closed { .. }), "{operation:?}: {closed:?}");
    }
}

#[tokio::test]
async fn another_configuration_is_another_volume_and_never_the_old_one() {
    let docker = FakeDocker::new();
    let volumes = DockerVolumeManager::new(Arc::new(docker.clone()));
    let tmpfs = |size: &str| {
        let driver = VolumeDriver::new("local")
            .with_option("type", "tmpfs")
            .with_option("device", "tmpfs")
            .with_option("o", format!("size={size}"));
        Policy::default().with_driver(driver)
    };
    for policy in [Policy::default(), tmpfs("1m"), tmpfs("2m")] {
        let prepared = prepare(&volumes, &planned("1", &["/a"], &policy)).await.unwrap();
        assert_eq!(prepared.states(), [Some(VolumeState::Created)]);
    }
    assert_eq!(docker.volume_names().len(), 3);
    let again = prepare(&volumes, &planned("2", &["/a"], &tmpfs("1m"))).await.unwrap();
    assert_eq!(again.states(), [Some(VolumeState::Reused)]);
}
