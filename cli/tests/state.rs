//! The state folder, without an engine: where it is, who is alive in it, and that a job does without.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use executor::instance::{Instances, Life};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

/// With nothing of the user's that says where the state folder is.
fn berth(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_berth"));
    command.args(arguments).env("DOCKER_HOST", "unix:///nonexistent/docker.sock");
    command.env_remove("BERTH_STATE_DIR").env_remove("XDG_STATE_HOME").env_remove("HOME");
    command
}

const RUN: [&str; 7] = ["run", "--image", "busybox", "--project", "app", "--", "true"];
/// How the note begins that a run has no evidence.
const NOTE: &str = "berth: what a crash leaves is swept by its deadline: ";

fn output(command: &mut Command) -> (Output, String) {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, errors)
}

/// The run got as far as the engine, which is not there.
#[track_caller]
fn assert_went_on(output: &Output, errors: &str) {
    assert_eq!(output.status.code(), Some(125), "{errors}");
    assert!(errors.contains("/nonexistent/docker.sock"), "{errors}");
}

#[test]
fn a_folder_that_cannot_be_used_is_a_note_and_the_run_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let malformed = folder.path().join("malformed");
    fs::create_dir(&malformed).unwrap();
    fs::write(malformed.join("host"), "no token").unwrap();
    for unusable in [&file, &file.join("below"), &malformed] {
        let (output, errors) = output(berth(&RUN).env("BERTH_STATE_DIR", unusable));
        assert_eq!(errors.matches(NOTE).count(), 1, "{errors}");
        assert_went_on(&output, &errors);
    }
    assert_eq!(fs::read(&file).unwrap(), b"", "it is as it was");
}

#[test]
fn without_a_home_there_is_a_note_and_the_run_goes_on() {
    let (ended, errors) = output(&mut berth(&RUN));
    assert!(errors.starts_with(NOTE), "{errors}");
    assert_went_on(&ended, &errors);
    let (ended, errors) = output(berth(&RUN).env("HOME", "relative").env("BERTH_STATE_DIR", ""));
    assert!(errors.starts_with(NOTE), "{errors}");
    assert_went_on(&ended, &errors);
    let quiet = ["run", "--quiet", "--image", "busybox", "--project", "app", "--", "true"];
    let (ended, errors) = output(&mut berth(&quiet));
    assert!(!errors.contains(NOTE), "{errors}");
    assert_went_on(&ended, &errors);
}

#[test]
fn the_folder_is_the_one_given_then_the_states_then_the_homes() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let token = |folder: &Path| folder.join("host").exists();
    let with_home = |arguments: &[&str]| {
        let mut command = berth(arguments);
        command.env("HOME", path("home"));
        command
    };
    let (_, errors) = output(&mut with_home(&RUN));
    assert!(token(&path("home/.local/state/berth")), "{errors}");
    let (_, errors) = output(with_home(&RUN).env("XDG_STATE_HOME", path("state")));
    assert!(token(&path("state/berth")), "{errors}");
    let variable = ("BERTH_STATE_DIR", path("variable"));
    let (_, errors) =
        output(with_home(&RUN).env("XDG_STATE_HOME", path("unused")).env(variable.0, &variable.1));
    assert!(token(&path("variable")) && !path("unused").exists(), "{errors}");
    let option = path("option");
    let arguments = [&["run", "--state-dir", option.to_str().unwrap()], &RUN[1..]].concat();
    let (_, errors) = output(with_home(&arguments).env(variable.0, path("also-unused")));
    assert!(token(&option) && !path("also-unused").exists(), "{errors}");
}

#[test]
fn in_memory_nothing_is_claimed_and_nothing_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let with_state = |arguments: &[&str]| {
        let mut command = berth(arguments);
        command.env("BERTH_STATE_DIR", &state);
        command
    };
    let run = [&RUN[..1], &["--engine", "memory"], &RUN[1..]].concat();
    let (ended, errors) = output(&mut with_state(&run));
    assert_eq!(ended.status.code(), Some(0), "{errors}");
    assert!(!state.exists());

    let instances = Instances::open(&state).unwrap().with_engine("unix:///var/run/docker.sock");
    drop(instances.claim().unwrap());
    let (ended, errors) = output(&mut with_state(&["sweep", "--engine", "memory"]));
    assert_eq!(ended.status.code(), Some(0), "{errors}");
    assert_eq!(String::from_utf8_lossy(&ended.stdout), "nothing is left\n");
    assert_eq!(instances.dead().unwrap().len(), 1, "it died on another engine");
}

#[test]
fn a_sweep_without_an_engine_is_our_failure() {
    let folder = tempfile::tempdir().unwrap();
    for more in [&[][..], &["--dry-run"], &["--json"], &["--all-owners"]] {
        let arguments = [&["sweep", "--outage", "0s"], more].concat();
        let (ended, errors) = output(berth(&arguments).env("BERTH_STATE_DIR", folder.path()));
        assert_eq!(ended.status.code(), Some(125), "{errors}");
        assert!(errors.starts_with("berth: error: ") && errors.contains("\nhint: "), "{errors}");
        assert!(ended.stdout.is_empty());
    }
}

#[test]
fn a_run_that_ends_by_itself_leaves_no_lock() {
    let folder = tempfile::tempdir().unwrap();
    let instances = Instances::open(folder.path()).unwrap();
    let refused = ["run", "--image", "busybox", "--project", "", "--", "true"];
    let (ended, errors) = output(berth(&refused).env("BERTH_STATE_DIR", folder.path()));
    assert_eq!(ended.status.code(), Some(125), "{errors}");
    assert_eq!(instances.dead().unwrap(), [""; 0]);
    let left = locks(folder.path());
    assert!(left.is_empty(), "{left:?}");
}

/// The locks in a state folder, held or not.
fn locks(state: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(state.join("instances")) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|ending| ending == "lock")).collect()
}

/// Runs that wait for an engine that accepts and never answers.
struct Waiting {
    folder: tempfile::TempDir,
    children: Vec<Child>,
    _engine: UnixListener,
}

impl Waiting {
    /// Starts so many at once, with a state folder that is not there yet; returns when each has its
    /// lock. They are stopped then: an engine that does not answer is given up in half a minute.
    async fn start(count: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("engine.sock");
        let engine = UnixListener::bind(&socket).unwrap();
        let host = format!("unix://{}", socket.display());
        let start = || {
            let mut command = berth(&RUN);
            command.env("DOCKER_HOST", &host).env("BERTH_STATE_DIR", folder.path().join("state"));
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        };
        let children = (0..count).map(|_| start()).collect();
        let waiting = Self { folder, children, _engine: engine };
        let limit = Instant::now() + Duration::from_secs(25);
        while locks(&waiting.state()).len() < count {
            assert!(Instant::now() < limit, "{:?}", locks(&waiting.state()));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        for child in &waiting.children {
            kill_process(Pid::from_child(child), Signal::STOP).unwrap();
        }
        waiting
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// What each process's label is, by its lock.
    fn labels(&self) -> Vec<String> {
        let token = fs::read_to_string(self.state().join("host")).unwrap();
        let stem = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
        let locks = locks(&self.state()).into_iter().map(stem);
        locks.map(|nonce| format!("{}.{nonce}", token.trim_end())).collect()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[tokio::test]
async fn a_process_lives_until_it_is_killed_and_each_has_a_lock_of_its_own() {
    let mut waiting = Waiting::start(8).await;
    let instances = Instances::open(&waiting.state()).unwrap();
    let labels = waiting.labels();
    assert_eq!(labels.len(), 8);
    let living = |labels: &[String]| {
        labels.iter().filter(|label| instances.life(label) == Life::Lives).count()
    };
    assert_eq!(living(&labels), 8, "all agreed on one token");
    for (killed, child) in waiting.children.iter_mut().enumerate() {
        assert_eq!(instances.dead().unwrap().len(), killed);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(living(&labels), 7 - killed);
    }
    let mut dead = instances.dead().unwrap();
    dead.sort();
    let mut labels = labels;
    labels.sort();
    assert_eq!(dead, labels);
}

#[test]
fn a_program_that_a_process_has_started_does_not_keep_its_lock() {
    let folder = tempfile::tempdir().unwrap();
    let instances = Instances::open(folder.path()).unwrap();
    let instance = instances.claim().unwrap();
    let label = instance.label().to_owned();
    let mut child = Command::new("sleep").arg("60").spawn().unwrap();
    assert_eq!(instances.life(&label), Life::Lives);
    drop(instance);
    assert_eq!(instances.life(&label), Life::Dead);
    assert!(child.try_wait().unwrap().is_none(), "the program is still there");
    child.kill().unwrap();
    child.wait().unwrap();
}
