//! The development commands that link the product. `cargo xtask` builds and starts this program, so that
//! the commands that a newcomer runs first do not wait for it.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the commands talk to a person")]

mod api;
mod bench;
mod e2e;
mod fixture;
mod fuzz;
mod inventory;
mod leftovers;
mod soak;
mod target;

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use xtask::{BenchCommand, Command, workspace::Workspace};

fn main() -> ExitCode {
    xtask::run(|command| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.context("could not start the runtime")?.block_on(dispatch(command))
    })
}

async fn dispatch(command: &Command) -> Result<()> {
    match *command {
        Command::E2e { short: true, .. } => e2e::short_on_podman(&Workspace::load()?).await,
        Command::E2e { ref filter, podman: true, .. } => {
            e2e::podman(&Workspace::load()?, filter.as_deref()).await
        }
        Command::E2e { ref filter, .. } => e2e::run(&Workspace::load()?, filter.as_deref()).await,
        Command::Api { update } => api::run(&Workspace::load()?, update),
        Command::Bench(command) => bench(command).await,
        Command::Soak { jobs, faults, seed, json } => soak::soak(jobs, faults, seed, json).await,
        Command::Fuzz { seconds, ref targets } => fuzz::run(&Workspace::load()?, seconds, targets),
        _ => xtask::dispatch(command),
    }
}

async fn bench(command: BenchCommand) -> Result<()> {
    match command {
        BenchCommand::Floor { pairs, json } => bench::floor(pairs, json).await,
        BenchCommand::Mask { json } => bench::mask(json),
        BenchCommand::Job { pairs, json } => bench::job(pairs, json).await,
        BenchCommand::Log { megabytes, pairs, json } => bench::log(megabytes, pairs, json).await,
        BenchCommand::Many { jobs, pairs, json } => bench::many(jobs, pairs, json).await,
        BenchCommand::Volumes { rounds, json } => bench::volumes(rounds, json).await,
    }
}
