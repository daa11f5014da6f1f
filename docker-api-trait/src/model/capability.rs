//! In which ways engines that speak the same API differ.

/// Whose user and group numbers an archive of a container's files carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ArchiveOwner {
    /// The files' own owner, as numbers.
    File,
    /// The container's user, regardless of the owner of the files. The names in the headers are still the owner's.
    ContainerUser,
}

/// What an engine does differently from others, as far as its replies have shown. A handle reports it
/// without a request; before the first reply, and where nothing is known, the engine counts as Docker's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Capabilities {
    /// Attaching to a container prepares it for its start: it may be refused for the reasons for which a
    /// start is, and a volume that is empty gets the owner and mode of the image's directory.
    pub attach_prepares: bool,
    /// An archive that is unpacked at the container's root reaches the volumes below. Otherwise it is
    /// unpacked beside them, and only an upload to a volume's own path reaches the volume.
    pub archives_reach_volumes: bool,
    /// A volume that does not exist when a container is created gets the labels of its mount. Otherwise it
    /// is created without labels.
    pub labels_mounted_volumes: bool,
    /// Whose numbers an archive carries.
    pub archive_owner: ArchiveOwner,
}

impl Capabilities {
    /// The capabilities of Docker's engine.
    pub const DOCKER: Self = Self {
        attach_prepares: false,
        archives_reach_volumes: true,
        labels_mounted_volumes: true,
        archive_owner: ArchiveOwner::File,
    };

    /// The capabilities of Podman's service.
    pub const PODMAN: Self = Self {
        attach_prepares: true,
        archives_reach_volumes: false,
        labels_mounted_volumes: false,
        archive_owner: ArchiveOwner::ContainerUser,
    };
}

impl Default for Capabilities {
    fn default() -> Self {
        Self::DOCKER
    }
}
