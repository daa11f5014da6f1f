//! What a suite leaves on the engine: which of it is a fault, and which may be removed. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::{Duration, SystemTime},
};

use volume_manager::{ObjectLabels, Role, name};

/// How every owner of a real-engine suite begins.
pub(crate) const SUITE_PREFIX: &str = "e2e-";
/// A suite that runs beside us is younger than this.
const ABANDONED_AFTER: Duration = Duration::from_hours(1);

/// What an object is; containers go first, since they hold networks and volumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A container, running or not.
    Container,
    /// A network; also the engine's own, which are no business of ours.
    Network,
    /// A volume, named or not.
    Volume,
}

/// Something on the engine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Object {
    /// Container, network or volume.
    pub(crate) kind: Kind,
    /// What the engine knows it by: a container's or network's id, a volume's name.
    pub(crate) id: String,
    /// The name that people read.
    pub(crate) name: String,
    /// Its labels.
    pub(crate) labels: BTreeMap<String, String>,
}

impl Object {
    /// The owner in its labels.
    pub(crate) fn owner(&self) -> Option<&str> {
        ObjectLabels::read(&self.labels)?.owner().filter(|owner| !owner.is_empty())
    }

    /// Whether it is a volume that is meant to stay for the next job.
    pub(crate) fn is_cache(&self) -> bool {
        let role = ObjectLabels::read(&self.labels).and_then(ObjectLabels::role);
        self.kind == Kind::Volume && role == Some(Role::Cache)
    }

    fn is_of_berth(&self) -> bool {
        self.name.starts_with(name::PREFIX) || ObjectLabels::read(&self.labels).is_some()
    }
}

/// `container berth-job-1 (owner e2e-0a1b2c3d)`
impl fmt::Display for Object {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Container => "container",
            Kind::Network => "network",
            Kind::Volume => "volume",
        };
        write!(formatter, "{kind} {} ", self.name)?;
        match self.owner() {
            Some(owner) => write!(formatter, "(owner {owner})"),
            None => formatter.write_str("(without an owner)"),
        }
    }
}

/// What a suite left behind although it should not have.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Leftovers {
    /// Of the suite itself, or of nobody: to be removed.
    pub(crate) ours: Vec<Object>,
    /// Under an owner that is no suite's. A test may have made it, or a person's own job that ran
    /// meanwhile; so it is a fault, and not ours to remove.
    pub(crate) of_others: Vec<Object>,
}

impl Leftovers {
    /// Compares what was there before the suite of `owner` with what is there after it.
    ///
    /// Caches stay by design. What belongs to another suite is that suite's to judge.
    pub(crate) fn between(before: &[Object], after: &[Object], owner: &str) -> Self {
        let known: BTreeSet<(Kind, &str)> =
            before.iter().map(|object| (object.kind, object.id.as_str())).collect();
        let mut leftovers = Self::default();
        for object in after {
            if known.contains(&(object.kind, &object.id))
                || !object.is_of_berth()
                || object.is_cache()
            {
                continue;
            }
            match object.owner() {
                Some(other) if !other.starts_with(owner) => {
                    if !other.starts_with(SUITE_PREFIX) {
                        leftovers.of_others.push(object.clone());
                    }
                }
                _ => leftovers.ours.push(object.clone()),
            }
        }
        // Engines list in no order.
        leftovers.ours.sort();
        leftovers.of_others.sort();
        leftovers
    }
}

/// What killed suites left: under a suite's owner, and older than any suite that may still run.
pub(crate) fn abandoned(objects: &[Object], now: SystemTime) -> Vec<Object> {
    let is_old = |object: &Object| {
        let created = ObjectLabels::read(&object.labels)?.created_at()?;
        let age = now.duration_since(created).ok()?;
        Some(age > ABANDONED_AFTER)
    };
    objects
        .iter()
        .filter(|object| object.owner().is_some_and(|owner| owner.starts_with(SUITE_PREFIX)))
        .filter(|object| is_old(object) == Some(true))
        .cloned()
        .collect()
}

/// The caches of one suite, which the sweep after it removes.
pub(crate) fn caches_of(objects: &[Object], owner: &str) -> Vec<Object> {
    objects
        .iter()
        .filter(|object| object.is_cache())
        .filter(|object| object.owner().is_some_and(|other| other.starts_with(owner)))
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use volume_manager::label;

    use super::*;

    const OURS: &str = "e2e-0a1b2c3d";

    fn object(kind: Kind, name: &str, labels: &[(&str, &str)]) -> Object {
        Object {
            kind,
            id: format!("id of {name}"),
            name: name.to_owned(),
            labels: labels
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
        }
    }

    fn names(objects: &[Object]) -> Vec<&str> {
        objects.iter().map(|object| object.name.as_str()).collect()
    }

    #[test]
    fn what_was_there_before_is_no_leftover() {
        let objects = [object(Kind::Container, "berth-job", &[(label::OWNER, OURS)])];
        assert_eq!(Leftovers::between(&objects, &objects, OURS), Leftovers::default());
    }

    #[test]
    fn a_new_object_is_a_leftover_by_its_label_or_by_its_name() {
        let after = [
            object(Kind::Container, "labelled", &[(label::OWNER, OURS)]),
            object(Kind::Container, "half-labelled", &[("dev.berth.job", "7")]),
            object(Kind::Network, "connected", &[(label::OWNER, OURS)]),
            object(Kind::Network, "berth-n1-unlabelled", &[]),
            object(Kind::Network, "bridge", &[]),
            object(Kind::Volume, "berth-t1-unlabelled", &[]),
            object(Kind::Volume, "scratch", &[(label::OWNER, OURS), (label::KIND, "temporary")]),
            object(Kind::Volume, "stranger", &[("com.example", "x")]),
        ];
        let leftovers = Leftovers::between(&[], &after, OURS);
        assert_eq!(
            names(&leftovers.ours),
            [
                "half-labelled",
                "labelled",
                "berth-n1-unlabelled",
                "connected",
                "berth-t1-unlabelled",
                "scratch"
            ]
        );
        assert_eq!(leftovers.of_others, []);
    }

    #[test]
    fn a_cache_volume_is_meant_to_stay_and_what_else_says_so_is_not() {
        let labels = [(label::OWNER, OURS), (label::KIND, "cache")];
        let after = [
            object(Kind::Volume, "berth-c1", &labels),
            object(Kind::Container, "odd", &labels),
            object(Kind::Network, "even", &labels),
        ];
        assert_eq!(names(&Leftovers::between(&[], &after, OURS).ours), ["odd", "even"]);
    }

    #[test]
    fn another_owners_object_is_a_fault_that_is_not_removed() {
        let after = [
            object(Kind::Container, "of-a-person", &[(label::OWNER, "ci")]),
            object(Kind::Container, "of-a-suite-beside", &[(label::OWNER, "e2e-ffffffff")]),
            object(Kind::Container, "of-a-part-of-us", &[(label::OWNER, "e2e-0a1b2c3d-crash")]),
        ];
        let leftovers = Leftovers::between(&[], &after, OURS);
        assert_eq!(names(&leftovers.ours), ["of-a-part-of-us"]);
        assert_eq!(names(&leftovers.of_others), ["of-a-person"]);
    }

    #[test]
    fn objects_of_two_kinds_and_one_name_are_two_objects() {
        let before = [object(Kind::Container, "berth-x", &[])];
        let (network, volume) =
            (object(Kind::Network, "berth-x", &[]), object(Kind::Volume, "berth-x", &[]));
        let after = [before[0].clone(), network.clone(), volume.clone()];
        assert_eq!(Leftovers::between(&before, &after, OURS).ours, [network, volume]);
    }

    #[test]
    fn another_network_of_a_name_that_was_there_is_a_leftover() {
        let before = [object(Kind::Network, "berth-x", &[])];
        let mut again = before[0].clone();
        again.id = "another".to_owned();
        let after = [before[0].clone(), again.clone()];
        assert_eq!(Leftovers::between(&before, &after, OURS).ours, [again]);
    }

    #[test]
    fn a_leftover_is_told_with_its_kind_and_its_owner() {
        let told = [
            object(Kind::Container, "berth-x", &[(label::OWNER, OURS)]),
            object(Kind::Network, "berth-x", &[]),
            object(Kind::Volume, "berth-x", &[]),
        ]
        .map(|object| object.to_string());
        assert_eq!(
            told,
            [
                "container berth-x (owner e2e-0a1b2c3d)",
                "network berth-x (without an owner)",
                "volume berth-x (without an owner)"
            ]
        );
    }

    #[test]
    fn only_suites_that_ended_long_ago_are_abandoned() {
        let now = humantime::parse_rfc3339("2026-01-01T12:00:00Z").unwrap();
        let suite = |name, created| {
            object(
                Kind::Volume,
                name,
                &[(label::OWNER, "e2e-ffffffff"), (label::CREATED_AT, created)],
            )
        };
        let objects = [
            suite("old", "2026-01-01T10:59:59Z"),
            suite("young", "2026-01-01T11:00:01Z"),
            suite("of-the-future", "2026-01-01T13:00:00Z"),
            object(
                Kind::Network,
                "old-network",
                &[(label::OWNER, "e2e-ffffffff"), (label::CREATED_AT, "2026-01-01T10:59:59Z")],
            ),
            suite("unreadable", "yesterday"),
            object(Kind::Volume, "undated", &[(label::OWNER, "e2e-ffffffff")]),
            object(
                Kind::Volume,
                "of-a-person",
                &[(label::OWNER, "ci"), (label::CREATED_AT, "2020-01-01T00:00:00Z")],
            ),
        ];
        assert_eq!(names(&abandoned(&objects, now)), ["old", "old-network"]);
    }

    #[test]
    fn the_sweep_after_a_suite_takes_its_own_caches_only() {
        let cache = |name, owner| {
            object(Kind::Volume, name, &[(label::OWNER, owner), (label::KIND, "cache")])
        };
        let objects = [
            cache("ours", OURS),
            cache("demo", "demo"),
            cache("beside", "e2e-ffffffff"),
            object(Kind::Volume, "no-cache", &[(label::OWNER, OURS)]),
        ];
        assert_eq!(names(&caches_of(&objects, OURS)), ["ours"]);
    }
}
