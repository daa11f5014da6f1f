//! GitLab Runner's own `config.toml`, read into [`ExecutorConfig`](crate::config::ExecutorConfig).
//!
//! What is done with each key is in one table (`table`): read, noted, or refused. A key that is not
//! there is noted as unknown, so that nothing of a file is ignored silently. `docs/configuration.md` has
//! the same table for people, and a test holds the two together.

mod device;
mod draft;
mod error;
mod gpu;
mod key;
mod network;
mod note;
mod read;
mod runner;
mod security;
mod size;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod value;

pub use error::ConfigError;
pub use note::{ConfigNote, ConfigNoteKind};
pub use read::{normalize_file_text, read_config};
pub use runner::{ConfiguredEndpoint, RunnerConfig, RunnerSelection};
