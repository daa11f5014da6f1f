//! What is otherwise than it must be.

use std::{fmt, time::Duration};

/// Something that is otherwise than before.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Difference {
    /// An object that was not there before.
    Left {
        /// `container`, `network` or `volume`.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// An object that is not there any more.
    Lost {
        /// `container`, `network` or `volume`.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// An object that is another one under the name: what was there before was removed, and made anew.
    Replaced {
        /// `container`, `network` or `volume`.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// The file `canary` in a cache is gone, or has other bytes.
    Canary {
        /// The cache.
        name: String,
    },
    /// A log that is no beginning of what was written, or says that it is whole and is not.
    Log {
        /// So many bytes at its beginning are as they were written.
        agrees: usize,
        /// It has so many.
        came: usize,
        /// So many were written.
        whole: usize,
    },
    /// It took longer than it may.
    Late {
        /// So long.
        took: Duration,
        /// No longer than this was allowed.
        limit: Duration,
    },
    /// More file descriptors of this process are open, by more than two.
    Descriptors {
        /// So many before.
        before: usize,
        /// So many now.
        after: usize,
    },
    /// More tasks are alive in this runtime.
    Tasks {
        /// So many before.
        before: usize,
        /// So many now.
        after: usize,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Left { kind, name } => write!(formatter, "the {kind} {name} is left"),
            Self::Lost { kind, name } => write!(formatter, "the {kind} {name} is lost"),
            Self::Replaced { kind, name } => write!(formatter, "the {kind} {name} is another one"),
            Self::Canary { name } => write!(formatter, "the canary of the cache {name} is gone"),
            Self::Log { agrees, came, whole } => write!(
                formatter,
                "of the log's {came} bytes {agrees} are as they were written, and {whole} were"
            ),
            Self::Late { took, limit } => write!(formatter, "it took {took:?} of {limit:?}"),
            Self::Descriptors { before, after } => {
                write!(formatter, "{after} file descriptors are open, {before} were")
            }
            Self::Tasks { before, after } => {
                write!(formatter, "{after} tasks are alive, {before} were")
            }
        }
    }
}
