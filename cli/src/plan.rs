//! `berth plan`.

use std::io::{self, Write as _};

use executor::{RunContext, docker_commands, plan as plan_job};

use crate::{args::RunArguments, failure::Failure};

/// Prints the `docker` lines that mean the same as a run.
pub(crate) fn plan(arguments: &RunArguments) -> Result<u8, Failure> {
    let request = arguments.request()?;
    let plan = plan_job(&request.job, &request.config, &RunContext::draw()).map_err(|error| {
        let hint = error.hint();
        Failure::from_error(&error, Some(hint))
    })?;
    let mut output = io::stdout().lock();
    for command in docker_commands(&plan) {
        writeln!(output, "{command}").map_err(|error| Failure::unwritable(&error))?;
    }
    Ok(0)
}
