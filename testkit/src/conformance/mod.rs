//! Suites that judge every implementation of a trait by the trait's contract.

#[cfg(feature = "docker-api-conformance")]
pub mod docker_api;
pub mod volume_manager;
