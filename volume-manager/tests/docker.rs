//! What the manager does when its engine does not do what it is asked for.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{sync::Arc, time::SystemTime};

use docker_api_trait::{ApiError, Operation};
use testkit::FakeDocker;
use volume_manager::{
    DockerVolumeManager, Outcome, Policy, Provenance, Scope, VolumeDemand, VolumeError,
    VolumeManager, VolumePlan, plan,
};

fn planned(run: &str, specs: &[&str], policy: &Policy) -> VolumePlan {
    let specs = specs.iter().map(|spec| spec.parse().unwrap());
    let provenance = Provenance::new(run, SystemTime::UNIX_EPOCH);
    plan(&VolumeDemand::new(specs), &Scope::trusted("ci", "app"), &provenance, policy).unwrap()
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
    let prepared = volumes.prepare(&plan).await.unwrap();
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
        volumes.prepare(&planned(run, &["/a", "/b"], &Policy::default())).await.unwrap();
        assert_eq!(docker.calls()[before..], [Operation::CreateVolume; 2]);
    }
}

#[tokio::test]
async fn an_engines_error_names_the_volume() {
    let docker = FakeDocker::new();
    docker.refuse(Operation::CreateVolume, broken);
    let volumes = DockerVolumeManager::new(Arc::new(docker));
    let plan = planned("1", &["/a"], &Policy::default());
    let error = volumes.prepare(&plan).await.unwrap_err();
    let VolumeError::Engine { volume, .. } = error else { panic!("{error:?}") };
    assert_eq!(volume.as_str(), plan.volumes[0].source.name());
}
