//! Volumes.

use std::{collections::BTreeMap, time::SystemTime};

use serde::{Deserialize, Serialize};

use crate::id::VolumeName;

/// A volume to create.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VolumeRequest {
    /// Its name.
    pub name: VolumeName,
    /// Its driver; `None` is the engine's default, `local`.
    pub driver: Option<String>,
    /// Options for the driver.
    pub options: BTreeMap<String, String>,
    /// Its labels. They cannot be changed later.
    pub labels: BTreeMap<String, String>,
}

impl VolumeRequest {
    /// A volume with the default driver, no options and no labels.
    pub fn new(name: VolumeName) -> Self {
        Self { name, driver: None, options: BTreeMap::new(), labels: BTreeMap::new() }
    }

    /// With these labels.
    pub fn with_labels(mut self, labels: BTreeMap<String, String>) -> Self {
        self.labels = labels;
        self
    }
}

/// How much a volume holds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VolumeUsage {
    /// Its name.
    pub name: String,
    /// The size of all its files in bytes; `None` where its driver does not tell.
    pub bytes: Option<u64>,
    /// How many containers refer to it; `None` where that is not known.
    pub references: Option<u64>,
}

impl VolumeUsage {
    /// A volume whose size and references are not known.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), bytes: None, references: None }
    }
}

/// A volume that the engine has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Volume {
    /// Its name. Not validated: others may have given it by other rules.
    pub name: String,
    /// Its driver, `local` as a rule.
    pub driver: String,
    /// The options that it was created with.
    pub options: BTreeMap<String, String>,
    /// The labels that it was created with.
    pub labels: BTreeMap<String, String>,
    /// `local` when it is on one engine only.
    pub scope: String,
    /// Where it is on the engine's host.
    pub mountpoint: String,
    /// When it was created, by the engine's clock; `None` when the engine does not tell. The local
    /// driver tells when its root was last written to instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<SystemTime>,
}

impl Volume {
    /// A volume of the local driver without options, labels or mount point.
    pub fn local(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            driver: "local".to_owned(),
            options: BTreeMap::new(),
            labels: BTreeMap::new(),
            scope: "local".to_owned(),
            mountpoint: String::new(),
            created: None,
        }
    }
}
