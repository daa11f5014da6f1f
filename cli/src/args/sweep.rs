//! The arguments of `berth sweep`.

use clap::Args;

use super::shared::{EngineArguments, OwnerArguments, StateArguments};

#[derive(Debug, Args)]
pub(crate) struct SweepArguments {
    /// Tell what would be removed, and remove nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) owner: OwnerArguments,
    /// What every installation left, whatever --owner says
    #[arg(long)]
    pub(crate) all_owners: bool,
    /// Print a JSON object
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) state: StateArguments,
    #[command(flatten)]
    pub(crate) engine: EngineArguments,
}
