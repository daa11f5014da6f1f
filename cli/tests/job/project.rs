//! A project of its own for a test.

use std::{
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use testkit::suite;
use tokio::time::Instant;

/// A project's name, and a folder of this machine for its files.
pub(crate) struct Project {
    pub(crate) name: String,
    folder: tempfile::TempDir,
}

impl Project {
    pub(crate) fn new(test: &str) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
        let name = format!("{test}-{}-{now}", std::process::id());
        Self { name, folder: tempfile::tempdir().unwrap() }
    }

    /// A path in the project's folder of this machine.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `berth run` for the project.
    pub(crate) fn berth(&self, more: &[&str]) -> Command {
        let owner = suite::owner();
        let mut command = Command::new(env!("CARGO_BIN_EXE_berth"));
        command.args(["run", "--owner", &owner, "--project", &self.name]).args(more);
        // What a test kills is not for the runs of other tests to sweep.
        command.env("BERTH_STATE_DIR", self.path("state"));
        command
    }

    /// `berth run` of a script.
    pub(crate) fn script(&self, more: &[&str], script: &str) -> Command {
        let mut command = self.berth(&["--image", &image()]);
        command.args(more).args(["--", script]);
        command
    }

    /// `berth run` of a job file, written from the keys that matter to the test.
    pub(crate) fn job(&self, more: &[&str], keys: &str) -> Command {
        self.job_of(&image(), more, keys)
    }

    /// As [`job`](Self::job), of another image.
    pub(crate) fn job_of(&self, image: &str, more: &[&str], keys: &str) -> Command {
        self.job_file(more, &format!("image = {image:?}\n{keys}"))
    }

    /// As [`job`](Self::job), of an image that the keys tell.
    pub(crate) fn job_file(&self, more: &[&str], keys: &str) -> Command {
        let file = self.path("job.toml");
        let text = format!("project = {:?}\ntrust = \"trusted\"\n{keys}", self.name);
        std::fs::write(&file, text).unwrap();
        let mut command = self.berth(&["--file", file.to_str().unwrap()]);
        command.args(more);
        command
    }

    /// Runs it; the report comes back, too.
    pub(crate) fn report(&self, command: &mut Command) -> (Output, Value) {
        let path = self.path("report.json");
        let mut words: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
        // Before what is run.
        words.splice(1..1, ["--report".into(), path.clone().into_os_string()]);
        let mut reporting = Command::new(env!("CARGO_BIN_EXE_berth"));
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => reporting.env(name, value),
                None => reporting.env_remove(name),
            };
        }
        let output = reporting.args(words).output().unwrap();
        let report = std::fs::read(path).unwrap_or_else(|_| panic!("{}", stderr(&output)));
        (output, serde_json::from_slice(&report).unwrap())
    }

    /// Sweeps what a run has left whose time was over in the middle of a request: the engine may have done
    /// what was asked only after that.
    pub(crate) fn sweep(&self) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_berth"));
        command.args(["sweep", "--owner", &suite::owner()]);
        command.env("BERTH_STATE_DIR", self.path("state")).output().unwrap();
    }

    /// Its containers that are there, running or not.
    pub(crate) fn containers(&self) -> Vec<String> {
        self.objects(&["ps", "--all", "--quiet", "--no-trunc"])
    }

    /// Nothing of the project's runs is left: caches alone may stay.
    #[track_caller]
    pub(crate) fn assert_nothing_left(&self) {
        let none: [String; 0] = [];
        assert_eq!(self.containers(), none, "containers");
        assert_eq!(self.objects(&["network", "ls", "--quiet"]), none, "networks");
        // Of several labels Podman lists what has any: the kind is looked at here.
        let mut volumes = self.objects(&["volume", "ls", "--quiet"]);
        let kind = "{{index .Labels \"dev.berth.kind\"}}";
        volumes.retain(|volume| {
            docker(&["volume", "inspect", "--format", kind, volume]).trim() == "temporary"
        });
        assert_eq!(volumes, none, "temporary volumes");
    }

    fn objects(&self, words: &[&str]) -> Vec<String> {
        let filter = format!("label=dev.berth.project={}", self.name);
        let found = docker(&[words, &["--filter", &filter]].concat());
        found.lines().map(ToOwned::to_owned).collect()
    }
}

/// A job under way. A test that fails takes the program down with it, and the script goes with that.
pub(crate) struct Running(Option<Child>);

impl Running {
    /// Starts it, and waits until it has written `first`, all of it.
    #[track_caller]
    pub(crate) fn start(command: &mut Command, first: &str) -> Self {
        let started = Self::try_start(command, first);
        started.unwrap_or_else(|ended| panic!("it ended: {}", stderr(&ended)))
    }

    /// As [`start`](Self::start), of a job that may end before; then with how it ended.
    #[track_caller]
    pub(crate) fn try_start(command: &mut Command, first: &str) -> Result<Self, Output> {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut running = Self(Some(child));
        let mut seen = vec![0; first.len()];
        if running.child().stdout.as_mut().unwrap().read_exact(&mut seen).is_err() {
            return Err(running.end());
        }
        assert_eq!(String::from_utf8_lossy(&seen), first);
        Ok(running)
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        self.0.as_mut().unwrap()
    }

    /// Reads what it says on its standard error until these words have come.
    #[track_caller]
    pub(crate) fn hear(&mut self, words: &str) {
        let errors = self.child().stderr.as_mut().unwrap();
        let (mut said, mut byte) = (Vec::new(), [0]);
        while !said.ends_with(words.as_bytes()) {
            let heard = errors.read_exact(&mut byte).is_ok();
            assert!(heard, "it ended: {}", String::from_utf8_lossy(&said));
            said.extend(byte);
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(self.0.as_ref().unwrap()), signal).unwrap();
    }

    pub(crate) fn end(mut self) -> Output {
        self.0.take().unwrap().wait_with_output().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Runs the `docker` program; what it wrote.
#[track_caller]
pub(crate) fn docker(words: &[&str]) -> String {
    let output = Command::new("docker").args(words).output().unwrap();
    assert!(output.status.success(), "docker {words:?}: {}", stderr(&output));
    stdout(&output)
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn within(limit: Duration, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < limit, "it was not so within {limit:?}");
        pause(Duration::from_millis(50));
    }
}

pub(crate) fn pause(time: Duration) {
    std::thread::park_timeout(time);
}

/// The image of most tests: busybox.
pub(crate) fn image() -> String {
    suite::image().to_string()
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// `path` as text.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
