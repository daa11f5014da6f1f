//! What a job is, as its author describes it.

mod cache;
mod error;
mod image;
mod registry;
mod service;
mod setters;
mod spec;
mod step;
mod time;
mod variable;

pub use cache::{CacheMode, CacheSpec};
pub use error::JobError;
pub use image::ImageSpec;
pub use registry::RegistryLogin;
pub use service::ServiceSpec;
pub use spec::{BuildSpec, JobSpec};
pub use step::{Command, ContainerKind, StepSpec, StepWhen};
pub use variable::Variable;
