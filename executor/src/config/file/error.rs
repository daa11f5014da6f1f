//! What is wrong with a configuration file.

use std::{io, path::PathBuf};

use volume_manager::SpecError;

use super::ConfigNote;

/// Why a configuration file cannot be used. Lines and columns count from 1, columns in characters.
///
/// Neither a text nor debug output of these errors holds the value of a key that may be a secret:
/// tokens, variables, options of a volume driver.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file is not TOML.
    #[error("line {line}, column {column}: {problem}")]
    Syntax {
        /// The line.
        line: usize,
        /// The column.
        column: usize,
        /// What the parser says, on one line.
        problem: String,
    },
    /// An unknown key in `[runners.berth]`. Elsewhere an unknown key is noted.
    #[error("line {line}, column {column}: the key {key} is unknown")]
    UnknownKey {
        /// The key with the tables that it is in: `runners.docker.memroy`.
        key: String,
        /// The key's line.
        line: usize,
        /// The key's column.
        column: usize,
        /// The known key that is nearest: by its name alone in the same table, with its tables
        /// where it belongs into another.
        similar: Option<String>,
    },
    /// One key is in a table twice, in different cases. GitLab Runner takes one of them at random.
    #[error("line {line}, column {column}: {key} is the same key as {other:?} in the same table")]
    DuplicateKey {
        /// The later one.
        key: String,
        /// Its line.
        line: usize,
        /// Its column.
        column: usize,
        /// The name of the earlier one, as it is written.
        other: String,
    },
    /// Strict reading found keys that are unknown, or that Berth does not support.
    #[error("{}", list_warnings(.notes))]
    Strict {
        /// The notes that are warnings, in the order of the file; never empty.
        notes: Vec<ConfigNote>,
    },
    /// A value of another type.
    #[error("line {line}, column {column}: {key} must be {expected}, not {found}")]
    WrongType {
        /// The key.
        key: String,
        /// The value's line.
        line: usize,
        /// The value's column.
        column: usize,
        /// The type that it must have, in TOML's words.
        expected: &'static str,
        /// The type that it has.
        found: &'static str,
    },
    /// A value that means nothing, or contradicts another.
    #[error(
        "line {line}, column {column}: {key}{} {problem}",
        .value.as_ref().map(|value| format!(" = {value}")).unwrap_or_default()
    )]
    Value {
        /// The key.
        key: String,
        /// The value's line.
        line: usize,
        /// The value's column.
        column: usize,
        /// The value, quoted, escaped and cut after 80 characters; `None` where it may be a secret.
        value: Option<String>,
        /// What is wrong with it.
        problem: String,
        /// What would be accepted.
        expected: &'static str,
    },
    /// A key that GitLab Runner has and Berth has not, and without which jobs would run in another
    /// way than the file says.
    #[error("line {line}, column {column}: {key} is not supported: {reason}")]
    Unsupported {
        /// The key.
        key: String,
        /// The value's line.
        line: usize,
        /// The value's column.
        column: usize,
        /// Why.
        reason: &'static str,
        /// What to do instead.
        remedy: &'static str,
    },
    /// A volume that cannot be read.
    #[error("line {line}, column {column}: {key}: {source}")]
    Volume {
        /// The key.
        key: String,
        /// The spec's line.
        line: usize,
        /// The spec's column.
        column: usize,
        /// What is wrong with the spec, and where in it.
        source: Box<SpecError>,
    },
    /// No runner of the file is the one that was asked for.
    #[error(
        "{}; the file has {}",
        .wanted.as_ref().map_or_else(
            || "there is no runner with a Docker executor".to_owned(),
            |name| format!("there is no runner {name:?}"),
        ),
        listed(.names)
    )]
    NoRunner {
        /// The name that was asked for.
        wanted: Option<String>,
        /// The names of all runners in the file.
        names: Vec<String>,
    },
    /// Several runners could be meant.
    #[error("several runners could be meant: {}", listed(.names))]
    ManyRunners {
        /// Their names.
        names: Vec<String>,
    },
    /// A file that the configuration names cannot be read.
    #[error("line {line}, column {column}: {key}: could not read {}", .path.display())]
    File {
        /// The key.
        key: String,
        /// The value's line.
        line: usize,
        /// The value's column.
        column: usize,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

impl ConfigError {
    /// What a person can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Syntax { .. } => {
                "mend the file; it must be TOML, as GitLab Runner's own".to_owned()
            }
            Self::UnknownKey { similar: Some(similar), .. } => {
                format!("did you mean {similar}?")
            }
            Self::UnknownKey { similar: None, .. } => {
                "take the key out; docs/configuration.md lists those that are known".to_owned()
            }
            Self::DuplicateKey { .. } => "remove one of the two".to_owned(),
            Self::Strict { .. } => {
                "correct or remove the keys, or leave out strict_config".to_owned()
            }
            Self::WrongType { expected, .. } | Self::Value { expected, .. } => {
                format!("give {expected}")
            }
            Self::Unsupported { remedy, .. } => (*remedy).to_owned(),
            Self::Volume { source, .. } => source.hint().to_owned(),
            Self::NoRunner { wanted: Some(_), .. } => {
                "name a [[runners]] section of the file by its `name`".to_owned()
            }
            Self::NoRunner { wanted: None, .. } => {
                "give a [[runners]] section with executor = \"docker\"".to_owned()
            }
            Self::ManyRunners { .. } => {
                "choose a runner by its name, and give each its own".to_owned()
            }
            Self::File { .. } => {
                "make the file readable, or take it out of the configuration".to_owned()
            }
        }
    }
}

/// A file may have thousands of names.
const SHOWN: usize = 10;

/// At most ten of the warnings.
fn list_warnings(notes: &[ConfigNote]) -> String {
    let mut shown: Vec<_> = notes.iter().take(SHOWN).map(ToString::to_string).collect();
    if notes.len() > SHOWN {
        shown.push(format!("{} more", notes.len() - SHOWN));
    }
    shown.join("; ")
}

/// At most ten of the names.
fn listed(names: &[String]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    let mut shown: Vec<_> = names.iter().take(SHOWN).map(|name| quoted(name)).collect();
    if names.len() > SHOWN {
        shown.push(format!("{} more", names.len() - SHOWN));
    }
    shown.join(", ")
}

/// Quoted and escaped, and cut when it is long: an error stays on one line.
pub(super) fn quoted(text: &str) -> String {
    const SHOWN: usize = 80;
    if text.chars().nth(SHOWN).is_none() {
        return format!("{text:?}");
    }
    let head: String = text.chars().take(SHOWN).collect();
    format!("{head:?}…")
}
