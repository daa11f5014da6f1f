//! The steps of `ci` and their order.

use anyhow::Result;

use super::{audit, features, report::Report, toolchain};
use crate::{demo, e2e, engine, process, shells, tidy, workspace::Workspace};

/// Runs all steps up to the first that fails, and sums them up. `with_engine` is whether an engine
/// is provided when none answers; without, the steps that need one are left out.
pub(crate) async fn run(workspace: &Workspace, with_engine: bool) -> Result<()> {
    let mut report = Report::default();
    let result = steps(workspace, with_engine, &mut report).await;
    println!("\n{report}");
    result
}

async fn steps(workspace: &Workspace, with_engine: bool, report: &mut Report) -> Result<()> {
    report.step("toolchain", toolchain::check(workspace)).await?;
    report.step("format", cargo(workspace, &["fmt", "--all", "--check"])).await?;
    report.step("tidy", async { tidy::run(workspace) }).await?;
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
    report.step("clippy", cargo(workspace, &clippy)).await?;
    report.step("features", features::check(workspace)).await?;
    report.step("documentation", documentation(workspace)).await?;
    report.step("dependencies", audit::dependencies(workspace)).await?;
    if audit::database_is_within_reach(workspace).await? {
        report.step("advisories", audit::advisories(workspace)).await?;
    } else {
        report.omit("advisories", "NOT checked, the database is out of reach");
    }
    report.step("shells", shells::ensure()).await?;
    let tests = ["test", "--workspace", "--all-features", "--locked"];
    report.step("tests", cargo(workspace, &tests)).await?;
    if !with_engine {
        for name in ["engine", "e2e", "podman", "demo"] {
            report.omit(name, "NOT run, as asked by --no-engine");
        }
        return Ok(());
    }
    report.step("engine", async { engine::up().await.map(drop) }).await?;
    report.step("e2e", async { e2e::run(workspace, None).await.map(drop) }).await?;
    if engine::podman::can_be_provided() {
        report.step("podman", e2e::short_on_podman(workspace)).await?;
    } else {
        report.omit("podman", "NOT run, it is provided on Debian alone, as root");
    }
    report.step("demo", demo::run(workspace, demo::Build::Tests)).await
}

async fn cargo(workspace: &Workspace, arguments: &[&str]) -> Result<()> {
    process::run(&mut workspace.cargo(arguments.iter().copied())).await
}

async fn documentation(workspace: &Workspace) -> Result<()> {
    let mut command =
        workspace.cargo(["doc", "--workspace", "--no-deps", "--all-features", "--locked"]);
    process::run(command.env("RUSTDOCFLAGS", "-D warnings")).await
}
