//! The program without an engine: bad input, plans, and the engine in memory.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::{Command, Output};

fn berth(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_berth"))
        .args(arguments)
        .env("DOCKER_HOST", "unix:///nonexistent/docker.sock")
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// `run --image busybox` with more arguments, and the script `true`.
fn run(more: &[&str]) -> Output {
    let mut arguments = vec!["run", "--image", "busybox", "--project", "app"];
    arguments.extend(more);
    arguments.extend(["--", "true"]);
    berth(&arguments)
}

/// One line of error with `part` in it, one of hint, and our exit code.
#[track_caller]
fn assert_refused(output: &Output, part: &str) {
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(125), "{errors}");
    let lines: Vec<&str> = errors.lines().collect();
    assert_eq!(lines.len(), 2, "{errors}");
    assert!(lines[0].starts_with("berth: error: ") && lines[0].contains(part), "{errors}");
    assert!(lines[1].starts_with("hint: "), "{errors}");
    assert!(output.stdout.is_empty());
}

#[test]
fn what_has_to_be_a_folder_is_looked_at_before_the_job() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let file = file.to_str().unwrap();
    let absent = folder.path().join("absent");
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&absent, &link).unwrap();
    for path in [file, link.to_str().unwrap()] {
        assert_refused(&run(&["--artifact", "x", "--output", path]), "is no folder");
    }
    for path in [file, absent.to_str().unwrap()] {
        assert_refused(&run(&["--workspace", path]), "is no folder");
    }
    assert!(!absent.exists());
}

/// A reader that stops before it has read all: what is between is full when we begin.
#[test]
fn a_standard_error_that_nobody_reads_keeps_no_job_from_its_end() {
    use std::io::Write as _;
    let (reader, mut writer) = std::io::pipe().unwrap();
    let flags = rustix::fs::fcntl_getfl(&writer).unwrap();
    rustix::fs::fcntl_setfl(&writer, flags | rustix::fs::OFlags::NONBLOCK).unwrap();
    while writer.write(&[b'x'; 4096]).is_ok() {}
    while writer.write(b"x").is_ok() {}
    rustix::fs::fcntl_setfl(&writer, flags).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_berth"));
    command.args(["run", "--engine", "memory", "--image", "busybox", "--project", "app"]);
    command.args(["--volume", "/cache", "--memory-exit-code", "3", "--", "exit 3"]);
    let status = command.stdout(std::process::Stdio::null()).stderr(writer).status().unwrap();
    assert_eq!(status.code(), Some(3));
    drop(reader);
}

#[test]
fn bad_input_is_one_line_and_a_hint() {
    for (more, part) in [
        (&["--env", ""][..], "environment variable"),
        (&["--env", "NAME"], "no `=`"),
        (&["--env", "=value"], "name is empty"),
        (&["--volume", "relative/path"], "not an absolute path"),
        (&["--volume", "/cache", "--volume", "/cache"], "/cache is taken twice"),
        (&["--volume", "/cache", "--volume", "/cache/"], "/cache is taken twice"),
        (&["--volume", "/etc:/etc"], "may not be mounted"),
        (&["--volume", "/proc"], "/proc"),
        (&["--workdir", "relative"], "the working directory"),
        (&["--host", "ssh://engine"], "unsupported scheme"),
        (&["--memory-state", "x"], "for --engine memory"),
        (&["--memory-exit-code", "1"], "for --engine memory"),
        (&["--engine", "memory", "--host", "unix:///x"], "for --engine docker"),
    ] {
        let output = run(more);
        assert_refused(&output, part);
    }
}

#[test]
fn a_time_limit_of_ages_is_a_time_limit() {
    for timeout in ["9000y", "18446744073709551615s"] {
        let more = ["--engine", "memory", "--no-cache", "--volume", "/c", "--timeout", timeout];
        let output = run(&more);
        assert_eq!(output.status.code(), Some(0), "{timeout}: {}", text(&output.stderr));
    }
}

#[test]
fn an_empty_script_is_refused() {
    assert_refused(&berth(&["run", "--image", "busybox", "--", ""]), "script is empty");
}

#[test]
fn a_project_without_a_name_is_refused() {
    let arguments = ["run", "--image", "busybox", "--project", "", "--", "true"];
    assert_refused(&berth(&arguments), "project's name is empty");
}

#[test]
fn an_illegal_image_is_refused() {
    assert_refused(&berth(&["run", "--image", "../x", "--", "true"]), "image reference");
}

#[test]
fn an_engine_that_is_nowhere_is_named() {
    assert_refused(&run(&[]), "/nonexistent/docker.sock");
}

#[test]
fn a_socket_that_nobody_serves_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let host = format!("unix://{}", file.path().display());
    assert_refused(&run(&["--host", &host]), "cannot connect");
}

#[test]
fn a_report_that_cannot_be_written_is_said_before_the_engine_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    assert_refused(&run(&["--report", "/nonexistent/report.json"]), "report");
    assert_refused(&run(&["--report", folder.path().to_str().unwrap()]), "it is a folder");
    let dangling = folder.path().join("dangling");
    std::os::unix::fs::symlink("nowhere", &dangling).unwrap();
    assert_refused(&run(&["--report", dangling.to_str().unwrap()]), "no plain file");
    let socket = folder.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    // As a device or a pipe would be: it must not be replaced by a file.
    assert_refused(&run(&["--report", socket.to_str().unwrap()]), "no plain file");
    assert!(!socket.is_file());
    assert_eq!(folder.path().read_dir().unwrap().count(), 2, "nothing is left there");
}

#[test]
fn a_plan_needs_no_engine_and_its_words_survive_the_shell() {
    let script = "echo \"it's $HOME\"\nls";
    let output = berth(&["plan", "--image", "busybox", "--volume", "/cache", "--", script]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let words = shlex::split(&text(&output.stdout)).unwrap();
    assert_eq!(words[..3], ["docker", "volume", "create"]);
    assert_eq!(words.last().unwrap(), script);
}

#[test]
fn in_memory_the_exit_code_is_given_and_no_script_is_executed() {
    let output = run(&["--engine", "memory", "--memory-exit-code", "7"]);
    assert_eq!(output.status.code(), Some(7));
    assert!(text(&output.stderr).contains("no script is executed"), "{}", text(&output.stderr));
}

#[test]
fn in_memory_a_second_run_reuses_the_first_ones_cache() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state.json");
    let report = folder.path().join("report.json");
    for expected in ["created", "reused"] {
        let output = run(&[
            "--engine",
            "memory",
            "--memory-state",
            state.to_str().unwrap(),
            "--volume",
            "/cache",
            "--report",
            report.to_str().unwrap(),
        ]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let report: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
        assert_eq!(report["volumes"][0]["state"], expected);
    }
}

#[test]
fn a_report_goes_where_a_link_leads_and_the_link_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (real, link) = (folder.path().join("real.json"), folder.path().join("link.json"));
    std::fs::write(&real, "old").unwrap();
    std::os::unix::fs::symlink("real.json", &link).unwrap();
    let output = run(&["--engine", "memory", "--report", link.to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(link.is_symlink() && std::fs::read_to_string(&real).unwrap().contains("\"schema\""));
}

#[test]
fn a_bound_workspace_with_an_engines_socket_in_it_needs_leave() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("unix://{}/docker.sock", folder.path().canonicalize().unwrap().display());
    let path = folder.path().to_str().unwrap();
    let output = run(&["--workspace", path, "--bind", "--host", &address]);
    assert_refused(&output, "socket");
}
