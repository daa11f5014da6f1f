//! From what a job asks for to what is made and mounted: pure, and total over its inputs.

mod build;
mod decide;
mod demand;
mod model;
mod note;
#[cfg(test)]
mod tests;

pub use build::{BuildDemand, BuildPlacement, BuildStrategy};
pub use decide::plan;
pub use demand::{KeyedCache, VolumeDemand};
pub use model::{ManagedVolume, PlannedSource, PlannedVolume, VolumePlan};
pub use note::PlanNote;
