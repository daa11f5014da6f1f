//! Limits on what comes out of a container.

/// How much may come out of a build folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArtifactLimits {
    /// The sum of the files' sizes in bytes, as their headers say. Default: 16 GiB.
    pub bytes: u64,
    /// How many entries may be selected or refused. Default: 1,000,000.
    pub entries: u64,
}

impl Default for ArtifactLimits {
    fn default() -> Self {
        Self { bytes: 16 * 1024 * 1024 * 1024, entries: 1_000_000 }
    }
}
