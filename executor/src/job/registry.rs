//! A login that comes with a job.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A login for one registry. The password does not show in debug output, and is masked in logs.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RegistryLogin {
    /// The registry, with its port if any, and with a path if it is for a part of it only:
    /// `registry.example:5000/team`.
    pub registry: String,
    /// The user.
    pub username: String,
    /// The password.
    pub password: String,
}

impl RegistryLogin {
    /// A login by registry, user and password.
    pub fn new(
        registry: impl Into<String>,
        username: impl Into<String>,
        password: impl Into<String>,
    ) -> Self {
        Self { registry: registry.into(), username: username.into(), password: password.into() }
    }
}

impl fmt::Debug for RegistryLogin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RegistryLogin({} at {})", self.username, self.registry)
    }
}
