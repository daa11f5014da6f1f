//! Which part of a container's log is read.

use std::time::SystemTime;

/// Which part of a container's log is read, and how. By default all of it, until now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct LogOptions {
    /// Whether the stream goes on while the container runs.
    pub follow: bool,
    /// At most so many lines of what was written before; of both outputs together.
    pub tail: Option<u32>,
    /// Only what was written at or after this moment, by the engine's clock.
    pub since: Option<SystemTime>,
    /// Whether each line begins with the moment at which it was written (RFC 3339, UTC) and a space.
    pub timestamps: bool,
}

impl LogOptions {
    /// Returns the options with the stream going on while the container runs.
    pub fn following(mut self) -> Self {
        self.follow = true;
        self
    }

    /// Returns the options with at most so many lines of what was written before.
    pub fn with_tail(mut self, lines: u32) -> Self {
        self.tail = Some(lines);
        self
    }

    /// Returns the options with only what was written at or after `moment`.
    pub fn with_since(mut self, moment: SystemTime) -> Self {
        self.since = Some(moment);
        self
    }

    /// Returns the options with the time before each line.
    pub fn with_timestamps(mut self) -> Self {
        self.timestamps = true;
        self
    }
}
