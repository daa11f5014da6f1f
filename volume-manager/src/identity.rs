//! Whose a volume is ([`Scope`]) and what made it ([`Provenance`]).
//!
//! The two are apart because only the first is a cache's identity: a cache is found again by the
//! next run of the same project, so nothing of a single run may be in it.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

/// How far a job's work may be believed. A cache of one kind is never mounted by a job of the
/// other, so that what an untrusted job writes cannot reach a trusted one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
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
