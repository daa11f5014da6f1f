//! What is at a path of a container.

/// Something at a path, looked at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct PathDetails {
    /// What it is.
    pub kind: PathKind,
    /// Who may do what with it: the twelve bits of `chmod`.
    pub mode: u32,
    /// Where it leads when it is a link, as it is written there.
    pub target: Option<String>,
}

impl PathDetails {
    /// A path by its kind and mode; it is no link.
    pub fn new(kind: PathKind, mode: u32) -> Self {
        Self { kind, mode, target: None }
    }
}

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PathKind {
    /// A folder.
    Folder,
    /// A file.
    File,
    /// A symbolic link.
    Link,
    /// A device, a socket or a pipe.
    Other,
}
