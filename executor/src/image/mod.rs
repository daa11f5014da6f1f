//! Images: which may be used, and how they come to the engine.

mod policy;
mod pull;

pub use policy::{PolicySource, PullPolicy, PullPolicyError, allowed_policies};
pub(crate) use pull::pull;
