//! The adapter for a real engine, on top of the `bollard` client.
//!
//! Nothing outside this module names a type of bollard's. What the module adds to it: connections
//! that count each request where it leaves, a wait that tells when the engine has registered it,
//! a limit on every reply, exits that are values instead of errors, and errors in our own terms.

mod archive;
mod attachment;
mod client;
mod container;
mod convert;
mod endpoint;
mod exec;
mod image;
mod inspect;
mod mount;
mod network;
mod podman;
mod request;
mod socket;
mod system;
mod transport;
mod volume;

pub use client::BollardDocker;
pub use endpoint::{Endpoint, EndpointError, EndpointSources, TlsFiles};
