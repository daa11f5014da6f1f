//! Parses the command line and calls one module for each command.

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser as _;

use crate::{
    arguments::{Arguments, Command, EngineCommand},
    ci, demo, engine, failure, product, test, tidy,
    workspace::{Build, Workspace},
};

/// Runs the command that the process's arguments name, and prints its failure with a hint.
pub fn run(dispatch: impl FnOnce(&Command) -> Result<()>) -> ExitCode {
    match dispatch(&Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            if let Some(hint) = failure::hint(&error) {
                eprintln!("hint: {hint}");
            }
            ExitCode::FAILURE
        }
    }
}

/// Runs a command. One that links the product is run by the other program.
///
/// # Errors
/// What the command reports.
pub fn dispatch(command: &Command) -> Result<()> {
    match *command {
        Command::Engine(EngineCommand::Status) => engine::status(),
        Command::Engine(EngineCommand::Up { podman: false }) => engine::up().map(drop),
        Command::Engine(EngineCommand::Up { podman: true }) => engine::podman::up().map(drop),
        Command::Engine(EngineCommand::Down { podman: false }) => engine::down(),
        Command::Engine(EngineCommand::Down { podman: true }) => engine::podman::down(),
        Command::Demo => demo::run(&Workspace::load()?, Build::Alone),
        Command::Test { require_engine } => test::run(&Workspace::load()?, require_engine),
        Command::Tidy => tidy::run(&Workspace::load()?),
        Command::Ci { no_engine, tested } => {
            ci::run(&Workspace::load()?, ci::Selection { engine: !no_engine, tests: !tested })
        }
        Command::Api { .. }
        | Command::E2e { .. }
        | Command::Bench(_)
        | Command::Soak { .. }
        | Command::Fuzz { .. } => product::become_product(&Workspace::load()?),
    }
}
