//! The command line.

mod job;
mod run;
mod shared;
mod spec;
mod sweep;
mod volumes;
mod workspace;

use clap::Parser;

pub(crate) use run::{Request, RunArguments};
pub(crate) use shared::{EngineArguments, EngineKind, StateArguments};
pub(crate) use spec::SpecArguments;
pub(crate) use sweep::SweepArguments;
pub(crate) use volumes::{
    ExplainArguments, InspectArguments, LsArguments, RmArguments, VolumesArguments,
    VolumesSubcommand,
};

/// Runs CI jobs in containers, with their caches in named Docker volumes.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) subcommand: Subcommand,
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Subcommand {
    /// Run a job and exit with its exit code
    ///
    /// Exit codes: the script's own; 124 when something took longer than it may; 130 when it was
    /// interrupted; 125 when berth itself failed.
    Run(Box<RunArguments>),
    /// Print the `docker` lines that mean the same, without any engine
    Plan(Box<RunArguments>),
    /// Show how volume specs are read, without any engine
    ///
    /// Exit codes: 0; 2 when a spec is invalid; 125 when berth itself failed.
    Spec(SpecArguments),
    /// Look at the volumes that Berth made, and remove them
    ///
    /// Exit codes: 0; 1 when a volume is not there or stays; 125 when berth itself failed.
    Volumes(Box<VolumesArguments>),
    /// Remove what runs have left that were killed, never a cache
    ///
    /// What a run of this machine left goes when its process has ended; of runs of other machines, and
    /// of other state folders, when its deadline has passed by the engine's clock. `berth run` does this
    /// by itself when an earlier run of this machine was killed.
    ///
    /// Exit codes: 0; 1 when something stays that should not; 125 when berth itself failed.
    Sweep(Box<SweepArguments>),
}
