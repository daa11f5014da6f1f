//! What is wrong with a spec: which part, at which column, and what would be accepted.

use std::fmt;

use docker_api_trait::InvalidId;

use crate::PathProblem;

/// A part of a spec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SpecPart {
    /// The host's side, before the first colon.
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
    /// The source is neither a path nor a legal volume name.
    #[error("is neither an absolute path nor a volume's name: {}", .0.reason)]
    Name(InvalidId),
    /// There is no such option.
    #[error("is unknown")]
    UnknownOption,
    /// The option contradicts or repeats an earlier one.
    #[error("contradicts or repeats `{0}`")]
    Conflict(String),
    /// The option means nothing for a source of that kind.
    #[error("has no meaning for a path of the host")]
    Meaningless,
}

/// A spec that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid volume {}: the {part} {} at column {column} {problem}", shown(.spec), shown(.text))]
pub struct SpecError {
    /// The whole spec.
    pub spec: String,
    /// The part that is wrong.
    pub part: SpecPart,
    /// Its text.
    pub text: String,
    /// Where it begins, in characters from 1.
    pub column: usize,
    /// What is wrong with it.
    pub problem: SpecProblem,
}

impl SpecError {
    /// What would be accepted.
    pub fn hint(&self) -> &'static str {
        match (self.part, &self.problem) {
            (SpecPart::Option, SpecProblem::Meaningless) => {
                "`nocopy` is for volumes; leave it out for a path of the host"
            }
            (SpecPart::Option, _) => "the options are `ro` or `rw`, and `nocopy`",
            (SpecPart::Source, _) => {
                "a source is a volume's name or an absolute path of the host; without a source, \
                 the volume is a cache"
            }
            (SpecPart::Destination, _) => {
                "a destination is an absolute path in the container, such as /cache, but not / \
                 itself and without `..`"
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
