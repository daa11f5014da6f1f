//! A credential, and what a job brings along.

use std::fmt;

use super::super::reference::DOCKER_HUB;

/// What opens a registry. Its secrets do not show in debug output.
#[derive(Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub(crate) struct Credential {
    /// The user; empty with an identity token.
    pub(crate) username: String,
    /// The password, or a token in its place.
    pub(crate) password: String,
    /// A token that the registry gave for a password.
    pub(crate) identity_token: Option<String>,
    /// The registry that it is for, as engines name it: the host with its port, or
    /// `https://index.docker.io/v1/`. Always taken from the image, never from a file or helper.
    pub(crate) server: String,
}

impl Credential {
    /// A user and a password for a registry (`docker.io`, `registry.example:5000`).
    pub(crate) fn password(
        registry: &str,
        username: impl Into<String>,
        password: impl Into<String>,
    ) -> Self {
        Self {
            username: username.into(),
            password: password.into(),
            identity_token: None,
            server: server(registry),
        }
    }

    /// An identity token for a registry.
    pub(crate) fn identity_token(registry: &str, token: impl Into<String>) -> Self {
        Self {
            username: String::new(),
            password: String::new(),
            identity_token: Some(token.into()),
            server: server(registry),
        }
    }

    /// Its secrets that are not empty, for whoever takes them out of texts.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &str> {
        [Some(self.password.as_str()), self.identity_token.as_deref()]
            .into_iter()
            .flatten()
            .filter(|secret| !secret.is_empty())
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Credential({:?} at {:?}, …)", self.username, self.server)
    }
}

/// The name by which engines and helpers know a registry.
pub(super) fn server(registry: &str) -> String {
    if registry == DOCKER_HUB {
        "https://index.docker.io/v1/".to_owned()
    } else {
        registry.to_owned()
    }
}
