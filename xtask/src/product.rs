//! The program of the commands that link the product: builds it and starts it.

use std::{env, os::unix::process::CommandExt as _};

use anyhow::{Context as _, Result};

use crate::{
    process,
    workspace::{Build, Workspace},
};

/// The package, and the program in it.
const NAME: &str = "xtask-product";

/// Replaces this process by the other program, which gets the same arguments.
pub(crate) fn become_product(workspace: &Workspace) -> Result<()> {
    let mut command = workspace.cargo(["run", "--quiet", "--package", NAME, "--"]);
    command.args(env::args_os().skip(1));
    let error = command.exec();
    Err(error).with_context(|| format!("could not run `{}`", process::command_line(&command)))
}

/// Builds the other program together with the tests, which reuse what was built, and runs it.
pub(crate) fn run(workspace: &Workspace, arguments: &[&str]) -> Result<()> {
    let program = workspace.build(NAME, Build::WithTests)?;
    let mut command = workspace.command(program);
    process::run(command.args(arguments))
}
