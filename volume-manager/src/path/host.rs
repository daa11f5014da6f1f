//! What is on the engine's host.

use std::{borrow::Cow, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{OperatingSystem, PathProblem, linux, windows};

/// An absolute path on the engine's host, in the same canonical form as a container's; the root is
/// one, too. Compared as it is written: whether two spellings are one file is the host's to say.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostPath(String);

impl HostPath {
    /// Validates and normalises `text` by the rules of `system`.
    ///
    /// # Errors
    /// [`PathProblem`] when it is no absolute path.
    pub fn new(system: OperatingSystem, text: &str) -> Result<Self, PathProblem> {
        let path = match system {
            OperatingSystem::Linux => linux::normalize(text)?,
            OperatingSystem::Windows => {
                windows::normalize(text, &[':', '*', '?', '"', '<', '>', '|'])?
            }
        };
        Ok(Self(if path.is_empty() { "/".to_owned() } else { path }))
    }

    /// The path in its canonical form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whose rules the path follows.
    pub fn system(&self) -> OperatingSystem {
        OperatingSystem::of(&self.0)
    }

    /// What makes it the same as another path, as far as its text tells: on Windows the path in
    /// lower case and without a `\\?\` before it.
    pub(crate) fn identity(&self) -> Cow<'_, str> {
        match self.system() {
            OperatingSystem::Linux => Cow::Borrowed(&self.0),
            OperatingSystem::Windows => {
                let text = self.0.strip_prefix(windows::VERBATIM).unwrap_or(&self.0);
                Cow::Owned(text.to_lowercase())
            }
        }
    }

    /// Whether `other` is this path or below it, by whole components; on Windows in any case.
    pub fn contains(&self, other: &Self) -> bool {
        let separator = self.system().separator();
        let own = self.identity();
        other
            .identity()
            .strip_prefix(own.trim_end_matches(separator))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(separator))
    }

    /// The path of `component` in this folder.
    ///
    /// # Errors
    /// [`PathProblem`] when the result is not a path.
    pub fn join(&self, component: &str) -> Result<Self, PathProblem> {
        let separator = self.system().separator();
        Self::new(self.system(), &format!("{}{separator}{component}", self.0))
    }
}

/// A named pipe of a Windows host: `\\.\pipe\docker_engine`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PipePath(String);

impl PipePath {
    /// Validates and normalises `text`, with slashes of either kind.
    ///
    /// # Errors
    /// [`PathProblem`] when it is no named pipe.
    pub fn new(text: &str) -> Result<Self, PathProblem> {
        windows::pipe(text)?.map(Self).ok_or(PathProblem::NotAbsolute)
    }

    /// The path in its canonical form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! as_text {
    ($name:ident, $read:expr) => {
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
                $read(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = PathProblem;

            fn try_from(text: String) -> Result<Self, PathProblem> {
                $read(&text)
            }
        }

        impl From<$name> for String {
            fn from(path: $name) -> Self {
                path.0
            }
        }
    };
}

as_text!(HostPath, |text: &str| HostPath::new(OperatingSystem::of(text), text));
as_text!(PipePath, PipePath::new);

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> HostPath {
        text.parse().unwrap()
    }

    #[test]
    fn the_root_is_a_path_of_the_host_and_contains_all() {
        assert_eq!(host("/").as_str(), "/");
        assert_eq!(host(r"c:/").as_str(), r"c:\");
        assert!(host("/").contains(&host("/etc")) && host("/etc").contains(&host("/etc/")));
        assert!(!host("/etc").contains(&host("/etcetera")) && !host("/etc").contains(&host("/")));
        assert!(host("C:").contains(&host(r"\\?\c:\Users")));
        assert!(!host(r"c:\a").contains(&host("/a")));
    }

    #[test]
    fn a_path_of_the_host_joins_a_component() {
        assert_eq!(host("/").join("a").unwrap().as_str(), "/a");
        assert_eq!(host("/srv").join("a").unwrap().as_str(), "/srv/a");
        assert_eq!(host(r"d:\").join("a").unwrap().as_str(), r"d:\a");
    }

    #[test]
    fn what_is_no_path_of_the_host_is_refused() {
        for (text, problem) in [
            ("", PathProblem::Empty),
            ("..", PathProblem::NotAbsolute),
            ("/..", PathProblem::Climbs),
            ("c:x", PathProblem::NotAbsolute),
            (r"c:\a|b", PathProblem::Forbidden),
            ("/a\0", PathProblem::ControlCharacter),
        ] {
            assert_eq!(text.parse::<HostPath>().unwrap_err(), problem, "{text:?}");
        }
    }

    #[test]
    fn a_pipe_is_read_with_either_slash() {
        let pipe = PipePath::new("//./pipe/docker_engine").unwrap();
        assert_eq!(pipe.as_str(), r"\\.\pipe\docker_engine");
        assert_eq!(PipePath::new(r"\\.\pipe\docker_engine. .").unwrap(), pipe);
        assert_eq!(PipePath::new(r"c:\x").unwrap_err(), PathProblem::NotAbsolute);
    }
}
