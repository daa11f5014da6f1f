//! Credentials for registries: where they are looked for, and whose they are.

mod error;
mod file;
mod helper;
mod lookup;
mod model;

pub use error::CredentialError;
pub use file::{AuthConfig, read_user_auth_config};
pub(crate) use helper::CredentialHelpers;
pub use lookup::BrokenCredentials;
pub(crate) use lookup::{CredentialSources, Resolved};
pub(crate) use model::Credential;
