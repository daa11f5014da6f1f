//! The arguments of `berth spec`.

use clap::{Args, ValueEnum};
use volume_manager::{ContainerPath, OperatingSystem, PathProblem, SpecReader};

use super::shared::pair;
use crate::failure::Failure;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum System {
    /// Linux containers
    Linux,
    /// Windows containers
    Windows,
}

#[derive(Debug, Args)]
pub(crate) struct SpecArguments {
    #[command(flatten)]
    reader: ReaderArguments,
    /// Print one JSON object for each spec
    #[arg(long)]
    pub(crate) json: bool,
    /// A volume as a job would ask for it
    #[arg(required = true, value_name = "SPEC")]
    pub(crate) specs: Vec<String>,
}

impl SpecArguments {
    pub(crate) fn reader(&self) -> Result<SpecReader, Failure> {
        self.reader.reader()
    }
}

/// By which rules a spec is read, and what it may refer to.
#[derive(Debug, Args)]
pub(super) struct ReaderArguments {
    /// The operating system of the engine's containers
    #[arg(long, value_enum, default_value_t = System::Linux)]
    os: System,
    /// A variable for $NAME and ${NAME} in sources and destinations
    #[arg(long = "var", value_name = "NAME=VALUE")]
    variables: Vec<String>,
    /// The folder that relative destinations join
    #[arg(long, value_name = "PATH")]
    workdir: Option<String>,
}

impl ReaderArguments {
    pub(super) fn reader(&self) -> Result<SpecReader, Failure> {
        let system = match self.os {
            System::Linux => OperatingSystem::Linux,
            System::Windows => OperatingSystem::Windows,
        };
        let variables: Result<Vec<_>, _> =
            self.variables.iter().map(|text| variable(text)).collect();
        let reader = SpecReader::new(system).with_variables(variables?);
        Ok(match &self.workdir {
            Some(folder) => reader.with_working_directory(working_directory(system, folder)?),
            None => reader,
        })
    }
}

/// Reads `--var`. A name that no spec could refer to is a mistake.
fn variable(text: &str) -> Result<(String, String), Failure> {
    let (name, value) = pair(text, "--var")?;
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !name.starts_with(|first: char| first.is_ascii_digit());
    if !is_name {
        return Err(Failure::new(
            format!("{name:?} is not a variable's name"),
            "a name has letters and digits of ASCII and `_`, and begins with no digit",
        ));
    }
    Ok((name, value))
}

/// Reads `--workdir`.
pub(super) fn working_directory(
    system: OperatingSystem,
    folder: &str,
) -> Result<ContainerPath, Failure> {
    ContainerPath::new(system, folder).map_err(|problem: PathProblem| {
        Failure::new(
            format!("the folder {folder:?} {problem}"),
            "give --workdir an absolute path in the container",
        )
    })
}
