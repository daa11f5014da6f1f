//! The steps of `ci` and their order.

use anyhow::Result;

use super::{audit, features, report::Report, toolchain};
use crate::{
    demo, engine, process, product, shells, test, tidy,
    workspace::{Build, Workspace},
};

/// Which steps run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Selection {
    /// Those that need an engine, which is provided when none answers.
    pub(crate) engine: bool,
    /// The tests, also those on an engine.
    pub(crate) tests: bool,
}

/// Runs the steps up to the first that fails, and prints a table of them.
pub(crate) fn run(workspace: &Workspace, selection: Selection) -> Result<()> {
    let mut report = Report::default();
    let result = steps(workspace, selection, &mut report);
    println!("\n{report}");
    result
}

fn steps(workspace: &Workspace, selection: Selection, report: &mut Report) -> Result<()> {
    report.step("toolchain", || toolchain::check(workspace))?;
    report.step("format", || cargo(workspace, &["fmt", "--all", "--check"]))?;
    report.step("tidy", || tidy::run(workspace))?;
    let clippy = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--all-features",
        "--locked",
        "--",
        "-D",
        "warnings",
    ];
    report.step("clippy", || cargo(workspace, &clippy))?;
    report.step("features", || features::check(workspace))?;
    report.step("documentation", || documentation(workspace))?;
    report.step("dependencies", || audit::dependencies(workspace))?;
    if audit::database_is_within_reach(workspace)? {
        report.step("advisories", || audit::advisories(workspace))?;
    } else {
        report.omit("advisories", "NOT checked, the database is out of reach");
    }
    report.step("api", || product::run(workspace, &["api"]))?;
    let tested = "already run by `cargo xtask test`";
    if selection.tests {
        report.step("shells", shells::ensure)?;
        report.step("tests", || test::without_engine(workspace))?;
    } else {
        report.omit("tests", tested);
    }
    if !selection.engine {
        for name in ["engine", "e2e", "podman", "demo"] {
            report.omit(name, "NOT run, as asked by --no-engine");
        }
        return Ok(());
    }
    report.step("engine", || engine::up().map(drop))?;
    if selection.tests {
        report.step("e2e", || product::run(workspace, &["e2e"]))?;
    } else {
        report.omit("e2e", tested);
    }
    if engine::podman::can_be_provided() {
        let podman = ["e2e", "--podman", "--short"];
        report.step("podman", || product::run(workspace, &podman))?;
    } else {
        report.omit("podman", "NOT run, it is provided on Debian alone, as root");
    }
    report.step("demo", || demo::run(workspace, Build::WithTests))
}

fn cargo(workspace: &Workspace, arguments: &[&str]) -> Result<()> {
    process::run(&mut workspace.cargo(arguments.iter().copied()))
}

fn documentation(workspace: &Workspace) -> Result<()> {
    let mut command =
        workspace.cargo(["doc", "--workspace", "--no-deps", "--all-features", "--locked"]);
    process::run(command.env("RUSTDOCFLAGS", "-D warnings"))
}
