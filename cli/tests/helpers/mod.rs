//! Job files and configurations of real-engine tests, run by the program; and what the engine holds
//! of a project, by the `docker` program.

#![allow(dead_code, reason = "each test program uses its part")]

use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use tempfile::TempDir;
use testkit::suite;

/// What `cargo xtask e2e` says where a fixture is.
pub(crate) fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run `cargo xtask e2e`"))
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(crate) fn docker(arguments: &[&str]) -> Output {
    Command::new("docker").args(arguments).output().unwrap()
}

/// What the `docker` program wrote, without white space at its ends.
#[track_caller]
pub(crate) fn docker_says(arguments: &[&str]) -> String {
    let output = docker(arguments);
    assert!(output.status.success(), "docker {}: {}", arguments.join(" "), stderr(&output));
    stdout(&output).trim().to_owned()
}

/// A word that no other test draws.
pub(crate) fn unique(word: &str) -> String {
    let bytes = tempfile::Builder::new().rand_bytes(12).prefix("").tempdir().unwrap();
    let drawn = bytes.path().file_name().unwrap().to_string_lossy().to_lowercase();
    format!("{word}-{drawn}")
}

/// A project of a test's own, with a folder for its files.
pub(crate) struct Project {
    pub(crate) name: String,
    pub(crate) owner: String,
    folder: TempDir,
    settings: Vec<(String, String)>,
}

impl Project {
    pub(crate) fn new(test: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let owner = suite::owner();
        Self { name: unique(test), owner, folder, settings: Vec::new() }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// With an environment variable for the program.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.settings.push((name.to_owned(), value.to_owned()));
    }

    /// Writes a file of the test's; returns its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// The command that runs a job file. Project and trust are put before `job`; `docker` is the
    /// section of that name in the configuration.
    pub(crate) fn command(&self, job: &str, docker: Option<&str>, more: &[&str]) -> Command {
        let job = format!("project = {:?}\ntrust = \"trusted\"\n{job}", self.name);
        let mut command = Command::new(env!("CARGO_BIN_EXE_berth"));
        command.args(["run", "--owner", &self.owner, "--file"]).arg(self.write("job.toml", &job));
        if let Some(docker) = docker {
            let text = format!(
                "[[runners]]\nname = \"test\"\nexecutor = \"docker\"\n[runners.docker]\n{docker}"
            );
            command.arg("--config").arg(self.write("config.toml", &text));
        }
        command.args(more);
        // The user's own credentials are not a test's.
        command.env("DOCKER_CONFIG", self.folder.path());
        // What a test kills is not for the runs of other tests to sweep.
        command.env("BERTH_STATE_DIR", self.folder.path().join("state"));
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command
    }

    pub(crate) fn run(&self, job: &str, docker: Option<&str>) -> Output {
        self.command(job, docker, &[]).output().unwrap()
    }

    /// Starts a job and returns when its script has written `started`.
    #[track_caller]
    pub(crate) fn start(&self, job: &str, docker: Option<&str>) -> Running<'_> {
        self.start_with(job, docker, &[])
    }

    /// As [`start`](Self::start), with more arguments.
    #[track_caller]
    pub(crate) fn start_with(&self, job: &str, docker: Option<&str>, more: &[&str]) -> Running<'_> {
        let mut command = self.command(job, docker, more);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        if line == "started\n" {
            return Running { project: self, child: Some(child) };
        }
        panic!("{line:?}: {}", stderr(&child.wait_with_output().unwrap()));
    }

    /// The project's objects of a kind on the engine: `container`, `network` or `volume`.
    pub(crate) fn objects(&self, kind: &str) -> Vec<String> {
        let label = format!("label=dev.berth.project={}", self.name);
        let all: &[&str] = if kind == "container" { &["--all"] } else { &[] };
        let listed = docker_says(&[&[kind, "ls", "--quiet", "--filter", &label], all].concat());
        listed.lines().map(str::to_owned).collect()
    }

    /// No container, network or volume of the project's is there.
    #[track_caller]
    pub(crate) fn assert_nothing_left(&self) {
        for kind in ["container", "network", "volume"] {
            assert_eq!(self.objects(kind), [""; 0], "{kind}");
        }
    }
}

/// A job whose script waits, after the line `started`, for [`finish`](Running::finish): it is to end
/// with [`WAIT`]. A test that fails takes the program down with it, and the script goes with that.
pub(crate) struct Running<'a> {
    project: &'a Project,
    /// None once it has ended.
    child: Option<Child>,
}

/// What a script does until it is told to go on; its input is not ours, but signals are. Its own end,
/// after ten minutes and more, is for what nobody ends: no test is so slow.
pub(crate) const WAIT: &str =
    "echo started; n=0; until [ -e /tmp/go ] || [ $n = 6000 ]; do sleep 0.1; n=$((n+1)); done";

impl Running<'_> {
    /// The container of a kind: `build`, `helper` or `service`.
    #[track_caller]
    pub(crate) fn container(&self, kind: &str) -> String {
        let project = format!("label=dev.berth.project={}", self.project.name);
        let kind = format!("label=dev.berth.kind={kind}");
        docker_says(&["ps", "--quiet", "--filter", &project, "--filter", &kind])
    }

    /// What `docker inspect` shows of a container.
    #[track_caller]
    pub(crate) fn inspect(&self, kind: &str, format: &str) -> String {
        docker_says(&["inspect", "--format", format, &self.container(kind)])
    }

    /// Kills the program at once, and waits for its end.
    pub(crate) fn kill(mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Lets the script go on, and waits for the job's end.
    pub(crate) fn finish(mut self) -> Output {
        docker_says(&["exec", "--user", "0", &self.container("build"), "touch", "/tmp/go"]);
        self.child.take().unwrap().wait_with_output().unwrap()
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
