//! Cases about `attached`.

use std::time::{Duration, SystemTime};

use docker_api_trait::{VolumeName, VolumeRequest};
use volume_manager::{
    Outcome, Policy, PreparedVolumes, Scope, VolumeError, VolumeField, VolumeState, label,
};

use super::plans::{
    attach, both, cache, held, in_memory_for, managed, name, planned, planned_at, prepare,
};
use crate::conformance::volume_manager::{subject::Subject, unique::unique};

/// "None can vanish from then on, and every volume that it returns is held."
pub async fn confirms_what_a_container_holds(subject: &dyn Subject) {
    let scope = Scope::trusted(subject.owner(), unique("confirm"));
    for state in [VolumeState::Created, VolumeState::Reused] {
        let run = if state == VolumeState::Created { "1" } else { "2" };
        let prepared = prepare(subject, &both(&scope, run)).await;
        assert_eq!(prepared.states(), [Some(state), Some(VolumeState::Created)]);
        let makers = prepared.volumes.iter().map(|volume| volume.made_by.as_deref());
        assert_eq!(makers.collect::<Vec<_>>(), [Some("1"), Some(run)]);
        let report = attach(subject, &prepared).await.expect("as before");
        assert_eq!(report.volumes, held(prepared.clone()));
        subject.manager().finish(prepared, Outcome::Succeeded).await;
    }
}

/// "One that does not exist is `Vanished`."
pub async fn refuses_what_does_not_exist_any_more(subject: &dyn Subject) {
    let scope = Scope::trusted(subject.owner(), unique("gone"));
    prepare(subject, &cache(&scope, "1")).await;
    let plan = cache(&scope, "2");
    let prepared = prepare(subject, &plan).await;
    let container = subject.create(&prepared).await;
    subject.discard(&container).await;
    subject.vanish(&name(&plan, 0)).await;
    let refusal = subject.manager().attached(&container, &prepared).await;
    assert!(matches!(refusal, Err(VolumeError::Vanished { .. })), "no container: {refusal:?}");
}

/// "`attached` can be called again": it does not inspect again what is held.
pub async fn can_be_attached_again(subject: &dyn Subject) {
    let scope = Scope::trusted(subject.owner(), unique("attach-again"));
    prepare(subject, &cache(&scope, "1")).await;
    let prepared = prepare(subject, &both(&scope, "2")).await;
    let container = subject.create(&prepared).await;
    let manager = subject.manager();
    let first = manager.attached(&container, &prepared).await.expect("as before");
    let second = manager.attached(&container, &first.volumes).await.expect("as before");
    subject.discard(&container).await;
    manager.finish(prepared.clone(), Outcome::Succeeded).await;
    assert_eq!((first.opened.len(), second.opened.len()), (2, 0), "{first:?} {second:?}");
    assert!(first.closed.is_none() && second.closed.is_none(), "{first:?} {second:?}");
    assert_eq!(second.volumes, first.volumes);
}

/// "A cache that was `Reused` and is another run's by now, or this run's, is `Recreated`."
pub async fn tells_of_a_cache_that_vanished_before_a_container_held_it(subject: &dyn Subject) {
    let scope = Scope::trusted(subject.owner(), unique("vanished-late"));
    prepare(subject, &cache(&scope, "1")).await;
    let (second, third) = (cache(&scope, "2"), cache(&scope, "3"));
    let by_itself = prepare(subject, &second).await;
    let by_another = prepare(subject, &third).await;
    subject.vanish(&name(&second, 0)).await;
    for prepared in [&by_itself, &by_another] {
        let confirmed =
            attach(subject, prepared).await.expect("an empty cache is no error").volumes;
        assert_eq!(confirmed.states(), [Some(VolumeState::Recreated)]);
        let (before, now) = (&prepared.volumes[0], &confirmed.volumes[0]);
        assert_eq!((&now.planned, &now.source), (&before.planned, &before.source));
    }
    // An engine that passes over the labels of a mount leaves a stranger's.
    subject.vanish(&name(&second, 0)).await;
}

/// "One that has lost its identity is refused as by `prepare`."
pub async fn refuses_what_was_put_in_the_place_of_a_cache(subject: &dyn Subject) {
    let scope = Scope::trusted(subject.owner(), unique("squat-late"));
    prepare(subject, &cache(&scope, "1")).await;
    let plan = cache(&scope, "2");
    let prepared = prepare(subject, &plan).await;
    subject.vanish(&name(&plan, 0)).await;
    let mut request = managed(&plan, 0).request();
    request.labels.insert(label::TRUST.to_owned(), "untrusted".to_owned());
    subject.insert(&request).await;
    let refusal = attach(subject, &prepared).await;
    subject.vanish(&name(&plan, 0)).await;
    let Err(VolumeError::Mismatch { field, .. }) = refusal else { panic!("{refusal:?}") };
    assert_eq!(field, VolumeField::Label(label::TRUST));
}

/// What `attached` opened, in a container of its own.
async fn opened(subject: &dyn Subject, prepared: &PreparedVolumes) -> Vec<VolumeName> {
    let report = attach(subject, prepared).await.expect("the volumes are those that were prepared");
    assert!(report.closed.is_none(), "{report:?}");
    report.opened
}

/// "`attached` lets every user write to the root of each managed volume that is unused."
pub async fn opens_a_fresh_volume_once(subject: &dyn Subject) {
    let scope = Scope::trusted(subject.owner(), unique("open"));
    let plan = planned(&scope, "1", &["/a", "/b/c"], &Policy::default());
    let prepared = prepare(subject, &plan).await;
    assert_eq!(opened(subject, &prepared).await, [name(&plan, 0), name(&plan, 1)]);
    assert!(opened(subject, &prepared).await.is_empty(), "they are open");
}

/// What another run made lately is fresh, too: it may not have come to opening it.
pub async fn opens_what_another_run_made_lately(subject: &dyn Subject) {
    let scope = Scope::trusted(subject.owner(), unique("lately"));
    prepare(subject, &cache(&scope, "1")).await;
    let prepared = prepare(subject, &cache(&scope, "2")).await;
    assert_eq!(prepared.states(), [Some(VolumeState::Reused)]);
    assert_eq!(opened(subject, &prepared).await, [name(&cache(&scope, "2"), 0)]);
}

/// A volume that was made long ago, and that no run ever came to open, is opened by the next.
pub async fn opens_what_was_never_opened(subject: &dyn Subject) {
    let scope = Scope::trusted(subject.owner(), unique("long-ago"));
    let then = SystemTime::now() - Duration::from_mins(11);
    prepare(subject, &planned_at(then, &scope, "1", &["/cache"], &Policy::default())).await;
    let prepared = prepare(subject, &cache(&scope, "2")).await;
    assert_eq!(opened(subject, &prepared).await, [name(&cache(&scope, "2"), 0)]);
}

/// "… what a driver or options of its own keep."
pub async fn leaves_alone_what_has_options_of_its_own(subject: &dyn Subject) {
    let scope = Scope::trusted(subject.owner(), unique("options"));
    let plan = planned(&scope, "1", &["/cache"], &in_memory_for("0700"));
    let prepared = prepare(subject, &plan).await;
    assert!(opened(subject, &prepared).await.is_empty());
}

/// "… what the container may only read, and what is not ours."
pub async fn leaves_alone_what_is_read_only_or_the_users_own(subject: &dyn Subject) {
    let own = VolumeName::new(unique("own-closed")).expect("a legal name");
    subject.insert(&VolumeRequest::new(own.clone())).await;
    let scope = Scope::trusted(subject.owner(), unique("closed"));
    let plan = planned(&scope, "1", &["/cache:ro", &format!("{own}:/data")], &Policy::default());
    let prepared = prepare(subject, &plan).await;
    let opened = opened(subject, &prepared).await;
    subject.vanish(&own).await;
    assert!(opened.is_empty(), "{opened:?}");
}
