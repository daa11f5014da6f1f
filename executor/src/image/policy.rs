//! When an image is pulled.

use std::fmt;

use serde::{Deserialize, Serialize};

/// When an image is pulled. The words are GitLab's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum PullPolicy {
    /// Each time, so that the registry decides what the image is and who may have it.
    Always,
    /// When the engine does not have it.
    IfNotPresent,
    /// Never: the engine has it, or the job fails.
    Never,
}

impl PullPolicy {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::IfNotPresent => "if-not-present",
            Self::Never => "never",
        }
    }
}

impl fmt::Display for PullPolicy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
