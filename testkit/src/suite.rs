//! What `cargo xtask e2e` gives the tests that it runs on a real engine, and what stands in for it when
//! one of them is run by hand.

use std::env;
#[cfg(feature = "rig")]
use std::path::PathBuf;

use docker_api_trait::ImageReference;
#[cfg(feature = "rig")]
use docker_api_trait::{Endpoint, EndpointSources};

/// The owner, for the label of everything that a test makes, so that what is left can be found:
/// `BERTH_E2E_OWNER`, or `e2e-manual`.
pub fn owner() -> String {
    env::var("BERTH_E2E_OWNER").unwrap_or_else(|_| "e2e-manual".to_owned())
}

/// A small image with `sh` that the engine has: `BERTH_E2E_IMAGE`, or `berth-busybox:local`.
///
/// # Panics
/// When the variable's value is no image's name.
pub fn image() -> ImageReference {
    let image = env::var("BERTH_E2E_IMAGE").unwrap_or_else(|_| "berth-busybox:local".to_owned());
    image.parse().unwrap_or_else(|error| panic!("BERTH_E2E_IMAGE is {image:?}: {error}"))
}

/// The socket of the engine that all tests share: what `DOCKER_HOST` or the current context of
/// `docker` says, or the usual place.
///
/// # Panics
/// When the engine is not on this machine, and when it cannot be told where it is.
#[cfg(feature = "rig")]
pub fn socket() -> PathBuf {
    match Endpoint::resolve(&EndpointSources::from_process(None)) {
        Ok(Endpoint::Unix(socket)) => socket,
        Ok(other) => panic!("the tests need the engine's unix socket, not {other}"),
        Err(error) => panic!("{error}"),
    }
}
