//! A piece of a container's output.

use bytes::Bytes;

/// Which of a container's two outputs a piece came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LogSource {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A piece of output. Pieces follow the engine's frames and what has come of them, not lines: a line may
/// be in several, and several in one. The bytes are the container's own, valid UTF-8 or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogChunk {
    /// The output it was written to.
    pub source: LogSource,
    /// What was written.
    pub bytes: Bytes,
}

impl LogChunk {
    /// A piece of standard output.
    pub fn stdout(bytes: impl Into<Bytes>) -> Self {
        Self { source: LogSource::Stdout, bytes: bytes.into() }
    }

    /// A piece of standard error.
    pub fn stderr(bytes: impl Into<Bytes>) -> Self {
        Self { source: LogSource::Stderr, bytes: bytes.into() }
    }
}
