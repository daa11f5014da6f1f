//! What is kept of uploaded archives.

use docker_api_trait::ContainerId;

/// Owner and mode of the root of a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct VolumeRoot {
    /// The owner's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// The mode, without the bits for the kind of file.
    pub mode: u32,
}

/// A fresh volume's.
impl Default for VolumeRoot {
    fn default() -> Self {
        Self { uid: 0, gid: 0, mode: 0o755 }
    }
}

/// A header of an archive that was uploaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadedEntry {
    /// The container that it was uploaded to.
    pub container: ContainerId,
    /// The absolute path in the container.
    pub path: String,
    /// Whether it is a folder.
    pub folder: bool,
    /// Its owner and mode.
    pub root: VolumeRoot,
}
