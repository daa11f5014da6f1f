//! The arguments of `berth volumes`.

use clap::Args;
use volume_manager::VolumeSpec;

use super::{
    shared::{EngineArguments, OwnerArguments, PolicyArguments, ScopeArguments},
    spec::ReaderArguments,
};
use crate::failure::Failure;

#[derive(Debug, Args)]
pub(crate) struct VolumesArguments {
    #[command(subcommand)]
    pub(crate) subcommand: VolumesSubcommand,
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum VolumesSubcommand {
    /// List the volumes that Berth made
    Ls(LsArguments),
    /// Show what a volume is, whose, and which containers use it
    Inspect(InspectArguments),
    /// Tell which volume a project's spec maps to, why, and whether it is warm
    Explain(ExplainArguments),
    /// Remove volumes that Berth made and that nothing uses
    ///
    /// A volume of another installation is only removed with its --owner. When all names are names,
    /// each is tried; the exit code is 1 when any volume stays.
    Rm(RmArguments),
}

#[derive(Debug, Args)]
pub(crate) struct LsArguments {
    /// Only those of this project
    #[arg(long, value_name = "NAME")]
    pub(crate) project: Option<String>,
    #[command(flatten)]
    pub(crate) owner: OwnerArguments,
    /// Those of every installation, whatever --owner says
    #[arg(long)]
    pub(crate) all_owners: bool,
    /// Measure how large they are, which the engine may take a while for
    #[arg(long)]
    pub(crate) size: bool,
    /// Print a JSON array
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) engine: EngineArguments,
}

#[derive(Debug, Args)]
pub(crate) struct InspectArguments {
    /// The volume
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Measure how large it is, which the engine may take a while for
    #[arg(long)]
    pub(crate) size: bool,
    /// Print a JSON object
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) engine: EngineArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArguments {
    #[command(flatten)]
    scope: ScopeArguments,
    #[command(flatten)]
    policy: PolicyArguments,
    #[command(flatten)]
    reader: ReaderArguments,
    /// Print a JSON object
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) engine: EngineArguments,
    /// The volume as a job would ask for it
    #[arg(value_name = "SPEC")]
    spec: String,
}

impl ExplainArguments {
    pub(crate) fn scope(&self) -> Result<volume_manager::Scope, Failure> {
        self.scope.scope()
    }

    pub(crate) fn policy(&self) -> Result<volume_manager::Policy, Failure> {
        self.policy.policy(&self.engine)
    }

    pub(crate) fn spec(&self) -> Result<VolumeSpec, Failure> {
        let reader = self.reader.reader()?;
        reader.read(&self.spec).map_err(|error| Failure::explain(&error))
    }
}

#[derive(Debug, Args)]
pub(crate) struct RmArguments {
    /// The volumes
    #[arg(required = true, value_name = "NAME")]
    pub(crate) names: Vec<String>,
    #[command(flatten)]
    pub(crate) owner: OwnerArguments,
    #[command(flatten)]
    pub(crate) engine: EngineArguments,
}
