//! Cases about `adopt`, and about several runs at once.

use docker_api_trait::{VolumeName, VolumeRequest};
use futures_util::future::join_all;
use volume_manager::{
    Outcome, Policy, PreparedVolumes, Scope, VolumeError, VolumeField, VolumeKind, VolumeState,
    label,
};

use super::plans::{both, cache, exists, name, planned, prepare};
use crate::conformance::volume_manager::{subject::Subject, unique::unique};

/// "`adopt` finds the volumes of a container that an earlier process prepared: caches and temporary
/// volumes by their labels, all else as the user's own. It makes nothing."
pub async fn adopts_the_volumes_of_a_run(subject: &dyn Subject) {
    let scope = Scope::trusted(subject.owner(), unique("adopt"));
    let plan = both(&scope, "1");
    let own = VolumeName::new(unique("own-adopted")).expect("a legal name");
    subject.insert(&VolumeRequest::new(own.clone())).await;
    let spec = format!("{own}:/data:ro");
    let users =
        planned(&scope, "1", &[&spec, "/etc:/host"], &Policy::default().with_host_paths(true));
    let all = prepare(subject, &plan).await.volumes.into_iter();
    let prepared = all.chain(prepare(subject, &users).await.volumes).collect();
    let container = subject.create(&prepared).await;
    let mounts = subject.mounts(&container).await;
    let adopted = subject.manager().adopt(&mounts, &subject.owner(), "1").await;
    let adopted = adopted.expect("the volumes can be adopted");
    let attached = subject.manager().attached(&container, &adopted).await;
    subject.discard(&container).await;
    assert_eq!(attached.expect("as before").volumes, adopted, "they are held");
    let shape = |prepared: &PreparedVolumes| {
        let volumes = prepared.volumes.iter().map(|volume| {
            let (kind, name) = (volume.kind(), volume.name().to_owned());
            let identity = volume.planned.source.identity().cloned();
            (volume.planned.destination.to_string(), kind, name, volume.planned.mode, identity)
        });
        let mut volumes: Vec<_> = volumes.collect();
        volumes.sort_by(|one, other| one.0.cmp(&other.0));
        volumes
    };
    assert_eq!(shape(&adopted), shape(&prepared));
    let states = adopted.states();
    assert_eq!(states.iter().filter(|state| **state == Some(VolumeState::Reused)).count(), 2);
    assert_eq!(states.iter().filter(|state| state.is_none()).count(), 2);
    let report = subject.manager().finish(adopted, Outcome::Succeeded).await;
    assert_eq!((report.kept.len(), report.removed.len()), (1, 1), "{report:?}");
    assert!(exists(subject, &plan, 1).await != exists(subject, &plan, 0).await, "the cache stays");
    assert!(subject.find(&own).await.is_some());
    subject.vanish(&own).await;
}

/// "It refuses volumes of other owners, and temporary ones of other runs, with `Foreign`."
pub async fn refuses_to_adopt_what_is_another_owners_or_another_runs(subject: &dyn Subject) {
    let scope = Scope::trusted(subject.owner(), unique("adopt-other"));
    let prepared = prepare(subject, &both(&scope, "1")).await;
    let container = subject.create(&prepared).await;
    let mounts = subject.mounts(&container).await;
    let manager = subject.manager();
    let stranger = manager.adopt(&mounts, "somebody-else", "1").await;
    let other = manager.adopt(&mounts, &subject.owner(), "2").await;
    subject.discard(&container).await;
    manager.finish(prepared, Outcome::Crashed).await;
    for (refusal, key) in [(stranger, label::OWNER), (other, label::RUN)] {
        let Err(VolumeError::Foreign { field, .. }) = refusal else { panic!("{refusal:?}") };
        assert_eq!(field, VolumeField::Label(key));
    }
}

/// "One that is gone is `Vanished`."
pub async fn refuses_to_adopt_what_is_gone(subject: &dyn Subject) {
    let scope = Scope::trusted(subject.owner(), unique("adopt-gone"));
    let plan = cache(&scope, "1");
    let container = subject.create(&prepare(subject, &plan).await).await;
    let mounts = subject.mounts(&container).await;
    subject.discard(&container).await;
    subject.vanish(&name(&plan, 0)).await;
    let refusal = subject.manager().adopt(&mounts, &subject.owner(), "1").await;
    let Err(VolumeError::Vanished { volume }) = refusal else { panic!("{refusal:?}") };
    assert_eq!(volume, name(&plan, 0));
}

/// "All methods may be called concurrently, for the same and for different runs."
pub async fn opens_and_adopts_for_runs_at_once(subject: &dyn Subject) {
    let scope = Scope::trusted(subject.owner(), unique("at-once"));
    let plans: Vec<_> = (0..6).map(|run| both(&scope, &run.to_string())).collect();
    let finished = join_all(plans.iter().enumerate().map(|(run, plan)| async move {
        let manager = subject.manager();
        let prepared = prepare(subject, plan).await;
        let container = subject.create(&prepared).await;
        manager.attached(&container, &prepared).await.expect("the volumes can be opened");
        let mounts = subject.mounts(&container).await;
        let adopted = manager.adopt(&mounts, &subject.owner(), &run.to_string()).await;
        subject.discard(&container).await;
        manager.finish(adopted.expect("the volumes can be adopted"), Outcome::Succeeded).await
    }))
    .await;
    for report in finished {
        assert_eq!((report.removed.len(), report.failed.len()), (1, 0), "{report:?}");
    }
    let cache =
        plans[0].volumes.iter().position(|volume| volume.source.kind() == VolumeKind::Cache);
    assert!(exists(subject, &plans[0], cache.expect("a cache")).await, "the cache stays");
}
