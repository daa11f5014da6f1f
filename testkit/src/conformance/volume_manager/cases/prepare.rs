//! Cases about `prepare`.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use docker_api_trait::{VolumeName, VolumeRequest};
use futures_util::future::join_all;
use volume_manager::{
    Cancellation, Outcome, Policy, PrepareContext, PreparedVolumes, Scope, VolumeError,
    VolumeEvent, VolumeField, VolumeObserver, VolumeState,
};

use super::plans::{
    cache, exists, in_memory_for, managed, name, planned, prepare, temporary, try_prepare,
};
use crate::conformance::volume_manager::{subject::Subject, unique::unique};

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
        assert_eq!(volume.labels, managed(plan, index).labels, "it has all its labels");
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
    let report = subject.manager().finish(prepared, Outcome::Crashed).await;
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
    let refusal = try_prepare(subject, &plan).await;
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
    let mut request = managed(&plan, 0).request();
    for (key, value) in [("type", "none"), ("o", "bind"), ("device", "/etc")] {
        request.options.insert(key.to_owned(), value.to_owned());
    }
    subject.insert(&request).await;
    let refusal = try_prepare(subject, &plan).await;
    subject.vanish(&name(&plan, 0)).await;
    let Err(VolumeError::Mismatch { field, .. }) = refusal else { panic!("{refusal:?}") };
    assert_eq!(field, VolumeField::Options);
}

/// "After a failed `prepare`, shared caches that were created are kept, as they are found again by name."
pub async fn keeps_the_caches_of_a_failed_prepare(subject: &dyn Subject) {
    let scope = Scope::trusted(subject.owner(), unique("failed"));
    let plan = planned(&scope, "1", &["/a", "/b"], &Policy::default());
    subject.insert(&VolumeRequest::new(name(&plan, 1))).await;
    let refusal = try_prepare(subject, &plan).await;
    subject.vanish(&name(&plan, 1)).await;
    assert!(refusal.is_err(), "{refusal:?}");
    let report =
        subject.manager().finish(PreparedVolumes::unprepared(&plan), Outcome::Crashed).await;
    assert!(report.removed.is_empty() && report.failed.is_empty(), "{report:?}");
    assert!(exists(subject, &plan, 0).await, "the cache that was made stays");
}

/// A cache that somebody removed is a miss, never an error.
pub async fn makes_a_vanished_cache_anew(subject: &dyn Subject) {
    let scope = Scope::trusted(subject.owner(), unique("vanished"));
    prepare(subject, &cache(&scope, "1")).await;
    subject.vanish(&name(&cache(&scope, "1"), 0)).await;
    let prepared = prepare(subject, &cache(&scope, "2")).await;
    assert_eq!(prepared.states(), [Some(VolumeState::Created)]);
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

/// Is cancelled once it has been checked so often.
#[derive(Debug)]
struct CancelledAfter(AtomicUsize);

impl CancelledAfter {
    fn checks(checks: usize) -> Self {
        Self(AtomicUsize::new(checks))
    }
}

#[async_trait]
impl Cancellation for CancelledAfter {
    fn is_cancelled(&self) -> bool {
        let left = |checks: usize| Some(checks.saturating_sub(1));
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left) == Ok(0)
    }

    async fn cancelled(&self) {
        if self.0.load(Ordering::Relaxed) > 0 {
            std::future::pending::<()>().await;
        }
    }
}

/// Collects the destinations and states of volumes that are ready.
#[derive(Debug, Default)]
struct Ready(Mutex<Vec<(String, Option<VolumeState>)>>);

impl VolumeObserver for Ready {
    fn event(&self, event: &VolumeEvent<'_>) {
        if let VolumeEvent::Ready(volume) = event {
            let ready = (volume.planned.destination.to_string(), volume.state);
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(ready);
        }
    }
}

impl Ready {
    fn take(&self) -> Vec<(String, Option<VolumeState>)> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// "`prepare` checks its context before each volume. Once that is cancelled, it asks for nothing more
/// and returns `Cancelled`."
pub async fn stops_before_the_next_volume_once_cancelled(subject: &dyn Subject) {
    let scope = Scope::trusted(subject.owner(), unique("cancelled"));
    let policy = Policy::default().with_cache_disabled(true);
    let plan = planned(&scope, "1", &["/a", "/b", "/c"], &policy);
    for checks in 0..3 {
        let (cancelled, ready) = (CancelledAfter::checks(checks), Ready::default());
        let context = PrepareContext::default().with_cancellation(&cancelled).with_observer(&ready);
        let stopped = subject.manager().prepare(&plan, &context).await;
        assert!(matches!(stopped, Err(VolumeError::Cancelled)), "{checks}: {stopped:?}");
        assert!(ready.take().is_empty(), "nothing is ready");
        let mut created = Vec::new();
        for index in 0..3 {
            created.push(exists(subject, &plan, index).await);
        }
        let expected: Vec<_> = (0..3).map(|index| index < checks).collect();
        let unprepared = PreparedVolumes::unprepared(&plan);
        let report = subject.manager().finish(unprepared, Outcome::Cancelled).await;
        assert_eq!(created, expected, "after {checks} checks");
        assert!(report.failed.is_empty(), "{report:?}");
        for index in 0..3 {
            assert!(!exists(subject, &plan, index).await, "finish removes what was created");
        }
    }
}

/// What the user owns needs no request, so that there is nothing to cancel.
pub async fn is_not_cancelled_where_there_is_nothing_to_ask_for(subject: &dyn Subject) {
    let scope = Scope::trusted(subject.owner(), unique("cancelled-own"));
    let policy = Policy::default().with_host_paths(true);
    let plan = planned(&scope, "1", &["mine:/data", "/etc:/host"], &policy);
    let cancelled = CancelledAfter::checks(0);
    let context = PrepareContext::default().with_cancellation(&cancelled);
    let prepared = subject.manager().prepare(&plan, &context).await.expect("nothing to do");
    assert_eq!(prepared.states(), [None, None]);
}

/// "`prepare` reports `Ready` of each volume, in the plan's order, once all are; after a failure it has
/// reported none."
pub async fn reports_each_volume_that_is_ready(subject: &dyn Subject) {
    let scope = Scope::trusted(subject.owner(), unique("ready"));
    prepare(subject, &planned(&scope, "1", &["/b"], &Policy::default())).await;
    let plan = planned(&scope, "2", &["/a", "mine:/data", "/b", "/d/e"], &Policy::default());
    let ready = Ready::default();
    let context = PrepareContext::default().with_observer(&ready);
    let prepared = subject.manager().prepare(&plan, &context).await.expect("the volumes get ready");
    let volumes = prepared.volumes.iter();
    let expected = volumes.map(|volume| (volume.planned.destination.to_string(), volume.state));
    let expected: Vec<_> = expected.collect();
    assert_eq!(ready.take(), expected);
    let states = expected.iter().map(|(_, state)| *state);
    let (created, reused) = (Some(VolumeState::Created), Some(VolumeState::Reused));
    assert_eq!(states.collect::<Vec<_>>(), [created, None, reused, created]);
    let squatted = planned(&scope, "3", &["/a", "/c"], &Policy::default());
    subject.insert(&VolumeRequest::new(name(&squatted, 1))).await;
    let refusal = subject.manager().prepare(&squatted, &context).await;
    subject.vanish(&name(&squatted, 1)).await;
    assert!(refusal.is_err() && ready.take().is_empty(), "{refusal:?}");
}
