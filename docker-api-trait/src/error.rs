//! The one error type of the Engine API, in the cases that a caller would tell apart.

use std::{error::Error, time::Duration};

use crate::Operation;

/// Of an engine's words so many bytes are kept at most.
const LONGEST_MESSAGE: usize = 64 << 10;

/// Why no connection came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectFailure {
    /// There is no socket at that path, or no host of that name.
    Absent,
    /// Nobody listens there.
    Refused,
    /// The socket's permissions do not let this user in.
    PermissionDenied,
    /// The TLS handshake failed.
    Tls,
    /// This process, or its machine, has as many files open as it may.
    TooManyFiles,
    /// Any other reason; the error's source tells it.
    Other,
}

/// What can go wrong between a caller and the engine.
///
/// The variants are the cases that a caller would branch on. `Display` states the fact alone; the
/// cause is in the `source` chain and the remedy in [`ApiError::hint`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiError {
    /// No connection came about, so the request had no effect.
    #[error("cannot connect to the engine at {endpoint}")]
    Unreachable {
        /// The address that was tried.
        endpoint: String,
        /// Why, as far as it could be told.
        failure: ConnectFailure,
        /// The cause.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The object, or one that the request names, does not exist (404).
    #[error("could not {operation}: {message}")]
    NotFound {
        /// What was being done.
        operation: Operation,
        /// The engine's words.
        message: String,
    },
    /// The object's state, or another of that name, stands in the way (409).
    #[error("could not {operation}: {message}")]
    Conflict {
        /// What was being done.
        operation: Operation,
        /// The engine's words.
        message: String,
    },
    /// The engine refused the request as malformed (400).
    #[error("could not {operation}: {message}")]
    Rejected {
        /// What was being done.
        operation: Operation,
        /// The engine's words.
        message: String,
    },
    /// The engine answered with another error status.
    #[error("could not {operation}: the engine answered {status}: {message}")]
    Engine {
        /// What was being done.
        operation: Operation,
        /// The HTTP status.
        status: u16,
        /// The engine's words.
        message: String,
    },
    /// The engine had begun to answer and then reported a failure, as it does in a pull.
    #[error("could not {operation}: {message}")]
    Reported {
        /// What was being done.
        operation: Operation,
        /// The engine's words.
        message: String,
    },
    /// No whole reply came in time. The request may have taken effect.
    #[error("could not {operation}: no reply within {} s", .limit.as_secs())]
    TimedOut {
        /// What was being done.
        operation: Operation,
        /// How long was waited.
        limit: Duration,
    },
    /// The connection ended before the whole reply came. The request may have taken effect.
    #[error("could not {operation}: the connection to the engine was lost")]
    Lost {
        /// What was being done.
        operation: Operation,
        /// The cause.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The reply is not what the protocol says it is. The request may have taken effect.
    #[error("could not {operation}: the engine's reply makes no sense: {detail}")]
    Protocol {
        /// What was being done.
        operation: Operation,
        /// What is wrong with it.
        detail: String,
    },
    /// The engine went away and did not come back in time. The request may have taken effect.
    #[error("could not {operation}: the engine has been away for {} s", .after.as_secs())]
    Gone {
        /// What was being done.
        operation: Operation,
        /// How long it has been away.
        after: Duration,
        /// How the last attempt to reach it ended.
        source: Box<ApiError>,
    },
    /// Another engine answers at the address than before. Nothing was asked of it.
    #[error("could not {operation}: another engine answers now: {found}, not {expected}")]
    Changed {
        /// What was being done.
        operation: Operation,
        /// The id of the engine that answered before.
        expected: String,
        /// The id of the one that answers now.
        found: String,
    },
}

impl ApiError {
    /// The error for an HTTP status that is not a success.
    pub fn from_status(operation: Operation, status: u16, message: impl Into<String>) -> Self {
        let mut message = message.into().trim().to_owned();
        // Nobody reads more, and it may be anything.
        if message.len() > LONGEST_MESSAGE {
            message.truncate(message.floor_char_boundary(LONGEST_MESSAGE));
        }
        if message.is_empty() {
            // As in every answer to a `HEAD`.
            "it gave no reason".clone_into(&mut message);
        }
        match status {
            404 => Self::NotFound { operation, message },
            409 => Self::Conflict { operation, message },
            400 => Self::Rejected { operation, message },
            _ => Self::Engine { operation, status, message },
        }
    }

    /// The error without these texts in the engine's words, which may repeat what a request said.
    pub fn redacted<'a>(mut self, secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut secrets: Vec<&str> = secrets.into_iter().filter(|one| !one.is_empty()).collect();
        // Of one that begins with another nothing may be left.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        self.redact(&secrets);
        self
    }

    /// A copy without these texts, for an error that others hold too. Causes from outside become plain
    /// text.
    pub fn to_redacted<'a>(&self, secrets: impl IntoIterator<Item = &'a str>) -> Self {
        self.copy().redacted(secrets)
    }

    fn copy(&self) -> Self {
        match self {
            Self::Unreachable { endpoint, failure, source } => Self::Unreachable {
                endpoint: endpoint.clone(),
                failure: *failure,
                source: chain(&**source).into(),
            },
            Self::NotFound { operation, message } => {
                Self::NotFound { operation: *operation, message: message.clone() }
            }
            Self::Conflict { operation, message } => {
                Self::Conflict { operation: *operation, message: message.clone() }
            }
            Self::Rejected { operation, message } => {
                Self::Rejected { operation: *operation, message: message.clone() }
            }
            Self::Engine { operation, status, message } => {
                Self::Engine { operation: *operation, status: *status, message: message.clone() }
            }
            Self::Reported { operation, message } => {
                Self::Reported { operation: *operation, message: message.clone() }
            }
            Self::TimedOut { operation, limit } => {
                Self::TimedOut { operation: *operation, limit: *limit }
            }
            Self::Lost { operation, source } => {
                Self::Lost { operation: *operation, source: chain(&**source).into() }
            }
            Self::Protocol { operation, detail } => {
                Self::Protocol { operation: *operation, detail: detail.clone() }
            }
            Self::Gone { operation, after, source } => {
                Self::Gone { operation: *operation, after: *after, source: Box::new(source.copy()) }
            }
            Self::Changed { operation, expected, found } => Self::Changed {
                operation: *operation,
                expected: expected.clone(),
                found: found.clone(),
            },
        }
    }

    /// Every variant and field is named: a new one does not compile until somebody has decided.
    fn redact(&mut self, secrets: &[&str]) {
        let clean = |words: &mut String| {
            for secret in secrets {
                if words.contains(secret) {
                    *words = words.replace(secret, "…");
                }
            }
        };
        match self {
            Self::NotFound { message, operation: _ }
            | Self::Conflict { message, operation: _ }
            | Self::Rejected { message, operation: _ }
            | Self::Engine { message, status: _, operation: _ }
            | Self::Reported { message, operation: _ }
            | Self::Protocol { detail: message, operation: _ } => clean(message),
            Self::Gone { source, after: _, operation: _ } => source.redact(secrets),
            Self::Unreachable { endpoint, failure: _, source } => {
                clean(endpoint);
                redact_cause(source, clean);
            }
            Self::Lost { source, operation: _ } => redact_cause(source, clean),
            Self::Changed { expected, found, operation: _ } => {
                clean(expected);
                clean(found);
            }
            Self::TimedOut { operation: _, limit: _ } => {}
        }
    }

    /// Whether the request may have taken effect although it failed: a caller that was creating
    /// something has to look for it.
    pub fn effect_unknown(&self) -> bool {
        match self {
            Self::TimedOut { .. }
            | Self::Lost { .. }
            | Self::Protocol { .. }
            | Self::Gone { .. }
            | Self::Changed { .. } => true,
            Self::Engine { status, .. } => *status >= 500,
            Self::Unreachable { .. }
            | Self::NotFound { .. }
            | Self::Conflict { .. }
            | Self::Rejected { .. }
            | Self::Reported { .. } => false,
        }
    }

    /// Whether the same may succeed later without anybody changing the request: the engine or the
    /// way to it was at fault.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { failure, .. } => match failure {
                ConnectFailure::Absent
                | ConnectFailure::Refused
                | ConnectFailure::TooManyFiles
                | ConnectFailure::Other => true,
                ConnectFailure::PermissionDenied | ConnectFailure::Tls => false,
            },
            Self::TimedOut { .. }
            | Self::Lost { .. }
            | Self::Protocol { .. }
            | Self::Gone { .. }
            | Self::Changed { .. } => true,
            Self::Engine { status, .. } => *status >= 500 || *status == 429,
            Self::NotFound { .. }
            | Self::Conflict { .. }
            | Self::Rejected { .. }
            | Self::Reported { .. } => false,
        }
    }

    /// Whether the engine's host has no room left. Only the engine's words tell: they are those of
    /// the system.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::NotFound { message, .. }
            | Self::Conflict { message, .. }
            | Self::Rejected { message, .. }
            | Self::Engine { message, .. }
            | Self::Reported { message, .. } => {
                message.contains("no space left on device")
                    || message.contains("disk quota exceeded")
            }
            Self::Gone { source, .. } => source.is_disk_full(),
            Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::Lost { .. }
            | Self::Protocol { .. }
            | Self::Changed { .. } => false,
        }
    }

    /// Whether the image has no such user or group as the container was to run as, or there can be none.
    /// Only the engine's words tell.
    pub fn is_unknown_user(&self) -> bool {
        matches!(self, Self::Rejected { operation, message }
            if tells_of_unknown_user(*operation, message))
    }

    /// What a person can do about it, when that is known.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Unreachable { failure, .. } => Some(match failure {
                ConnectFailure::Absent => {
                    "start the engine, or name the right one with DOCKER_HOST"
                }
                ConnectFailure::Refused => {
                    "the engine is not running, or listens elsewhere: start it, or name it with \
                     DOCKER_HOST"
                }
                ConnectFailure::PermissionDenied => {
                    "run as root, or add your user to the group that owns the socket (often \
                     `docker`) and log in again"
                }
                ConnectFailure::Tls => {
                    "check DOCKER_TLS_VERIFY and the files ca.pem, cert.pem and key.pem in \
                     DOCKER_CERT_PATH"
                }
                ConnectFailure::TooManyFiles => {
                    "raise the limit of open files (`ulimit -n`), or run fewer jobs at once"
                }
                ConnectFailure::Other => "check DOCKER_HOST and the network",
            }),
            Self::TimedOut { .. } | Self::Lost { .. } => {
                Some("look at the engine's log; a restart of the engine ends its containers")
            }
            Self::Gone { .. } => Some(
                "start the engine again; what this run left there is removed by the next run or by \
                 `berth sweep`",
            ),
            Self::Changed { .. } => Some(
                "nothing is removed on the engine that answers now; run `berth sweep` when the one \
                 from before is back",
            ),
            other if other.is_disk_full() => Some(
                "the engine's host has no room left: free some, for instance with `docker image \
                 prune` or `berth volumes rm`",
            ),
            other if other.is_unknown_user() => Some(
                "`/etc/passwd` and `/etc/group` in the image tell which names there are; a number \
                 from 0 to 2147483647 need not be in them",
            ),
            _ => None,
        }
    }
}

/// Whether an engine that was to run a process says that there is no such user or group, or no such
/// number.
pub(crate) fn tells_of_unknown_user(operation: Operation, message: &str) -> bool {
    let is_of_a_process = matches!(
        operation,
        Operation::CreateContainer
            | Operation::AttachContainer
            | Operation::StartContainer
            | Operation::CreateExec
            | Operation::StartExec
    );
    let words =
        ["unable to find user ", "unable to find group ", "uids and gids must be in range "];
    is_of_a_process && words.iter().any(|words| message.contains(words))
}

/// An error and its causes as one text.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(current) = cause {
        text.push_str(": ");
        text.push_str(&current.to_string());
        cause = current.source();
    }
    text
}

/// A cause with a secret in its chain becomes plain text; any other keeps its type.
fn redact_cause(cause: &mut Box<dyn Error + Send + Sync>, clean: impl Fn(&mut String)) {
    let before = chain(&**cause);
    let mut after = before.clone();
    clean(&mut after);
    if after != before {
        *cause = after.into();
    }
}
