//! What was brought into a build folder, and what came out of it.

use super::{RelativePath, Skipped};

/// What was brought into a build folder.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UploadReport {
    /// Files that were sent.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that were there as they are here, and were not sent.
    pub kept: usize,
    /// Files and folders that are gone from the project and were removed.
    pub removed: usize,
    /// Files that were listed and could not be sent, and why.
    pub skipped: Vec<String>,
}

/// A wanted name that is a hard link of a file that was not wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkedArtifact {
    /// The name that is wanted.
    pub path: RelativePath,
    /// The name in the build folder under which the archive has the content.
    pub target: RelativePath,
}

/// What came out of a build folder.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ArtifactReport {
    /// How many files were written.
    pub files: u64,
    /// How many folders were wanted, with or without files.
    pub folders: u64,
    /// How many links were made.
    pub links: u64,
    /// How many bytes the files have.
    pub bytes: u64,
    /// What was wanted or had no usable name, and was left out.
    pub skipped: Vec<Skipped>,
    /// What has to be fetched by its other name: builds link their results to where they made them.
    /// Give these to [`Artifacts::unpack_linked`](super::Artifacts::unpack_linked) with the archive once more.
    pub linked: Vec<LinkedArtifact>,
    /// The patterns that took nothing.
    pub unmatched: Vec<String>,
}
