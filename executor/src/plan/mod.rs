//! From a job's description to everything that will be asked of the engine: pure.

pub(crate) mod build;
mod context;
mod decide;
mod limit;
mod mask;
mod model;
mod script;
mod service;
#[cfg(test)]
mod tests;

pub use context::RunContext;
pub use decide::plan;
pub use model::{
    ContainerPlan, ImagePlan, JobNote, JobPlan, NetworkPlan, OwnNetwork, Process, Secret,
    ServicePlan, StepPlan, Timeouts,
};
