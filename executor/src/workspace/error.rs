//! Why a project's files could not be taken in, or artifacts not be had.

use std::{error::Error, io, path::PathBuf};

use super::RelativePath;

/// Why files could not be brought to the build folder or back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkspaceError {
    /// The project's folder cannot be read.
    #[error("the folder {} cannot be read", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The folder is in a repository, and Git could not say which files it has.
    #[error("git could not list the files of {}: {detail}", path.display())]
    Git {
        /// The folder.
        path: PathBuf,
        /// Git's own words.
        detail: String,
    },
    /// A file of the project cannot be read.
    #[error("the file {path} cannot be read")]
    Read {
        /// The file.
        path: RelativePath,
        /// The cause.
        source: io::Error,
    },
    /// A file became shorter while it was packed, so that the archive could not be completed.
    #[error("the file {path} became shorter while it was read")]
    Shrunk {
        /// The file.
        path: RelativePath,
    },
    /// A pattern for artifacts is malformed.
    #[error("the pattern {pattern:?} is malformed: {problem}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong.
        problem: String,
    },
    /// The archive is not one, or ends too early. What came before has been unpacked.
    #[error(transparent)]
    Archive(#[from] ArchiveFault),
    /// The archive holds more than is allowed. What came before has been unpacked.
    #[error(transparent)]
    Limit(#[from] ArtifactLimit),
    /// The transfer broke off.
    #[error("the transfer of the archive failed")]
    Transfer {
        /// The cause.
        source: Box<dyn Error + Send + Sync>,
    },
    /// Something cannot be written below the output folder.
    #[error("{path} cannot be written")]
    Write {
        /// What, safe for a terminal.
        path: String,
        /// The cause.
        source: io::Error,
    },
    /// The other side of the transfer gave up before the end.
    #[error("the transfer was given up")]
    Abandoned,
}

/// What is wrong with an archive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveFault {
    /// It ends before its end mark.
    #[error("the archive ends too early")]
    Truncated,
    /// A header makes no sense.
    #[error("the archive is damaged: {problem}")]
    Damaged {
        /// What is wrong.
        problem: &'static str,
    },
    /// A header's extension, such as a long name, is larger than anybody needs.
    #[error("a header of the archive is {size} bytes long, more than {limit}")]
    HeaderTooLarge {
        /// Its length in bytes.
        size: u64,
        /// What is allowed.
        limit: u64,
    },
}

/// A limit that an archive went over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArtifactLimit {
    /// The sizes of the selected files add up to more.
    #[error("the artifacts are larger than {0} bytes")]
    Bytes(u64),
    /// More entries were selected or refused.
    #[error("there are more than {0} artifacts")]
    Entries(u64),
}

impl WorkspaceError {
    /// What a person can do about it, when that is known.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Git { .. } => Some(
                "run `git status` in the folder: it says what is wrong, and how to trust a \
                 folder of another user",
            ),
            Self::Shrunk { .. } => {
                Some("something writes to the file: stop it, or have Git ignore the file")
            }
            Self::Read { .. } => Some("have Git ignore the file, or make it readable"),
            Self::Pattern { .. } => Some(
                "a pattern is relative to the build folder, as in `target/*.tar`, `reports/**` \
                 or `!**/*.tmp`",
            ),
            Self::Limit(ArtifactLimit::Bytes(_)) => {
                Some("narrow the patterns, or allow more bytes")
            }
            Self::Limit(ArtifactLimit::Entries(_)) => {
                Some("narrow the patterns, or have the job pack the files into one")
            }
            Self::Archive(_) | Self::Transfer { .. } => {
                Some("what was unpacked before the fault is there; try again for the rest")
            }
            Self::Folder { .. } | Self::Write { .. } | Self::Abandoned => None,
        }
    }
}
