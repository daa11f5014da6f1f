//! `--config` without an engine: warnings, strict reading, and what the file may mount.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    process::{Command, Output},
};

/// `berth run --engine memory` with this file as `config.toml`.
fn run(file: &str, more: &[&str]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.toml");
    fs::write(&path, file).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_berth"));
    command.current_dir(directory.path()).env("BERTH_STATE_DIR", directory.path().join("state"));
    command.args(["run", "--engine", "memory", "--project", "app", "--image", "busybox"]);
    command.arg("--config").arg(&path).args(more).args(["--", "true"]);
    command.output().unwrap()
}

/// A file with these lines in `[runners.docker]`.
fn docker(lines: &str) -> String {
    format!("[[runners]]\nexecutor = \"docker\"\n[runners.docker]\n{lines}\n")
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn unknown_keys_are_warned_about_and_the_job_runs() {
    let output = run(&docker("memroy = \"1g\"\nfuture_key = { a = 1 }"), &[]);
    let errors = errors(&output);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    let warning = "berth: warning: line 4: runners.docker.memroy: is unknown and has no effect; did \
                   you mean memory?";
    assert!(errors.lines().any(|line| line == warning), "{errors}");
    assert!(errors.contains("berth: warning: line 5: runners.docker.future_key: "), "{errors}");
    let quiet = run(&docker("memroy = \"1g\""), &["--quiet"]);
    assert_eq!(quiet.status.code(), Some(0));
    assert!(!self::errors(&quiet).contains("memroy"));
}

#[test]
fn strict_config_refuses_warnings_before_anything_runs() {
    let helper = docker("helper_image = \"helper:${CI_RUNNER_VERSION}\"");
    for (file, line) in [(docker("memroy = \"1g\""), "line 4"), (helper, "line 4")] {
        let output = run(&file, &["--strict-config"]);
        let errors = errors(&output);
        assert_eq!(output.status.code(), Some(125), "{errors}");
        assert!(errors.starts_with("berth: error: ") && errors.contains(line), "{errors}");
        assert!(errors.contains("--strict-config") && output.stdout.is_empty(), "{errors}");
        assert_eq!(errors.lines().count(), 2, "{errors}");
    }
    let fine = format!("concurrent = 4\n{}", docker("Pull_Policy = \"never\""));
    let output = run(&fine, &["--strict-config"]);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
}

#[test]
fn strict_config_needs_a_config() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_berth"));
    let output = command.args(["run", "--image", "busybox", "--strict-config", "--", "true"]);
    assert_eq!(output.output().unwrap().status.code(), Some(125));
}

#[test]
fn host_paths_of_the_file_are_mounted_and_a_jobs_are_not() {
    let file = docker(
        "volumes = [\"/sys/fs/cgroup:/sys/fs/cgroup:ro\", \"/dev/shm:/dev/shm\", \"/dev:/dev\"]",
    );
    let output = run(&file, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let output = run(&docker(""), &["--volume", "/etc:/host"]);
    let shown = errors(&output);
    assert_eq!(output.status.code(), Some(125), "{shown}");
    assert!(shown.contains("--allow-host-paths"), "{shown}");
}

#[test]
fn an_engine_socket_in_the_file_needs_a_flag_or_a_key() {
    let file = docker("volumes = [\"/var/run/docker.sock:/var/run/docker.sock\", \"/cache\"]");
    let output = run(&file, &[]);
    let shown = errors(&output);
    assert_eq!(output.status.code(), Some(125), "{shown}");
    assert!(shown.contains("--allow-engine-socket"), "{shown}");
    let allowed = run(&file, &["--allow-engine-socket"]);
    assert_eq!(allowed.status.code(), Some(0), "{}", errors(&allowed));
    let keyed = run(&format!("{file}[runners.berth]\nallow_engine_socket = true\n"), &[]);
    assert_eq!(keyed.status.code(), Some(0), "{}", errors(&keyed));
    // That permission is not the job's.
    let jobs = ["--allow-engine-socket", "--volume", "/run/docker.sock:/s"];
    assert_eq!(run(&docker(""), &jobs).status.code(), Some(125));
}

#[test]
fn a_relative_cache_directory_begins_at_the_working_directory() {
    let output = run(&docker("cache_dir = \"cache\"\nvolumes = [\"/cache\"]"), &[]);
    let shown = errors(&output);
    assert_eq!(output.status.code(), Some(0), "{shown}");
    assert!(shown.contains("cache_dir: is relative") && shown.contains("/cache\n"), "{shown}");
}
