//! A benchmark of our own speed, which a debug build cannot tell.

use anyhow::Result;

use xtask::{process, workspace::Workspace};

/// Makes a release build and runs it with these arguments, those of `bench`.
pub(super) fn run(arguments: &[&str]) -> Result<()> {
    let cargo = ["run", "--release", "--quiet", "--package", "xtask-product", "--", "bench"];
    let mut command = Workspace::load()?.cargo(cargo);
    command.args(arguments);
    eprintln!("$ {}", process::command_line(&command));
    let status = command.status();
    let status = process::checked(&command, status)?;
    process::expect_success(&command, status)
}
