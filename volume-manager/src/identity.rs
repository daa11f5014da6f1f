//! What makes a cache the same cache ([`CacheIdentity`]) and what made it ([`Provenance`]).
//!
//! The two are apart because a cache is found again by the next run of the same project: nothing of
//! a single run may be in its identity.

use std::{collections::BTreeMap, fmt, time::SystemTime};

use serde::{Deserialize, Serialize};

use crate::{fingerprint::fingerprint, path::ContainerPath};

/// How far a job's work may be believed. A cache of one kind is never mounted by a job of the
/// other, so that what an untrusted job writes cannot reach a trusted one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Trust {
    /// Code that was reviewed: a protected branch, a person's own machine.
    Trusted,
    /// Code of others: a fork, a merge request.
    Untrusted,
}

impl Trust {
    /// The word in labels and in a cache's identity.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trusted => "trusted",
            Self::Untrusted => "untrusted",
        }
    }
}

/// Whose caches a job uses. All four fields are part of a cache's identity; any text is allowed in
/// them, and texts that differ in a single byte are different caches.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Scope {
    /// The installation that the caches belong to; several may share one engine.
    pub owner: String,
    /// The project that they belong to.
    pub project: String,
    /// How far the job is to be believed.
    pub trust: Trust,
    /// Tells apart several caches of one project at one destination; empty as a rule.
    pub key: String,
}

impl Scope {
    /// The scope of a trusted job, without a key.
    pub fn trusted(owner: impl Into<String>, project: impl Into<String>) -> Self {
        Self {
            owner: owner.into(),
            project: project.into(),
            trust: Trust::Trusted,
            key: String::new(),
        }
    }

    /// The scope of an untrusted job, without a key.
    pub fn untrusted(owner: impl Into<String>, project: impl Into<String>) -> Self {
        Self { trust: Trust::Untrusted, ..Self::trusted(owner, project) }
    }

    /// The scope of a job of this trust, without a key.
    pub fn new(owner: impl Into<String>, project: impl Into<String>, trust: Trust) -> Self {
        Self { trust, ..Self::trusted(owner, project) }
    }

    /// Sets the key.
    pub fn with_key(mut self, key: impl Into<String>) -> Self {
        self.key = key.into();
        self
    }
}

/// The volume plugin that keeps our volumes, and what it is told. The values of its options, which
/// may be secrets, do not show in debug output.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct VolumeDriver {
    /// The plugin's name. Default: `local`, the engine's own.
    pub name: String,
    /// Its options, as in `docker volume create --opt`. Default: none.
    pub options: BTreeMap<String, String>,
}

impl VolumeDriver {
    /// The name of the engine's own driver.
    pub const LOCAL: &str = "local";

    /// The driver `name` without options.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), options: BTreeMap::new() }
    }

    /// The driver with one option more.
    pub fn with_option(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.insert(key.into(), value.into());
        self
    }

    /// The values among the options that are secrets by their names, in the form `key=value,…` of
    /// mount options, too: what an engine's words must not be passed on with.
    pub fn secrets(&self) -> Vec<&str> {
        let is_secret = |key: &str| {
            let key = key.to_ascii_lowercase();
            ["pass", "secret", "cred", "token"].iter().any(|word| key.contains(word))
        };
        let mut secrets = Vec::new();
        for (key, value) in &self.options {
            if is_secret(key) {
                secrets.push(value.as_str());
            }
            let pairs = value.split(',').filter_map(|pair| pair.split_once('='));
            secrets.extend(pairs.filter(|(key, _)| is_secret(key)).map(|(_, value)| value));
        }
        secrets
    }

    /// A digest of name and options: volumes that were asked for with another configuration have
    /// another one.
    pub fn digest(&self) -> String {
        let options = self.options.iter().flat_map(|(key, value)| [key.as_str(), value.as_str()]);
        fingerprint([self.name.as_str()].into_iter().chain(options))
    }
}

impl fmt::Debug for VolumeDriver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options: Vec<_> = self.options.keys().collect();
        formatter
            .debug_struct("VolumeDriver")
            .field("name", &self.name)
            .field("options", &options)
            .finish()
    }
}

impl Default for VolumeDriver {
    fn default() -> Self {
        Self::new(Self::LOCAL)
    }
}

/// What makes a cache the same cache: two jobs with equal identities get one volume, and jobs whose
/// identities differ in anything never do.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CacheIdentity {
    /// Whose it is.
    pub scope: Scope,
    /// Where it is mounted.
    pub destination: ContainerPath,
    /// What keeps it. Another configuration is another cache: the engine would silently hand out
    /// the old volume under the old name.
    pub driver: VolumeDriver,
}

impl CacheIdentity {
    /// The identity of `scope`'s cache at `destination`, kept by the engine's own driver.
    pub fn new(scope: Scope, destination: ContainerPath) -> Self {
        Self { scope, destination, driver: VolumeDriver::default() }
    }

    /// The identity with another driver.
    pub fn with_driver(mut self, driver: VolumeDriver) -> Self {
        self.driver = driver;
        self
    }
}

/// What made a volume: written into its labels, never part of a cache's identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Provenance {
    /// The run, by an id that no other run has: a volume with this run in its labels was created
    /// by this run.
    pub run: String,
    /// The process that carries the run out.
    pub instance: String,
    /// The job, in its author's terms.
    pub job: String,
    /// The pipeline that the job is part of.
    pub pipeline: Option<String>,
    /// The branch or tag that the job builds.
    pub reference: Option<String>,
    /// When the run began. The engine's own creation time moves with writes.
    pub created_at: SystemTime,
    /// When what is temporary may be taken for abandoned.
    pub deadline: Option<SystemTime>,
}

impl Provenance {
    /// A run by its unique id and its beginning.
    pub fn new(run: impl Into<String>, created_at: SystemTime) -> Self {
        Self {
            run: run.into(),
            instance: String::new(),
            job: String::new(),
            pipeline: None,
            reference: None,
            created_at,
            deadline: None,
        }
    }
}
