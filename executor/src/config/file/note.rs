//! What was read and has no effect, or another one than in GitLab Runner.

use std::fmt;

/// Why a key is in a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConfigNoteKind {
    /// It is for the process that fetches jobs from GitLab, which Berth is not.
    Process,
    /// It has no effect here, and jobs run as they would with it.
    Unused,
    /// It has another effect than in GitLab Runner.
    Differs,
}

/// A key of the file that has no effect, or another one than in GitLab Runner. There is one note for
/// a key, at its first place.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigNote {
    /// The key, with the tables that it is in.
    pub key: String,
    /// The line of its value, from 1; where it is missing, of its table.
    pub line: usize,
    /// The column there, in characters from 1.
    pub column: usize,
    /// Why.
    pub kind: ConfigNoteKind,
    /// What there is to know, as a sentence's fragment.
    pub text: &'static str,
}

impl fmt::Display for ConfigNote {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}: {}: {}", self.line, self.key, self.text)
    }
}
