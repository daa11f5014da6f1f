//! What kinds of volumes there are.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ownership::Role;

/// What is mounted, in one word: in labels, reports and messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum VolumeKind {
    /// A cache in a volume, which is kept after the job.
    Cache,
    /// A volume of one run, which is removed after it.
    Temporary,
    /// A cache in a directory of the engine's host.
    Directory,
    /// A volume that the user created.
    Named,
    /// A path of the engine's host.
    Host,
    /// A named pipe of a Windows host.
    Pipe,
}

impl VolumeKind {
    /// Returns the word: `cache`, `temporary`, `directory`, `named`, `host` or `pipe`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cache => "cache",
            Self::Temporary => "temporary",
            Self::Directory => "directory",
            Self::Named => "named",
            Self::Host => "host",
            Self::Pipe => "pipe",
        }
    }

    /// Whether Berth creates, names and labels volumes of this kind.
    pub fn is_managed(self) -> bool {
        matches!(self, Self::Cache | Self::Temporary)
    }

    /// Returns the kind of a volume in this role; `None` when the object is not a volume.
    pub fn of_role(role: Role) -> Option<Self> {
        match role {
            Role::Cache => Some(Self::Cache),
            Role::Temporary => Some(Self::Temporary),
            Role::Build | Role::Helper | Role::Service | Role::Network => None,
        }
    }
}

impl fmt::Display for VolumeKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_that_berth_creates_are_those_of_a_role() {
        let kinds = Role::ALL.map(|role| (role, VolumeKind::of_role(role)));
        for (role, kind) in kinds {
            assert_eq!(kind.is_some(), role.is_volume(), "{role:?}");
            if let Some(kind) = kind {
                assert!(kind.is_managed());
                assert_eq!(kind.as_str(), role.as_str(), "one word in labels and reports");
            }
        }
        assert_eq!(format!("{:<6}|", VolumeKind::Host), "host  |");
    }
}
