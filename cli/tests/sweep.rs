//! The sweep on a real engine: what a killed run leaves goes, and nothing else does.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod helpers;

use std::{
    collections::BTreeMap,
    process::{Command, Output},
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::{Duration, SystemTime},
};

use docker_api_trait::{
    BollardDocker, ContainerApi as _, ContainerRequest, Endpoint, EndpointSources, NetworkApi as _,
    NetworkRequest, VolumeApi as _, VolumeRequest,
};
use executor::instance::Instances;
use helpers::{Project, Running, WAIT, docker, docker_says, stderr, stdout, variable};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::Instant;
use volume_manager::label;

/// The test of time has the engine to itself, as far as these tests go.
static ENGINE: RwLock<()> = RwLock::new(());

enum Turn {
    Shared { _guard: RwLockReadGuard<'static, ()> },
    Alone { _guard: RwLockWriteGuard<'static, ()> },
}

/// An owner and a state folder of a test's own, so that no other test's sweep takes what is here.
struct Lab {
    project: Project,
    state: TempDir,
    _turn: Turn,
}

impl Lab {
    fn new(test: &str) -> Self {
        let guard = ENGINE.read().unwrap_or_else(PoisonError::into_inner);
        Self::with_turn(test, Turn::Shared { _guard: guard })
    }

    fn alone(test: &str) -> Self {
        let guard = ENGINE.write().unwrap_or_else(PoisonError::into_inner);
        Self::with_turn(test, Turn::Alone { _guard: guard })
    }

    fn with_turn(test: &str, turn: Turn) -> Self {
        let state = tempfile::tempdir().unwrap();
        let mut project = Project::new(test);
        project.owner = format!("{}-{}", project.owner, project.name);
        project.set("BERTH_STATE_DIR", state.path().to_str().unwrap());
        Self { project, state, _turn: turn }
    }

    /// Another project of the same owner and state folder.
    fn beside(&self, test: &str) -> Project {
        let mut project = Project::new(test);
        project.owner.clone_from(&self.project.owner);
        project.set("BERTH_STATE_DIR", self.state.path().to_str().unwrap());
        project
    }

    fn sweep_command(&self, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_berth"));
        command.args(["sweep", "--owner", &self.project.owner]).args(more);
        command.env("BERTH_STATE_DIR", self.state.path());
        command
    }

    #[track_caller]
    fn sweep(&self, more: &[&str], code: i32) -> Output {
        let output = self.sweep_command(more).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}{}", stdout(&output), stderr(&output));
        output
    }

    /// As a sweep tells it in JSON: removed, kept, failed. What belongs to other owners is not counted:
    /// other tests run on the same engine.
    #[track_caller]
    fn counts(&self, more: &[&str], code: i32) -> [usize; 3] {
        let output = self.sweep(&[more, &["--json"]].concat(), code);
        let swept: Value = serde_json::from_slice(&output.stdout).unwrap();
        ["removed", "kept", "failed"].map(|key| {
            let objects = swept[key].as_array().unwrap().iter();
            objects.filter(|object| object["why"] != "it belongs to another owner").count()
        })
    }

    fn instances(&self) -> Instances {
        Instances::open(self.state.path()).unwrap()
    }

    /// A process that died and left nothing yet: its label.
    fn dead(&self) -> String {
        self.instances().claim().unwrap().label().to_owned()
    }

    /// The labels of an object of the owner's, made by the process of this label.
    fn labels(&self, kind: &str, instance: &str) -> BTreeMap<String, String> {
        [
            (label::SCHEMA, label::SCHEMA_VERSION),
            (label::KIND, kind),
            (label::OWNER, &self.project.owner),
            (label::PROJECT, &self.project.name),
            (label::RUN, &self.project.name),
            (label::INSTANCE, instance),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
    }

    fn name(&self, letter: &str, place: usize) -> String {
        format!("berth-{letter}-x-{}-{place}", self.project.name)
    }

    /// Makes so many containers, networks and temporary volumes of a process.
    async fn leave(&self, instance: &str, [containers, networks, volumes]: [usize; 3]) {
        let engine = engine();
        for place in 0..containers {
            let name = self.name("b1", place).parse().unwrap();
            let mut request =
                ContainerRequest::new(name, variable("BERTH_E2E_IMAGE").parse().unwrap());
            request.labels = self.labels("build", instance);
            request.arguments = vec!["true".to_owned()];
            engine.create_container(&request).await.unwrap();
        }
        for place in 0..networks {
            let mut request = NetworkRequest::new(self.name("n1", place).parse().unwrap());
            request.labels = self.labels("network", instance);
            engine.create_network(&request).await.unwrap();
        }
        for place in 0..volumes {
            let request = VolumeRequest::new(self.name("t1", place).parse().unwrap());
            let request = request.with_labels(self.labels("temporary", instance));
            engine.create_volume(&request).await.unwrap();
        }
    }

    fn object_counts(&self) -> [usize; 3] {
        ["container", "network", "volume"].map(|kind| self.project.objects(kind).len())
    }
}

fn engine() -> BollardDocker {
    BollardDocker::new(Endpoint::resolve(&EndpointSources::from_process(None)).unwrap()).unwrap()
}

/// A job with a service and so a network, a cache with a file in it, and a temporary volume to build
/// in.
fn job(script: &str) -> String {
    let (image, service) = (variable("BERTH_E2E_IMAGE"), variable("BERTH_E2E_REDIS_IMAGE"));
    format!(
        "image = {image:?}\nvolumes = [\"/cache\"]\nbuild = {{ folder = \"/builds\", strategy = \"none\" }}\n\
         [[services]]\nimage = {service:?}\naliases = [\"cache\"]\n\
         [[steps]]\nname = \"work\"\nscript = '''\n{script}\n'''"
    )
}

fn killed(project: &Project) {
    let script = format!("echo canary > /cache/canary; {WAIT}");
    let running: Running<'_> = project.start(&job(&script), None);
    running.kill();
}

/// The cache is as the killed run left it; then it goes.
#[track_caller]
fn assert_cache_is_intact(project: &Project) {
    let output = project.run(&job("cat /cache/canary"), None);
    assert_eq!(stdout(&output), "canary\n", "{}", stderr(&output));
    let caches = project.objects("volume");
    assert_eq!(caches.len(), 1, "{caches:?}");
    docker_says(&["volume", "rm", &caches[0]]);
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn what_a_killed_run_left_goes_beside_a_living_one_and_its_cache_stays() {
    let lab = Lab::new("killed");
    let living = lab.beside("living");
    let living_run = living.start(&job(WAIT), None);
    killed(&lab.project);
    let left = lab.object_counts();
    assert_eq!(left, [2, 1, 2], "build and service, a network, a cache and a temporary volume");

    assert_eq!(lab.counts(&["--dry-run"], 0), [4, 4, 0]);
    assert_eq!(lab.object_counts(), left, "a look removes nothing");
    assert_eq!(lab.instances().dead().unwrap().len(), 1, "and forgets nobody");

    assert_eq!(lab.counts(&[], 0), [4, 4, 0]);
    assert_eq!(lab.object_counts(), [0, 0, 1], "the cache");
    assert_eq!(lab.instances().dead().unwrap(), [""; 0]);
    assert_eq!(lab.counts(&[], 0), [0, 4, 0]);

    let output = living_run.finish();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let caches = living.objects("volume");
    assert_eq!(caches.len(), 1);
    docker_says(&["volume", "rm", &caches[0]]);
    living.assert_nothing_left();
    assert_cache_is_intact(&lab.project);
}

#[tokio::test]
#[ignore = "needs Docker: cargo xtask e2e"]
async fn the_next_run_sweeps_by_itself_and_says_so_in_one_line() {
    let lab = Lab::new("next");
    killed(&lab.project);
    let next = lab.beside("after");
    let image = variable("BERTH_E2E_IMAGE");
    let script = |text: &str| {
        format!("image = {image:?}\n[[steps]]\nname = \"work\"\nscript = '''{text}'''")
    };
    // A sweep that is not done by the end of the job may be left to the next run.
    let running = next.start(&script(&format!("{WAIT}; echo done")), None);
    let limit = Instant::now() + Duration::from_mins(2);
    while lab.object_counts() != [0, 0, 1] || !lab.instances().dead().unwrap().is_empty() {
        assert!(Instant::now() < limit, "{:?}", lab.object_counts());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let output = running.finish();
    let errors = stderr(&output);
    assert_eq!((output.status.code(), stdout(&output)), (Some(0), "done\n".into()), "{errors}");
    let of_sweep: Vec<&str> = errors.lines().filter(|line| line.contains("swept")).collect();
    assert_eq!(of_sweep, ["berth: swept 4 things that earlier runs had left"], "{errors}");
    assert_eq!(lab.object_counts(), [0, 0, 1]);
    let again = next.run(&script("true"), None);
    assert!(!stderr(&again).contains("swept"), "{}", stderr(&again));
    next.assert_nothing_left();
    assert_cache_is_intact(&lab.project);
}

#[tokio::test]
#[ignore = "needs Docker: cargo xtask e2e"]
async fn a_hundred_leftovers_go_in_seconds() {
    let lab = Lab::alone("hundred");
    let limit = limit();
    let mut removed = Vec::new();
    // What an engine that is away for a while removes only after it was given up is on nobody's list.
    while removed.len() < 3 && !removed.contains(&100) {
        let dead = lab.dead();
        lab.leave(&dead, [50, 10, 40]).await;
        assert_eq!(lab.object_counts(), [50, 10, 40]);
        let begin = Instant::now();
        let [gone, kept, failed] = lab.counts(&[], 0);
        let took = begin.elapsed();
        assert_eq!([kept, failed], [0, 0]);
        assert_eq!(lab.object_counts(), [0, 0, 0]);
        println!("100 leftovers in {took:?}, of {limit:?}");
        assert!(took <= limit, "{took:?}");
        removed.push(gone);
    }
    assert_eq!(removed.last(), Some(&100), "{removed:?}");
}

/// How long the sweep of a hundred leftovers may take. On an engine that does nothing else five seconds
/// are enough, and who has such a one can ask for them; on one that others keep busy, more is no fault of
/// the sweep's.
fn limit() -> Duration {
    const VARIABLE: &str = "BERTH_SWEEP_LIMIT";
    let Some(seconds) = std::env::var_os(VARIABLE) else { return Duration::from_secs(90) };
    let seconds = seconds.to_str().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or_else(|| panic!("{VARIABLE} is a number of seconds")))
}

#[tokio::test]
#[ignore = "needs Docker: cargo xtask e2e"]
async fn strangers_other_owners_and_caches_stay() {
    let lab = Lab::new("strangers");
    let dead = lab.dead();
    lab.leave(&dead, [1, 1, 1]).await;
    let engine = engine();
    let image: docker_api_trait::ImageReference = variable("BERTH_E2E_IMAGE").parse().unwrap();
    let project = lab.project.name.clone();
    // A cache, and a volume of another owner, both of the dead process.
    for (name, kind, owner) in
        [("cache", "cache", &*lab.project.owner), ("other", "temporary", "e2e-someone-else")]
    {
        let mut labels = lab.labels(kind, &dead);
        labels.insert(label::OWNER.to_owned(), owner.to_owned());
        let name = format!("{name}-{project}").parse().unwrap();
        engine.create_volume(&VolumeRequest::new(name).with_labels(labels)).await.unwrap();
    }
    // A stranger's, with a name like ours; and one of an image that carries our labels.
    let stranger: docker_api_trait::VolumeName =
        format!("berth-t1-{project}-{}", "0".repeat(32)).parse().unwrap();
    engine.create_volume(&VolumeRequest::new(stranger.clone())).await.unwrap();
    let debug = format!("debug-{}", "0".repeat(4));
    let mut request = ContainerRequest::new(format!("{debug}-{project}-x").parse().unwrap(), image);
    request.labels = lab.labels("build", &dead);
    request.arguments = vec!["true".to_owned()];
    let debugged = engine.create_container(&request).await.unwrap();

    assert_eq!(lab.counts(&[], 0), [3, 1, 0], "the container with its image's labels stays");
    assert_eq!(lab.object_counts(), [1, 0, 2]);
    engine.inspect_volume(&stranger).await.unwrap();
    assert_eq!(lab.instances().dead().unwrap(), [dead], "another owner's sweep has work");
    engine.remove_container(&debugged.id).await.unwrap();
    for name in lab.project.objects("volume") {
        docker_says(&["volume", "rm", &name]);
    }
    engine.remove_volume(&stranger).await.unwrap();
}

#[tokio::test]
#[ignore = "needs Docker: cargo xtask e2e"]
async fn what_is_overdue_goes_and_what_is_not_yet_stays_whoever_made_it() {
    let lab = Lab::new("overdue");
    let engine = engine();
    let image: docker_api_trait::ImageReference = variable("BERTH_E2E_IMAGE").parse().unwrap();
    // Of an earlier version, and of another state folder. Our clock was wrong; the engine's counts.
    let elsewhere = format!("{}.{}", "a".repeat(32), "b".repeat(32));
    let written = SystemTime::now() - Duration::from_hours(3);
    let aged = |kind: &str, instance: &str, lifetime: Duration| {
        let mut labels = lab.labels(kind, instance);
        labels.insert(label::CREATED_AT.to_owned(), label::timestamp(written));
        labels.insert(label::DEADLINE.to_owned(), label::timestamp(written + lifetime));
        labels
    };
    let hour = Duration::from_hours(1);
    for (place, lifetime) in [Duration::ZERO, hour].into_iter().enumerate() {
        let volume = VolumeRequest::new(lab.name("t1", place).parse().unwrap());
        let labels = aged("temporary", "pid-7", lifetime);
        engine.create_volume(&volume.with_labels(labels)).await.unwrap();
        let mut network = NetworkRequest::new(lab.name("n1", place).parse().unwrap());
        network.labels = aged("network", &elsewhere, lifetime);
        engine.create_network(&network).await.unwrap();
        let mut container =
            ContainerRequest::new(lab.name("b1", place).parse().unwrap(), image.clone());
        container.labels = aged("build", &elsewhere, lifetime);
        container.arguments = vec!["true".to_owned()];
        engine.create_container(&container).await.unwrap();
    }
    // A minute of grace, and what engine and machine take.
    let limit = Instant::now() + Duration::from_mins(2);
    let mut removed = 0;
    while removed < 3 {
        assert!(Instant::now() < limit, "{removed} of 3 were removed");
        tokio::time::sleep(Duration::from_secs(2)).await;
        removed += lab.counts(&[], 0)[0];
    }
    assert_eq!(lab.counts(&[], 0), [0, 3, 0], "the others have an hour");
    assert_eq!(lab.object_counts(), [1, 1, 1]);
    assert_eq!(lab.project.objects("volume"), [lab.name("t1", 1)]);
    for (kind, letter) in [("container", "b1"), ("network", "n1"), ("volume", "t1")] {
        docker_says(&[kind, "rm", &lab.name(letter, 1)]);
    }
}

#[tokio::test]
#[ignore = "needs Docker: cargo xtask e2e"]
async fn what_a_stranger_holds_stays_is_told_and_goes_the_next_time() {
    let lab = Lab::new("held");
    let dead = lab.dead();
    lab.leave(&dead, [1, 1, 2]).await;
    let held = lab.name("t1", 0);
    let mount = format!("{held}:/v");
    let holder = docker_says(&["create", "-v", &mount, &variable("BERTH_E2E_IMAGE"), "true"]);

    let output = lab.sweep(&[], 1);
    assert!(stderr(&output).contains(&held), "{}", stderr(&output));
    assert_eq!(lab.object_counts(), [0, 0, 1]);
    assert_eq!(lab.instances().dead().unwrap(), [dead], "what is left is remembered");
    assert!(docker(&["inspect", &holder]).status.success(), "the stranger's container stays");

    docker_says(&["rm", &holder]);
    assert_eq!(lab.counts(&[], 0), [1, 0, 0]);
    assert_eq!(lab.instances().dead().unwrap(), [""; 0]);
    lab.project.assert_nothing_left();
}

#[tokio::test]
#[ignore = "needs Docker: cargo xtask e2e"]
async fn several_sweeps_at_once_do_not_fail_for_one_another() {
    let lab = Lab::new("several");
    let dead = lab.dead();
    lab.leave(&dead, [20, 4, 20]).await;
    let children: Vec<_> = (0..3)
        .map(|_| {
            let mut command = lab.sweep_command(&[]);
            command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
            command.spawn().unwrap()
        })
        .collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
    assert_eq!(lab.object_counts(), [0, 0, 0]);
    assert_eq!(lab.instances().dead().unwrap(), [""; 0]);
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn without_a_state_folder_the_job_runs_all_the_same() {
    let mut lab = Lab::new("stateless");
    let file = lab.project.write("file", "");
    lab.project.set("BERTH_STATE_DIR", file.to_str().unwrap());
    let image = variable("BERTH_E2E_IMAGE");
    let script = format!("image = {image:?}\n[[steps]]\nname = \"work\"\nscript = \"echo done\"");
    let output = lab.project.run(&script, None);
    let errors = stderr(&output);
    assert_eq!((output.status.code(), stdout(&output)), (Some(0), "done\n".into()), "{errors}");
    assert!(errors.contains("swept by its deadline"), "{errors}");
    lab.project.assert_nothing_left();
}
