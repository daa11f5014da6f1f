//! A service: a container beside the job that it talks to.

use serde::{Deserialize, Serialize};

use super::{ImageSpec, Variable, variable};

/// A service of a job. The image's entrypoint and command are used unless others are given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ServiceSpec {
    /// Its image. An entrypoint there replaces the image's.
    pub image: ImageSpec,
    /// The names that the job finds it by, beside those that follow from the image's name:
    /// `team/db:1` is found as `team__db` and `team-db` too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// The arguments of its entrypoint; empty is the image's own command.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Environment variables of its own, beside the job's that are not masked.
    #[serde(default, with = "variable::table", skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<Variable>,
}

impl ServiceSpec {
    /// A service that runs what its image says.
    pub fn new(image: impl Into<ImageSpec>) -> Self {
        Self {
            image: image.into(),
            aliases: Vec::new(),
            command: Vec::new(),
            variables: Vec::new(),
        }
    }

    /// The service with one name more.
    pub fn with_alias(mut self, alias: impl Into<String>) -> Self {
        self.aliases.push(alias.into());
        self
    }
}
