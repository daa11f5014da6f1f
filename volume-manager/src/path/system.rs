//! Whose rules a path follows.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The operating system of the engine's containers.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum OperatingSystem {
    /// Linux: `/cache`.
    #[default]
    Linux,
    /// Windows: `c:\cache`; slashes of both kinds, and letters of both cases, mean the same.
    Windows,
}

impl OperatingSystem {
    /// The system whose paths look like `text`: Linux for what begins with a single slash.
    pub(crate) fn of(text: &str) -> Self {
        if text.starts_with('/') && !text.starts_with("//./") { Self::Linux } else { Self::Windows }
    }

    /// What separates the components of a canonical path.
    pub(crate) fn separator(self) -> char {
        match self {
            Self::Linux => '/',
            Self::Windows => '\\',
        }
    }
}

/// The engine's word for it.
impl fmt::Display for OperatingSystem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Linux => "linux",
            Self::Windows => "windows",
        })
    }
}
