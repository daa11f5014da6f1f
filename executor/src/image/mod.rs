//! Images: which may be used, and how they come to the engine.

mod allow;
mod credential;
mod failure;
mod policy;
mod pull;
mod reference;
mod share;
mod stall;

pub(crate) use allow::AllowList;
pub use allow::{AllowError, AllowKind};
pub use credential::{AuthConfig, BrokenCredentials, CredentialError, read_user_auth_config};
pub(crate) use credential::{Credential, CredentialHelpers, CredentialSources, Resolved};
pub use failure::PullFault;
pub(crate) use failure::retry_pull;
pub(crate) use policy::allowed_policies;
pub use policy::{PolicySource, PullPolicy, PullPolicyError};
pub(crate) use pull::{Images, Use};
pub(crate) use reference::RegistryImage;
pub(crate) use share::{Flights, Progress, PullKey};
pub(crate) use stall::{STALL_LIMIT, WatchError, watch_stalls};
