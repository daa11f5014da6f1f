//! What the program says and does at its worst, without an engine: its log at its loudest, and links to
//! an engine's socket.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod canary;

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::{fs::symlink, net::UnixListener},
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use canary::{canary, forms, found};

#[test]
fn a_secret_is_found_in_every_form_wherever_it_stands() {
    let secret = canary("self");
    let secrets = [secret.clone()];
    assert!(forms(&secret).len() >= 10, "{:?}", forms(&secret));
    for before in ["", "x", "xy", "xyz"] {
        for after in ["", "x", "xy"] {
            let text = BASE64_STANDARD.encode(format!("{before}{secret}{after}"));
            assert!(!found(&text, &secrets).is_empty(), "{before:?} {after:?} in {text}");
        }
    }
    for form in forms(&secret) {
        assert!(!found(&format!("before {form} after"), &secrets).is_empty(), "{form}");
    }
    assert_eq!(found("canary-other", &secrets), [""; 0]);
}

/// A socket that keeps what it is sent, says that it is an engine, and has nothing.
struct Engine {
    folder: tempfile::TempDir,
    heard: Arc<Mutex<Vec<u8>>>,
    connections: Arc<AtomicUsize>,
}

fn answer(request: &[u8]) -> (&'static str, &'static str) {
    if request.starts_with(b"GET /version ") {
        let version = r#"{"Version":"20.10.24","ApiVersion":"1.41","Os":"linux","Arch":"amd64"}"#;
        ("200 OK", version)
    } else if request.starts_with(b"GET /info ") {
        ("200 OK", r#"{"ID":"ENGINE","OSType":"linux"}"#)
    } else {
        ("404 Not Found", r#"{"message":"nothing here"}"#)
    }
}

impl Engine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("run/engine")).unwrap();
        let listener = UnixListener::bind(folder.path().join("run/engine/e.sock")).unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(AtomicUsize::new(0));
        let (bytes, count) = (Arc::clone(&heard), Arc::clone(&connections));
        thread::spawn(move || {
            for mut connection in listener.incoming().flatten() {
                count.fetch_add(1, Ordering::SeqCst);
                let mut piece = vec![0; 65536];
                let Ok(length) = connection.read(&mut piece) else { continue };
                bytes.lock().unwrap().extend_from_slice(&piece[..length]);
                let (status, body) = answer(&piece[..length]);
                let reply_head =
                    format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length");
                let _ = write!(connection, "{reply_head}: {}\r\n\r\n{body}", body.len());
                // The body may come apart from its reply_head.
                let _ = connection.shutdown(std::net::Shutdown::Write);
                while let Ok(length @ 1..) = connection.read(&mut piece) {
                    bytes.lock().unwrap().extend_from_slice(&piece[..length]);
                }
            }
        });
        Self { folder, heard, connections }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn berth(&self, arguments: &[&str], settings: &[(&str, &str)]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_berth"))
            .args(arguments)
            .env("DOCKER_HOST", format!("unix://{}", self.at("run/engine/e.sock").display()))
            .env("BERTH_STATE_DIR", self.at("state"))
            .envs(settings.iter().copied())
            .output()
            .unwrap()
    }
}

#[test]
fn the_log_at_its_loudest_has_no_secret_and_nothing_of_the_client_library() {
    for loudest in ["trace", "trace,bollard=trace,hyper=trace,hyper_util=trace,rustls=trace"] {
        let engine = Engine::new();
        let secrets = [canary("loud")];
        let settings =
            [("BERTH_LOG", loudest), ("RUST_LOG", "trace"), ("LOUD", secrets[0].as_str())];
        // A program has its secrets in its environment, and that is in the request for its container.
        let output = engine.berth(
            &["run", "--image", "busybox", "--project", "p", "--secret", "LOUD", "--", "echo", "x"],
            &settings,
        );
        assert_eq!(output.status.code(), Some(125));
        let heard = String::from_utf8_lossy(&engine.heard.lock().unwrap()).into_owned();
        assert!(!found(&heard, &secrets).is_empty(), "the request has it: {heard}");
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(found(&said, &secrets), [""; 0]);
        assert_eq!(said.contains("docker_api_trait"), loudest == "trace", "{said}");
        let said = said.replace("docker_api_trait::bollard::", "");
        for target in ["bollard", "hyper", "rustls", "mio::", "tokio::"] {
            assert!(!said.contains(target), "{target} in {said}");
        }
    }
}

/// The arguments are refused, and the engine did not hear of them.
#[track_caller]
fn assert_refused(engine: &Engine, source: &Path) {
    let spec = format!("{}:/x", source.display());
    let folder = "run --image busybox --project p --allow-host-paths --volume";
    for subcommand in ["run", "plan"] {
        let words: Vec<&str> = folder.split(' ').skip(1).collect();
        let arguments = [&[subcommand][..], &words, &[&spec, "--", "true"]].concat();
        let output = engine.berth(&arguments, &[]);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(125), "{spec}: {errors}");
        assert!(errors.contains("hint: ") && errors.contains("--allow-engine-socket"), "{errors}");
    }
    assert_eq!(engine.connections.load(Ordering::SeqCst), 0, "{spec}");
}

#[test]
fn a_link_to_the_engines_socket_is_refused_before_the_engine_hears_of_it() {
    let engine = Engine::new();
    fs::create_dir_all(engine.at("srv/data")).unwrap();
    for (name, target) in [
        ("socket", engine.at("run/engine/e.sock")),
        ("folder", engine.at("run/engine")),
        ("parent", engine.at("run")),
        ("root", PathBuf::from("/")),
        ("system", PathBuf::from("/var/run")),
        ("process", PathBuf::from("/proc/self/root")),
        ("chain", engine.at("srv/folder")),
        ("nowhere", PathBuf::from("/nonexistent/x")),
    ] {
        let link = engine.at("srv").join(name);
        symlink(target, &link).unwrap();
        assert_refused(&engine, &link);
        assert_refused(&engine, &engine.at("srv/data/..").join(name));
    }
    assert_refused(&engine, &engine.at("srv/root/var/run"));
    assert_refused(&engine, &engine.at("srv/parent/engine/e.sock"));
    // What leads to no socket is fine: only the engine is missing.
    symlink(engine.at("srv/data"), engine.at("fine")).unwrap();
    let spec = format!("{}:/x", engine.at("fine").display());
    let fine = ["plan", "--image", "busybox", "--project", "p", "--allow-host-paths", "-v", &spec];
    let output = engine.berth(&[&fine[..], &["--", "true"]].concat(), &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn what_changes_the_host_is_refused_without_leave_and_had_with_it() {
    let engine = Engine::new();
    for option in ["shared", "rshared", "slave", "rslave", "z", "Z"] {
        let spec = format!("/srv/x:/x:{option}");
        let fixed = ["plan", "--image", "busybox", "--project", "p", "--allow-host-paths"];
        let refused = engine.berth(&[&fixed[..], &["-v", &spec, "--", "true"]].concat(), &[]);
        let errors = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(125), "{errors}");
        assert!(errors.contains("--allow-host-options"), "{errors}");
        let allowed = ["--allow-host-options", "-v", &spec, "--", "true"];
        let had = engine.berth(&[&fixed[..], &allowed].concat(), &[]);
        assert!(had.status.success(), "{}", String::from_utf8_lossy(&had.stderr));
    }
    assert_eq!(engine.connections.load(Ordering::SeqCst), 0);
}
