//! Plain requests and replies.
//!
//! Requests have constructors and public fields, and may gain fields; replies hold what our callers
//! read, not all that the engine says.

mod capability;
mod container;
mod exec;
mod host;
mod image;
mod label;
mod log_options;
mod mount;
mod network;
mod path;
mod system;
mod volume;

pub use capability::{ArchiveOwner, Capabilities};
pub use container::{
    ContainerDetails, ContainerRequest, ContainerStatus, ContainerSummary, CreatedContainer,
    ExitStatus, Health, HealthStart, HealthStatus, Input, Signal, WaitCondition,
};
pub use exec::{ExecDetails, ExecRequest};
pub use host::{Device, DeviceRequest, HostSettings, LogDriver, Ulimit};
pub use image::{ImageDetails, ImageSummary, PullProgress, PullRequest, RegistryCredential};
pub use label::LabelFilter;
pub use log_options::LogOptions;
pub use mount::{Consistency, Mount, MountKind, MountPoint, MountSource, Propagation, Relabel};
pub use network::{Network, NetworkAttachment, NetworkPlace, NetworkRequest};
pub use path::{PathDetails, PathKind};
pub use system::{ApiVersion, EngineInfo, EngineProduct, EngineVersion};
pub use volume::{Volume, VolumeRequest, VolumeUsage};
