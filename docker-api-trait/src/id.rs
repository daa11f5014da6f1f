//! Names and ids that are safe to put into a request's URL.
//!
//! The client library below us puts names into the path as they come, so `../containers/x` as a
//! volume name would turn "remove the volume" into "remove the container". Each type here can only
//! be made by a constructor that refuses whatever could leave its path segment.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A name, id or reference that does not have the form that the engine accepts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid {kind} {value}: {reason}")]
pub struct InvalidId {
    /// What was to be named: `volume name`, `image reference`, …
    pub kind: &'static str,
    /// The refused value, quoted, escaped and cut after 80 characters.
    pub value: String,
    /// The rule that it breaks.
    pub reason: &'static str,
}

impl InvalidId {
    fn new(kind: &'static str, value: &str, reason: &'static str) -> Self {
        const SHOWN: usize = 80;
        let mut shown: String = value.chars().take(SHOWN).collect();
        if shown.len() < value.len() {
            shown.push('…');
        }
        Self { kind, value: format!("{shown:?}"), reason }
    }
}

/// Declares a validated string: constructor, views, and serde that validates what it reads.
macro_rules! validated {
    ($(#[$documentation:meta])* $name:ident, $kind:literal, $check:path) => {
        $(#[$documentation])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Validates `value`.
            ///
            /// # Errors
            /// [`InvalidId`] when `value` does not have the form that the type's documentation
            /// gives.
            pub fn new(value: impl Into<String>) -> Result<Self, InvalidId> {
                let value = value.into();
                match $check(&value) {
                    Ok(()) => Ok(Self(value)),
                    Err(reason) => Err(InvalidId::new($kind, &value, reason)),
                }
            }

            /// The text, as it goes into a request.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{}({:?})", stringify!($name), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(value: &str) -> Result<Self, InvalidId> {
                Self::new(value)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(value: String) -> Result<Self, InvalidId> {
                Self::new(value)
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0
            }
        }
    };
}

validated!(
    /// The id that the engine gives a container: 64 lower-case hexadecimal digits.
    ContainerId,
    "container id",
    check_hexadecimal
);

validated!(
    /// The id that the engine gives a network: 64 lower-case hexadecimal digits. Podman's too.
    NetworkId,
    "network id",
    check_hexadecimal
);

validated!(
    /// The id that the engine gives a program that is run in a container beside its first one: 64
    /// lower-case hexadecimal digits.
    ExecId,
    "exec id",
    check_hexadecimal
);

validated!(
    /// A network's name: a letter or digit, then letters, digits, `_`, `.` and `-`; 2 to 255 bytes.
    /// The engine takes more; what cannot leave its place in a URL is enough for names of our own.
    NetworkName,
    "network name",
    check_name
);

validated!(
    /// A container's name: a letter or digit, then letters, digits, `_`, `.` and `-`; 2 to 255
    /// bytes.
    ContainerName,
    "container name",
    check_name
);

validated!(
    /// A volume's name: a letter or digit, then letters, digits, `_`, `.` and `-`; 2 to 255 bytes.
    ///
    /// The length is the local driver's: with 256 bytes the engine answers 500, not 400, because
    /// the name becomes a directory's.
    VolumeName,
    "volume name",
    check_name
);

validated!(
    /// An image by name (`busybox`, `registry.example:5000/team/tool:1.2`), digest
    /// (`name@sha256:…`) or id (`sha256:…`); at most 512 bytes.
    ///
    /// Only what could leave its place in a URL is refused here, and white space; whether the
    /// reference is well-formed in every detail is for the engine to say.
    ImageReference,
    "image reference",
    check_image_reference
);

fn check_hexadecimal(value: &str) -> Result<(), &'static str> {
    let digits = value.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if value.len() == 64 && digits {
        Ok(())
    } else {
        Err("it must be 64 lower-case hexadecimal digits")
    }
}

fn check_name(value: &str) -> Result<(), &'static str> {
    if value.len() < 2 {
        return Err("it must have at least 2 characters");
    }
    if value.len() > 255 {
        return Err("it must have at most 255 bytes");
    }
    if !value.starts_with(|first: char| first.is_ascii_alphanumeric()) {
        return Err("it must begin with a letter or digit of ASCII");
    }
    if value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte)) {
        Ok(())
    } else {
        Err("only letters and digits of ASCII, `_`, `.` and `-` may be in it")
    }
}

fn check_image_reference(value: &str) -> Result<(), &'static str> {
    if value.is_empty() {
        return Err("it must not be empty");
    }
    if value.len() > 512 {
        return Err("it must have at most 512 bytes");
    }
    if !value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/:@+".contains(&byte)) {
        return Err(
            "only letters and digits of ASCII and `.`, `_`, `-`, `/`, `:`, `@`, `+` may be in it",
        );
    }
    // Each path segment begins with a letter or digit, which also leaves no `.`, `..` or `//`.
    if value.split('/').all(|part| part.starts_with(|first: char| first.is_ascii_alphanumeric())) {
        Ok(())
    } else {
        Err("each part between slashes must begin with a letter or digit")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each left its path segment, forced a flag or met another end point in the client library.
    const ESCAPES: &[&str] = &[
        "../containers/x",
        "x?force=true",
        "x#",
        "",
        "%2e%2e",
        "..",
        ".",
        "a/../b",
        "a\tb",
        "a\nb",
        "a b",
        "a\0",
        "a%2fb",
        "ä",
        "／",
        "-x",
        "/x",
        "x\u{202e}y",
    ];

    #[test]
    fn a_volume_name_never_leaves_its_path_segment() {
        for hostile in ESCAPES {
            assert!(VolumeName::new(*hostile).is_err(), "{hostile:?} was accepted");
            assert!(ContainerName::new(*hostile).is_err(), "{hostile:?} was accepted");
            assert!(ContainerId::new(*hostile).is_err(), "{hostile:?} was accepted");
            assert!(NetworkName::new(*hostile).is_err(), "{hostile:?} was accepted");
            assert!(NetworkId::new(*hostile).is_err(), "{hostile:?} was accepted");
            assert!(ExecId::new(*hostile).is_err(), "{hostile:?} was accepted");
        }
    }

    #[test]
    fn an_image_reference_never_climbs_or_queries() {
        for hostile in ESCAPES {
            assert!(ImageReference::new(*hostile).is_err(), "{hostile:?} was accepted");
        }
        for hostile in ["../images/busybox:local", "a//b", "a/./b", "name/", "/name"] {
            assert!(ImageReference::new(hostile).is_err(), "{hostile:?} was accepted");
        }
    }

    #[test]
    fn the_usual_image_references_are_accepted() {
        for usual in [
            "busybox",
            "busybox:1.36",
            "library/busybox",
            "registry.example:5000/team/tool:1.2-rc_1",
            "localhost:5000/x@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        ] {
            assert_eq!(ImageReference::new(usual).map(String::from), Ok(usual.to_owned()));
        }
    }

    #[test]
    fn a_volume_name_has_2_to_255_bytes() {
        assert!(VolumeName::new("a").is_err());
        assert!(VolumeName::new("ab").is_ok());
        assert!(VolumeName::new("a".repeat(255)).is_ok());
        assert!(VolumeName::new("a".repeat(256)).is_err());
    }

    #[test]
    fn an_error_shows_the_value_escaped_and_cut() {
        let error = VolumeName::new(format!("\n{}", "x".repeat(5000))).unwrap_err();
        assert!(error.value.starts_with("\"\\n"), "{}", error.value);
        assert!(error.value.len() < 100, "{}", error.value.len());
    }

    #[test]
    fn deserialising_validates() {
        assert!(serde_json::from_str::<VolumeName>("\"../x\"").is_err());
        assert_eq!(serde_json::from_str::<VolumeName>("\"ok\"").unwrap().as_str(), "ok");
    }
}
