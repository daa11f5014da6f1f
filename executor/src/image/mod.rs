//! Images: which may be used, and how they come to the engine.

mod allow;
mod policy;
mod pull;
mod reference;

pub use allow::{AllowError, AllowKind, AllowList};
pub use policy::{PolicySource, PullPolicy, PullPolicyError, allowed_policies};
pub(crate) use pull::pull;
pub use reference::{ReferenceError, RegistryImage};
