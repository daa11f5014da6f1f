//! From what a job asks for to what is mounted: pure, and total over its inputs.

mod build;
mod check;
mod decide;
mod demand;
mod error;
mod grant;
mod model;
mod mount;
mod note;
mod notes;
mod resolve;
#[cfg(test)]
mod tests;

pub use build::{BuildDemand, BuildPlacement, BuildStrategy};
pub use decide::plan;
pub use demand::{KeyedCache, VolumeDemand};
pub use error::PlanError;
pub use model::{PlannedCache, PlannedSource, PlannedVolume, Sharing, VolumePlan};
pub(crate) use mount::mount;
pub use note::PlanNote;
pub(crate) use resolve::resolve;
pub use resolve::{ManagedVolume, ResolvedSource};
