//! Decides which Docker volume a CI job gets, and sees to it that it is there.
//!
//! - [`VolumeSpec`]: what a job asks for, `/cache` or `name:/data:ro`;
//! - [`plan()`]: specs, [`Scope`], [`Provenance`] and [`Policy`] to a [`VolumePlan`]; no I/O;
//! - [`VolumeManager`]: makes what the plan says ([`prepare`](VolumeManager::prepare)) and clears
//!   up after the job ([`finish`](VolumeManager::finish)); [`DockerVolumeManager`] does it on an
//!   engine, [`InMemoryVolumeManager`] in memory, and one suite judges both;
//! - [`name`] and [`label`]: the public format of names and labels.
//!
//! A unit test of your own, without an engine:
//!
//! ```
//! use std::time::SystemTime;
//! use volume_manager::{
//!     InMemoryVolumeManager, Policy, Provenance, Scope, VolumeManager, VolumeState, plan,
//! };
//!
//! # futures_util_block_on(async {
//! let volumes = InMemoryVolumeManager::new();
//! let specs = ["/cache".parse()?];
//! let states = async |run: &str| {
//!     let origin = Provenance::new(run, SystemTime::UNIX_EPOCH);
//!     let plan = plan(&specs, &Scope::trusted("ci", "app"), &origin, &Policy::default())?;
//!     Ok::<_, Box<dyn std::error::Error>>(volumes.prepare(&plan).await?.states())
//! };
//! assert_eq!(states("first").await?, [Some(VolumeState::Created)]);
//! assert_eq!(states("second").await?, [Some(VolumeState::Reused)]);
//! # Ok::<_, Box<dyn std::error::Error>>(()) })?;
//! # fn futures_util_block_on<F: Future>(future: F) -> F::Output {
//! #     tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
//! # }
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

mod docker;
mod error;
mod identity;
pub mod label;
mod manager;
mod memory;
mod mount;
pub mod name;
mod path;
mod plan;
mod policy;
mod spec;
mod verify;

pub use docker::DockerVolumeManager;
pub use error::{PlanError, VolumeError};
pub use identity::{Provenance, Scope, Trust};
#[cfg(feature = "mock")]
pub use manager::MockVolumeManager;
pub use manager::{
    FailedRemoval, FinishReport, Outcome, PreparedVolume, PreparedVolumes, VolumeManager,
    VolumeState,
};
pub use memory::InMemoryVolumeManager;
pub use path::{ContainerPath, HostPath, PathProblem};
pub use plan::{ManagedVolume, PlannedSource, PlannedVolume, VolumePlan, plan};
pub use policy::Policy;
pub use spec::{Access, SpecError, SpecPart, SpecProblem, VolumeSource, VolumeSpec};
pub use verify::VolumeField;
