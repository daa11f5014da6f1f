//! What can be wrong with credentials. No error holds a secret.

use std::{io, path::PathBuf, time::Duration};

/// Why the credentials for a registry cannot be told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// The text is not JSON of the form of Docker's `config.json`. The parser's words are left out:
    /// they quote what they stumble over.
    #[error("{origin} is not a Docker configuration: line {line}, column {column}")]
    Malformed {
        /// What was read: `DOCKER_AUTH_CONFIG`, or a file's path.
        origin: String,
        /// The line, counted from one.
        line: usize,
        /// The column, counted from one.
        column: usize,
    },
    /// The file is there and cannot be read.
    #[error("{} cannot be read", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// An `auth` is not a user, a colon and a password in Base64.
    #[error("the auth for {key:?} in {origin} is not a user and a password in base64")]
    Encoding {
        /// What was read.
        origin: String,
        /// The registry, as it stands there.
        key: String,
    },
    /// A credential helper's name could lead to another program.
    #[error("{name:?} in {origin} is not a credential helper's name")]
    HelperName {
        /// What was read.
        origin: String,
        /// The name.
        name: String,
    },
    /// A credential helper is named where none may be.
    #[error("{origin} may not name a credential helper, and names {name:?}")]
    HelperRefused {
        /// What was read.
        origin: String,
        /// The helper's name.
        name: String,
    },
    /// The credential helper cannot be started or spoken with.
    #[error("the credential helper {name:?} cannot be run")]
    HelperStart {
        /// Its name, without `docker-credential-`.
        name: String,
        /// The cause.
        source: io::Error,
    },
    /// The credential helper ended with a failure.
    #[error("the credential helper {name:?} failed for {server:?}: {message}")]
    HelperFailed {
        /// Its name.
        name: String,
        /// The registry that it was asked about.
        server: String,
        /// Its words, cut to a line.
        message: String,
    },
    /// The credential helper did not answer in time, and was killed.
    #[error("the credential helper {name:?} did not answer within {} s", .limit.as_secs())]
    HelperTimeout {
        /// Its name.
        name: String,
        /// How long was waited.
        limit: Duration,
    },
    /// The credential helper's answer is not what the protocol says.
    #[error("the credential helper {name:?} gave an answer that makes no sense")]
    HelperReply {
        /// Its name.
        name: String,
    },
}

impl CredentialError {
    /// What a person can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Malformed { .. } | Self::Encoding { .. } => {
                "make it with `docker login` and take the whole of ~/.docker/config.json"
            }
            Self::Read { .. } => "let the user that runs jobs read the file",
            Self::HelperName { .. } => {
                "a helper's name is what follows `docker-credential-` in its program's: letters, \
                 digits, `_`, `.` and `-`"
            }
            Self::HelperRefused { .. } => {
                "name the helper in the config.json of the user that runs jobs"
            }
            Self::HelperStart { .. } => {
                "install `docker-credential-NAME` where PATH of the process that runs jobs leads"
            }
            Self::HelperFailed { .. } | Self::HelperReply { .. } => {
                "try it by hand: echo REGISTRY | docker-credential-NAME get"
            }
            Self::HelperTimeout { .. } => {
                "helpers are asked without a terminal: see that it does not wait for a person, or \
                 for a network that is not there"
            }
        }
    }
}
