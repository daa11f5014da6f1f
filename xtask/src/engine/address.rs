//! Where the engine is: the same sources, in the same order, as the `docker` program.

use std::{
    env, fmt, fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::failure::failure;

/// Where an engine of this machine listens.
const DEFAULT_SOCKET: &str = "/var/run/docker.sock";
const PLAIN_PORT: u16 = 2375;

/// The address of an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    /// A unix socket.
    Unix(PathBuf),
    /// Plain HTTP: `host:port`.
    Tcp(String),
    /// What only the `docker` program reaches: a context, TLS, SSH. The words name it to a person.
    Docker(String),
}

impl Address {
    /// Reads the environment and Docker's configuration file.
    pub(super) fn resolve() -> Result<Self> {
        let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        if let Some(host) = variable("DOCKER_HOST") {
            let uses_tls = ["DOCKER_TLS", "DOCKER_TLS_VERIFY"]
                .into_iter()
                .any(|name| variable(name).is_some());
            return Self::parse(&host, uses_tls);
        }
        let context = match variable("DOCKER_CONTEXT") {
            Some(context) => Some(context),
            None => current_context(&match variable("DOCKER_CONFIG") {
                Some(directory) => PathBuf::from(directory),
                None => Path::new(&variable("HOME").unwrap_or_else(|| "/".into())).join(".docker"),
            })?,
        };
        Ok(match context.filter(|context| context != "default") {
            Some(context) => Self::Docker(format!("the context {context}")),
            None => Self::Unix(DEFAULT_SOCKET.into()),
        })
    }

    /// Reads an address as it is in `DOCKER_HOST`.
    pub(super) fn parse(host: &str, uses_tls: bool) -> Result<Self> {
        let (scheme, rest) = host.split_once("://").unwrap_or(("tcp", host));
        let rest = rest.trim_end_matches('/');
        match scheme {
            "unix" if rest.starts_with('/') => Ok(Self::Unix(rest.into())),
            "tcp" | "http" if !uses_tls && !rest.is_empty() => Ok(Self::Tcp(with_port(rest))),
            "tcp" | "http" | "https" | "ssh" if !rest.is_empty() => {
                Ok(Self::Docker(host.to_owned()))
            }
            _ => Err(failure(
                format!("DOCKER_HOST is {host:?}, which is not the address of an engine"),
                "such as unix:///var/run/docker.sock, tcp://HOST:2375 or ssh://USER@HOST",
            )),
        }
    }

    /// Whether an engine of this machine would listen there.
    pub(super) fn is_default_socket(&self) -> bool {
        matches!(self, Self::Unix(path) if path == Path::new(DEFAULT_SOCKET))
    }
}

/// `unix:///var/run/docker.sock`
impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(formatter, "unix://{}", path.display()),
            Self::Tcp(address) => write!(formatter, "tcp://{address}"),
            Self::Docker(words) => formatter.write_str(words),
        }
    }
}

/// The current context that Docker's configuration file names, if any.
fn current_context(directory: &Path) -> Result<Option<String>> {
    let path = directory.join("config.json");
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text.with_context(|| format!("could not read {}", path.display()))?,
    };
    let config: Value = serde_json::from_str(&text)
        .with_context(|| format!("{} is not a Docker configuration", path.display()))?;
    Ok(config["currentContext"].as_str().filter(|name| !name.is_empty()).map(str::to_owned))
}

fn with_port(address: &str) -> String {
    // An IPv6 address has colons of its own, and its port after the bracket.
    let host_end = address.rfind(']').unwrap_or(0);
    if address[host_end..].contains(':') {
        address.to_owned()
    } else {
        format!("{address}:{PLAIN_PORT}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_and_plain_hosts_are_reached_directly() {
        let parse = |host| Address::parse(host, false).unwrap();
        assert_eq!(parse("unix:///run/x.sock"), Address::Unix("/run/x.sock".into()));
        assert_eq!(parse("tcp://engine"), Address::Tcp("engine:2375".into()));
        assert_eq!(parse("engine:1234"), Address::Tcp("engine:1234".into()));
        assert_eq!(parse("tcp://[::1]"), Address::Tcp("[::1]:2375".into()));
        assert!(Address::parse("unix://relative", false).is_err());
        assert!(Address::parse("npipe:////./pipe/docker", false).is_err());
        assert!(Address::parse("tcp://", false).is_err());
    }

    #[test]
    fn tls_and_ssh_need_the_docker_program() {
        assert!(matches!(Address::parse("tcp://engine:2376", true).unwrap(), Address::Docker(_)));
        assert!(matches!(Address::parse("https://engine", false).unwrap(), Address::Docker(_)));
        assert!(matches!(Address::parse("ssh://user@host", false).unwrap(), Address::Docker(_)));
        assert_eq!(
            Address::parse("unix:///run/x.sock", true).unwrap(),
            Address::Unix("/run/x.sock".into())
        );
    }

    #[test]
    fn current_context_is_read_from_the_configuration() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(current_context(directory.path()).unwrap(), None);
        let write = |text: &str| fs::write(directory.path().join("config.json"), text).unwrap();
        write(r#"{"currentContext":"colima","auths":{}}"#);
        assert_eq!(current_context(directory.path()).unwrap().as_deref(), Some("colima"));
        write(r#"{"currentContext":""}"#);
        assert_eq!(current_context(directory.path()).unwrap(), None);
        write("{");
        assert!(current_context(directory.path()).is_err());
    }
}
