//! A file of a project, and the path by which it is known on both sides.

use std::{
    ffi::OsStr,
    fmt,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

/// The names that the workspace's own files in the build folder begin with.
pub(super) const RESERVED: &[u8] = b".berth-workspace";

/// A path below a folder: one or more names with `/` between them, none of them empty, `.` or `..`,
/// without NUL. Any other bytes may be in it, as on Linux. A folder sorts before what is in it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelativePath(Vec<u8>);

impl RelativePath {
    /// The path, if it is one.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Option<Self> {
        let bytes = bytes.into();
        let valid = bytes
            .split(|byte| *byte == b'/')
            .all(|name| !matches!(name, b"" | b"." | b"..") && !name.contains(&0));
        valid.then_some(Self(bytes))
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The path for calls of the system.
    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }

    /// Its names, from the top.
    pub(super) fn names(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.0.split(|byte| *byte == b'/')
    }

    /// The folder that it is in; nothing at the top.
    pub fn parent(&self) -> Option<Self> {
        let slash = self.0.iter().rposition(|byte| *byte == b'/')?;
        Some(Self(self.0[..slash].to_vec()))
    }

    /// The folders that it is in, the nearest first.
    pub(super) fn ancestors(&self) -> impl Iterator<Item = Self> + use<> {
        std::iter::successors(self.parent(), Self::parent)
    }

    /// Whether a file of that name would take the place of one of the workspace's own.
    pub(super) fn is_reserved(&self) -> bool {
        self.0.starts_with(RESERVED) && !self.0.contains(&b'/')
    }

    /// Whether one of its names is `.git`, in any case: some file systems do not tell them apart.
    pub(super) fn is_git(&self) -> bool {
        self.names().any(|name| name.eq_ignore_ascii_case(b".git"))
    }
}

/// Safe for a terminal: control characters are escaped.
impl fmt::Display for RelativePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&readable(&self.0))
    }
}

impl fmt::Debug for RelativePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&String::from_utf8_lossy(&self.0), formatter)
    }
}

impl From<RelativePath> for PathBuf {
    fn from(path: RelativePath) -> Self {
        path.as_path().to_owned()
    }
}

/// A name of unknown origin as text for people: control characters escaped, cut after 256 bytes.
pub(super) fn readable(bytes: &[u8]) -> String {
    const LIMIT: usize = 256;
    let shown = &bytes[..bytes.len().min(LIMIT)];
    let mut text = String::new();
    for character in String::from_utf8_lossy(shown).chars() {
        if character.is_control() {
            text.extend(character.escape_default());
        } else {
            text.push(character);
        }
    }
    if bytes.len() > LIMIT {
        text.push('…');
    }
    text
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EntryKind {
    /// A regular file.
    File {
        /// Its length in bytes.
        size: u64,
    },
    /// A folder.
    Folder,
    /// A symbolic link.
    Link {
        /// Where it points, as it is written in it.
        target: Vec<u8>,
    },
}

/// One file, folder or link of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it is below the project's folder.
    pub path: RelativePath,
    /// What it is.
    pub kind: EntryKind,
    /// Its permissions, nine bits: the bits for setuid, setgid and sticky are not taken along.
    pub mode: u32,
    /// When it was changed, in nanoseconds since 1970.
    pub modified: i64,
}

/// Something that was left out, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Skipped {
    /// Its name, safe for a terminal.
    pub path: String,
    /// Why.
    pub reason: SkipReason,
}

impl Skipped {
    pub(super) fn new(path: &[u8], reason: SkipReason) -> Self {
        Self { path: readable(path), reason }
    }
}

/// Why something was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum SkipReason {
    /// It was there when the project was listed, and was gone when it was read.
    #[error("it vanished while the project was read")]
    Vanished,
    /// A socket, device or FIFO.
    #[error("it is a device, socket or FIFO")]
    Special,
    /// A repository inside the project; only its folder is made.
    #[error("it is a repository of its own, whose files are not listed")]
    Repository,
    /// The name belongs to the workspace itself.
    #[error("names that begin with .berth-workspace are reserved")]
    Reserved,
    /// The name in the archive is absolute, has `..` or NUL in it, or is not below the folder.
    #[error("its name leads out of the folder")]
    Outside,
    /// One of the names, or all of them, are longer than the system allows.
    #[error("its name is too long")]
    NameTooLong,
    /// A part of Git's own folder, which could have commands run by the next `git`.
    #[error("files of a .git folder are not unpacked")]
    Git,
    /// The link is absolute, or leads or could lead out of the folder.
    #[error("the link leads out of the folder")]
    LinkOutside,
    /// The hard link's file is not in the archive before it.
    #[error("the file that it is a hard link of is not in the archive")]
    LinkUnknown,
    /// A link, or a file where a folder should be, or the other way round.
    #[error("a link, file or folder is in the way")]
    InTheWay,
    /// A kind of entry that is not understood, such as a sparse file.
    #[error("its kind is not supported")]
    Unsupported,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_only_paths_that_stay_below_the_folder() {
        for good in ["a", "a/b", "a b/ü", "..a/b..", "...", "a\\..\\b", "a\nb"] {
            assert!(RelativePath::new(good).is_some(), "{good:?}");
        }
        for bad in ["", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "./a", "a/.", "a\0b"] {
            assert!(RelativePath::new(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn sorts_a_folder_before_what_is_in_it() {
        let mut paths = ["a/b", "a-b", "a", "a/b/c"].map(|path| RelativePath::new(path).unwrap());
        paths.sort();
        let position =
            |path: &[u8]| paths.iter().position(|other| other.as_bytes() == path).unwrap();
        assert!(position(b"a") < position(b"a/b"));
        assert!(position(b"a/b") < position(b"a/b/c"));
    }

    #[test]
    fn shows_control_characters_escaped() {
        let path = RelativePath::new(&b"a\x1b[31m\nb"[..]).unwrap();
        assert_eq!(path.to_string(), "a\\u{1b}[31m\\nb");
    }

    #[test]
    fn knows_git_folders_in_any_case_and_place() {
        for path in [".git", ".GIT/config", "a/.Git/hooks/x"] {
            assert!(RelativePath::new(path).unwrap().is_git(), "{path}");
        }
        assert!(!RelativePath::new(".gitignore").unwrap().is_git());
    }
}
