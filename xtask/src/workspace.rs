//! The workspace as Cargo describes it, and Cargo commands that run in it.

use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::process;

/// A crate of the workspace.
#[derive(Debug)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// The directory that it is in.
    pub directory: PathBuf,
    /// The names of its features.
    pub features: Vec<String>,
    /// The oldest toolchain that builds it.
    pub rust_version: Option<String>,
    /// Whether it has a library and no program, so that others depend on it.
    pub is_library: bool,
}

/// The workspace.
#[derive(Debug)]
pub struct Workspace {
    root: PathBuf,
    target: PathBuf,
    packages: Vec<Package>,
}

/// Undoes what the workspace's profile asks for because of one long test: compiling it takes longer than
/// a short run of the program saves.
const UNOPTIMIZED: &str = "profile.dev.package.volume-manager.opt-level=0";

/// What Cargo builds to have a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Build {
    /// The program alone.
    Alone,
    /// All tests as well. Where those were built before, nothing is built again with other features.
    WithTests,
}

impl Workspace {
    /// Asks Cargo for the workspace that contains the current directory.
    ///
    /// # Errors
    /// When Cargo fails or describes no workspace.
    pub fn load() -> Result<Self> {
        let mut command = cargo();
        command.args(["metadata", "--no-deps", "--format-version", "1"]);
        let text = process::read(&mut command)?;
        parse(&text).with_context(|| {
            format!("could not read the output of `{}`", process::command_line(&command))
        })
    }

    /// The directory of the workspace.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where Cargo puts what it builds, and these commands what is worth keeping.
    pub fn build_directory(&self) -> &Path {
        &self.target
    }

    /// A command that runs in the workspace's directory.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        without_package(&mut command);
        command
    }

    /// A Cargo command that runs in the workspace's directory.
    pub fn cargo<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = cargo();
        command.current_dir(&self.root).args(arguments);
        command
    }

    /// Builds a program, which has the name of its package, and returns where Cargo put it.
    ///
    /// # Errors
    /// When it does not build.
    pub fn build(&self, name: &str, build: Build) -> Result<PathBuf> {
        let mut command = self.cargo(["build", "--message-format", "json-render-diagnostics"]);
        match build {
            Build::Alone => command.args(["--package", name, "--config", UNOPTIMIZED]),
            Build::WithTests => command.args(["--workspace", "--all-features", "--all-targets"]),
        };
        println!("$ {}", process::command_line(&command));
        let messages = process::read(&mut command)?;
        built_program(&messages, name)
            .with_context(|| format!("`{}` built no program", process::command_line(&command)))
    }

    /// The crates of the workspace.
    pub fn members(&self) -> &[Package] {
        &self.packages
    }

    /// The crates that other crates depend on: those with a library and no program.
    pub fn libraries(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| package.is_library)
    }
}

fn parse(metadata: &str) -> Result<Workspace> {
    let metadata: Value = serde_json::from_str(metadata)?;
    let path = |key: &str| {
        metadata[key].as_str().map(PathBuf::from).with_context(|| format!("there is no {key}"))
    };
    let packages = metadata["packages"].as_array().context("there are no packages")?;
    Ok(Workspace {
        root: path("workspace_root")?,
        target: path("target_directory")?,
        packages: packages.iter().map(package).collect::<Result<_>>()?,
    })
}

fn package(value: &Value) -> Result<Package> {
    let text = |key: &str| value[key].as_str().map(str::to_owned);
    let manifest = PathBuf::from(text("manifest_path").context("a package has no manifest")?);
    let has_target = |kind: &str| {
        value["targets"].as_array().into_iter().flatten().any(|target| {
            target["kind"].as_array().into_iter().flatten().any(|one| one.as_str() == Some(kind))
        })
    };
    Ok(Package {
        name: text("name").context("a package has no name")?,
        directory: manifest.parent().unwrap_or(Path::new("/")).to_owned(),
        features: value["features"]
            .as_object()
            .map(|features| features.keys().cloned().collect())
            .unwrap_or_default(),
        rust_version: text("rust_version"),
        is_library: has_target("lib") && !has_target("bin"),
    })
}

/// Finds the program among Cargo's messages, one JSON object a line.
fn built_program(messages: &str, name: &str) -> Option<PathBuf> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    messages
        .filter(|message| message["reason"] == "compiler-artifact")
        // The program's unit tests are a program of the same name.
        .filter(|message| message["target"]["name"] == name && message["profile"]["test"] == false)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
}

fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    without_package(&mut command);
    command
}

/// Removes what `cargo run` says about the package `xtask` from the environment: build scripts that
/// watch those variables would see them change between `cargo xtask test` and `cargo test`, and compile
/// C code again each time.
fn without_package(command: &mut Command) {
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(describes_a_package) {
            command.env_remove(name);
        }
    }
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

    #[test]
    fn program_is_where_cargo_says() {
        let messages = r#"{"reason":"compiler-artifact","package_id":"path+file:///w/cli#berth@0.1.0","manifest_path":"/w/cli/Cargo.toml","target":{"kind":["bin"],"name":"berth"},"profile":{"opt_level":"0","test":false},"executable":"/t/debug/berth","fresh":true}
{"reason":"build-finished","success":true}"#;
        assert_eq!(built_program(messages, "berth"), Some(PathBuf::from("/t/debug/berth")));
        let tests = messages.replace("\"test\":false", "\"test\":true");
        assert_eq!(built_program(&tests, "berth"), None);
        assert_eq!(built_program(messages, "other"), None);
        assert_eq!(built_program(r#"{"reason":"build-finished","success":true}"#, "berth"), None);
    }

    #[test]
    fn crates_with_a_program_are_not_libraries() {
        let metadata = r#"{"workspace_root":"/w","target_directory":"/t","packages":[
            {"name":"a","manifest_path":"/w/a/Cargo.toml","rust_version":"1.95",
             "features":{"default":[],"mock":[]},"targets":[{"kind":["lib"]},{"kind":["test"]}]},
            {"name":"b","manifest_path":"/w/b/Cargo.toml","rust_version":null,
             "features":{},"targets":[{"kind":["lib"]},{"kind":["bin"]}]}]}"#;
        let workspace = parse(metadata).unwrap();
        let libraries: Vec<_> = workspace.libraries().collect();
        assert_eq!(libraries.len(), 1);
        assert_eq!(libraries[0].directory, Path::new("/w/a"));
        assert_eq!(libraries[0].features, ["default", "mock"]);
        assert_eq!(workspace.members()[1].rust_version, None);
        assert!(parse("{}").is_err());
    }
}
