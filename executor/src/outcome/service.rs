//! How the start of a service ended.

use std::time::Duration;

use docker_api_trait::ApiError;

use super::kind::ReadinessKind;
use crate::{RefusalCause, describe::describe};

/// Whether a service was found ready.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Readiness {
    /// Its image's health check says so.
    Healthy,
    /// It listens on this TCP port.
    Listening(u16),
    /// It has bound this UDP port.
    Bound(u16),
    /// It runs, and there is nothing to wait for: its image has neither a health check nor ports.
    Running,
    /// It was started, and nothing can look at its ports. The job goes on without waiting for it.
    Unknown {
        /// Why.
        why: String,
    },
    /// It was not waited for.
    Unchecked,
    /// It ended.
    Exited {
        /// Its exit code.
        exit_code: i64,
    },
    /// It could not be created or started.
    NotStarted {
        /// Why.
        why: String,
        /// What to do about it, where that is known.
        hint: Option<&'static str>,
    },
    /// It was not ready in time.
    TimedOut {
        /// What its health check last printed; empty when it has none.
        health: String,
        /// A port of its own on which it listens for itself only, at the address 127.0.0.1.
        loopback: Option<u16>,
    },
}

impl Readiness {
    /// Whether the job may rely on it: it was found ready, or nothing was asked for.
    pub fn is_ready(&self) -> bool {
        matches!(
            self,
            Self::Healthy | Self::Listening(_) | Self::Bound(_) | Self::Running | Self::Unchecked
        )
    }

    /// What it is in a few words.
    pub fn words(&self) -> String {
        match self {
            Self::Healthy => "healthy".to_owned(),
            Self::Listening(port) => format!("listens on port {port}"),
            Self::Bound(port) => format!("listens on UDP port {port}"),
            Self::Running => "runs".to_owned(),
            Self::Unknown { why } => format!("runs, and may not be ready yet: {why}"),
            Self::Unchecked => "was not waited for".to_owned(),
            Self::Exited { exit_code } => format!("ended with exit code {exit_code}"),
            Self::NotStarted { why, .. } => format!("could not be started: {why}"),
            Self::TimedOut { loopback: Some(port), .. } => format!(
                "was not ready in time; it listens on port {port} at 127.0.0.1 only, where the job \
                 cannot reach it"
            ),
            Self::TimedOut { health, .. } if health.is_empty() => {
                "was not ready in time".to_owned()
            }
            Self::TimedOut { health, .. } => {
                format!("was not ready in time; its health check says: {}", health.trim())
            }
        }
    }

    /// What to do about it, where that is certain.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Unknown { .. } => {
                Some("give the service's image a health check, or let the job wait for the service")
            }
            Self::Exited { exit_code: 0 } => {
                Some("a service has to keep running: check its `command` and `entrypoint`")
            }
            Self::TimedOut { loopback: Some(_), .. } => Some("let the service listen at 0.0.0.0"),
            Self::NotStarted { hint, .. } => *hint,
            _ => None,
        }
    }

    /// A service that the engine refuses to create or to start.
    pub(crate) fn refused(error: &ApiError) -> Self {
        let why = describe(error);
        let hint = RefusalCause::of(error).and_then(RefusalCause::hint).or_else(|| {
            error.names_missing_program().then_some(
                "check the service's `command` and `entrypoint`: the image must have that program",
            )
        });
        Self::NotStarted { why, hint }
    }

    /// The state without its details, as in reports.
    pub fn kind(&self) -> ReadinessKind {
        match self {
            Self::Healthy => ReadinessKind::Healthy,
            Self::Listening(_) | Self::Bound(_) => ReadinessKind::Listening,
            Self::Running => ReadinessKind::Running,
            Self::Unknown { .. } => ReadinessKind::Unknown,
            Self::Unchecked => ReadinessKind::Unchecked,
            Self::Exited { .. } => ReadinessKind::Exited,
            Self::NotStarted { .. } => ReadinessKind::NotStarted,
            Self::TimedOut { .. } => ReadinessKind::TimedOut,
        }
    }

    /// One word for reports.
    pub fn as_str(&self) -> &'static str {
        self.kind().as_str()
    }
}

/// What became of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceResult {
    /// Its first alias.
    pub name: String,
    /// Its image.
    pub image: String,
    /// Whether the job found it ready.
    pub readiness: Readiness,
    /// How long that took.
    pub duration: Duration,
}
