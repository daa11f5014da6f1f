//! Cases about `finish`.

use docker_api_trait::VolumeRequest;
use volume_manager::{Outcome, PreparedVolumes, Scope, VolumeError};

use super::plans::{both, cache, exists, name, prepare, temporary, try_prepare};
use crate::conformance::volume_manager::{subject::Subject, unique::unique};

/// "Temporary volumes may exist: give `PreparedVolumes::unprepared` to `finish`."
pub async fn removes_the_temporaries_of_an_unprepared_plan(subject: &dyn Subject) {
    let scope = Scope::trusted(subject.owner(), unique("abandoned"));
    let plan = temporary(&scope, "1");
    prepare(subject, &plan).await;
    let report =
        subject.manager().finish(PreparedVolumes::unprepared(&plan), Outcome::Crashed).await;
    assert_eq!(report.removed, [name(&plan, 0)]);
    assert!(!exists(subject, &plan, 0).await);
}

/// "`finish` removes the temporary volumes of the run, whatever the outcome; caches stay."
pub async fn keeps_caches_and_removes_temporaries_whatever_the_outcome(subject: &dyn Subject) {
    let scope = Scope::trusted(subject.owner(), unique("outcome"));
    for outcome in Outcome::ALL {
        let (kept, scratch) = (cache(&scope, "1"), temporary(&scope, "1"));
        for (plan, is_cache) in [(&kept, true), (&scratch, false)] {
            let prepared = prepare(subject, plan).await;
            let report = subject.manager().finish(prepared, outcome).await;
            let names = [name(plan, 0)];
            let (kept, removed) =
                if is_cache { (&names[..], &[][..]) } else { (&[][..], &names[..]) };
            assert_eq!((&*report.kept, &*report.removed), (kept, removed), "{outcome:?}");
            assert!(report.promoted.is_empty() && report.discarded.is_empty(), "{report:?}");
            assert!(report.failed.is_empty(), "{report:?}");
        }
        assert!(exists(subject, &kept, 0).await, "the cache stays when the job {outcome:?}");
        assert!(!exists(subject, &scratch, 0).await, "the temporary goes when it {outcome:?}");
    }
}

/// "`finish` can be called again, with the same volumes: what was removed already counts as removed,
/// and what was kept stays so."
pub async fn can_finish_again(subject: &dyn Subject) {
    let scope = Scope::trusted(subject.owner(), unique("again"));
    let plan = both(&scope, "1");
    let prepared = prepare(subject, &plan).await;
    for _ in 0..3 {
        let report = subject.manager().finish(prepared.clone(), Outcome::Succeeded).await;
        assert_eq!((report.kept, report.removed), (vec![name(&plan, 0)], vec![name(&plan, 1)]));
        assert!(report.failed.is_empty(), "{:?}", report.failed);
        assert!(exists(subject, &plan, 0).await && !exists(subject, &plan, 1).await);
    }
}

/// "Of an unprepared plan it reports no cache that it has not seen."
pub async fn reports_no_cache_of_an_unprepared_plan(subject: &dyn Subject) {
    let scope = Scope::trusted(subject.owner(), unique("unseen"));
    let plan = both(&scope, "1");
    let report =
        subject.manager().finish(PreparedVolumes::unprepared(&plan), Outcome::Crashed).await;
    assert!(report.kept.is_empty() && report.failed.is_empty(), "{report:?}");
}

/// "A volume of others that has the name of an unprepared one is left alone."
pub async fn leaves_another_ones_volume_under_an_unprepared_name(subject: &dyn Subject) {
    let scope = Scope::trusted(subject.owner(), unique("abandoned-stranger"));
    let plan = temporary(&scope, "1");
    subject.insert(&VolumeRequest::new(name(&plan, 0))).await;
    assert!(try_prepare(subject, &plan).await.is_err());
    let report =
        subject.manager().finish(PreparedVolumes::unprepared(&plan), Outcome::Crashed).await;
    let stays = exists(subject, &plan, 0).await;
    subject.vanish(&name(&plan, 0)).await;
    assert!(stays && report.removed.is_empty(), "{report:?}");
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
