//! The engine as the product reaches it, and the image that jobs run in.

use anyhow::{Context as _, Result};
use docker_api_trait::{BollardDocker, Endpoint, EndpointSources, ImageReference};
use xtask::{engine::Engine, image};

/// The product's adapter for the engine that the environment names.
pub(crate) fn connect() -> Result<BollardDocker> {
    Ok(BollardDocker::new(Endpoint::resolve(&EndpointSources::from_process(None))?)?)
}

/// The product's adapter for an engine on a unix socket.
pub(crate) fn connect_to_socket(socket: &str) -> Result<BollardDocker> {
    Ok(BollardDocker::new(Endpoint::Unix(socket.into()))?)
}

/// Makes sure that the engine has an image with a shell.
pub(crate) fn ensure_image(engine: &Engine) -> Result<ImageReference> {
    let name = image::ensure(engine)?;
    ImageReference::new(&*name).with_context(|| format!("{name:?} does not name an image"))
}
