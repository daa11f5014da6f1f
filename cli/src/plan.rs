//! `berth plan`.

use std::io::{self, Write as _};

use executor::{JobPlan, RunContext, docker_commands, plan_for_remote_engine};

use crate::{
    args::{Request, RunArguments},
    failure::Failure,
};

/// Decides what a run will make and do; of an engine on this host, with a look at what is mounted of
/// it.
pub(crate) fn decide(request: &Request, context: &RunContext) -> Result<JobPlan, Failure> {
    let decide =
        if request.engine.is_on_this_host() { executor::plan } else { plan_for_remote_engine };
    decide(&request.job, &request.config, context).map_err(|error| Failure::explain(&error))
}

/// Prints the `docker` lines that mean the same as a run.
pub(crate) fn plan(arguments: &RunArguments) -> Result<u8, Failure> {
    let request = arguments.request()?;
    let plan = decide(&request, &RunContext::draw())?;
    let mut output = io::stdout().lock();
    for command in docker_commands(&plan) {
        writeln!(output, "{command}").map_err(|error| Failure::unwritable(&error))?;
    }
    Ok(0)
}
