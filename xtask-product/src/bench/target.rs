//! The engine that is measured, and by what.

use std::path::PathBuf;

use anyhow::{Result, bail};
use docker_api_trait::{BollardDocker, Endpoint, LabelFilter, SystemApi as _, VolumeApi as _};
use volume_manager::label;

/// An engine that answers on a unix socket, over which bare requests are sent, too.
pub(super) struct Target {
    /// The engine as the product sees it.
    pub(super) engine: BollardDocker,
    /// Its socket.
    pub(super) socket: PathBuf,
    /// Its version.
    pub(super) version: String,
}

impl Target {
    /// The engine of this machine's user.
    pub(super) async fn connect() -> Result<Self> {
        let engine = crate::target::connect()?;
        let Endpoint::Unix(socket) = engine.endpoint().clone() else {
            bail!(
                "the bare requests are sent over a unix socket, which {} is not; set DOCKER_HOST \
                 to one",
                engine.endpoint()
            );
        };
        let version = engine.version().await?.version;
        Ok(Self { engine, socket, version })
    }
}

/// How this program was built.
pub(super) fn profile() -> &'static str {
    if cfg!(debug_assertions) { "debug" } else { "release" }
}

/// Removes the caches of a project that was made up for a measurement.
pub(super) async fn remove_caches(engine: &BollardDocker, project: &str) -> Result<()> {
    for volume in engine.list_volumes(&[LabelFilter::equals(label::PROJECT, project)]).await? {
        engine.remove_volume(&volume.name.parse()?).await?;
    }
    Ok(())
}
