//! Paths inside a container and on the engine's host, in one canonical form.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The longest path that Linux opens, its end mark included, is 4,096 bytes.
const LONGEST: usize = 4095;

/// Why a text is not a path that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathProblem {
    /// Nothing is there.
    #[error("is empty")]
    Empty,
    /// It does not begin with a slash.
    #[error("is not an absolute path")]
    NotAbsolute,
    /// It is `/` itself.
    #[error("is the root folder")]
    Root,
    /// `..` is in it: the engine would resolve it to somewhere else than it says.
    #[error("climbs with `..`")]
    Climbs,
    /// A control character is in it.
    #[error("has a control character in it")]
    ControlCharacter,
    /// It is longer than 4,095 bytes.
    #[error("is longer than 4,095 bytes")]
    TooLong,
}

/// Drops repeated and trailing slashes and `.` components, so that a path has one spelling.
fn normalize(text: &str) -> Result<String, PathProblem> {
    if text.is_empty() {
        return Err(PathProblem::Empty);
    }
    if text.len() > LONGEST {
        return Err(PathProblem::TooLong);
    }
    if text.chars().any(char::is_control) {
        return Err(PathProblem::ControlCharacter);
    }
    if !text.starts_with('/') {
        return Err(PathProblem::NotAbsolute);
    }
    let mut path = String::with_capacity(text.len());
    for component in text.split('/').filter(|component| !matches!(*component, "" | ".")) {
        if component == ".." {
            return Err(PathProblem::Climbs);
        }
        path.push('/');
        path.push_str(component);
    }
    Ok(path)
}

/// An absolute path in a Linux container, never the root. `/cache/`, `//cache` and `/./cache` are
/// all `/cache`; `..` is refused.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContainerPath(String);

impl ContainerPath {
    /// Validates and normalises `text`.
    ///
    /// # Errors
    /// [`PathProblem`] when it is no absolute path or is the root.
    pub fn new(text: &str) -> Result<Self, PathProblem> {
        match normalize(text)? {
            path if path.is_empty() => Err(PathProblem::Root),
            path => Ok(Self(path)),
        }
    }

    /// The path in its canonical form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// How many components it has.
    pub fn depth(&self) -> usize {
        self.0.matches('/').count()
    }

    /// Whether it is `ancestor` or below it, by whole components: `/ab` is not below `/a`.
    pub fn is_within(&self, ancestor: &str) -> bool {
        self.0.strip_prefix(ancestor).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// An absolute path on the engine's host, in the same canonical form; the root is one, too.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostPath(String);

impl HostPath {
    /// Validates and normalises `text`.
    ///
    /// # Errors
    /// [`PathProblem`] when it is no absolute path.
    pub fn new(text: &str) -> Result<Self, PathProblem> {
        match normalize(text)? {
            path if path.is_empty() => Ok(Self("/".to_owned())),
            path => Ok(Self(path)),
        }
    }

    /// The path in its canonical form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! as_text {
    ($name:ident) => {
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

        impl FromStr for $name {
            type Err = PathProblem;

            fn from_str(text: &str) -> Result<Self, PathProblem> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = PathProblem;

            fn try_from(text: String) -> Result<Self, PathProblem> {
                Self::new(&text)
            }
        }

        impl From<$name> for String {
            fn from(path: $name) -> Self {
                path.0
            }
        }
    };
}

as_text!(ContainerPath);
as_text!(HostPath);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_spelling() {
        for spelling in ["/cache", "/cache/", "//cache", "/./cache/.", "/cache//"] {
            assert_eq!(ContainerPath::new(spelling).unwrap().as_str(), "/cache", "{spelling}");
        }
    }

    #[test]
    fn what_is_no_path_of_a_container_is_refused() {
        let long = format!("/{}", "x".repeat(5000));
        for (text, problem) in [
            ("", PathProblem::Empty),
            ("relative/path", PathProblem::NotAbsolute),
            ("./x", PathProblem::NotAbsolute),
            ("/", PathProblem::Root),
            ("/.", PathProblem::Root),
            ("///", PathProblem::Root),
            ("/c/../../etc", PathProblem::Climbs),
            ("/..", PathProblem::Climbs),
            ("/a\nb", PathProblem::ControlCharacter),
            ("/a\0", PathProblem::ControlCharacter),
            (long.as_str(), PathProblem::TooLong),
        ] {
            assert_eq!(ContainerPath::new(text).unwrap_err(), problem, "{text:?}");
        }
    }

    #[test]
    fn being_within_goes_by_whole_components() {
        let path = ContainerPath::new("/a/b").unwrap();
        assert!(path.is_within("/a") && path.is_within("/a/b"));
        assert!(!path.is_within("/a/bc") && !ContainerPath::new("/ab").unwrap().is_within("/a"));
    }
}
