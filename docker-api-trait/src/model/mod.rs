//! Plain requests and replies.
//!
//! Requests have constructors and public fields, and may gain fields; replies hold what our callers
//! read, not all that the engine says.

mod container;
mod image;
mod label;
mod mount;
mod path;
mod system;
mod volume;

pub use container::{
    ContainerDetails, ContainerRequest, ContainerStatus, ContainerSummary, CreatedContainer,
    ExitStatus, LogDriver, WaitCondition,
};
pub use image::{ImageDetails, PullProgress};
pub use label::LabelFilter;
pub use mount::{Consistency, Mount, MountKind, MountPoint, MountSource, Propagation, Relabel};
pub use path::{PathDetails, PathKind};
pub use system::{ApiVersion, EngineVersion};
pub use volume::{Volume, VolumeRequest, VolumeUsage};
