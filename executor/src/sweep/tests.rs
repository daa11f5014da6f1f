use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use docker_api_trait::{
    ApiError, ContainerApi as _, ContainerName, ContainerRequest, DockerApi, Mount, MountSource,
    NetworkApi as _, NetworkRequest, Operation, VolumeApi as _, VolumeRequest,
};
use proptest::prelude::*;
use testkit::{FakeDocker, Fault, FaultKind, FaultyDocker, Side, Site};
use volume_manager::{VolumeError, label};

use super::{
    Death, Kept, Sweep, Verdict,
    decide::{Facts, Question, verdict},
};
use crate::{
    error::CleanupError,
    instance::{Instances, Life},
    outcome::ObjectKind,
};

mod lab;

const NOW: u64 = 1_000_000;
const NAME: &str = "berth-b1-app-run-1";

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn labels(kind: &str) -> BTreeMap<String, String> {
    [
        (label::SCHEMA, "1"),
        (label::KIND, kind),
        (label::OWNER, "ci"),
        (label::RUN, "run-1"),
        (label::INSTANCE, "somewhere"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into()
}

/// With a lifetime of 100 s, written by a clock that said `written`.
fn with_deadline(mut labels: BTreeMap<String, String>, written: u64) -> BTreeMap<String, String> {
    labels.insert(label::CREATED_AT.to_owned(), label::timestamp(at(written)));
    labels.insert(label::DEADLINE.to_owned(), label::timestamp(at(written + 100)));
    labels
}

fn decided(
    kind: ObjectKind,
    labels: &BTreeMap<String, String>,
    created: Option<u64>,
    life: Life,
) -> Option<Verdict> {
    let name = if kind == ObjectKind::Volume { "berth-t1-app-cache-0123" } else { NAME };
    let facts = Facts { kind, name, labels, created: created.map(at) };
    let life = |_: &str| life;
    verdict(facts, &Question { owner: None, ended_of_all: false, life: &life, now: Some(at(NOW)) })
}

const CONTAINER: ObjectKind = ObjectKind::Container;

#[test]
fn what_a_dead_process_has_left_is_taken_and_what_a_living_one_has_is_not() {
    for (kind, word) in [
        (CONTAINER, "build"),
        (CONTAINER, "helper"),
        (CONTAINER, "service"),
        (ObjectKind::Network, "network"),
        (ObjectKind::Volume, "temporary"),
    ] {
        // However long ago its deadline was.
        let labels = with_deadline(labels(word), 0);
        let verdict = |life| decided(kind, &labels, Some(1), life).unwrap();
        assert_eq!(verdict(Life::Dead), Verdict::Remove(Death::Ended), "{word}");
        assert_eq!(verdict(Life::Lives), Verdict::Keep(Kept::Lives), "{word}");
        assert_eq!(verdict(Life::Unknown), Verdict::Remove(Death::Overdue), "{word}");
    }
}

#[test]
fn caches_and_what_strangers_made_is_no_business_of_a_sweep() {
    let cases = [
        (ObjectKind::Volume, labels("cache")),
        (ObjectKind::Volume, labels("build")),
        (CONTAINER, labels("temporary")),
        (CONTAINER, labels("test")),
        (CONTAINER, BTreeMap::new()),
    ];
    for (kind, labels) in cases {
        assert_eq!(decided(kind, &labels, Some(0), Life::Dead), None, "{labels:?}");
    }
    for missing in [label::SCHEMA, label::KIND, label::OWNER, label::RUN, label::INSTANCE] {
        let mut labels = labels("build");
        labels.remove(missing);
        assert_eq!(decided(CONTAINER, &labels, Some(0), Life::Dead), None, "without {missing}");
    }
}

#[test]
fn a_later_versions_objects_and_other_owners_stay() {
    let mut later = labels("build");
    later.insert(label::SCHEMA.to_owned(), "2".to_owned());
    let verdict_of_later = decided(CONTAINER, &later, Some(0), Life::Dead);
    assert_eq!(verdict_of_later, Some(Verdict::Keep(Kept::OtherSchema)));
    let labels = with_deadline(labels("build"), 0);
    let facts = Facts { kind: CONTAINER, name: NAME, labels: &labels, created: Some(at(0)) };
    let asked = |owner, ended_of_all, life| {
        let life = |_: &str| life;
        let now = Some(at(NOW));
        verdict(facts, &Question { owner: Some(owner), ended_of_all, life: &life, now })
    };
    for life in [Life::Lives, Life::Dead, Life::Unknown] {
        let verdict = asked("others", false, life);
        assert_eq!(verdict, Some(Verdict::Keep(Kept::OtherOwner)), "{life:?}");
    }
    // What is known to be dead may go in a sweep of every owner's, what is only late may not.
    let ended = Some(Verdict::Remove(Death::Ended));
    assert_eq!(asked("others", true, Life::Dead), ended);
    assert_eq!(asked("others", true, Life::Lives), Some(Verdict::Keep(Kept::Lives)));
    assert_eq!(asked("others", true, Life::Unknown), Some(Verdict::Keep(Kept::OtherOwner)));
    assert_eq!(asked("ci", true, Life::Unknown), Some(Verdict::Remove(Death::Overdue)));
}

#[test]
fn a_container_with_labels_of_ours_and_another_name_has_them_from_its_image() {
    let labels = labels("build");
    let life = |_: &str| Life::Dead;
    let question = Question { owner: None, ended_of_all: false, life: &life, now: Some(at(NOW)) };
    let named = |name| {
        let facts = Facts { kind: CONTAINER, name, labels: &labels, created: Some(at(0)) };
        verdict(facts, &question).unwrap()
    };
    for name in ["berth-b1-app-run-1", "berth-b1-app-run-1-2", "berth-s1-redis-run-1-0"] {
        assert_eq!(named(name), Verdict::Remove(Death::Ended), "{name}");
    }
    let strange = [
        "brave_wing",
        "",
        "berth-b1-app-run-2",
        "berth-b1-run-1-x",
        "run-1-",
        "run-1a",
        "berth-b1-overrun-1",
        "run-1-0-",
    ];
    for name in strange {
        assert_eq!(named(name), Verdict::Keep(Kept::OtherName), "{name}");
    }
    let facts = Facts { kind: ObjectKind::Network, name: "x", labels: &labels, created: None };
    assert_eq!(verdict(facts, &question), None, "a network that says it is a container");
}

#[test]
fn a_network_or_volume_with_labels_of_ours_and_a_strangers_name_stays() {
    let life = |_: &str| Life::Dead;
    let question = Question { owner: None, ended_of_all: false, life: &life, now: Some(at(NOW)) };
    for (kind, word, name, is_ours) in [
        (ObjectKind::Network, "network", "berth-n1-app-run-1", true),
        (ObjectKind::Network, "network", "strangers", false),
        (ObjectKind::Network, "network", "berth-n1-app-run-2", false),
        (ObjectKind::Volume, "temporary", "berth-t1-app-cache-0123", true),
        // A version to come may number them otherwise, with the same labels.
        (ObjectKind::Volume, "temporary", "berth-t2-app-cache-0123", true),
        (ObjectKind::Volume, "temporary", "berth-c1-app-cache-0123", false),
        (ObjectKind::Volume, "temporary", "strangers", false),
    ] {
        let labels = labels(word);
        let expected =
            if is_ours { Verdict::Remove(Death::Ended) } else { Verdict::Keep(Kept::OtherName) };
        let facts = Facts { kind, name, labels: &labels, created: None };
        assert_eq!(verdict(facts, &question), Some(expected), "{name}");
    }
}

#[test]
fn a_deadline_counts_from_the_making_by_the_engines_clock() {
    // Ours may have been years off, either way.
    for written in [0, NOW, NOW + 300_000_000] {
        let labels = with_deadline(labels("build"), written);
        let verdict = |created| decided(CONTAINER, &labels, Some(created), Life::Unknown).unwrap();
        // 100 s of life and 60 s of grace.
        assert_eq!(verdict(NOW - 160), Verdict::Keep(Kept::NotOverdue), "{written}");
        assert_eq!(verdict(NOW - 161), Verdict::Remove(Death::Overdue), "{written}");
        assert_eq!(verdict(NOW + 5), Verdict::Keep(Kept::NotOverdue), "{written}");
    }
}

#[test]
fn nothing_is_taken_for_its_age_alone() {
    // As an earlier version wrote them: no deadline, and another form of instance.
    let mut old = labels("build");
    old.insert(label::CREATED_AT.to_owned(), label::timestamp(at(0)));
    old.insert(label::INSTANCE.to_owned(), "pid-7".to_owned());
    let verdict = |labels, created| decided(CONTAINER, labels, created, Life::Unknown);
    assert_eq!(verdict(&old, Some(0)), Some(Verdict::Keep(Kept::NoDeadline)));
    let unreadable = [label::DEADLINE, label::CREATED_AT].map(|key| {
        let mut labels = with_deadline(old.clone(), 0);
        labels.insert(key.to_owned(), "yesterday".to_owned());
        labels
    });
    for labels in &unreadable {
        assert_eq!(verdict(labels, Some(0)), Some(Verdict::Keep(Kept::NoDeadline)));
    }
    assert_eq!(verdict(&with_deadline(old.clone(), 0), None), Some(Verdict::Keep(Kept::NoAge)));
}

#[test]
fn a_volume_that_was_made_young_by_a_write_or_old_by_a_job_is_judged_by_the_later_time() {
    let labels = with_deadline(labels("temporary"), NOW - 50);
    let verdict = |created| decided(ObjectKind::Volume, &labels, Some(created), Life::Unknown);
    assert_eq!(verdict(0), Some(Verdict::Keep(Kept::NotOverdue)));
    assert_eq!(verdict(NOW), Some(Verdict::Keep(Kept::NotOverdue)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    /// Whatever labels an object has: it is only ever taken with all of ours, of a kind that is
    /// temporary, and a dead owner.
    #[test]
    fn a_strangers_object_is_never_taken(
        word in prop_oneof![
            Just("build"), Just("helper"), Just("service"), Just("network"), Just("temporary"),
            Just("cache"),
        ],
        changes in proptest::collection::vec(
            (
                prop_oneof![
                    Just(label::SCHEMA), Just(label::KIND), Just(label::OWNER), Just(label::RUN),
                    Just(label::INSTANCE), Just(label::CREATED_AT), Just(label::DEADLINE),
                ],
                proptest::option::of(prop_oneof![
                    Just("1".to_owned()), Just("2".to_owned()), Just("build".to_owned()),
                    Just("cache".to_owned()), Just("temporary".to_owned()),
                    Just("1970-01-01T00:00:00Z".to_owned()),
                    Just("9999-12-31T23:59:59Z".to_owned()), ".{0,8}",
                ]),
            ),
            0..4,
        ),
        kind in prop_oneof![
            Just(ObjectKind::Container), Just(ObjectKind::Network), Just(ObjectKind::Volume),
        ],
        life in prop_oneof![Just(Life::Lives), Just(Life::Dead), Just(Life::Unknown)],
        created in proptest::option::of(0..2 * NOW),
    ) {
        let mut entries = with_deadline(labels(word), 0);
        for (key, value) in changes {
            match value {
                Some(value) => entries.insert(key.to_owned(), value),
                None => entries.remove(key),
            };
        }
        if let Some(Verdict::Remove(death)) = decided(kind, &entries, created, life) {
            let of_ours = [label::SCHEMA, label::KIND, label::OWNER, label::RUN, label::INSTANCE];
            prop_assert!(of_ours.iter().all(|key| entries.contains_key(*key)));
            prop_assert_ne!(&entries[label::KIND], "cache");
            // "1" is as good an end of the name as "run-1", and "run" as one with a place after it.
            let mut ends = ["-run-1", "-1", "-app-run-1", "-run", "-app-run"].into_iter();
            let run = format!("-{}", entries[label::RUN]);
            prop_assert!(kind == ObjectKind::Volume || ends.any(|end| end == run));
            prop_assert_eq!(&entries[label::SCHEMA], "1");
            prop_assert_ne!(life, Life::Lives);
            prop_assert_eq!(death == Death::Overdue, life == Life::Unknown);
        }
    }
}
