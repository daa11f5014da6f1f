//! What the labels of a volume say.

use docker_api_trait::Volume;
use serde::Serialize;

use crate::{kind::VolumeKind, label, ownership::ObjectLabels};

/// What the labels of a volume of ours say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct VolumeRecord {
    /// Its name.
    pub name: String,
    /// Whether it is a cache or a temporary volume.
    pub kind: VolumeKind,
    /// The installation that it belongs to.
    pub owner: String,
    /// The project that it belongs to.
    pub project: String,
    /// `trusted` or `untrusted`.
    pub trust: String,
    /// Its key; empty as a rule.
    pub key: String,
    /// Where it is mounted.
    pub destination: String,
    /// The run that made it.
    pub run: String,
    /// The job that made it.
    pub job: String,
    /// When it was made: RFC 3339, UTC.
    pub created_at: String,
    /// The plugin that keeps it.
    pub driver: String,
    /// Where it is on the engine's host.
    pub mountpoint: String,
}

impl VolumeRecord {
    /// Reads a volume's labels; `None` when it is not ours.
    pub fn read(volume: &Volume) -> Option<Self> {
        let value = |key: &str| volume.labels.get(key).cloned().unwrap_or_default();
        let ours = ObjectLabels::read(&volume.labels)?;
        let kind = VolumeKind::of_role(ours.role()?)?;
        (ours.schema() == Some(label::SCHEMA_VERSION)).then(|| Self {
            name: volume.name.clone(),
            kind,
            owner: value(label::OWNER),
            project: value(label::PROJECT),
            trust: value(label::TRUST),
            key: value(label::KEY),
            destination: value(label::DESTINATION),
            run: value(label::RUN),
            job: value(label::JOB),
            created_at: value(label::CREATED_AT),
            driver: volume.driver.clone(),
            mountpoint: volume.mountpoint.clone(),
        })
    }
}
