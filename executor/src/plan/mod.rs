//! From a job's description to everything that will be asked of the engine: pure.

mod build;
mod context;
mod decide;
mod limit;
mod mask;
mod model;
mod network;
mod object;
mod planner;
mod redact;
mod script;
mod secret;
mod service;
#[cfg(test)]
mod tests;
mod version;
mod volumes;

pub use context::RunContext;
pub use decide::plan_for_remote_engine;
pub use model::{
    ContainerPlan, ImagePlan, JobNote, JobPlan, NetworkPlan, OwnNetwork, Process, ServicePlan,
    StepPlan, Timeouts,
};
pub use secret::Secret;
pub(crate) use secret::mask_name;
pub use version::PlanVersion;
