//! Images: which may be used, and how they come to the engine.

mod allow;
mod credential;
mod failure;
mod policy;
mod pull;
mod reference;
mod share;
mod stall;

pub use allow::{AllowError, AllowKind, AllowList};
pub use credential::{
    AuthConfig, Credential, CredentialError, CredentialHelpers, CredentialSources, Lookup,
    read_user_auth_config,
};
pub use failure::{PullFault, retry_pull};
pub use policy::{PolicySource, PullPolicy, PullPolicyError, allowed_policies};
pub(crate) use pull::{Images, Use};
pub use reference::{ReferenceError, RegistryImage};
pub use share::{Flight, Flights, Progress, PullKey};
pub use stall::{STALL_LIMIT, WatchError, watch_stalls};
