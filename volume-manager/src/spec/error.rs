//! What is wrong with a spec: which part, at which column, and what would be accepted.

use std::fmt;

use docker_api_trait::InvalidId;
use serde::Serialize;

use crate::path::{OperatingSystem, PathProblem};

/// A part of a spec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SpecPart {
    /// The host's side, before the first colon that separates.
    Source,
    /// The container's side.
    Destination,
    /// An option after the destination.
    Option,
}

impl fmt::Display for SpecPart {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Source => "source",
            Self::Destination => "destination",
            Self::Option => "option",
        })
    }
}

/// What is wrong with a part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpecProblem {
    /// It is not a path that can be used.
    #[error("{0}")]
    Path(PathProblem),
    /// Nothing can be mounted there: it is the system's.
    #[error("is the system's")]
    Reserved,
    /// The source is neither a path nor a legal volume name.
    #[error("is neither an absolute path nor a volume's name: {}", .0.reason)]
    Name(InvalidId),
    /// A variable in it has no value.
    #[error("has the variable {0} in it, which is not defined")]
    UndefinedVariable(String),
    /// Only a named pipe can be mounted at a named pipe, and nowhere else.
    #[error("does not go together with the source: a named pipe is mounted at a named pipe")]
    PipeMismatch,
    /// There is no such option.
    #[error("is unknown")]
    UnknownOption,
    /// The option contradicts or repeats an earlier one.
    #[error("contradicts or repeats `{0}`")]
    Conflict(&'static str),
    /// The option means nothing for a source of that kind.
    #[error("has no meaning for what is the host's")]
    Meaningless,
}

/// A spec that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[error("invalid volume {}: the {part} {} at column {column} {problem}", shown(.spec), shown(.text))]
pub struct SpecError {
    /// The whole spec.
    pub spec: String,
    /// The system by whose rules it was read.
    pub system: OperatingSystem,
    /// The part that is wrong.
    pub part: SpecPart,
    /// Its text, as it was written.
    pub text: String,
    /// Where what is wrong begins, in characters from 1.
    pub column: usize,
    /// What is wrong with it.
    pub problem: SpecProblem,
}

impl SpecError {
    /// What would be accepted.
    pub fn hint(&self) -> &'static str {
        let windows = self.system == OperatingSystem::Windows;
        match (self.part, &self.problem) {
            (_, SpecProblem::UndefinedVariable(_)) => {
                "give the variable a value, or write $$ for a dollar"
            }
            (_, SpecProblem::Reserved) => {
                r"/proc, /sys, /dev and c:\windows are the system's; choose another folder"
            }
            (_, SpecProblem::PipeMismatch) => {
                r"a named pipe has the form \\.\pipe\NAME, on both sides of the colon"
            }
            (_, SpecProblem::Meaningless) => {
                "`nocopy` is for volumes; leave it out for what is the host's"
            }
            (SpecPart::Option, _) if windows => "the options are `ro` or `rw`, and `nocopy`",
            (SpecPart::Option, _) => {
                "the options are `ro`, `rw` or `O`; `z` or `Z`; [r]private, [r]shared or \
                 [r]slave; `nocopy`; consistent, cached or delegated: one of each sort, in any \
                 order"
            }
            (SpecPart::Source, _) if windows => {
                r"a source is a volume's name, an absolute path of the host such as c:\data, or a named pipe; without a source, the volume is a cache"
            }
            (SpecPart::Source, _) => {
                "a source is a volume's name or an absolute path of the host; without a source, \
                 the volume is a cache"
            }
            (SpecPart::Destination, _) if windows => {
                r"a destination is an absolute path in the container, such as c:\cache, but not the drive c: itself"
            }
            (SpecPart::Destination, SpecProblem::Path(PathProblem::NotAbsolute)) => {
                "a destination is an absolute path in the container, such as /cache; a relative \
                 one needs a working directory to join"
            }
            (SpecPart::Destination, _) => {
                "a destination is an absolute path in the container, such as /cache, but not / \
                 itself, and without characters that imitate others"
            }
        }
    }
}

/// Quoted and escaped, and cut when it is long: an error stays on one line.
fn shown(text: &str) -> String {
    const SHOWN: usize = 80;
    if text.chars().count() <= SHOWN {
        return format!("{text:?}");
    }
    let head: String = text.chars().take(SHOWN).collect();
    format!("{head:?}…")
}
