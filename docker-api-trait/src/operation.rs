//! The operations of the Engine API, as errors and wrappers name them.

use std::fmt;

/// What was being done when an error came up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Asking the engine for its version.
    Version,
    /// Asking the engine for its identity and state.
    Info,
    /// Looking at an image.
    InspectImage,
    /// Pulling an image from a registry.
    PullImage,
    /// Making an image from a root file system.
    ImportImage,
    /// Listing images.
    ListImages,
    /// Removing an image.
    RemoveImage,
    /// Creating a volume.
    CreateVolume,
    /// Looking at a volume.
    InspectVolume,
    /// Listing volumes.
    ListVolumes,
    /// Removing a volume.
    RemoveVolume,
    /// Creating a container.
    CreateContainer,
    /// Looking at a container.
    InspectContainer,
    /// Listing containers.
    ListContainers,
    /// Reading a container's log.
    ContainerLogs,
    /// Attaching to a container's output.
    AttachContainer,
    /// Waiting for a container's exit.
    WaitContainer,
    /// Starting a container.
    StartContainer,
    /// Stopping a container.
    StopContainer,
    /// Removing a container.
    RemoveContainer,
    /// Unpacking an archive into a container.
    UploadArchive,
    /// Packing an archive of what is in a container.
    DownloadArchive,
    /// Looking at a path in a container.
    InspectPath,
    /// Removing the volumes that nothing uses.
    PruneVolumes,
    /// Measuring how much volumes hold.
    DiskUsage,
    /// Sending a container a signal.
    KillContainer,
    /// Creating a network.
    CreateNetwork,
    /// Looking at a network.
    InspectNetwork,
    /// Listing networks.
    ListNetworks,
    /// Removing a network.
    RemoveNetwork,
    /// Preparing a further program in a container.
    CreateExec,
    /// Running a further program in a container.
    StartExec,
    /// Looking at a further program in a container.
    InspectExec,
}

impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Version => "ask for the engine's version",
            Self::Info => "ask for the engine's identity",
            Self::InspectImage => "inspect the image",
            Self::PullImage => "pull the image",
            Self::ImportImage => "import the image",
            Self::ListImages => "list images",
            Self::RemoveImage => "remove the image",
            Self::CreateVolume => "create the volume",
            Self::InspectVolume => "inspect the volume",
            Self::ListVolumes => "list volumes",
            Self::RemoveVolume => "remove the volume",
            Self::CreateContainer => "create the container",
            Self::InspectContainer => "inspect the container",
            Self::ListContainers => "list containers",
            Self::ContainerLogs => "read the container's log",
            Self::AttachContainer => "attach to the container",
            Self::WaitContainer => "wait for the container",
            Self::StartContainer => "start the container",
            Self::StopContainer => "stop the container",
            Self::RemoveContainer => "remove the container",
            Self::UploadArchive => "unpack the archive into the container",
            Self::DownloadArchive => "pack an archive of the container's files",
            Self::InspectPath => "look into the container",
            Self::PruneVolumes => "remove unused volumes",
            Self::DiskUsage => "measure the volumes",
            Self::KillContainer => "send the container a signal",
            Self::CreateNetwork => "create the network",
            Self::InspectNetwork => "inspect the network",
            Self::ListNetworks => "list networks",
            Self::RemoveNetwork => "remove the network",
            Self::CreateExec => "prepare a program in the container",
            Self::StartExec => "run a program in the container",
            Self::InspectExec => "inspect a program in the container",
        })
    }
}
