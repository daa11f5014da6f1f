//! Suites that judge every implementation of a trait by the trait's contract.

pub mod volume_manager;
