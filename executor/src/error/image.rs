//! Why an image could not be had.

use std::{sync::Arc, time::Duration};

use docker_api_trait::{ApiError, ImageReference};

use crate::image::{BrokenCredentials, PullFault};

/// Why the engine has no image for a container.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The image could not be pulled.
    #[error("the image {image} could not be pulled")]
    Pull {
        /// The image.
        image: ImageReference,
        /// What kind of failure it is.
        fault: PullFault,
        /// The cause.
        source: Arc<ApiError>,
        /// The sources of credentials that could not be used.
        broken_credentials: Vec<BrokenCredentials>,
    },
    /// A pull made no progress for too long, and was given up.
    #[error("the pull of the image {image} made no progress for {} s", .after.as_secs())]
    Stalled {
        /// The image.
        image: ImageReference,
        /// How long was waited.
        after: Duration,
    },
    /// The engine does not have the image, and may not pull it.
    #[error("the image {image} is not on the engine, and the pull policy is `never`")]
    Missing {
        /// The image.
        image: ImageReference,
    },
    /// The engine has the image for another platform, and may not pull it.
    #[error(
        "the image {image} is on the engine for {}, not for {wanted}, and the pull policy is `never`",
        .found.as_deref().unwrap_or("another platform")
    )]
    Platform {
        /// The image.
        image: ImageReference,
        /// The platform that was asked for.
        wanted: String,
        /// The platform that the engine has it for, if it says so.
        found: Option<String>,
    },
}

impl ImageError {
    /// Returns what a person can do about it, when that is known.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Pull { fault: PullFault::Refused, broken_credentials: broken, .. }
                if !broken.is_empty() =>
            {
                hint_about_credentials(broken)
            }
            Self::Pull { .. } => {
                "check the image's name and the network, or put it on the engine with `docker pull`, \
                 `docker load` or `docker import`"
                    .to_owned()
            }
            Self::Stalled { .. } => {
                "check the network between engine and registry, or pull the image by hand".to_owned()
            }
            Self::Missing { .. } => {
                "put it on the engine by hand, or allow another pull policy".to_owned()
            }
            Self::Platform { image, wanted, found } => {
                hint_about_platform(image, wanted, found.as_deref())
            }
        })
    }

    /// Whether the same job may succeed when it is run again unchanged.
    pub fn is_retryable(&self) -> bool {
        match self {
            // An engine answers 500 to whatever its registry refuses: that says nothing.
            Self::Pull { fault, source, .. } => match fault {
                PullFault::Refused => false,
                PullFault::Transient => true,
                PullFault::Other => source.is_transient() && !source.is_disk_full(),
            },
            Self::Stalled { .. } => true,
            Self::Missing { .. } | Self::Platform { .. } => false,
        }
    }
}

/// Returns what to do when a registry refuses and some credentials could not be read.
fn hint_about_credentials(broken: &[BrokenCredentials]) -> String {
    let broken: Vec<_> = broken.iter().map(|one| format!("{} ({})", one.why, one.hint)).collect();
    format!("the registry may want credentials that could not be read: {}", broken.join("; "))
}

/// Returns what to do when the engine has an image for another platform.
fn hint_about_platform(image: &ImageReference, wanted: &str, found: Option<&str>) -> String {
    let other = found.map_or_else(
        || "ask for no platform".to_owned(),
        |found| format!("ask for the platform {found}"),
    );
    format!(
        "pull it with `docker pull --platform {wanted} {image}`, allow another pull policy, or {other}"
    )
}
