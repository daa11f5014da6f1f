//! Where the engine is: the same sources, in the same order, as the `docker` program.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    fs, io,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::podman;

const DEFAULT_SOCKET: &str = "unix:///var/run/docker.sock";

/// The address of an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Endpoint {
    /// A unix socket.
    Unix(PathBuf),
    /// Plain HTTP: `host:port`.
    Tcp(String),
    /// HTTP over TLS, with the engine's certificate verified.
    Tls {
        /// `host:port`.
        address: String,
        /// The certificates.
        files: TlsFiles,
    },
}

/// Files in PEM form for TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The only authorities that may have signed the engine's certificate.
    pub authority: PathBuf,
    /// Our own certificate.
    pub certificate: PathBuf,
    /// The key of our own certificate.
    pub key: PathBuf,
}

impl TlsFiles {
    /// `ca.pem`, `cert.pem` and `key.pem` in `folder`.
    pub fn in_folder(folder: &Path) -> Self {
        Self {
            authority: folder.join("ca.pem"),
            certificate: folder.join("cert.pem"),
            key: folder.join("key.pem"),
        }
    }
}

/// What says where the engine is.
#[derive(Debug, Clone, Default)]
pub struct EndpointSources {
    /// A host given for this run; goes before everything else. The word `podman` stands for the
    /// place where Podman listens.
    pub host: Option<String>,
    /// The environment: `DOCKER_HOST`, `DOCKER_CONTEXT`, `DOCKER_CONFIG`, `DOCKER_TLS`,
    /// `DOCKER_TLS_VERIFY`, `DOCKER_CERT_PATH` and `HOME` are read; for Podman `CONTAINER_HOST` and
    /// `XDG_RUNTIME_DIR`.
    pub environment: BTreeMap<String, String>,
}

impl EndpointSources {
    /// The environment of this process, and a host given for this run.
    pub fn from_process(host: Option<String>) -> Self {
        // Names and values that are not Unicode cannot be any of ours.
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self { host, environment }
    }

    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    fn config_folder(&self) -> PathBuf {
        match self.variable("DOCKER_CONFIG") {
            Some(folder) => PathBuf::from(folder),
            None => Path::new(self.variable("HOME").unwrap_or("/")).join(".docker"),
        }
    }
}

/// Why it cannot be told where the engine is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// A host with a scheme that is not supported.
    #[error("the engine's address {host:?} has an unsupported scheme")]
    Scheme {
        /// The address.
        host: String,
    },
    /// A host without the part that its scheme needs.
    #[error("the engine's address {host:?} names no {missing}")]
    Incomplete {
        /// The address.
        host: String,
        /// What is missing: `path` or `host`.
        missing: &'static str,
    },
    /// TLS was asked for in a way that would leave the engine's certificate unverified.
    #[error("{setting} asks for TLS without verification, which is not supported")]
    Unverified {
        /// The setting that asks.
        setting: String,
    },
    /// Podman was asked for, and there is no socket where it would listen.
    #[error("Podman does not listen: there is no {}", podman::one_of(.looked_at))]
    PodmanAbsent {
        /// Where it was looked for, in this order.
        looked_at: Vec<PathBuf>,
    },
    /// The current context is not defined.
    #[error("the context {name:?} is not defined: there is no {}", .path.display())]
    ContextMissing {
        /// The context's name.
        name: String,
        /// Where its definition would be.
        path: PathBuf,
    },
    /// A file of the Docker configuration could not be read.
    #[error("could not read {}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file of the Docker configuration is not what it should be.
    #[error("{} is not a Docker configuration", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: serde_json::Error,
    },
    /// A socket, or a folder that it is in, is another ordinary user's.
    #[error("the engine's socket is not to be trusted: {} belongs to user {owner}", .path.display())]
    Foreign {
        /// The socket or the folder.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// A folder that a socket is in lets everybody replace it.
    #[error(
        "the engine's socket is not to be trusted: everybody may replace what is in {}",
        .path.display()
    )]
    Replaceable {
        /// The folder.
        path: PathBuf,
    },
    /// A certificate or key could not be used.
    #[error("the certificates for TLS cannot be used: {}: {detail}", .path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
}

impl EndpointError {
    /// What a person can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Scheme { .. } | Self::Incomplete { .. } => {
                "use unix:///path/to/docker.sock or tcp://host:port in DOCKER_HOST"
            }
            Self::Unverified { .. } => {
                "set DOCKER_TLS_VERIFY=1, and DOCKER_CERT_PATH to a folder with ca.pem, cert.pem and key.pem"
            }
            Self::Foreign { .. } => {
                "use a socket of root's or of your own, or run as the user whose engine it is"
            }
            Self::Replaceable { .. } => "take the right to write to it from others: chmod o-w",
            Self::PodmanAbsent { .. } => {
                "start it with `systemctl start podman.socket` (with --user for one of your own), or \
                 set CONTAINER_HOST to its address"
            }
            Self::ContextMissing { .. } => {
                "choose another with `docker context use`, or set DOCKER_HOST"
            }
            Self::Unreadable { .. } | Self::Malformed { .. } => {
                "mend the file, or set DOCKER_HOST, which goes before it"
            }
            Self::Certificate { .. } => {
                "set DOCKER_CERT_PATH to a folder with ca.pem, cert.pem and key.pem"
            }
        })
    }
}

#[derive(Debug, Default, Deserialize)]
struct ConfigFile {
    #[serde(rename = "currentContext", default)]
    current_context: String,
}

#[derive(Debug, Deserialize)]
struct ContextFile {
    #[serde(rename = "Endpoints", default)]
    endpoints: BTreeMap<String, ContextEndpoint>,
}

#[derive(Debug, Deserialize)]
struct ContextEndpoint {
    #[serde(rename = "Host", default)]
    host: String,
    #[serde(rename = "SkipTLSVerify", default)]
    skip_verification: bool,
}

impl Endpoint {
    /// Finds the engine as the `docker` program does: the given host, `DOCKER_HOST`,
    /// `DOCKER_CONTEXT`, the current context of `config.json`, and at last the default socket.
    /// Reads files of the Docker configuration; does not connect.
    ///
    /// The given host `podman` stands for the address in `CONTAINER_HOST`, or the first of the user's
    /// and the system's socket of Podman that is there. A machine of that name is `tcp://podman`.
    ///
    /// # Errors
    /// [`EndpointError`] when a source is there but cannot be used; none is skipped for that.
    pub fn resolve(sources: &EndpointSources) -> Result<Self, EndpointError> {
        let named = sources.host.as_deref().filter(|host| !host.is_empty());
        if named == Some(podman::HOST) {
            return Self::of_podman(sources, Path::new(podman::SYSTEM_SOCKET));
        }
        if let Some(host) = named.or_else(|| sources.variable("DOCKER_HOST")) {
            return Self::from_host(host, sources);
        }
        match current_context(sources)? {
            Some(name) => Self::from_context(&name, sources),
            None => Self::from_host(DEFAULT_SOCKET, sources),
        }
    }

    /// The address in `CONTAINER_HOST`, or the first socket of Podman that is there.
    pub(super) fn of_podman(
        sources: &EndpointSources,
        system: &Path,
    ) -> Result<Self, EndpointError> {
        if let Some(host) = sources.variable("CONTAINER_HOST") {
            return Self::parse(host, None);
        }
        let runtime = sources.variable("XDG_RUNTIME_DIR").map(Path::new);
        podman::find_socket(runtime, system)
            .map(Self::Unix)
            .map_err(|looked_at| EndpointError::PodmanAbsent { looked_at })
    }

    fn from_host(host: &str, sources: &EndpointSources) -> Result<Self, EndpointError> {
        let folder = sources
            .variable("DOCKER_CERT_PATH")
            .map_or_else(|| sources.config_folder(), PathBuf::from);
        let verify = sources.variable("DOCKER_TLS_VERIFY").is_some();
        let endpoint = Self::parse(host, verify.then(|| TlsFiles::in_folder(&folder)))?;
        if matches!(endpoint, Self::Tcp(_)) && sources.variable("DOCKER_TLS").is_some() {
            return Err(EndpointError::Unverified { setting: "DOCKER_TLS".to_owned() });
        }
        Ok(endpoint)
    }

    fn from_context(name: &str, sources: &EndpointSources) -> Result<Self, EndpointError> {
        let contexts = sources.config_folder().join("contexts");
        let id = Sha256::digest(name.as_bytes()).iter().fold(String::new(), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        });
        let path = contexts.join("meta").join(&id).join("meta.json");
        let Some(context) = read_json::<ContextFile>(&path)? else {
            return Err(EndpointError::ContextMissing { name: name.to_owned(), path });
        };
        let Some(endpoint) = context.endpoints.get("docker") else {
            return Err(EndpointError::Incomplete {
                host: format!("context {name}"),
                missing: "docker end point",
            });
        };
        if endpoint.skip_verification {
            return Err(EndpointError::Unverified { setting: format!("the context {name:?}") });
        }
        let tls = contexts.join("tls").join(&id).join("docker");
        Self::parse(&endpoint.host, tls.is_dir().then(|| TlsFiles::in_folder(&tls)))
    }

    pub(super) fn parse(host: &str, tls: Option<TlsFiles>) -> Result<Self, EndpointError> {
        let (scheme, rest) = host.split_once("://").unwrap_or(("tcp", host));
        let incomplete = |missing| EndpointError::Incomplete { host: host.to_owned(), missing };
        match scheme {
            "unix" if rest.starts_with('/') => Ok(Self::Unix(PathBuf::from(rest))),
            "unix" => Err(incomplete("absolute path")),
            "tcp" | "http" | "https" => {
                let address = rest.trim_end_matches('/');
                if address.is_empty()
                    || address.starts_with(':')
                    || address.contains(['/', '?', '#', '@', ' '])
                {
                    return Err(incomplete("host and port"));
                }
                match tls {
                    Some(files) => Ok(Self::Tls { address: with_port(address, 2376), files }),
                    None if scheme == "https" => {
                        Err(EndpointError::Unverified { setting: host.to_owned() })
                    }
                    None => Ok(Self::Tcp(with_port(address, 2375))),
                }
            }
            _ => Err(EndpointError::Scheme { host: host.to_owned() }),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(formatter, "unix://{}", path.display()),
            Self::Tcp(address) | Self::Tls { address, .. } => write!(formatter, "tcp://{address}"),
        }
    }
}

fn with_port(address: &str, port: u16) -> String {
    // An IPv6 address has colons of its own, and its port after the bracket.
    let host_end = address.rfind(']').unwrap_or(0);
    if address[host_end..].contains(':') { address.to_owned() } else { format!("{address}:{port}") }
}

/// The current context's name; `None` for the default, which is the default socket.
fn current_context(sources: &EndpointSources) -> Result<Option<String>, EndpointError> {
    let name = if let Some(name) = sources.variable("DOCKER_CONTEXT") {
        name.to_owned()
    } else {
        let path = sources.config_folder().join("config.json");
        read_json::<ConfigFile>(&path)?.unwrap_or_default().current_context
    };
    Ok(Some(name).filter(|name| !name.is_empty() && name != "default"))
}

/// Reads a file; `None` when there is none.
fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>, EndpointError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(EndpointError::Unreadable { path: path.to_owned(), source }),
    };
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|source| EndpointError::Malformed { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(host: Option<&str>, environment: &[(&str, &str)]) -> EndpointSources {
        EndpointSources {
            host: host.map(str::to_owned),
            environment: [("HOME", "/nonexistent")]
                .iter()
                .chain(environment)
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        }
    }

    fn resolved(host: Option<&str>, environment: &[(&str, &str)]) -> String {
        match Endpoint::resolve(&sources(host, environment)) {
            Ok(Endpoint::Tls { address, files }) => {
                format!("tls {address} {}", files.key.display())
            }
            Ok(endpoint) => endpoint.to_string(),
            Err(error) => format!("error: {error}"),
        }
    }

    #[test]
    fn a_given_host_goes_before_the_environment_and_that_before_the_default() {
        let environment = [("DOCKER_HOST", "unix:///env.sock")];
        assert_eq!(resolved(Some("unix:///given.sock"), &environment), "unix:///given.sock");
        assert_eq!(resolved(None, &environment), "unix:///env.sock");
        assert_eq!(resolved(None, &[("DOCKER_HOST", "")]), DEFAULT_SOCKET);
        assert_eq!(resolved(None, &[]), DEFAULT_SOCKET);
    }

    #[test]
    fn a_tcp_host_gets_the_customary_port() {
        assert_eq!(resolved(Some("tcp://engine"), &[]), "tcp://engine:2375");
        assert_eq!(resolved(Some("engine:99"), &[]), "tcp://engine:99");
        assert_eq!(resolved(Some("tcp://[::1]"), &[]), "tcp://[::1]:2375");
        assert_eq!(resolved(Some("tcp://[::1]:7"), &[]), "tcp://[::1]:7");
    }

    #[test]
    fn tls_verification_takes_the_certificates_from_the_named_folder() {
        let verify = [("DOCKER_TLS_VERIFY", "1"), ("DOCKER_CERT_PATH", "/certs")];
        assert_eq!(resolved(Some("tcp://engine"), &verify), "tls engine:2376 /certs/key.pem");
        assert_eq!(
            resolved(Some("tcp://engine"), &verify[..1]),
            "tls engine:2376 /nonexistent/.docker/key.pem"
        );
        assert_eq!(resolved(Some("unix:///x.sock"), &verify), "unix:///x.sock");
    }

    #[test]
    fn tls_without_verification_is_refused() {
        assert!(resolved(Some("tcp://engine"), &[("DOCKER_TLS", "1")]).starts_with("error"));
        assert!(resolved(Some("https://engine"), &[]).starts_with("error"));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for host in [
            "unix://",
            "unix://relative.sock",
            "tcp://",
            "tcp://:2375",
            "ssh://host",
            "npipe:////./pipe/x",
            "tcp://a/b?c",
        ] {
            assert!(resolved(Some(host), &[]).starts_with("error"), "{host} was accepted");
        }
    }

    #[test]
    fn the_current_context_names_the_socket() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().to_str().unwrap();
        let environment = [("DOCKER_CONFIG", folder)];
        fs::write(home.path().join("config.json"), r#"{"currentContext":"mine","auths":{}}"#)
            .unwrap();
        assert!(resolved(None, &environment).contains("the context \"mine\" is not defined"));

        // The folder's name is the SHA-256 of the context's.
        let id = "3fd30542fe3f61b14bd4a4b2dc0b6fb30fa6f63ebce52dd1778aaa8c4dc02cff";
        let meta = home.path().join("contexts/meta").join(id);
        fs::create_dir_all(&meta).unwrap();
        fs::write(
            meta.join("meta.json"),
            r#"{"Name":"mine","Metadata":{},"Endpoints":{"docker":{"Host":"unix:///run/mine.sock","SkipTLSVerify":false}}}"#,
        )
        .unwrap();
        assert_eq!(resolved(None, &environment), "unix:///run/mine.sock");
        let override_host = [("DOCKER_CONFIG", folder), ("DOCKER_HOST", "unix:///h.sock")];
        assert_eq!(resolved(None, &override_host), "unix:///h.sock");
        let default_context = [("DOCKER_CONFIG", folder), ("DOCKER_CONTEXT", "default")];
        assert_eq!(resolved(None, &default_context), DEFAULT_SOCKET);
    }

    #[test]
    fn a_broken_configuration_is_an_error_not_the_default() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("config.json"), "{").unwrap();
        let environment = [("DOCKER_CONFIG", home.path().to_str().unwrap())];
        assert!(resolved(None, &environment).contains("is not a Docker configuration"));
    }
}
