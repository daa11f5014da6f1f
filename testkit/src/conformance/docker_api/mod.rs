//! The contract of [`DockerApi`](docker_api_trait::DockerApi), as Docker's engine 20.10 keeps it.
//!
//! Each function of an area is one [`Case`]: what is done with an engine, and what must be seen then.
//! [`docker_api_conformance!`](crate::docker_api_conformance) makes a test of each, for a [`Subject`]:
//! an engine of your own, or a wrapper of one. The fake passes all of them; so do Docker's engine and,
//! with the differences that are written down, Podman.

#![allow(clippy::unwrap_used, reason = "a case of a suite fails by panicking")]

mod all;
mod case;
mod cases;
mod podman;
mod prelude;
mod seen;
mod subject;
mod suite;

pub use all::cases;
pub use case::Case;
pub use cases::{archive, container, exec, life, log, mount, network, shell, system, volume};
pub use subject::Subject;
