//! What is wrong with a path.

/// Why a text is not a path that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum PathProblem {
    /// Nothing is there.
    #[error("is empty")]
    Empty,
    /// It does not begin at the root or a drive, and there is no folder to join it to.
    #[error("is not an absolute path")]
    NotAbsolute,
    /// It is `/`, or the drive that the container's system is on.
    #[error("is the root folder")]
    Root,
    /// Its `..` lead above the root.
    #[error("climbs above the root with `..`")]
    Climbs,
    /// A control character is in it.
    #[error("has a control character in it")]
    ControlCharacter,
    /// A character is in it that cannot be seen, or that looks like one of ASCII: to a person, the
    /// path reads as another.
    #[error("has a character in it that cannot be seen or that imitates another")]
    LookAlike,
    /// A character is in it that Windows does not allow in names.
    #[error("has a character in it that Windows does not allow")]
    Forbidden,
    /// A component is nothing but dots and spaces, which Windows drops.
    #[error("has a component of nothing but dots or spaces")]
    OnlyDots,
    /// It is longer than 4,095 bytes, the longest that Linux opens.
    #[error("is longer than 4,095 bytes")]
    TooLong,
    /// A component is longer than 255 bytes, the longest name that file systems have.
    #[error("has a component longer than 255 bytes")]
    ComponentTooLong,
}
