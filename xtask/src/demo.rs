//! `demo`: runs one job twice; the second run finds what the first one left in its cache.

use std::{
    fs,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow};
use serde_json::Value;

use crate::{
    engine,
    failure::failure,
    image, process,
    workspace::{Build, Workspace},
};

const OWNER: &str = "demo";

/// Stands for a build whose inputs can be kept: slow without them, fast with them.
const SCRIPT: &str = "\
if [ -f /cache/warm ]; then
    echo \"warm: $(wc -c < /cache/warm) bytes are in /cache already\"
else
    echo \"cold: /cache is empty; working for it\"
    sleep 2
    dd if=/dev/zero of=/cache/warm.part bs=1048576 count=32 2> /dev/null
    mv /cache/warm.part /cache/warm
fi";

/// Runs the demo, and fails unless the second job found the first one's cache.
pub(crate) fn run(workspace: &Workspace, build: Build) -> Result<()> {
    // Before Cargo compiles for a minute.
    engine::check()?;
    // While it compiles, the engine's packages are downloaded.
    let (engine, berth) = thread::scope(|scope| {
        let engine = scope.spawn(|| {
            let engine = engine::up()?;
            image::ensure(&engine)
        });
        let berth = workspace.build("berth", build);
        (engine.join().unwrap_or_else(|_| Err(anyhow!("providing the engine panicked"))), berth)
    });
    let (image, berth) = (engine?, berth?);
    // So that the first job has a cold cache, also when the demo has run before.
    for cache in caches(&berth)? {
        process::read(Command::new(&berth).args(["volumes", "rm", "--owner", OWNER, &cache]))?;
    }

    let reports = tempfile::tempdir().context("could not make a temporary directory")?;
    let cold = job(&berth, &image, &reports.path().join("cold.json"), "created")?;
    let warm = job(&berth, &image, &reports.path().join("warm.json"), "reused")?;

    println!();
    println!("cold: {:.1} s  warm: {:.1} s", cold.as_secs_f64(), warm.as_secs_f64());
    for cache in caches(&berth)? {
        println!("the cache stays for the next job; remove it with: docker volume rm {cache}");
    }
    Ok(())
}

/// The names of the demo's caches.
fn caches(berth: &Path) -> Result<Vec<String>> {
    let mut list = Command::new(berth);
    list.args(["volumes", "ls", "--owner", OWNER, "--json"]);
    let text = process::read(&mut list)?;
    let volumes: Vec<Value> = serde_json::from_str(&text)
        .with_context(|| format!("the output of `{}`", process::command_line(&list)))?;
    let caches = volumes.iter().filter(|volume| volume["kind"] == "cache");
    Ok(caches.filter_map(|volume| volume["name"].as_str().map(str::to_owned)).collect())
}

/// Runs the job, checks what it reports of its cache, and returns how long it took.
fn job(berth: &Path, image: &str, report: &Path, expected: &str) -> Result<Duration> {
    println!();
    let mut command = Command::new(berth);
    command
        .args(["run", "--image", image, "--owner", OWNER, "--project", "demo"])
        .args(["--volume", "/cache", "--report"])
        .arg(report)
        .args(["--", SCRIPT]);
    let start = Instant::now();
    process::run(&mut command)?;
    let duration = start.elapsed();
    let text = fs::read_to_string(report)
        .with_context(|| format!("`berth run` wrote no report to {}", report.display()))?;
    let state = volume_state(&text)?;
    if state != expected {
        return Err(failure(
            format!("the job's cache should be {expected}, and its report says {state}"),
            "`docker volume ls --filter label=dev.berth.owner=demo` shows the demo's caches",
        ));
    }
    Ok(duration)
}

/// The state of the job's only volume in its report.
fn volume_state(report: &str) -> Result<String> {
    let report: Value = serde_json::from_str(report).context("the job's report is not JSON")?;
    report["volumes"][0]["state"]
        .as_str()
        .map(str::to_owned)
        .with_context(|| format!("the job's report has no state of its volume: {report}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_of_the_first_volume_is_read_from_the_report() {
        let report = r#"{"outcome":"success","volumes":[{"name":"x","state":"reused"}]}"#;
        assert_eq!(volume_state(report).unwrap(), "reused");
        assert!(volume_state(r#"{"volumes":[]}"#).is_err());
        assert!(volume_state("").is_err());
    }
}
