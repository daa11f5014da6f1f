//! `berth`: runs CI jobs in containers, with their caches in named Docker volumes.

mod args;
mod engine;
mod failure;
mod plan;
mod run;
mod sink;
mod spec;
mod table;
mod volumes;

use std::{io::IsTerminal as _, process::ExitCode};

use clap::Parser as _;
use tracing_subscriber::{EnvFilter, fmt::format::FmtSpan};

use crate::{
    args::{Arguments, Subcommand},
    failure::OUR_FAILURE,
};

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Nothing is left to report to when this cannot be printed.
            let _ = error.print();
            // Not clap's 2: that could be the script's own.
            return ExitCode::from(if error.use_stderr() { OUR_FAILURE } else { 0 });
        }
    };
    // The filter names our own crates: what the client library logs has requests' bodies in it.
    let filter = std::env::var("BERTH_LOG").map_or_else(
        |_| EnvFilter::new("off"),
        |level| {
            EnvFilter::new(format!(
                "docker_api_trait={level},executor={level},volume_manager={level},berth={level}"
            ))
        },
    );
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        // A line for each job, phase, step and request as it ends, with the time that it took.
        .with_span_events(FmtSpan::CLOSE)
        .with_ansi(std::io::stderr().is_terminal())
        // Where nobody reads it, it is not written; complaining there would end the process.
        .log_internal_errors(false)
        .with_writer(std::io::stderr)
        .init();
    let outcome = match arguments.subcommand {
        Subcommand::Run(arguments) => run::run(&arguments),
        Subcommand::Plan(arguments) => plan::plan(&arguments),
        Subcommand::Spec(arguments) => spec::spec(&arguments),
        Subcommand::Volumes(arguments) => volumes::volumes(&arguments.subcommand),
    };
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            failure.show();
            ExitCode::from(OUR_FAILURE)
        }
    }
}
