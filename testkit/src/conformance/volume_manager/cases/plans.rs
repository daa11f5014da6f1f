//! Plans for cases, and what a case asks of its subject.

use std::time::SystemTime;

use docker_api_trait::VolumeName;
#[cfg(doc)]
use volume_manager::VolumeManager;
use volume_manager::{
    AttachReport, BuildDemand, BuildStrategy, ManagedVolume, Policy, PrepareContext,
    PreparedVolume, PreparedVolumes, Provenance, Scope, VolumeDemand, VolumeDriver, VolumeError,
    VolumePlan, plan,
};

use crate::conformance::volume_manager::subject::Subject;

pub(super) fn planned(scope: &Scope, run: &str, specs: &[&str], policy: &Policy) -> VolumePlan {
    planned_at(SystemTime::now(), scope, run, specs, policy)
}

pub(super) fn planned_at(
    time: SystemTime,
    scope: &Scope,
    run: &str,
    specs: &[&str],
    policy: &Policy,
) -> VolumePlan {
    let specs = specs.iter().map(|spec| spec.parse().expect("a legal spec"));
    plan(&VolumeDemand::new(specs), scope, &Provenance::new(run, time), policy).expect("a plan")
}

/// A cache at `/cache` and a temporary volume at `/builds`, for a run.
pub(super) fn both(scope: &Scope, run: &str) -> VolumePlan {
    let folder = "/builds".parse().expect("a legal path");
    let demand = VolumeDemand::new(["/cache".parse().expect("a legal spec")])
        .with_build(BuildDemand::new(folder, BuildStrategy::Clone));
    let provenance = Provenance::new(run, SystemTime::now());
    plan(&demand, scope, &provenance, &Policy::default()).expect("a plan")
}

/// A cache at `/cache`, for a run.
pub(super) fn cache(scope: &Scope, run: &str) -> VolumePlan {
    planned(scope, run, &["/cache"], &Policy::default())
}

/// A temporary volume at `/cache`, for a run.
pub(super) fn temporary(scope: &Scope, run: &str) -> VolumePlan {
    planned(scope, run, &["/cache"], &Policy::default().with_cache_disabled(true))
}

/// The volume that a planned one is when nothing else uses it.
pub(super) fn managed(plan: &VolumePlan, index: usize) -> ManagedVolume {
    let volume = PreparedVolumes::unprepared(plan).volumes.swap_remove(index);
    volume.managed().expect("a volume of ours").clone()
}

pub(super) fn name(plan: &VolumePlan, index: usize) -> VolumeName {
    managed(plan, index).name
}

pub(super) async fn exists(subject: &dyn Subject, plan: &VolumePlan, index: usize) -> bool {
    subject.find(&name(plan, index)).await.is_some()
}

pub(super) async fn prepare(subject: &dyn Subject, plan: &VolumePlan) -> PreparedVolumes {
    try_prepare(subject, plan).await.expect("the volumes get ready")
}

pub(super) async fn try_prepare(
    subject: &dyn Subject,
    plan: &VolumePlan,
) -> Result<PreparedVolumes, VolumeError> {
    subject.manager().prepare(plan, &PrepareContext::default()).await
}

/// What `attached` reports of volumes that a container of their own mounts.
pub(super) async fn attach(
    subject: &dyn Subject,
    prepared: &PreparedVolumes,
) -> Result<AttachReport, VolumeError> {
    let container = subject.create(prepared).await;
    let report = subject.manager().attached(&container, prepared).await;
    subject.discard(&container).await;
    report
}

/// The volumes as [`attached`](VolumeManager::attached) returns them: each is held.
pub(super) fn held(prepared: PreparedVolumes) -> PreparedVolumes {
    prepared.volumes.into_iter().map(PreparedVolume::held).collect()
}

pub(super) fn in_memory_for(mode: &str) -> Policy {
    let driver = VolumeDriver::new(VolumeDriver::LOCAL)
        .with_option("type", "tmpfs")
        .with_option("device", "tmpfs")
        .with_option("o", format!("mode={mode}"));
    Policy::default().with_driver(driver)
}
