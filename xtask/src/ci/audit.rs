//! The dependencies: licences, bans and sources always, known vulnerabilities when their database
//! can be fetched. The rules are in `deny.toml`.

use std::{process::Stdio, time::Duration};

use anyhow::Result;
use tokio::time::timeout;

use crate::{process, workspace::Workspace};

/// The releases that understand our `deny.toml`.
const VERSION: &str = "^0.20";
/// The database is on a git host; a firewall that drops packets would hold us up for minutes.
const FETCH_LIMIT: Duration = Duration::from_secs(30);

/// Checks what can be checked from the lock file and the crates' own manifests.
pub(super) async fn dependencies(workspace: &Workspace) -> Result<()> {
    if !process::succeeds(&mut workspace.cargo(["deny", "--version"])).await? {
        let mut install =
            workspace.cargo(["install", "cargo-deny", "--locked", "--version", VERSION]);
        process::run(&mut install).await?;
    }
    // The graphs of the merely doubled crates are hundreds of lines; `cargo deny check` shows them.
    let check =
        ["deny", "--locked", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"];
    process::run(&mut workspace.cargo(check)).await
}

/// Fetches the database of vulnerabilities; `false` when that fails or takes too long.
pub(super) async fn database_is_within_reach(workspace: &Workspace) -> Result<bool> {
    let mut fetch = workspace.cargo(["deny", "fetch", "db"]);
    fetch.stdin(Stdio::null()).kill_on_drop(true);
    println!("$ {}", process::command_line(&fetch));
    // Captured, so that a program of its own that outlives it does not hold our output open.
    match timeout(FETCH_LIMIT, fetch.output()).await {
        Err(_) => Ok(false),
        Ok(output) => {
            let output = process::checked(&fetch, output)?;
            if !output.status.success() {
                println!("{}", String::from_utf8_lossy(&output.stderr).trim_end());
            }
            Ok(output.status.success())
        }
    }
}

/// Checks the dependencies against the database that was just fetched.
pub(super) async fn advisories(workspace: &Workspace) -> Result<()> {
    let check = ["deny", "--locked", "--offline", "check", "advisories"];
    process::run(&mut workspace.cargo(check)).await
}
