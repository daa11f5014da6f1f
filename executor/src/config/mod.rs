//! How jobs are run, as the one who runs them decides.

mod settings;

pub use settings::{
    ContainerSettings, ExecutorConfig, ImageSettings, NetworkSettings, ServiceSettings,
};
