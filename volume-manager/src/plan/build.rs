//! The volume that a job builds in.
//!
//! | strategy | the user's own mount | caches disabled | result |
//! |---|---|---|---|
//! | fetch | none | no | a cache, or the cache directory |
//! | fetch | none | yes | a temporary volume |
//! | clone, none, empty | none | any | a temporary volume |
//! | any | at the folder | any | the user's |
//! | any | from the host or a named volume, around the folder | any | within the user's |
//!
//! The last line is where GitLab Runner differs: it finds such a mount, and then hides the
//! folder in it under a volume of its own.

use serde::{Deserialize, Serialize};

use crate::{
    path::ContainerPath,
    spec::{VolumeSource, VolumeSpec},
};

/// How the project's files come to the folder; that decides whether what is there is of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BuildStrategy {
    /// What changed is fetched: the folder is kept.
    Fetch,
    /// All is fetched anew: the folder goes with the run.
    Clone,
    /// Nothing is fetched: the folder goes with the run.
    None,
    /// The folder begins empty, and goes with the run.
    Empty,
}

impl BuildStrategy {
    /// Whether the next run has use for the folder.
    pub fn keeps(self) -> bool {
        matches!(self, Self::Fetch)
    }
}

/// A folder to build in.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BuildDemand {
    /// The folder.
    pub folder: ContainerPath,
    /// How the files come there.
    pub strategy: BuildStrategy,
}

impl BuildDemand {
    /// `folder`, by `strategy`.
    pub fn new(folder: ContainerPath, strategy: BuildStrategy) -> Self {
        Self { folder, strategy }
    }
}

/// Where the folder is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "in")]
#[non_exhaustive]
pub enum BuildPlacement {
    /// A volume of ours at that very place.
    Volume {
        /// Whether it is there for the next run.
        kept: bool,
    },
    /// What the user mounts at that very place, or around it.
    User {
        /// Where that is mounted.
        destination: ContainerPath,
        /// Whether jobs of other projects may have the same folder mounted, so that each job needs
        /// a folder of its own in it.
        shared: bool,
    },
}

/// The user's mount that has the folder, if one has: at its very place whatever it is, around it
/// when it is not ours.
pub(super) fn users_place(
    build: &BuildDemand,
    specs: &[VolumeSpec],
    tmpfs: &[ContainerPath],
) -> Option<BuildPlacement> {
    let is_users = |spec: &VolumeSpec| !matches!(spec.source, VolumeSource::Cache);
    let holds = |spec: &&VolumeSpec| {
        spec.destination == build.folder
            || is_users(spec) && spec.destination.is_ancestor_of(&build.folder)
    };
    // Of several, the innermost is what is seen at the folder.
    let spec = specs.iter().filter(holds).max_by_key(|spec| spec.destination.depth());
    spec.map(|spec| BuildPlacement::User {
        destination: spec.destination.clone(),
        shared: is_users(spec),
    })
    .or_else(|| {
        tmpfs
            .contains(&build.folder)
            .then(|| BuildPlacement::User { destination: build.folder.clone(), shared: false })
    })
}
