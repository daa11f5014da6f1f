//! Notes about keys that have no effect, or another effect than in GitLab Runner.

use std::{borrow::Cow, fmt};

/// Why a key has a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConfigNoteKind {
    /// The key is for the process that fetches jobs from GitLab, which Berth is not.
    Process,
    /// The key has no effect here, and jobs run as they would with it.
    Unused,
    /// The key has another effect than in GitLab Runner.
    Differs,
    /// The key's name is written in another case. It is read, as in GitLab Runner.
    Spelling,
    /// Neither GitLab Runner nor Berth has the key. It is ignored, as in GitLab Runner.
    Unknown,
    /// GitLab Runner has the key or the value and Berth does not: jobs run in another way than the
    /// file says.
    Unsupported,
}

impl ConfigNoteKind {
    /// Whether the file asks for something that does not happen. Strict reading refuses it.
    pub fn is_warning(self) -> bool {
        matches!(self, Self::Unknown | Self::Unsupported)
    }
}

/// A key of the file that has no effect, or another effect than in GitLab Runner. A key has one note,
/// at its first place.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigNote {
    /// The key, with the tables that it is in.
    pub key: String,
    /// The line of its value, from 1; of an unknown key its own; of a missing one its table's.
    pub line: usize,
    /// The column there, in characters from 1.
    pub column: usize,
    /// Why there is a note.
    pub kind: ConfigNoteKind,
    /// What Berth does, as a sentence's fragment. It never holds a secret.
    pub text: Cow<'static, str>,
    /// The known key that is closest to an unknown one: its name if it is in the same table, or else
    /// with its tables. Of a key in another case, its canonical name.
    pub suggestion: Option<String>,
}

impl fmt::Display for ConfigNote {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}: {}: {}", self.line, self.key, self.text)?;
        match (&self.suggestion, self.kind) {
            (None, _) => Ok(()),
            (Some(name), ConfigNoteKind::Spelling) => write!(formatter, " {name}"),
            (Some(name), _) => write!(formatter, "; did you mean {name}?"),
        }
    }
}
