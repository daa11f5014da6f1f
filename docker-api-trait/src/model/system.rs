//! What the engine says of itself.

use std::{fmt, time::SystemTime};

/// A version of the Engine API, such as 1.41.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiVersion {
    /// Before the point.
    pub major: u32,
    /// After the point.
    pub minor: u32,
}

impl ApiVersion {
    /// Reads `1.41`; `None` when `text` has another form.
    pub fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.split_once('.')?;
        Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? })
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.major, self.minor)
    }
}

/// The engine's version and platform.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EngineVersion {
    /// The engine's own version, such as `20.10.24`.
    pub version: String,
    /// The newest version of the API that it speaks.
    pub api_version: ApiVersion,
    /// The operating system of its containers: `linux` or `windows`.
    pub os: String,
    /// The processor architecture, in Go's words: `amd64`, `arm64`, …
    pub architecture: String,
    /// Whose engine it is.
    pub product: EngineProduct,
}

/// Whose engine speaks the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
#[non_exhaustive]
pub enum EngineProduct {
    /// Docker's, or one that does not say that it is another.
    #[default]
    Docker,
    /// Podman's service, which answers in the form of Docker's API.
    Podman,
}

/// The first version of the API with an interval for the start period of a health check.
const START_INTERVAL: ApiVersion = ApiVersion { major: 1, minor: 44 };

impl EngineVersion {
    /// Returns whether a container may set how its image's health check runs at first, and leave the rest
    /// to the image. Podman only accepts a whole check.
    pub fn can_set_health_start(&self) -> bool {
        self.product == EngineProduct::Docker && self.api_version >= START_INTERVAL
    }

    /// A description of an engine of Docker's.
    pub fn new(
        version: impl Into<String>,
        api_version: ApiVersion,
        os: impl Into<String>,
        architecture: impl Into<String>,
    ) -> Self {
        Self {
            version: version.into(),
            api_version,
            os: os.into(),
            architecture: architecture.into(),
            product: EngineProduct::default(),
        }
    }
}

/// Which engine it is, and how it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct EngineInfo {
    /// What tells this engine from every other, and stays the same when it is started again: of
    /// Docker's engine its id and the folder of what it has, as engines on one host share the id.
    /// `None` where there is no such thing: Podman draws a new id for each reply.
    pub id: Option<String>,
    /// Whether containers run on while the engine is down.
    pub live_restore: bool,
    /// What the engine's clock says; ages of its objects are told by this clock, not by ours. `None`
    /// when it does not tell.
    pub now: Option<SystemTime>,
}

impl EngineInfo {
    /// An engine by its id, without a clock, whose containers end with it.
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: Some(id.into()), live_restore: false, now: None }
    }
}

#[cfg(test)]
mod tests {
    use super::{ApiVersion, EngineProduct, EngineVersion};

    #[test]
    fn only_newer_engines_of_docker_set_a_part_of_a_health_check() {
        let engine = |minor, product| {
            let api_version = ApiVersion { major: 1, minor };
            EngineVersion { product, ..EngineVersion::new("x", api_version, "linux", "amd64") }
        };
        for (minor, product, expected) in [
            (43, EngineProduct::Docker, false),
            (44, EngineProduct::Docker, true),
            (52, EngineProduct::Docker, true),
            (44, EngineProduct::Podman, false),
        ] {
            assert_eq!(engine(minor, product).can_set_health_start(), expected, "{minor}");
        }
    }

    #[test]
    fn api_versions_compare_as_numbers_not_as_text() {
        assert!(ApiVersion::parse("1.9").unwrap() < ApiVersion::parse("1.41").unwrap());
        assert_eq!(ApiVersion::parse("1.41").unwrap().to_string(), "1.41");
        assert_eq!(ApiVersion::parse("1"), None);
        assert_eq!(ApiVersion::parse("1.x"), None);
    }
}
