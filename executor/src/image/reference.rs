//! An image's name as registries read it: which registry, which repository, which tag or digest.
//!
//! The grammar is that of the `distribution` project's references, with the host's letters folded:
//! names of hosts have no case. The crates that read it bring more dependencies than it has rules,
//! or a licence that we do not take.

use std::{fmt, str::FromStr};

/// Docker's own registry, which a name without a host means.
pub(super) const DOCKER_HUB: &str = "docker.io";

/// An image in a registry.
///
/// Reading one is pure. Two that compare equal are the same image: `ruby` is
/// `docker.io/library/ruby`, but not `ruby:latest`, which is for the reader to decide.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub(crate) struct RegistryImage {
    /// The registry's host in lower case, with its port if one was given; `docker.io` without one.
    pub(crate) registry: String,
    /// The repository in that registry, such as `library/ruby`.
    pub(crate) path: String,
    /// The tag, if given.
    pub(crate) tag: Option<String>,
    /// The digest, if given: `sha256:…`.
    pub(crate) digest: Option<String>,
}

/// A text that names no image in a registry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ReferenceError {
    /// It is an image's id, which only an engine knows.
    #[error("{text:?} is an image's id, not a name in a registry")]
    Id {
        /// The text.
        text: String,
    },
    /// The registry's host is malformed.
    #[error("{host:?} is not a registry's host")]
    Registry {
        /// What stands where the host should.
        host: String,
    },
    /// The repository's path is malformed.
    #[error("{path:?} is not a repository's path")]
    Path {
        /// What stands where the path should.
        path: String,
    },
    /// The tag is malformed.
    #[error("{tag:?} is not a tag")]
    Tag {
        /// What stands where the tag should.
        tag: String,
    },
    /// The digest is malformed.
    #[error("{digest:?} is not a digest")]
    Digest {
        /// What stands where the digest should.
        digest: String,
    },
}

impl RegistryImage {
    /// Reads a reference such as `ruby`, `team/tool:1.2` or `registry.example:5000/tool@sha256:…`.
    ///
    /// # Errors
    /// [`ReferenceError`] when it is an image's id, or a registry could not be asked for it.
    pub(crate) fn parse(text: &str) -> Result<Self, ReferenceError> {
        if is_id(text) {
            return Err(ReferenceError::Id { text: text.to_owned() });
        }
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) if is_digest(digest) => (name, Some(digest.to_owned())),
            Some((_, digest)) => {
                return Err(ReferenceError::Digest { digest: digest.to_owned() });
            }
            None => (text, None),
        };
        let (host, rest) = match name.split_once('/') {
            Some((first, rest)) if names_a_host(first) => (Some(first), rest),
            _ => (None, name),
        };
        // A colon after the last slash begins the tag; the host with its port is gone.
        let (path, tag) = match rest.rsplit_once(':') {
            Some((path, tag)) if !tag.contains('/') => {
                if !is_tag(tag) {
                    return Err(ReferenceError::Tag { tag: tag.to_owned() });
                }
                (path, Some(tag.to_owned()))
            }
            _ => (rest, None),
        };
        let registry = match host {
            None => DOCKER_HUB.to_owned(),
            Some(host) => {
                registry(host).ok_or_else(|| ReferenceError::Registry { host: host.to_owned() })?
            }
        };
        if path.len() > 255 || !path.split('/').all(is_path_part) {
            return Err(ReferenceError::Path { path: path.to_owned() });
        }
        let path = if registry == DOCKER_HUB && !path.contains('/') {
            format!("library/{path}")
        } else {
            path.to_owned()
        };
        Ok(Self { registry, path, tag, digest })
    }

    /// The name without tag and digest, registry included: `docker.io/library/ruby`.
    pub(crate) fn repository(&self) -> String {
        format!("{}/{}", self.registry, self.path)
    }
}

impl FromStr for RegistryImage {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        Self::parse(text)
    }
}

impl fmt::Display for RegistryImage {
    /// The name in full.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.registry, self.path)?;
        if let Some(tag) = &self.tag {
            write!(formatter, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(formatter, "@{digest}")?;
        }
        Ok(())
    }
}

/// A registry's host with its port, in one form: lower case, and `index.docker.io` as `docker.io`.
/// `None` when it is not a host. A port is never added or left out: it is another registry.
pub(super) fn registry(host: &str) -> Option<String> {
    let (name, port) = match host.split_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (host, None),
    };
    let port_is_fine = port.is_none_or(|port| {
        port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok()
    });
    if !port_is_fine || host.len() > 255 || !name.split('.').all(is_host_part) {
        return None;
    }
    let host = host.to_ascii_lowercase();
    Some(if host == "index.docker.io" { DOCKER_HUB.to_owned() } else { host })
}

/// Whether the part before the first slash is a host and not the path's beginning: paths have no
/// dots there by Docker's rule, no colon and no capitals.
fn names_a_host(part: &str) -> bool {
    part.contains(['.', ':']) || part == "localhost" || part.chars().any(char::is_uppercase)
}

fn is_host_part(part: &str) -> bool {
    !part.is_empty()
        && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !part.starts_with('-')
        && !part.ends_with('-')
}

/// Letters and digits, with one `.`, one or two `_`, or any number of `-` between them.
fn is_path_part(part: &str) -> bool {
    let alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = part.as_bytes();
    let ends_well = |byte: Option<&u8>| byte.is_some_and(alphanumeric);
    ends_well(bytes.first())
        && ends_well(bytes.last())
        && bytes.split(|byte| alphanumeric(byte)).all(|separator| {
            matches!(separator, b"" | b"." | b"_" | b"__") || separator.iter().all(|b| *b == b'-')
        })
}

fn is_tag(tag: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=128).contains(&tag.len())
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|byte| word(byte) || byte == b'.' || byte == b'-')
}

fn is_digest(digest: &str) -> bool {
    digest.split_once(':').is_some_and(|(algorithm, hex)| {
        algorithm.starts_with(|first: char| first.is_ascii_alphabetic())
            && algorithm.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+._-".contains(&byte))
            && (32..=128).contains(&hex.len())
            && is_hex(hex)
    })
}

/// Sixty-four digits are an id to every engine, `sha256:` or not.
fn is_id(text: &str) -> bool {
    let digits = text.strip_prefix("sha256:").unwrap_or(text);
    digits.len() == 64 && is_hex(digits)
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn read(text: &str) -> String {
        RegistryImage::parse(text).map_or_else(|error| format!("{error:?}"), |i| i.to_string())
    }

    #[test]
    fn a_name_is_read_in_full() {
        for (text, full) in [
            ("ruby", "docker.io/library/ruby"),
            ("ruby:3.3", "docker.io/library/ruby:3.3"),
            ("team/tool", "docker.io/team/tool"),
            ("a/b/c:d", "docker.io/a/b/c:d"),
            ("docker.io/ruby", "docker.io/library/ruby"),
            ("docker.io/library/ruby", "docker.io/library/ruby"),
            ("index.docker.io/ruby", "docker.io/library/ruby"),
            ("Index.Docker.IO/ruby", "docker.io/library/ruby"),
            ("DOCKER.io/team/tool", "docker.io/team/tool"),
            ("docker.io:443/team/tool", "docker.io:443/team/tool"),
            ("localhost/tool", "localhost/tool"),
            ("localhost:5000/tool:1", "localhost:5000/tool:1"),
            ("Localhost/tool", "localhost/tool"),
            ("host:5000/tool", "host:5000/tool"),
            ("registry.example/a/b", "registry.example/a/b"),
            ("REGISTRY.Example:5000/a/b:Tag", "registry.example:5000/a/b:Tag"),
            ("127.0.0.1:5000/a", "127.0.0.1:5000/a"),
            ("xn--bcher-kva.example/a", "xn--bcher-kva.example/a"),
            ("a__b/c--d.e_f", "docker.io/a__b/c--d.e_f"),
            ("host:5000", "docker.io/library/host:5000"),
        ] {
            assert_eq!(read(text), full, "{text}");
        }
    }

    #[test]
    fn a_tag_and_a_digest_may_stand_together() {
        let image = RegistryImage::parse(&format!("a.b/c:1@sha256:{HEX}")).unwrap();
        assert_eq!(image.repository(), "a.b/c");
        assert_eq!(image.tag.as_deref(), Some("1"));
        assert_eq!(image.digest, Some(format!("sha256:{HEX}")));
    }

    #[test]
    fn an_id_is_no_name() {
        for id in [HEX.to_owned(), format!("sha256:{HEX}")] {
            assert!(matches!(RegistryImage::parse(&id), Err(ReferenceError::Id { .. })), "{id}");
        }
    }

    #[test]
    fn a_malformed_part_is_named() {
        use ReferenceError as E;
        for host in [
            "a..b/c",
            ".a/c",
            "a./c",
            "-a.b/c",
            "a.b-/c",
            "a.b:/c",
            "a.b:x/c",
            "a.b:99999/c",
            "bücher.example/c",
            "[::1]:5000/c",
            "a.b:1:2/c",
            "docker.io./c",
            "a_b.c/d",
            "Ä/c",
        ] {
            let result = RegistryImage::parse(host);
            assert!(
                matches!(result, Err(E::Registry { .. } | E::Path { .. })),
                "{host} gave {result:?}"
            );
        }
        for path in [
            "", "/", "a/", "/a", "a//b", "A", "a/B", "a.b/", "a..b", "a___b", "a/.b", "a/b-",
            "a/../b", "ä", "a b", "a.b/c?d", "a.b/c#d", "a.b/c%2f", "a\\b",
        ] {
            let result = RegistryImage::parse(path);
            assert!(matches!(result, Err(E::Path { .. })), "{path} gave {result:?}");
        }
        for tag in ["a:", "a:-b", "a:.b", "a.b/c:", "a:b c", "a:ä", "a:b?"] {
            let result = RegistryImage::parse(tag);
            assert!(matches!(result, Err(E::Tag { .. })), "{tag} gave {result:?}");
        }
        for digest in ["a@", "a@b", "user@evil.example/a", "a@sha256:", "a@sha256:12", "a@b@c"] {
            let result = RegistryImage::parse(digest);
            assert!(matches!(result, Err(E::Digest { .. })), "{digest} gave {result:?}");
        }
    }
}
