//! The workspace as cargo sees it, and cargo commands that run in it.

use std::{env, path::Path};

use anyhow::{Context as _, Result};
use cargo_metadata::{Metadata, MetadataCommand, Package};
use tokio::process::Command;

use crate::process;

/// This workspace.
#[derive(Debug)]
pub(crate) struct Workspace {
    metadata: Metadata,
}

impl Workspace {
    /// Asks cargo for the workspace that the current folder is in.
    pub(crate) async fn load() -> Result<Self> {
        let mut command = cargo();
        command.args(["metadata", "--no-deps", "--format-version", "1"]);
        let text = process::read(&mut command).await?;
        let metadata = MetadataCommand::parse(text).with_context(|| {
            format!("could not read what `{}` wrote", process::command_line(&command))
        })?;
        Ok(Self { metadata })
    }

    /// The folder of the workspace.
    pub(crate) fn root(&self) -> &Path {
        self.metadata.workspace_root.as_std_path()
    }

    /// Where cargo puts what it builds, and we what is worth keeping.
    pub(crate) fn build_folder(&self) -> &Path {
        self.metadata.target_directory.as_std_path()
    }

    /// A cargo command that runs in the workspace's folder.
    pub(crate) fn cargo<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = cargo();
        command.current_dir(self.root()).args(arguments);
        command
    }

    /// The crates of the workspace.
    pub(crate) fn members(&self) -> Vec<&Package> {
        self.metadata.workspace_packages()
    }

    /// The crates that others build on: a library and no program.
    pub(crate) fn libraries(&self) -> Vec<&Package> {
        self.members()
            .into_iter()
            .filter(|package| {
                package.targets.iter().any(cargo_metadata::Target::is_lib)
                    && !package.targets.iter().any(cargo_metadata::Target::is_bin)
            })
            .collect()
    }
}

/// The cargo that runs us.
///
/// What `cargo run` says about the package `xtask` in its environment is taken out: build scripts
/// that watch those variables would see them change between `cargo xtask test` and `cargo test`,
/// and compile C code anew each time.
fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(describes_a_package) {
            command.env_remove(name);
        }
    }
    command
}

fn describes_a_package(variable: &str) -> bool {
    variable.starts_with("CARGO_PKG_")
        || variable.starts_with("CARGO_MANIFEST_")
        || variable == "CARGO_PRIMARY_PACKAGE"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_the_user_stay_in_the_environment_of_cargo() {
        assert!(describes_a_package("CARGO_PKG_NAME"));
        assert!(describes_a_package("CARGO_MANIFEST_DIR"));
        assert!(!describes_a_package("CARGO_TARGET_DIR"));
        assert!(!describes_a_package("CARGO_HOME"));
    }
}
