//! The cases: each a sentence of the contract, or what follows from one.

#![allow(clippy::missing_panics_doc, reason = "a case of a suite fails by panicking")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use docker_api_trait::{VolumeName, VolumeRequest};
use futures_util::future::join_all;
use volume_manager::{
    BuildDemand, BuildStrategy, Outcome, Policy, PreparedVolumes, Provenance, Scope, VolumeDemand,
    VolumeDriver, VolumeError, VolumeField, VolumePlan, VolumeState, label, plan,
};

use super::Subject;

/// A project that no other case, and no other run of the suite, has.
pub(super) fn unique(case: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos());
    format!("{case}-{}-{now}", std::process::id())
}

fn planned(scope: &Scope, run: &str, specs: &[&str], policy: &Policy) -> VolumePlan {
    planned_at(SystemTime::now(), scope, run, specs, policy)
}

fn planned_at(
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
fn both(scope: &Scope, run: &str) -> VolumePlan {
    let folder = "/builds".parse().expect("a legal path");
    let demand = VolumeDemand::new(["/cache".parse().expect("a legal spec")])
        .with_build(BuildDemand::new(folder, BuildStrategy::Clone));
    let provenance = Provenance::new(run, SystemTime::now());
    plan(&demand, scope, &provenance, &Policy::default()).expect("a plan")
}

/// A cache at `/cache`, for a run.
fn cache(scope: &Scope, run: &str) -> VolumePlan {
    planned(scope, run, &["/cache"], &Policy::default())
}

/// A temporary volume at `/cache`, for a run.
fn temporary(scope: &Scope, run: &str) -> VolumePlan {
    planned(scope, run, &["/cache"], &Policy::default().with_cache_disabled(true))
}

fn name(plan: &VolumePlan, index: usize) -> VolumeName {
    plan.volumes[index].source.managed().expect("a volume of ours").name.clone()
}

async fn exists(subject: &dyn Subject, plan: &VolumePlan, index: usize) -> bool {
    subject.find(&name(plan, index)).await.is_some()
}

async fn prepare(subject: &dyn Subject, plan: &VolumePlan) -> PreparedVolumes {
    subject.manager().prepare(plan).await.expect("the volumes get ready")
}

/// "`prepare` makes every cache and temporary volume of the plan exist."
pub async fn makes_every_cache_and_temporary_volume_exist(subject: &dyn Subject) {
    let scope = Scope::trusted(subject.owner(), unique("exist"));
    let caches = planned(&scope, "1", &["/a", "/b/c"], &Policy::default());
    let scratch = temporary(&scope, "1");
    let prepared = prepare(subject, &caches).await;
    let prepared_scratch = prepare(subject, &scratch).await;
    assert_eq!(prepared.states(), [Some(VolumeState::Created); 2]);
    assert_eq!(prepared.mounts().len(), 2);
    for (plan, index) in [(&caches, 0), (&caches, 1), (&scratch, 0)] {
        let volume = subject.find(&name(plan, index)).await.expect("the volume exists");
        let wanted = plan.volumes[index].source.managed().expect("a volume of ours");
        assert_eq!(volume.labels, wanted.labels, "it has all its labels");
    }
    subject.manager().finish(prepared_scratch, Outcome::Succeeded).await;
}

/// "It never makes, changes or looks at what is the user's own", and that has no state.
pub async fn neither_makes_nor_removes_what_is_the_users_own(subject: &dyn Subject) {
    let own = VolumeName::new(unique("own")).expect("a legal name");
    let scope = Scope::trusted(subject.owner(), unique("own"));
    let spec = format!("{own}:/data");
    let policy = Policy::default().with_host_paths(true);
    let plan = planned(&scope, "1", &[&spec, "/etc:/host"], &policy);
    let prepared = prepare(subject, &plan).await;
    assert_eq!(prepared.states(), [None, None]);
    assert!(subject.find(&own).await.is_none(), "prepare does not make it");
    subject.insert(&VolumeRequest::new(own.clone())).await;
    let report = subject.manager().finish(prepared, Outcome::Failed).await;
    let stays = subject.find(&own).await.is_some();
    subject.vanish(&own).await;
    assert!(stays && report.removed.is_empty(), "finish does not remove it");
}

/// "A volume that is there is used again, and says `Reused`."
pub async fn says_created_to_the_first_run_and_reused_to_the_next(subject: &dyn Subject) {
    let scope = Scope::trusted(subject.owner(), unique("reuse"));
    let first = prepare(subject, &cache(&scope, "1")).await;
    assert_eq!(first.states(), [Some(VolumeState::Created)]);
    subject.manager().finish(first, Outcome::Succeeded).await;
    let second = prepare(subject, &cache(&scope, "2")).await;
    assert_eq!(second.states(), [Some(VolumeState::Reused)]);
}

/// "… unless this very run made it."
pub async fn says_created_again_to_the_very_run_that_made_it(subject: &dyn Subject) {
    let scope = Scope::trusted(subject.owner(), unique("same-run"));
    let plan = cache(&scope, "1");
    prepare(subject, &plan).await;
    assert_eq!(prepare(subject, &plan).await.states(), [Some(VolumeState::Created)]);
}

/// "Of runs that prepare one cache at once, exactly one is told `Created`."
pub async fn tells_exactly_one_of_concurrent_runs_that_it_created(subject: &dyn Subject) {
    let scope = Scope::trusted(subject.owner(), unique("concurrent"));
    let plans: Vec<_> = (0..8).map(|run| cache(&scope, &run.to_string())).collect();
    let prepared = join_all(plans.iter().map(|plan| prepare(subject, plan))).await;
    let created = prepared.iter().filter(|one| one.states() == [Some(VolumeState::Created)]);
    assert_eq!(created.count(), 1);
}

/// Another project, and another trust, is another cache.
pub async fn gives_other_projects_and_other_trust_other_volumes(subject: &dyn Subject) {
    let project = unique("apart");
    let scope = Scope::trusted(subject.owner(), project.clone());
    prepare(subject, &cache(&scope, "1")).await;
    for other in [
        Scope::trusted(subject.owner(), format!("{project}-other")),
        Scope::untrusted(subject.owner(), project),
    ] {
        let prepared = prepare(subject, &cache(&other, "2")).await;
        assert_eq!(prepared.states(), [Some(VolumeState::Created)]);
    }
}

/// "`prepare` refuses a volume that has the name but not the identity of what was planned, and
/// does not change it."
pub async fn refuses_a_strangers_volume_and_does_not_change_it(subject: &dyn Subject) {
    let scope = Scope::trusted(subject.owner(), unique("stranger"));
    let plan = cache(&scope, "1");
    subject.insert(&VolumeRequest::new(name(&plan, 0))).await;
    let before = subject.find(&name(&plan, 0)).await;
    let refusal = subject.manager().prepare(&plan).await;
    let after = subject.find(&name(&plan, 0)).await;
    subject.vanish(&name(&plan, 0)).await;
    let Err(VolumeError::Mismatch { field, .. }) = refusal else { panic!("{refusal:?}") };
    assert!(matches!(field, VolumeField::Label(_)), "{field}");
    assert_eq!(before, after);
}

/// A volume with our labels whose options make it a folder of the host is a stranger's, too.
pub async fn refuses_a_volume_with_options(subject: &dyn Subject) {
    let scope = Scope::trusted(subject.owner(), unique("squat"));
    let plan = cache(&scope, "1");
    let mut request = plan.volumes[0].source.managed().expect("a volume of ours").request();
    for (key, value) in [("type", "none"), ("o", "bind"), ("device", "/etc")] {
        request.options.insert(key.to_owned(), value.to_owned());
    }
    subject.insert(&request).await;
    let refusal = subject.manager().prepare(&plan).await;
    subject.vanish(&name(&plan, 0)).await;
    let Err(VolumeError::Mismatch { field, .. }) = refusal else { panic!("{refusal:?}") };
    assert_eq!(field, VolumeField::Options);
}

/// "After a failed `prepare`, caches that were made stay, as they are found again by name."
pub async fn keeps_the_caches_of_a_failed_prepare(subject: &dyn Subject) {
    let scope = Scope::trusted(subject.owner(), unique("failed"));
    let plan = planned(&scope, "1", &["/a", "/b"], &Policy::default());
    subject.insert(&VolumeRequest::new(name(&plan, 1))).await;
    let refusal = subject.manager().prepare(&plan).await;
    subject.vanish(&name(&plan, 1)).await;
    assert!(refusal.is_err(), "{refusal:?}");
    let report = subject.manager().finish(PreparedVolumes::abandoned(&plan), Outcome::Failed).await;
    assert!(report.removed.is_empty() && report.failed.is_empty(), "{report:?}");
    assert!(exists(subject, &plan, 0).await, "the cache that was made stays");
}

/// "Temporary volumes may exist: give `PreparedVolumes::abandoned` to `finish`."
pub async fn removes_the_temporaries_of_an_abandoned_prepare(subject: &dyn Subject) {
    let scope = Scope::trusted(subject.owner(), unique("abandoned"));
    let plan = temporary(&scope, "1");
    prepare(subject, &plan).await;
    let report = subject.manager().finish(PreparedVolumes::abandoned(&plan), Outcome::Failed).await;
    assert_eq!(report.removed, [name(&plan, 0)]);
    assert!(!exists(subject, &plan, 0).await);
}

/// "`finish` removes the temporary volumes of the run, whatever the outcome; caches stay."
pub async fn keeps_caches_and_removes_temporaries_whatever_the_outcome(subject: &dyn Subject) {
    let scope = Scope::trusted(subject.owner(), unique("outcome"));
    for outcome in [Outcome::Succeeded, Outcome::Failed] {
        let (kept, scratch) = (cache(&scope, "1"), temporary(&scope, "1"));
        for plan in [&kept, &scratch] {
            let prepared = prepare(subject, plan).await;
            let report = subject.manager().finish(prepared, outcome).await;
            assert!(report.failed.is_empty(), "{report:?}");
        }
        assert!(exists(subject, &kept, 0).await, "the cache stays when the job {outcome:?}");
        assert!(!exists(subject, &scratch, 0).await, "the temporary goes when it {outcome:?}");
    }
}

/// "One that is gone already counts as removed. So it can be called again."
pub async fn can_finish_again(subject: &dyn Subject) {
    let scope = Scope::trusted(subject.owner(), unique("again"));
    let plan = temporary(&scope, "1");
    let prepared = prepare(subject, &plan).await;
    for _ in 0..2 {
        let report = subject.manager().finish(prepared.clone(), Outcome::Succeeded).await;
        assert_eq!(report.removed, [name(&plan, 0)]);
        assert!(report.failed.is_empty(), "{report:?}");
    }
}

/// A cache that somebody removed is a miss, never an error.
pub async fn makes_a_vanished_cache_anew(subject: &dyn Subject) {
    let scope = Scope::trusted(subject.owner(), unique("vanished"));
    prepare(subject, &cache(&scope, "1")).await;
    subject.vanish(&name(&cache(&scope, "1"), 0)).await;
    let prepared = prepare(subject, &cache(&scope, "2")).await;
    assert_eq!(prepared.states(), [Some(VolumeState::Created)]);
}

/// What `confirm` says once a container mounts the volumes.
async fn confirmed(
    subject: &dyn Subject,
    prepared: &PreparedVolumes,
) -> Result<PreparedVolumes, VolumeError> {
    let container = subject.create(prepared).await;
    let confirmed = subject.manager().confirm(prepared).await;
    subject.discard(&container).await;
    confirmed
}

/// "The volumes as they are now, in the order in which they were."
pub async fn confirms_what_a_container_holds(subject: &dyn Subject) {
    let scope = Scope::trusted(subject.owner(), unique("confirm"));
    for state in [VolumeState::Created, VolumeState::Reused] {
        let run = if state == VolumeState::Created { "1" } else { "2" };
        let prepared = prepare(subject, &both(&scope, run)).await;
        assert_eq!(prepared.states(), [Some(state), Some(VolumeState::Created)]);
        let makers = prepared.volumes.iter().map(|volume| volume.made_by.as_deref());
        assert_eq!(makers.collect::<Vec<_>>(), [Some("1"), Some(run)]);
        assert_eq!(confirmed(subject, &prepared).await.expect("as before"), prepared);
        subject.manager().finish(prepared, Outcome::Succeeded).await;
    }
    let gone = cache(&scope, "3");
    let prepared = prepare(subject, &gone).await;
    subject.vanish(&name(&gone, 0)).await;
    let refusal = subject.manager().confirm(&prepared).await;
    assert!(matches!(refusal, Err(VolumeError::Vanished { .. })), "no container: {refusal:?}");
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
        let confirmed = confirmed(subject, prepared).await.expect("an empty cache is no error");
        assert_eq!(confirmed.states(), [Some(VolumeState::Recreated)]);
        let (before, now) = (&prepared.volumes[0], &confirmed.volumes[0]);
        assert_eq!(now.planned, before.planned);
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
    let mut request = plan.volumes[0].source.managed().expect("a volume of ours").request();
    request.labels.insert(label::TRUST.to_owned(), "untrusted".to_owned());
    subject.insert(&request).await;
    let refusal = confirmed(subject, &prepared).await;
    subject.vanish(&name(&plan, 0)).await;
    let Err(VolumeError::Mismatch { field, .. }) = refusal else { panic!("{refusal:?}") };
    assert_eq!(field, VolumeField::Label(label::TRUST));
}

/// What `make_writable` opened, in a container of its own.
async fn opened(subject: &dyn Subject, prepared: &PreparedVolumes) -> Vec<VolumeName> {
    let container = subject.create(prepared).await;
    let opened = subject.manager().make_writable(&container, prepared).await;
    subject.discard(&container).await;
    opened.expect("the volumes can be opened")
}

/// "`make_writable` lets every user write to the root of each volume that is fresh. It can be called
/// again."
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

fn in_memory_for(mode: &str) -> Policy {
    let driver = VolumeDriver::new(VolumeDriver::LOCAL)
        .with_option("type", "tmpfs")
        .with_option("device", "tmpfs")
        .with_option("o", format!("mode={mode}"));
    Policy::default().with_driver(driver)
}

/// "… what a driver or options of its own keep."
pub async fn leaves_alone_what_has_options_of_its_own(subject: &dyn Subject) {
    let scope = Scope::trusted(subject.owner(), unique("options"));
    let plan = planned(&scope, "1", &["/cache"], &in_memory_for("0700"));
    let prepared = prepare(subject, &plan).await;
    assert!(opened(subject, &prepared).await.is_empty());
}

/// Another configuration of the driver is another cache; the old one is there for its own.
pub async fn says_created_under_a_new_name_when_the_configuration_changed(subject: &dyn Subject) {
    let scope = Scope::trusted(subject.owner(), unique("configuration"));
    for (run, policy, state) in [
        ("1", in_memory_for("0700"), VolumeState::Created),
        ("2", in_memory_for("0750"), VolumeState::Created),
        ("3", Policy::default(), VolumeState::Created),
        ("4", in_memory_for("0700"), VolumeState::Reused),
    ] {
        let prepared = prepare(subject, &planned(&scope, run, &["/cache"], &policy)).await;
        assert_eq!(prepared.states(), [Some(state)], "{run}");
    }
}

/// "A stranger's volume that has the name of an abandoned one stays."
pub async fn leaves_a_strangers_volume_under_an_abandoned_name(subject: &dyn Subject) {
    let scope = Scope::trusted(subject.owner(), unique("abandoned-stranger"));
    let plan = temporary(&scope, "1");
    subject.insert(&VolumeRequest::new(name(&plan, 0))).await;
    assert!(subject.manager().prepare(&plan).await.is_err());
    let report = subject.manager().finish(PreparedVolumes::abandoned(&plan), Outcome::Failed).await;
    let stays = exists(subject, &plan, 0).await;
    subject.vanish(&name(&plan, 0)).await;
    assert!(stays && report.removed.is_empty(), "{report:?}");
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
    let confirmed = subject.manager().confirm(&adopted).await;
    subject.discard(&container).await;
    assert_eq!(confirmed.expect("as before"), adopted);
    let shape = |prepared: &PreparedVolumes| {
        let volumes = prepared.volumes.iter().map(|volume| {
            let planned = &volume.planned;
            let (kind, name) = (planned.source.kind(), planned.source.name().to_owned());
            (planned.destination.to_string(), kind, name, planned.mode)
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
    assert_eq!(report.removed.len(), 1, "{report:?}");
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
    manager.finish(prepared, Outcome::Failed).await;
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

/// "A temporary volume that stays in use is tried again, then reported with `InUse`."
pub async fn leaves_a_temporary_in_use_and_says_so(subject: &dyn Subject) {
    let scope = Scope::trusted(subject.owner(), unique("in-use"));
    let plan = temporary(&scope, "1");
    let prepared = prepare(subject, &plan).await;
    let container = subject.create(&prepared).await;
    let report = subject.manager().finish(prepared.clone(), Outcome::Succeeded).await;
    subject.discard(&container).await;
    assert!(report.removed.is_empty(), "{report:?}");
    assert!(matches!(report.failed[0].error, VolumeError::InUse { .. }), "{report:?}");
    let report = subject.manager().finish(prepared, Outcome::Succeeded).await;
    assert_eq!(report.removed, [name(&plan, 0)], "it can be finished once the use has ended");
}

/// "All methods may be called concurrently, for the same and for different runs."
pub async fn opens_and_adopts_for_runs_at_once(subject: &dyn Subject) {
    let scope = Scope::trusted(subject.owner(), unique("at-once"));
    let plans: Vec<_> = (0..6).map(|run| both(&scope, &run.to_string())).collect();
    let finished = join_all(plans.iter().enumerate().map(|(run, plan)| async move {
        let manager = subject.manager();
        let prepared = prepare(subject, plan).await;
        let container = subject.create(&prepared).await;
        manager.make_writable(&container, &prepared).await.expect("the volumes can be opened");
        let mounts = subject.mounts(&container).await;
        let adopted = manager.adopt(&mounts, &subject.owner(), &run.to_string()).await;
        subject.discard(&container).await;
        manager.finish(adopted.expect("the volumes can be adopted"), Outcome::Succeeded).await
    }))
    .await;
    for report in finished {
        assert_eq!((report.removed.len(), report.failed.len()), (1, 0), "{report:?}");
    }
    let cache = plans[0].volumes.iter().position(|volume| volume.source.kind() == "cache");
    assert!(exists(subject, &plans[0], cache.expect("a cache")).await, "the cache stays");
}
