//! The contract of [`VolumeManager`], sentence by sentence.
//!
//! Each function is one case. [`volume_manager_conformance!`](crate::volume_manager_conformance)
//! makes a test of each, for a [`Subject`]: a manager, and a way to see and disturb its volumes.

#![allow(clippy::missing_panics_doc, reason = "a case of a suite fails by panicking")]

use std::{
    fmt::Debug,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use docker_api_trait::{DockerApi, Volume, VolumeApi, VolumeName, VolumeRequest};
use futures_util::future::join_all;
use volume_manager::{
    DockerVolumeManager, InMemoryVolumeManager, Outcome, Policy, PreparedVolumes, Provenance,
    Scope, VolumeDemand, VolumeError, VolumeField, VolumeManager, VolumePlan, VolumeState, plan,
};

/// Makes a test of each case, on a runtime of its own. The expression makes a fresh [`Subject`];
/// with `ignore = "reason",` before it, the tests run only when they are asked for.
///
/// ```
/// mod in_memory {
///     use testkit::conformance::volume_manager::MemorySubject;
///
///     testkit::volume_manager_conformance!(MemorySubject::default());
/// }
/// ```
#[macro_export]
macro_rules! volume_manager_conformance {
    (@each [$($attribute:tt)*] $subject:expr;) => {};
    (@each [$($attribute:tt)*] $subject:expr; $case:ident $($rest:ident)*) => {
        #[tokio::test]
        $($attribute)*
        async fn $case() {
            $crate::conformance::volume_manager::$case(&$subject).await;
        }
        $crate::volume_manager_conformance!(@each [$($attribute)*] $subject; $($rest)*);
    };
    (@all [$($attribute:tt)*] $subject:expr) => {
        $crate::volume_manager_conformance!(@each [$($attribute)*] $subject;
            makes_every_cache_and_temporary_volume_exist
            neither_makes_nor_removes_what_is_the_users_own
            says_created_to_the_first_run_and_reused_to_the_next
            says_created_again_to_the_very_run_that_made_it
            tells_exactly_one_of_concurrent_runs_that_it_created
            gives_other_projects_and_other_trust_other_volumes
            refuses_a_strangers_volume_and_does_not_change_it
            refuses_a_volume_with_options
            keeps_the_caches_of_a_failed_prepare
            removes_the_temporaries_of_an_abandoned_prepare
            keeps_caches_and_removes_temporaries_whatever_the_outcome
            can_finish_again
            makes_a_vanished_cache_anew
        );
    };
    (ignore = $reason:literal, $subject:expr) => {
        $crate::volume_manager_conformance!(@all [#[ignore = $reason]] $subject);
    };
    ($subject:expr) => {
        $crate::volume_manager_conformance!(@all [] $subject);
    };
}

/// A volume manager under test, with a view of its volumes past the manager.
#[async_trait]
pub trait Subject: Debug + Send + Sync {
    /// The manager.
    fn manager(&self) -> Arc<dyn VolumeManager>;

    /// The owner that the volumes of the suite get: what is left can be swept by it.
    fn owner(&self) -> String;

    /// The volume of that name, if there is one.
    async fn find(&self, name: &VolumeName) -> Option<Volume>;

    /// Makes a volume, as somebody else would.
    async fn insert(&self, request: &VolumeRequest);

    /// Removes a volume, as somebody else would.
    async fn vanish(&self, name: &VolumeName);
}

/// The manager in memory.
#[derive(Debug, Default)]
pub struct MemorySubject(InMemoryVolumeManager);

#[async_trait]
impl Subject for MemorySubject {
    fn manager(&self) -> Arc<dyn VolumeManager> {
        Arc::new(self.0.clone())
    }

    fn owner(&self) -> String {
        "conformance".to_owned()
    }

    async fn find(&self, name: &VolumeName) -> Option<Volume> {
        self.0.volumes().into_iter().find(|volume| volume.name == name.as_str())
    }

    async fn insert(&self, request: &VolumeRequest) {
        let mut volume = Volume::local(request.name.as_str());
        volume.options.clone_from(&request.options);
        volume.labels.clone_from(&request.labels);
        self.0.insert(volume);
    }

    async fn vanish(&self, name: &VolumeName) {
        self.0.vanish(name);
    }
}

/// The manager on an engine, real or fake.
#[derive(Debug)]
pub struct DockerSubject {
    engine: Arc<dyn DockerApi>,
    owner: String,
}

impl DockerSubject {
    /// The manager on `engine`; volumes that stay belong to `owner`.
    pub fn new(engine: Arc<dyn DockerApi>, owner: impl Into<String>) -> Self {
        Self { engine, owner: owner.into() }
    }
}

#[async_trait]
impl Subject for DockerSubject {
    fn manager(&self) -> Arc<dyn VolumeManager> {
        Arc::new(DockerVolumeManager::new(Arc::clone(&self.engine) as Arc<dyn VolumeApi>))
    }

    fn owner(&self) -> String {
        self.owner.clone()
    }

    async fn find(&self, name: &VolumeName) -> Option<Volume> {
        self.engine.inspect_volume(name).await.ok()
    }

    async fn insert(&self, request: &VolumeRequest) {
        self.engine.create_volume(request).await.expect("the stranger can make its volume");
    }

    async fn vanish(&self, name: &VolumeName) {
        self.engine.remove_volume(name).await.expect("the volume can be removed");
    }
}

/// A project that no other case, and no other run of the suite, has.
fn unique(case: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos());
    format!("{case}-{}-{now}", std::process::id())
}

fn planned(scope: &Scope, run: &str, specs: &[&str], policy: &Policy) -> VolumePlan {
    let specs = specs.iter().map(|spec| spec.parse().expect("a legal spec"));
    let provenance = Provenance::new(run, SystemTime::now());
    plan(&VolumeDemand::new(specs), scope, &provenance, policy).expect("a plan")
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
