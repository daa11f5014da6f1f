//! Decides which Docker volume a CI job gets, and sees to it that it is there.
//!
//! - [`SpecReader`]: from text, `/cache` or `name:/data:ro`, to a [`VolumeSpec`];
//! - [`plan()`]: [`VolumeDemand`], [`Scope`], [`Provenance`] and [`Policy`] to a [`VolumePlan`]; no
//!   I/O;
//! - [`VolumeManager`]: makes what the plan says ([`prepare`](VolumeManager::prepare)) and clears
//!   up after the job ([`finish`](VolumeManager::finish)); [`DockerVolumeManager`] does it on an
//!   engine, [`InMemoryVolumeManager`] in memory, and one suite judges both;
//! - [`name`] and [`label`]: the public format of names and labels.
//!
//! A unit test of your own, without an engine:
//!
//! ```
//! use std::time::UNIX_EPOCH;
//! use volume_manager::*;
//!
//! # futures_util::FutureExt::now_or_never(async {
//! let (volumes, scope) = (InMemoryVolumeManager::new(), Scope::trusted("my-ci", "my-project"));
//! let wanted = VolumeDemand::new(["/cache".parse()?]);
//! for (run, state) in [("first", VolumeState::Created), ("second", VolumeState::Reused)] {
//!     let plan = plan(&wanted, &scope, &Provenance::new(run, UNIX_EPOCH), &Policy::default())?;
//!     assert_eq!(volumes.prepare(&plan).await?.states(), [Some(state)]);
//! }
//! # Ok::<_, Box<dyn std::error::Error>>(()) }).unwrap()?;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! With feature `mock`, a test that asks only "was it called":
//!
//! ```
//! use volume_manager::{FinishReport, MockVolumeManager, Outcome, PreparedVolumes, VolumeManager};
//!
//! /// Code of yours that uses volumes.
//! async fn tear_down(volumes: &dyn VolumeManager, prepared: PreparedVolumes) -> FinishReport {
//!     volumes.finish(prepared, Outcome::Failed).await
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let mut volumes = MockVolumeManager::new();
//! volumes
//!     .expect_finish()
//!     .times(1)
//!     .withf(|_, outcome| *outcome == Outcome::Failed)
//!     .returning(|_, _| FinishReport::default());
//! tear_down(&volumes, PreparedVolumes::default()).await;
//! # });
//! ```

mod adopt;
mod docker;
mod error;
mod explain;
mod identity;
mod inventory;
pub mod label;
mod manager;
mod memory;
mod mount;
pub mod name;
mod ownership;
mod path;
mod permission;
mod plan;
mod policy;
mod spec;
mod verify;

pub use docker::{Backoff, DockerVolumeManager};
pub use error::{PlanError, VolumeError};
pub use explain::{VolumeExplanation, Warmth, cache_of, explain};
pub use identity::{CacheIdentity, Provenance, Scope, Trust, VolumeDriver};
pub use inventory::{Inventory, RemovalError, VolumeRecord};
#[cfg(feature = "mock")]
pub use manager::MockVolumeManager;
pub use manager::{
    FailedRemoval, FinishReport, Outcome, PreparedVolume, PreparedVolumes, VolumeManager,
    VolumeState,
};
pub use memory::InMemoryVolumeManager;
pub use ownership::{ObjectLabels, Role};
pub use path::{ContainerPath, HostPath, OperatingSystem, PathProblem, PipePath};
pub use plan::{
    BuildDemand, BuildPlacement, BuildStrategy, KeyedCache, ManagedVolume, PlanNote, PlannedSource,
    PlannedVolume, VolumeDemand, VolumePlan, plan,
};
pub use policy::{Policy, RealPath};
pub use spec::{
    Mode, SpecError, SpecOrigin, SpecPart, SpecProblem, SpecReader, VolumeSource, VolumeSpec,
};
pub use verify::VolumeField;
