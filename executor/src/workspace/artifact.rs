//! Artifacts: which files of a build folder are wanted.

use std::{collections::BTreeMap, error::Error, path::PathBuf};

use bytes::Bytes;
use futures_util::Stream;

use super::{
    RelativePath, WorkspaceError,
    glob::Selection,
    limits::ArtifactLimits,
    pipe,
    report::{ArtifactReport, LinkedArtifact},
    unpack::{Unpacker, Wanted},
};

/// Which files of a build folder are wanted.
///
/// Patterns are relative to the build folder: `*` and `?` stay within a folder, `**` does not,
/// `{a,b}` and `[a-z]` choose. A pattern that takes a folder takes all that is in it. One that
/// begins with `!` leaves out, whatever the order. Links are not followed to select: a pattern has
/// to match the name that a file has itself.
#[derive(Debug, Clone)]
pub struct Artifacts {
    selection: Selection,
    limits: ArtifactLimits,
}

impl Artifacts {
    /// The files that these patterns select.
    ///
    /// # Errors
    /// [`WorkspaceError::Pattern`] when one is malformed, absolute or leads out of the build
    /// folder, and when none takes anything.
    pub fn new<T: AsRef<str>>(
        patterns: impl IntoIterator<Item = T>,
    ) -> Result<Self, WorkspaceError> {
        Ok(Self { selection: Selection::new(patterns)?, limits: ArtifactLimits::default() })
    }

    /// With these limits.
    pub fn limits(mut self, limits: ArtifactLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Unpacks what is selected from `archive`, which the engine packed of the build folder, into
    /// `folder`, which is made when it is missing.
    ///
    /// Whatever the archive says: nothing is written outside `folder`, and no link in it is
    /// followed. Regular files, folders and relative links that stay inside are made; links and
    /// files that are there are replaced, folders are not, and never become anything else.
    /// Permissions are the archive's within the umask, without setuid, setgid and sticky bits;
    /// times are, owners are not. Hard links become files of their own. Parts of `.git` and the
    /// workspace's own files are never unpacked. Each file appears whole, or not at all. Holds
    /// about a megabyte, and the names of what was selected.
    ///
    /// Two at a time into one folder do not harm each other: of a file that both write, one
    /// remains. When the future is dropped, what was unpacked remains, and its thread ends with its
    /// next read.
    ///
    /// # Errors
    /// [`WorkspaceError::Archive`], [`WorkspaceError::Limit`] and [`WorkspaceError::Transfer`] by
    /// what the archive or its transfer did, [`WorkspaceError::Write`] when the folder cannot be
    /// written to. What came before has been unpacked.
    pub async fn unpack<S, E>(
        &self,
        archive: S,
        folder: impl Into<PathBuf>,
    ) -> Result<ArtifactReport, WorkspaceError>
    where
        S: Stream<Item = Result<Bytes, E>>,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        self.run(archive, folder.into(), Wanted::Selection(self.selection.clone())).await
    }

    /// Unpacks the files that an earlier report calls linked, from the same archive once more,
    /// under the names that were wanted. As [`unpack`](Self::unpack) otherwise.
    ///
    /// # Errors
    /// As of [`unpack`](Self::unpack).
    pub async fn unpack_linked<S, E>(
        &self,
        linked: &[LinkedArtifact],
        archive: S,
        folder: impl Into<PathBuf>,
    ) -> Result<ArtifactReport, WorkspaceError>
    where
        S: Stream<Item = Result<Bytes, E>>,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let mut names: BTreeMap<RelativePath, Vec<RelativePath>> = BTreeMap::new();
        for artifact in linked {
            names.entry(artifact.target.clone()).or_default().push(artifact.path.clone());
        }
        self.run(archive, folder.into(), Wanted::Names(names)).await
    }

    async fn run<S, E>(
        &self,
        archive: S,
        folder: PathBuf,
        wanted: Wanted,
    ) -> Result<ArtifactReport, WorkspaceError>
    where
        S: Stream<Item = Result<Bytes, E>>,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let limits = self.limits;
        pipe::feed(archive, move |reader| Unpacker::unpack(reader, &folder, wanted, limits)).await
    }
}
