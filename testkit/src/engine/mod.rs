//! Engines of a test's own, to be killed and started again.

mod clean;
mod error;
mod image;
mod namespace;
mod private;

pub use error::EngineError;
pub use private::{EngineOptions, PrivateEngine};
