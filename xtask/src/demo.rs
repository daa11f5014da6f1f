//! `demo`: one job twice; the second finds what the first left in its cache.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result};
use cargo_metadata::Message;
use docker_api_trait::{DockerApi, ImageReference};
use tokio::{process::Command, time::Instant};

use crate::{
    engine, failure::failure, image, inventory, leftovers::Object, process, workspace::Workspace,
};

const OWNER: &str = "demo";

/// Stands for a build whose inputs can be kept: slow without them, quick with them.
const SCRIPT: &str = "\
if [ -f /cache/warm ]; then
    echo \"warm: $(wc -c < /cache/warm) bytes are in /cache already\"
else
    echo \"cold: /cache is empty; working for it\"
    sleep 2
    dd if=/dev/zero of=/cache/warm.part bs=1048576 count=32 2> /dev/null
    mv /cache/warm.part /cache/warm
fi";

/// What Cargo builds to have the program.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Build {
    /// The program alone.
    Program,
    /// All that the tests have built already, so that nothing is built anew with other features.
    Tests,
}

/// Runs the demo, and fails unless the second job found the first one's cache.
pub(crate) async fn run(workspace: &Workspace, built: Build) -> Result<()> {
    let docker = engine::up().await?.docker;
    let image = image::ensure_image(&docker).await?;
    let berth = build(workspace, built).await?;
    // So that the first job is a cold one, also when the demo has run before.
    inventory::remove(&docker, &demo_caches(&docker).await?).await?;

    let reports = tempfile::tempdir().context("could not make a temporary folder")?;
    let cold = job(&berth, &image, &reports.path().join("cold.json"), "created").await?;
    let warm = job(&berth, &image, &reports.path().join("warm.json"), "reused").await?;

    println!();
    println!("cold: {:.1} s  warm: {:.1} s", cold.as_secs_f64(), warm.as_secs_f64());
    for volume in demo_caches(&docker).await? {
        println!(
            "the cache stays for the next job; remove it with: docker volume rm {}",
            volume.name
        );
    }
    Ok(())
}

/// Builds the program and returns where cargo put it.
async fn build(workspace: &Workspace, built: Build) -> Result<PathBuf> {
    let mut command = workspace.cargo(["build", "--message-format", "json-render-diagnostics"]);
    command.args(match built {
        Build::Program => &["--package", "berth"][..],
        Build::Tests => &["--workspace", "--all-features", "--all-targets"],
    });
    println!("$ {}", process::command_line(&command));
    let messages = process::read(&mut command).await?;
    built_program(&messages)
        .with_context(|| format!("`{}` built no program", process::command_line(&command)))
}

fn built_program(messages: &str) -> Option<PathBuf> {
    Message::parse_stream(messages.as_bytes()).filter_map(Result::ok).find_map(|message| {
        let Message::CompilerArtifact(artifact) = message else { return None };
        // The program's own tests are one of the same name.
        let is_program = artifact.target.name == "berth" && !artifact.profile.test;
        let program = artifact.executable.filter(|_| is_program)?;
        Some(program.into_std_path_buf())
    })
}

async fn demo_caches(docker: &dyn DockerApi) -> Result<Vec<Object>> {
    let mut objects = inventory::take(docker).await?;
    objects.retain(|object| object.is_cache() && object.owner() == Some(OWNER));
    Ok(objects)
}

/// Runs the job, checks what it says of its cache, and returns how long it took.
async fn job(
    berth: &Path,
    image: &ImageReference,
    report: &Path,
    expected: &str,
) -> Result<Duration> {
    println!();
    let mut command = Command::new(berth);
    command
        .args(["run", "--image", image.as_str(), "--owner", OWNER, "--project", "demo"])
        .args(["--volume", "/cache", "--report"])
        .arg(report)
        .args(["--", SCRIPT]);
    let start = Instant::now();
    process::run(&mut command).await?;
    let took = start.elapsed();
    let text = fs::read_to_string(report)
        .with_context(|| format!("`berth run` wrote no report to {}", report.display()))?;
    let state = volume_state(&text)?;
    if state != expected {
        return Err(failure(
            format!("the job's cache was to be {expected}, and its report says {state}"),
            "`docker volume ls --filter label=dev.berth.owner=demo` shows the demo's caches",
        ));
    }
    Ok(took)
}

/// What the report says of the job's only volume.
fn volume_state(report: &str) -> Result<String> {
    let report: serde_json::Value =
        serde_json::from_str(report).context("the job's report is not JSON")?;
    report["volumes"][0]["state"]
        .as_str()
        .map(str::to_owned)
        .with_context(|| format!("the job's report tells no state of its volume: {report}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_of_the_first_volume_is_read_from_the_report() {
        let report = r#"{"outcome":"success","volumes":[{"name":"x","state":"reused"}]}"#;
        assert_eq!(volume_state(report).unwrap(), "reused");
        assert!(volume_state(r#"{"volumes":[]}"#).is_err());
        assert!(volume_state("").is_err());
    }

    #[test]
    fn the_program_is_where_cargo_says() {
        let messages = r#"{"reason":"compiler-artifact","package_id":"path+file:///w/cli#berth@0.1.0","manifest_path":"/w/cli/Cargo.toml","target":{"kind":["bin"],"crate_types":["bin"],"name":"berth","src_path":"/w/cli/src/main.rs","edition":"2024","doc":true,"doctest":false,"test":true},"profile":{"opt_level":"0","debuginfo":1,"debug_assertions":true,"overflow_checks":true,"test":false},"features":[],"filenames":["/t/debug/berth"],"executable":"/t/debug/berth","fresh":true}
{"reason":"build-finished","success":true}"#;
        assert_eq!(built_program(messages), Some(PathBuf::from("/t/debug/berth")));
        // What Cargo built of its tests is not it.
        let tests = messages.replace("\"test\":false", "\"test\":true");
        assert_eq!(built_program(&tests), None);
        assert_eq!(built_program(r#"{"reason":"build-finished","success":true}"#), None);
    }
}
