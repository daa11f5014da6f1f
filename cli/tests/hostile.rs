//! What must be refused before the engine hears of it: a socket that records everything hears
//! nothing.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    os::unix::net::UnixListener,
    path::Path,
    process::{Command, Output},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// Counts connections; answers none.
struct Capture {
    folder: tempfile::TempDir,
    connections: Arc<AtomicUsize>,
}

impl Capture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("engine.sock")).unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        thread::spawn(move || {
            for connection in listener.incoming() {
                count.fetch_add(1, Ordering::SeqCst);
                drop(connection);
            }
        });
        Self { folder, connections }
    }

    fn socket(&self) -> std::path::PathBuf {
        self.folder.path().join("engine.sock")
    }

    fn berth(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_berth"))
            .args(arguments)
            .env("DOCKER_HOST", format!("unix://{}", self.socket().display()))
            .output()
            .unwrap()
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// The arguments are refused with one line of error and one of hint, and nothing was sent.
    #[track_caller]
    fn assert_refuses(&self, arguments: &[&str]) {
        let output = self.berth(arguments);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(125), "{arguments:?}: {errors}");
        let lines: Vec<&str> = errors.lines().collect();
        assert_eq!(lines.len(), 2, "{arguments:?}: {errors}");
        assert!(lines[0].starts_with("berth: error: "), "{arguments:?}: {errors}");
        assert!(lines[1].starts_with("hint: "), "{arguments:?}: {errors}");
        assert_eq!(self.connections(), 0, "{arguments:?} reached the engine");
    }

    fn assert_run_refuses(&self, more: &[&str]) {
        let fixed = ["run", "--image", "busybox", "--project", "app"];
        self.assert_refuses(&[&fixed[..], more, &["--", "true"]].concat());
    }
}

#[test]
fn the_capture_hears_a_job_that_is_fine() {
    let capture = Capture::new();
    let fine = ["run", "--outage", "0s", "--image", "busybox", "--project", "p", "-v", "/c", "--"];
    let output = capture.berth(&[&fine[..], &["true"]].concat());
    assert_eq!(output.status.code(), Some(125));
    assert!(capture.connections() > 0, "or else the other tests would prove nothing");
}

#[test]
fn hostile_destinations_send_nothing() {
    let capture = Capture::new();
    let long = format!("/{}", "x/".repeat(2500));
    for destination in [
        "/c/../../etc",
        "/..",
        "/",
        "/proc",
        "/proc/self",
        "/sys/fs/cgroup",
        "/dev",
        "/x/../dev/shm",
        "/a\nb",
        "/a\u{7f}",
        "/a\u{85}b",
        &long,
        "/\u{ff0f}proc",
        "/pr\u{43e}c",
        "/\u{2024}\u{2024}/etc",
        "/cache\u{202e}",
        "/ca\u{200b}che",
    ] {
        capture.assert_run_refuses(&["--volume", destination]);
        capture.assert_run_refuses(&["--volume", &format!("data:{destination}")]);
    }
    // NUL cannot be passed as an argument, so a variable's value cannot have it either; the
    // library's own tests have it.
    capture.assert_run_refuses(&["--env", "UP=../../..", "--volume", "/c/$UP"]);
    capture.assert_run_refuses(&["--env", "AT=/proc", "--volume", "$AT"]);
}

#[test]
fn hostile_sources_send_nothing() {
    let capture = Capture::new();
    let socket = capture.socket();
    let parents: Vec<&Path> = socket.ancestors().collect();
    let own = parents.iter().map(|path| path.to_str().unwrap());
    let usual = ["/var/run/docker.sock", "/run/docker.sock", "/var/run", "/run", "/var", "/"];
    for source in usual.into_iter().chain(own).filter(|source| !source.is_empty()) {
        let spec = format!("{source}:/x");
        capture.assert_run_refuses(&["--volume", &spec]);
        capture.assert_run_refuses(&["--allow-host-paths", "--volume", &spec]);
    }
    for source in ["..", ".", "../..", "./x", "~/x", "/../..", "$UNSET", ""] {
        let spec = format!("{source}:/x");
        capture.assert_run_refuses(&["--allow-host-paths", "--volume", &spec]);
    }
}

#[test]
fn hostile_volume_names_send_nothing() {
    let capture = Capture::new();
    let long = "x".repeat(256);
    let names =
        ["../containers/x", "x?force=true", "", &long, "a/b", "%2e%2e", "x#", "a b", "-x", "a\nb"];
    for name in names {
        capture.assert_run_refuses(&[&format!("--volume={name}:/x")]);
        capture.assert_refuses(&["volumes", "rm", "--", name]);
        capture.assert_refuses(&["volumes", "inspect", "--", name]);
        capture.assert_refuses(&["volumes", "rm", "--", "fine-name", name]);
    }
    capture.assert_run_refuses(&["--volume", "berth-c1-app-cache-0123:/stolen"]);
}

#[test]
fn hostile_scopes_send_nothing() {
    let capture = Capture::new();
    let long = "x".repeat(1025);
    for text in ["a\nb", "\u{1b}[2J", "a\u{7f}", "\u{85}", &long] {
        for option in ["--project", "--owner", "--key"] {
            let fixed = ["run", "--image", "busybox", "--volume", "/c", option, text];
            capture.assert_refuses(&[&fixed[..], &["--", "true"]].concat());
            capture.assert_refuses(&["volumes", "explain", option, text, "/c"]);
        }
    }
}

#[test]
fn hostile_policies_send_nothing() {
    let capture = Capture::new();
    for more in [
        &["--cache-dir", "relative"][..],
        &["--cache-dir", "/../x"],
        &["--volume-opt", "no-equals-sign"],
        &["--volume-opt", "=x"],
        &["--volume", "/cache:shared"],
        &["--volume", "/cache", "--volume", "/x/../cache"],
    ] {
        capture.assert_run_refuses(more);
    }
}
