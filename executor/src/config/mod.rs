//! How jobs are run, as the one who runs them decides.

mod file;
mod settings;

pub use file::{
    ConfigError, ConfigNote, ConfigNoteKind, ConfiguredEndpoint, RunnerConfig, RunnerSelection,
    normalize_file_text, read_config,
};
pub use settings::{
    ContainerSettings, ExecutorConfig, ImageSettings, NetworkSettings, ScriptSettings,
    ServiceSettings,
};
