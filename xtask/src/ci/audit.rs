//! The dependencies: licences, bans and sources always, known vulnerabilities when their database
//! can be fetched. The rules are in `deny.toml`.

use std::{
    fs::{self, File},
    process::Stdio,
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use crate::{process, workspace::Workspace};

/// The releases that understand our `deny.toml`.
const VERSION: &str = "^0.20";
/// The database is on a git host; a firewall that drops packets would hold us up for minutes.
const FETCH_LIMIT: Duration = Duration::from_secs(30);
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Checks what can be checked from the lock file and the crates' own manifests.
pub(super) fn dependencies(workspace: &Workspace) -> Result<()> {
    if !process::succeeds(&mut workspace.cargo(["deny", "--version"]))? {
        let mut install =
            workspace.cargo(["install", "cargo-deny", "--locked", "--version", VERSION]);
        process::run(&mut install)?;
    }
    // The graphs of the merely doubled crates are hundreds of lines; `cargo deny check` shows them.
    let check =
        ["deny", "--locked", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"];
    process::run(&mut workspace.cargo(check))
}

/// Fetches the database of vulnerabilities; `false` when that fails or takes too long.
pub(super) fn database_is_within_reach(workspace: &Workspace) -> Result<bool> {
    let mut fetch = workspace.cargo(["deny", "fetch", "db"]);
    println!("$ {}", process::command_line(&fetch));
    // To a file: a program that outlives the fetch would hold a pipe open.
    let path = workspace.build_directory().join("advisories.log");
    let log = File::create(&path).with_context(|| format!("could not write {}", path.display()))?;
    let spawned = fetch.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
    let mut child = process::checked(&fetch, spawned)?;
    let deadline = Instant::now() + FETCH_LIMIT;
    let status = loop {
        if let Some(status) = child.try_wait().context("could not wait for the fetch")? {
            break Some(status);
        }
        if Instant::now() >= deadline {
            child.kill().context("could not end the fetch")?;
            child.wait().context("could not wait for the fetch")?;
            break None;
        }
        sleep(POLL_INTERVAL);
    };
    let is_fetched = status.is_some_and(|status| status.success());
    if !is_fetched {
        println!("{}", fs::read_to_string(&path).unwrap_or_default().trim_end());
    }
    Ok(is_fetched)
}

/// Checks the dependencies against the database that was just fetched.
pub(super) fn advisories(workspace: &Workspace) -> Result<()> {
    let check = ["deny", "--locked", "--offline", "check", "advisories"];
    process::run(&mut workspace.cargo(check))
}
