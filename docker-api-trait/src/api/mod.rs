//! The role traits over the Engine API.
//!
//! Each trait covers one kind of object and holds only what its callers need, so that a fake stays
//! small and a function can ask for no more than it uses (`&dyn VolumeApi`).
//!
//! # Contract
//! For every method of every trait:
//! - A future does nothing until it is polled. One that is dropped after its first poll may or may
//!   not have taken effect: a request already sent is carried out by the engine, and nobody waits
//!   for its reply. Callers therefore give names and labels in the very call that creates.
//! - Calls may run concurrently, from any thread; their order is then the engine's.
//! - An error for which [`ApiError::effect_unknown`](crate::ApiError::effect_unknown) holds leaves
//!   open whether the engine acted. After any other error it did not.
//! - Nothing is retried here.

mod archive;
mod container;
mod exec;
mod image;
mod network;
mod system;
mod volume;

pub use archive::{ArchiveApi, ArchiveStream};
pub use container::{Attachment, ContainerApi, ContainerInput, ExitFuture, LogStream};
pub use exec::ExecApi;
pub use image::{ImageApi, PullStream};
pub use network::NetworkApi;
pub use system::SystemApi;
pub use volume::VolumeApi;

/// A whole engine: every role in one object.
///
/// Implemented for everything that has the roles; a `&dyn DockerApi` can be used where a single
/// role is asked for.
pub trait DockerApi:
    SystemApi + ImageApi + VolumeApi + NetworkApi + ContainerApi + ExecApi + ArchiveApi
{
}

impl<T> DockerApi for T where
    T: SystemApi + ImageApi + VolumeApi + NetworkApi + ContainerApi + ExecApi + ArchiveApi + ?Sized
{
}
