//! Where the engine is and what it answers: `engine status`.

use std::{fmt, io};

use anyhow::Result;

use super::{
    client::{Client, Version},
    connection::NoResponse,
};
use crate::failure::failure;

/// The result of asking the engine for its version.
#[derive(Debug)]
pub enum Answer {
    /// An engine answered.
    Engine(Engine),
    /// No engine answered, or this user may not use it.
    Silence(Silence),
}

/// An engine that answered.
#[derive(Debug)]
pub struct Engine {
    /// Requests to it.
    pub client: Client,
    /// What it says of itself.
    pub version: Version,
}

impl Engine {
    /// Its address, such as `unix:///var/run/docker.sock`.
    pub fn address(&self) -> String {
        self.client.address.to_string()
    }
}

/// `20.10.24 at unix:///var/run/docker.sock`
impl fmt::Display for Engine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} at {}", self.version.version, self.client.address)
    }
}

/// An address without an engine.
#[derive(Debug)]
pub struct Silence {
    /// Requests to the address; an engine may be there later.
    pub(super) client: Client,
    /// What went wrong.
    no_response: NoResponse,
}

impl Silence {
    /// The address.
    pub fn address(&self) -> String {
        self.client.address.to_string()
    }

    /// Whether an engine of this machine would listen there.
    pub(super) fn at_default_socket(&self) -> bool {
        self.client.address.is_default_socket()
    }

    /// The failure, with what these commands can do about it.
    pub fn into_error(self) -> anyhow::Error {
        let cause = self.no_response.error.downcast_ref::<io::Error>().map(io::Error::kind);
        let hint = match (self.nothing_listens(), self.at_default_socket()) {
            (true, true) => "`cargo xtask engine up` provides one",
            (true, false) => {
                "start that engine, or unset DOCKER_HOST and DOCKER_CONTEXT (`docker context use \
                 default`) to use one of this machine"
            }
            _ if cause == Some(io::ErrorKind::PermissionDenied) => {
                "run as root, or add your user to the group that owns the socket (often `docker`) and \
                 log in again"
            }
            _ => "check DOCKER_HOST, DOCKER_CONTEXT, the engine's log and the network",
        };
        let Self { client, no_response } = self;
        failure(format!("no engine answers at {}: {:#}", client.address, no_response.error), hint)
    }

    /// Whether nothing listens there, as opposed to something that cannot be used.
    pub(super) fn nothing_listens(&self) -> bool {
        self.no_response.is_absent
    }
}

/// Finds the engine as the `docker` program does and asks for its version.
///
/// # Errors
/// When the environment does not say where the engine is.
pub fn ask() -> Result<Answer> {
    Ok(ask_at(Client::from_environment()?))
}

/// Asks the engine at an address for its version.
pub(super) fn ask_at(client: Client) -> Answer {
    match client.version() {
        Ok(version) => Answer::Engine(Engine { client, version }),
        Err(no_response) => Answer::Silence(Silence { client, no_response }),
    }
}

/// The engine, for a command that cannot do without.
///
/// # Errors
/// When no engine answers.
pub fn require() -> Result<Engine> {
    match ask()? {
        Answer::Engine(engine) => Ok(engine),
        Answer::Silence(silence) => Err(silence.into_error()),
    }
}

/// Prints what the engine says of itself; fails when there is none.
pub(crate) fn status() -> Result<()> {
    let Engine { client, version } = require()?;
    println!("engine:      {}", version.version);
    println!("API version: {}", version.api_version);
    println!("system:      {}/{}", version.os, version.architecture);
    println!("end point:   {}", client.address);
    Ok(())
}
