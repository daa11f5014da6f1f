//! `berth`: runs CI jobs in containers, with their caches in named Docker volumes.

mod args;
mod engine;
mod failure;
mod plan;
mod run;
mod signal;
mod sink;
mod spec;
mod stage;
mod sweep;
mod table;
mod teller;
mod volumes;

use std::{io::IsTerminal as _, process::ExitCode};

use clap::Parser as _;
use tracing_subscriber::{EnvFilter, filter::LevelFilter, fmt::format::FmtSpan};

use crate::{
    args::{Arguments, Subcommand},
    failure::OUR_FAILURE,
};

/// Names our own crates alone: what the client library logs has requests' bodies in it. So the variable
/// holds a level and nothing else, and what is none logs nothing.
fn log_filter(level: Option<&str>) -> EnvFilter {
    let level = level.filter(|level| !level.is_empty());
    let level = level.and_then(|level| level.parse().ok()).unwrap_or(LevelFilter::OFF);
    EnvFilter::new(format!(
        "docker_api_trait={level},executor={level},volume_manager={level},berth={level}"
    ))
}

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
    let filter = log_filter(std::env::var("BERTH_LOG").ok().as_deref());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        // A line for each job, phase, step and request as it ends, with the time that it took.
        .with_span_events(FmtSpan::CLOSE)
        .with_ansi(std::io::stderr().is_terminal())
        // Where nobody reads it, it is not written; complaining there would end the process.
        .log_internal_errors(false)
        .with_writer(|| teller::Log)
        .init();
    let outcome = match arguments.subcommand {
        Subcommand::Run(arguments) => run::run(&arguments),
        Subcommand::Plan(arguments) => plan::plan(&arguments),
        Subcommand::Spec(arguments) => spec::spec(&arguments),
        Subcommand::Sweep(arguments) => sweep::sweep(&arguments),
        Subcommand::Volumes(arguments) => volumes::volumes(&arguments.subcommand),
    };
    let code = outcome.unwrap_or_else(|failure| {
        failure.show();
        OUR_FAILURE
    });
    teller::finish();
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_of_our_own_crates_whatever_the_variable_holds() {
        for level in ["trace", "TRACE", "info", "off", "5"] {
            let filter = log_filter(Some(level)).to_string();
            assert_eq!(filter.split(',').count(), 4, "{level}: {filter}");
        }
        let off = log_filter(None).to_string();
        for smuggled in ["trace,hyper=trace", "bollard=trace", "trace,", "trace=", "loud", ""] {
            let filter = log_filter(Some(smuggled)).to_string();
            assert_eq!(filter, off, "{smuggled}");
        }
    }
}
