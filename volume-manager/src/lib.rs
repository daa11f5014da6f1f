//! Decides which Docker volume a CI job gets, and makes sure that it exists.
//!
//! - [`SpecReader`]: from text, `/cache` or `name:/data:ro`, to a [`VolumeSpec`];
//! - [`plan()`]: [`VolumeDemand`], [`Scope`], [`Provenance`] and [`Policy`] to a [`VolumePlan`], which
//!   says which caches the job gets; no I/O;
//! - [`VolumeManager`]: decides which volumes on an engine those are and creates them
//!   ([`prepare`](VolumeManager::prepare)), checks them once a container holds them
//!   ([`attached`](VolumeManager::attached)), and cleans up after the job
//!   ([`finish`](VolumeManager::finish)). [`DockerVolumeManager`] does it on an engine,
//!   [`InMemoryVolumeManager`] in memory, and one conformance suite tests both;
//! - [`name`] and [`label`]: the public format of names and labels.
//!
//! A unit test of code that uses volumes, without an engine (`examples/unit_test.rs`):
//!
//! ```
#![doc = include_str!("../examples/unit_test.rs")]
//! ```
//!
//! With feature `mock`, a test that asks only "was it called":
//!
//! ```
//! use volume_manager::{FinishReport, MockVolumeManager, Outcome, PreparedVolumes, VolumeManager};
//!
//! /// Code of yours that uses volumes.
//! async fn tear_down(volumes: &dyn VolumeManager, prepared: PreparedVolumes) -> FinishReport {
//!     volumes.finish(prepared, Outcome::ScriptFailed).await
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let mut volumes = MockVolumeManager::new();
//! volumes
//!     .expect_finish()
//!     .times(1)
//!     .withf(|_, outcome| *outcome == Outcome::ScriptFailed)
//!     .returning(|_, _| FinishReport::default());
//! tear_down(&volumes, PreparedVolumes::default()).await;
//! # });
//! ```

mod adopt;
mod context;
mod docker;
mod error;
mod explain;
mod fingerprint;
mod hint;
mod identity;
mod inventory;
mod kind;
pub mod label;
mod manager;
mod memory;
pub mod name;
mod ownership;
mod path;
mod permission;
mod plan;
mod policy;
mod prepared;
mod record;
mod spec;
mod verify;

pub use context::{Cancellation, Clock, PrepareContext, SystemClock, VolumeEvent, VolumeObserver};
pub use docker::{Backoff, DockerVolumeManager};
pub use error::{VolumeError, VolumeField};
pub use explain::{VolumeExplanation, Warmth, cache_of, explain};
pub use identity::{CacheIdentity, Provenance, Scope, Trust, VolumeDriver};
pub use inventory::{Inventory, RemovalError};
pub use kind::VolumeKind;
#[cfg(feature = "mock")]
pub use manager::MockVolumeManager;
pub use manager::{AttachReport, FailedRemoval, FinishReport, Outcome, VolumeManager};
pub use memory::InMemoryVolumeManager;
pub use ownership::{ObjectLabels, Role};
pub use path::{ContainerPath, HostPath, OperatingSystem, PathProblem, PipePath};
pub use plan::{
    BuildDemand, BuildPlacement, BuildStrategy, KeyedCache, ManagedVolume, PlanError, PlanNote,
    PlannedCache, PlannedSource, PlannedVolume, ResolvedSource, Sharing, VolumeDemand, VolumePlan,
    plan,
};
pub use policy::{Policy, RealPath};
pub use prepared::{PreparedVolume, PreparedVolumes, VolumeState};
pub use record::VolumeRecord;
pub use spec::{
    Mode, SpecError, SpecOrigin, SpecPart, SpecProblem, SpecReader, VolumeSource, VolumeSpec,
};
