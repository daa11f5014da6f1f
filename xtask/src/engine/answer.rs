//! Where the engine is and what it answers: `engine status`.

use std::{fmt, path::Path};

use anyhow::Result;
use docker_api_trait::{
    ApiError, BollardDocker, ConnectFailure, Endpoint, EndpointSources, EngineVersion,
    SystemApi as _,
};

use crate::failure::failure;

/// Where an engine listens when nobody says otherwise.
const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

/// What came back when the engine was asked for its version.
#[derive(Debug)]
pub(crate) enum Answer {
    /// An engine is there.
    Engine(Engine),
    /// Nobody answers, or nobody that we may talk to.
    Silence(Silence),
}

/// An engine that answered.
#[derive(Debug)]
pub(crate) struct Engine {
    /// The way to it.
    pub(crate) docker: BollardDocker,
    /// What it says of itself.
    pub(crate) version: EngineVersion,
}

/// `20.10.24 at unix:///var/run/docker.sock`
impl fmt::Display for Engine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} at {}", self.version.version, self.docker.endpoint())
    }
}

/// An end point without an engine.
#[derive(Debug)]
pub(crate) struct Silence {
    /// The way that led nowhere; it may lead to an engine later.
    pub(crate) docker: BollardDocker,
    /// What went wrong.
    pub(crate) error: ApiError,
}

impl Silence {
    /// Whether it is the place where an engine of this machine would listen.
    pub(crate) fn at_default_socket(&self) -> bool {
        matches!(self.docker.endpoint(), Endpoint::Unix(path) if path == Path::new(DEFAULT_SOCKET))
    }

    /// The failure, with the remedy that these commands have to offer.
    pub(crate) fn into_error(self) -> anyhow::Error {
        let hint = match (self.nobody_listens(), self.at_default_socket()) {
            (true, true) => "`cargo xtask engine up` provides one",
            (true, false) => {
                "start that engine, or unset DOCKER_HOST and DOCKER_CONTEXT (`docker context use \
                 default`) to use one of this machine"
            }
            // Something is there; what is wrong with it, the error knows best.
            (false, _) => return self.error.into(),
        };
        failure(format!("{:#}", anyhow::Error::from(self.error)), hint)
    }

    /// Whether nothing listens there, as opposed to something that we do not get on with.
    pub(crate) fn nobody_listens(&self) -> bool {
        matches!(
            self.error,
            ApiError::Unreachable { failure: ConnectFailure::Absent | ConnectFailure::Refused, .. }
        )
    }
}

/// Finds the engine as the `docker` program does and asks for its version.
pub(crate) async fn ask() -> Result<Answer> {
    ask_at(Endpoint::resolve(&EndpointSources::from_process(None))?).await
}

/// Asks whoever is there for its version.
pub(super) async fn ask_at(endpoint: Endpoint) -> Result<Answer> {
    let docker = BollardDocker::new(endpoint)?;
    Ok(match docker.version().await {
        Ok(version) => Answer::Engine(Engine { docker, version }),
        Err(error) => Answer::Silence(Silence { docker, error }),
    })
}

/// The engine, for a command that cannot do without.
pub(crate) async fn require() -> Result<Engine> {
    match ask().await? {
        Answer::Engine(engine) => Ok(engine),
        Answer::Silence(silence) => Err(silence.into_error()),
    }
}

/// Prints what the engine says of itself; fails when there is none.
pub(crate) async fn status() -> Result<()> {
    let Engine { docker, version } = require().await?;
    println!("engine:      {}", version.version);
    println!("API version: {}", version.api_version);
    println!("system:      {}/{}", version.os, version.architecture);
    println!("end point:   {}", docker.endpoint());
    Ok(())
}
