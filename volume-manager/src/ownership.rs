//! Which objects on an engine are ours, and what they are for: decided by their labels, here alone. Pure.

use std::{collections::BTreeMap, time::SystemTime};

use crate::label;

/// What an object of ours is for: the value of [`label::KIND`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Role {
    /// A job's build container.
    Build,
    /// A job's helper container.
    Helper,
    /// A container of a service.
    Service,
    /// A job's network.
    Network,
    /// A volume that is kept for the next job.
    Cache,
    /// A volume of one run.
    Temporary,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 6] =
        [Self::Build, Self::Helper, Self::Service, Self::Network, Self::Cache, Self::Temporary];

    /// The label's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Build => "build",
            Self::Helper => "helper",
            Self::Service => "service",
            Self::Network => "network",
            Self::Cache => "cache",
            Self::Temporary => "temporary",
        }
    }

    /// Reads the label's value; `None` for a value that this version does not know.
    pub fn from_label(value: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == value)
    }

    /// Whether an object in this role is a container.
    pub fn is_container(self) -> bool {
        matches!(self, Self::Build | Self::Helper | Self::Service)
    }

    /// Whether an object in this role is a volume.
    pub fn is_volume(self) -> bool {
        matches!(self, Self::Cache | Self::Temporary)
    }
}

/// The labels of an object that carries some of ours.
///
/// Anybody can write these labels, and a container inherits those of its image: they say what an object
/// claims to be. A label that is absent is `None`; one that is empty is not.
#[derive(Debug, Clone, Copy)]
pub struct ObjectLabels<'a>(&'a BTreeMap<String, String>);

impl<'a> ObjectLabels<'a> {
    /// Reads an object's labels; `None` when none of them is ours.
    pub fn read(labels: &'a BTreeMap<String, String>) -> Option<Self> {
        labels.keys().any(|key| key.starts_with(label::PREFIX)).then_some(Self(labels))
    }

    /// The version of the labels' format.
    pub fn schema(self) -> Option<&'a str> {
        self.value(label::SCHEMA)
    }

    /// What the object is for; `None` also for a role that this version does not know.
    pub fn role(self) -> Option<Role> {
        Role::from_label(self.value(label::KIND)?)
    }

    /// The installation that the object belongs to.
    pub fn owner(self) -> Option<&'a str> {
        self.value(label::OWNER)
    }

    /// The process that created the object.
    pub fn instance(self) -> Option<&'a str> {
        self.value(label::INSTANCE)
    }

    /// The run that created the object.
    pub fn run(self) -> Option<&'a str> {
        self.value(label::RUN)
    }

    /// When the object was created, by the clock of the process that created it.
    pub fn created_at(self) -> Option<SystemTime> {
        label::time(self.value(label::CREATED_AT)?)
    }

    /// When the object may be taken for abandoned, by the same clock.
    pub fn deadline(self) -> Option<SystemTime> {
        label::time(self.value(label::DEADLINE)?)
    }

    fn value(self, key: &str) -> Option<&'a str> {
        self.0.get(key).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn labels<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
    }

    #[test]
    fn roles_are_read_from_the_values_that_are_written() {
        for role in Role::ALL {
            assert_eq!(Role::from_label(role.as_str()), Some(role));
            assert!(!(role.is_container() && role.is_volume()));
        }
        assert_eq!(Role::from_label("Cache"), None);
        assert_eq!(Role::from_label(""), None);
    }

    #[test]
    fn object_without_our_labels_is_not_ours() {
        assert!(ObjectLabels::read(&labels([])).is_none());
        assert!(ObjectLabels::read(&labels([("com.example", "dev.berth.")])).is_none());
        assert!(ObjectLabels::read(&labels([("dev.berthing.kind", "cache")])).is_none());
        assert!(ObjectLabels::read(&labels([("dev.berth.future", "")])).is_some());
    }

    #[test]
    fn labels_are_read_and_absent_differs_from_empty() {
        let labels = labels([
            (label::KIND, "temporary"),
            (label::OWNER, ""),
            (label::CREATED_AT, "1970-01-01T00:00:00Z"),
            (label::DEADLINE, "soon"),
        ]);
        let ours = ObjectLabels::read(&labels).unwrap();
        assert_eq!(ours.role(), Some(Role::Temporary));
        assert_eq!((ours.owner(), ours.run()), (Some(""), None));
        assert_eq!((ours.created_at(), ours.deadline()), (Some(UNIX_EPOCH), None));
    }
}
