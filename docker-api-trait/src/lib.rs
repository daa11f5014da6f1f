//! The Docker Engine API as small, object-safe traits over plain data.
//!
//! - [`api`]: the role traits ([`SystemApi`], [`ImageApi`], [`VolumeApi`], [`NetworkApi`], [`ContainerApi`],
//!   [`ExecApi`], [`ArchiveApi`]) and [`DockerApi`], which is all of them;
//! - [`model`]: plain requests and replies, free of any client library's types;
//! - [`id`]: names and ids that are validated before they can reach a URL;
//! - [`ApiError`]: what can go wrong, in the cases that a caller would tell apart; [`Hint`]: the remedy of an error of any
//!   crate, and whether a retry may help;
//! - `BollardDocker` (feature `bollard`): the adapter for a real engine;
//! - [`Layered`]: an engine behind a [`CallLayer`], which looks at every call by one method; [`delegate_docker_api!`] for
//!   other wrappers. `&T`, `Arc<T>` and `Box<T>` have the roles of `T`;
//! - [`Capabilities`]: what an engine does differently from others;
//! - [`RefusalCause`]: why an engine refuses a container, from its words;
//! - `SteadyDocker` (feature `steady`): a decorator that repeats what is safe to repeat and waits for an engine that is
//!   unreachable;
//! - `MockDocker` (feature `mock`): mocks, for tests that ask "was it called, in what order".
//!
//! This crate knows nothing of jobs, caches or policy.
//!
//! ```
//! use docker_api_trait::{ApiError, VolumeApi, VolumeName, VolumeRequest};
//!
//! /// Works on a real engine, on a fake and on a mock alike.
//! async fn cache(engine: &dyn VolumeApi) -> Result<String, ApiError> {
//!     let name = VolumeName::new("cargo-registry").expect("a legal name");
//!     let volume = engine.create_volume(&VolumeRequest::new(name)).await?;
//!     Ok(volume.mountpoint)
//! }
//! ```

pub mod api;
#[cfg(feature = "bollard")]
mod bollard;
mod delegate;
mod error;
#[cfg(any(feature = "bollard", test, fuzzing))]
mod frame;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod hint;
pub mod id;
mod layer;
mod log;
#[cfg(feature = "mock")]
mod mock;
pub mod model;
mod operation;
mod refusal;
#[cfg(feature = "steady")]
mod steady;

// For `delegate_docker_api`, and for implementations of the traits.
pub use async_trait;
pub use bytes;
#[doc(hidden)]
pub use bytes::Bytes;

pub use api::{
    ArchiveApi, ArchiveStream, Attachment, ContainerApi, ContainerInput, DockerApi, ExecApi,
    ExitFuture, ImageApi, LogStream, NetworkApi, PullStream, SystemApi, VolumeApi,
};
#[cfg(feature = "bollard")]
pub use bollard::{BollardDocker, Endpoint, EndpointError, EndpointSources, TlsFiles};
pub use error::{ApiError, ConnectFailure};
pub use hint::Hint;
pub use id::{
    ContainerId, ContainerName, ExecId, ImageReference, InvalidId, NetworkId, NetworkName,
    VolumeName,
};
pub use layer::{CallLayer, Layered};
pub use log::{LogChunk, LogSource};
#[cfg(feature = "mock")]
pub use mock::MockDocker;
pub use model::{
    ApiVersion, ArchiveOwner, Capabilities, Consistency, ContainerDetails, ContainerRequest,
    ContainerStatus, ContainerSummary, CreatedContainer, Device, DeviceRequest, EngineInfo,
    EngineProduct, EngineVersion, ExecDetails, ExecRequest, ExitStatus, Health, HealthStart,
    HealthStatus, HostSettings, ImageDetails, ImageSummary, Input, LabelFilter, LogDriver,
    LogOptions, Mount, MountKind, MountPoint, MountSource, Network, NetworkAttachment,
    NetworkPlace, NetworkRequest, PathDetails, PathKind, Propagation, PullProgress, PullRequest,
    RegistryCredential, Relabel, Signal, Ulimit, Volume, VolumeRequest, VolumeUsage, WaitCondition,
};
pub use operation::Operation;
pub use refusal::{PlatformMismatch, RefusalCause};
#[cfg(feature = "steady")]
pub use steady::{EngineEvent, EngineObserver, LATE_EFFECT, RetryPolicy, SteadyDocker};
