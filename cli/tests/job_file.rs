//! The job file that docs/jobs.md shows.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeSet, fs, process::Command};

use executor::JobSpec;

const DOCUMENT: &str = include_str!("../../docs/jobs.md");

fn example() -> &'static str {
    let (_, rest) = DOCUMENT.split_once("```toml\n").unwrap();
    rest.split_once("```").unwrap().0
}

#[test]
fn the_documents_example_can_be_planned() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("job.toml");
    fs::write(&path, example()).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_berth"))
        .args(["plan", "--host", "unix:///nonexistent", "--pull", "always,if-not-present"])
        .arg("--file")
        .arg(&path)
        .output()
        .unwrap();
    let (plan, errors) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{errors}");
    for part in ["docker network create", "postgres:16", "redis:7", "debian:bookworm", "alpine:3"] {
        assert!(plan.contains(part), "{part}: {plan}");
    }
    assert!(!plan.contains("BEGIN KEY"), "{plan}");
}

/// The lines that `berth plan` prints for a job file of this name and text.
fn plan(name: &str, text: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    fs::write(&path, text).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_berth"))
        .args(["plan", "--host", "unix:///nonexistent", "--file"])
        .arg(&path)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn files_of_windows_editors_are_read_as_others() {
    let toml = "project = \"app\"\ntrust = \"trusted\"\nimage = \"busybox\"\n\n[[steps]]\n\
                name = \"a\"\nscript = \"\"\"\nif true; then\n  echo on\nfi\n\"\"\"\n";
    let json = r#"{"project": "app", "trust": "trusted", "image": "busybox",
        "steps": [{"name": "a", "script": "if true; then\n  echo on\nfi\n"}]}"#;
    let script = |text: &str| text.split_once("'if true").unwrap().1.to_owned();
    for (name, text) in [("job.toml", toml), ("job.json", json)] {
        let expected = script(&plan(name, text));
        assert!(expected.contains("then\n  echo on\nfi\n"), "{expected}");
        let windows = format!("\u{feff}{}", text.replace('\n', "\r\n"));
        assert_eq!(script(&plan(name, &windows)), expected, "{name}");
        let escaped = text.replace("then\\n", "then\\r\\n");
        assert_eq!(script(&plan(name, &escaped)), expected, "{name}");
    }
}

#[test]
fn the_document_has_every_key_of_its_example_and_the_example_almost_every_key() {
    let job: JobSpec = toml::from_str(example()).unwrap();
    let written = serde_json::to_value(&job).unwrap();
    let written: BTreeSet<&str> = written.as_object().unwrap().keys().map(String::as_str).collect();
    let documented: BTreeSet<&str> = DOCUMENT
        .lines()
        .skip_while(|line| *line != "## Keys")
        .skip(1)
        .take_while(|line| !line.starts_with("An **image**"))
        .filter_map(|line| line.strip_prefix("| `"))
        .flat_map(|line| line.split('|').next().unwrap().split('`'))
        .filter(|word| !word.trim().is_empty() && *word != ", ")
        .collect();
    assert_eq!(written, documented, "each key of a job has its row, and each row its key");
}
