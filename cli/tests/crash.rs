//! The program killed with SIGKILL at every request that it sends, before and after its effect, on a
//! real engine: the next sweep leaves nothing, and no cache is lost.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod helpers;

use std::{path::PathBuf, time::Duration};

use docker_api_trait::{BollardDocker, Endpoint, LabelFilter};
use docker_api_trait::{ContainerApi as _, NetworkApi as _, VolumeApi as _};
use helpers::{docker_says, unique};
use testkit::{
    Baseline, Crash, CrashEnd, CrashSite, EngineOptions, PrivateEngine, RecordedRequest, Side,
    suite,
};
use tokio::{process::Command, time::Instant};

/// So long an engine may take for a request whose client is gone.
const LATE: Duration = Duration::from_mins(1);
const CANARY: &str = "0123456789abcdef0123456789abcdef";

struct Lab {
    docker: BollardDocker,
    socket: PathBuf,
    owner: String,
    folder: tempfile::TempDir,
    /// What the job runs in, and beside.
    surroundings: String,
    /// Of an engine that nobody else uses: all that was there.
    baseline: Option<Baseline>,
}

impl Lab {
    /// On the engine that all tests share; the job has a service.
    fn new(test: &str) -> Self {
        let (image, service) =
            (helpers::variable("BERTH_E2E_IMAGE"), helpers::variable("BERTH_E2E_REDIS_IMAGE"));
        let surroundings = format!("image = {image:?}\n[[services]]\nimage = {service:?}\n");
        Self::on(suite::socket(), test, surroundings)
    }

    /// On an engine that nobody else uses, where no volume is left unseen; the job's image has one.
    async fn alone(test: &str, engine: &PrivateEngine) -> Self {
        engine.copy_image(&suite::socket(), &suite::image()).await.unwrap();
        let host = format!("unix://{}", engine.socket().display());
        let docker = |arguments: &[&str]| docker_says(&[&["--host", &host], arguments].concat());
        let container = docker(&["create", "--network", "none", suite::image().as_str(), "true"]);
        docker(&["commit", "--change", "VOLUME /data", &container, "with-a-volume:local"]);
        docker(&["rm", &container]);
        let surroundings = "image = \"with-a-volume:local\"\n".to_owned();
        let lab = Self::on(engine.socket(), test, surroundings);
        // The private engines have no bridge.
        let config = "[[runners]]\nname = \"test\"\nexecutor = \"docker\"\n[runners.docker]\n\
                      network_mode = \"none\"\n";
        std::fs::write(lab.config(), config).unwrap();
        let baseline = Some(Baseline::of(&lab.docker).await.unwrap());
        Self { baseline, ..lab }
    }

    fn on(socket: PathBuf, test: &str, surroundings: String) -> Self {
        let docker = BollardDocker::new(Endpoint::Unix(socket.clone())).unwrap();
        let folder = tempfile::tempdir().unwrap();
        Self { docker, socket, owner: unique(test), folder, surroundings, baseline: None }
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("config.toml")
    }

    fn berth(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_berth"));
        command.args(arguments).args(["--owner", &self.owner]);
        command.arg("--state-dir").arg(self.state());
        command.env("DOCKER_HOST", format!("unix://{}", self.socket.display()));
        command
    }

    fn job(&self, script: &str) -> Command {
        // What belongs to no table comes first.
        let job = format!(
            "project = \"crash\"\ntrust = \"trusted\"\nvolumes = [\"/cache\"]\n\
             build = {{ folder = \"/builds/app\", strategy = \"clone\" }}\n{}\
             [[steps]]\nname = \"a\"\nscript = {script:?}\n",
            self.surroundings
        );
        let file = self.folder.path().join("job.toml");
        std::fs::write(&file, job).unwrap();
        let mut command = self.berth(&["run", "--file", file.to_str().unwrap()]);
        if self.config().exists() {
            command.arg("--config").arg(self.config());
        }
        command
    }

    async fn succeeds(&self, mut command: Command) {
        let output = command.output().await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// The names of all that is there and is no cache.
    async fn left(&self) -> Vec<String> {
        let ours = [LabelFilter::equals("dev.berth.owner", &self.owner)];
        let containers = self.docker.list_containers(&ours).await.unwrap();
        let networks = self.docker.list_networks(&ours).await.unwrap();
        let volumes = self.docker.list_volumes(&ours).await.unwrap();
        let volumes = volumes.into_iter().filter(|one| one.labels["dev.berth.kind"] != "cache");
        let containers = containers.into_iter().map(|one| one.name);
        let networks = networks.into_iter().map(|one| one.name);
        let ours = containers.chain(networks).chain(volumes.map(|one| one.name));
        let Some(baseline) = &self.baseline else { return ours.collect() };
        // Those of ours are among them.
        let differences = baseline.differences(&self.docker).await.unwrap();
        differences.iter().map(ToString::to_string).collect()
    }

    async fn remove_caches(&self) {
        let ours = [LabelFilter::equals("dev.berth.owner", &self.owner)];
        for cache in self.docker.list_volumes(&ours).await.unwrap() {
            self.docker.remove_volume(&cache.name.parse().unwrap()).await.unwrap();
        }
    }

    /// Sweeps, once. Up to `late`, again and again: what was asked for before the kill and not yet
    /// answered may be made after the first sweep.
    async fn swept(&self, late: Option<Instant>) -> Vec<String> {
        loop {
            self.succeeds(self.berth(&["sweep"])).await;
            let left = self.left().await;
            if left.is_empty() || late.is_none_or(|late| Instant::now() > late) {
                return left;
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    async fn killed_everywhere(&self, script: &str) -> usize {
        self.succeeds(self.job(&format!("echo {CANARY} > /cache/canary"))).await;
        let crash = Crash::new(&self.socket).limit(Duration::from_mins(2));
        let mut sites = crash.sites();
        let mut killed = 0;
        let mut late = None;
        while let Some(site) = sites.next() {
            let report = crash.run(site, self.job(script)).await.unwrap();
            sites.ran(&report);
            killed += usize::from(matches!(report.end, CrashEnd::Killed(_)));
            if report.unanswered().next().is_some() {
                late = Some(Instant::now() + LATE);
            }
            assert_eq!(self.swept(late).await, [""; 0], "{site:?}");
        }
        self.succeeds(self.job(&format!("grep -q {CANARY} /cache/canary"))).await;
        self.remove_caches().await;
        killed
    }
}

#[tokio::test]
#[ignore = "needs Docker: cargo xtask e2e"]
async fn a_job_that_is_killed_at_any_request_is_swept_and_its_cache_stays() {
    let lab = Lab::new("crash-happy");
    let killed = lab.killed_everywhere("cat /cache/canary; echo > /builds/app/x").await;
    assert!(killed >= 30, "{killed}");
}

#[tokio::test]
#[ignore = "needs Docker: cargo xtask e2e"]
async fn no_volume_of_an_image_stays_of_a_job_that_is_killed_at_any_request() {
    let engine = PrivateEngine::start(EngineOptions::default()).await.unwrap();
    let lab = Lab::alone("crash-anonymous", &engine).await;
    // It is seen while the job lasts.
    lab.succeeds(lab.job("mount | grep -q ' on /data type '")).await;
    let killed = lab.killed_everywhere("cat /cache/canary; echo > /data/x").await;
    println!("{killed} jobs were killed");
    assert!(killed >= 20, "{killed}");
    engine.stop().await.unwrap();
}

#[tokio::test]
#[ignore = "needs Docker: cargo xtask e2e"]
async fn a_failing_job_that_is_killed_at_any_request_is_swept_and_its_cache_stays() {
    let lab = Lab::new("crash-failing");
    let killed = lab.killed_everywhere("cat /cache/canary; exit 3").await;
    assert!(killed >= 30, "{killed}");
}

#[tokio::test]
#[ignore = "needs Docker: cargo xtask e2e"]
async fn a_sweep_that_is_killed_at_any_request_is_finished_by_the_next() {
    let lab = Lab::new("crash-sweep");
    let script = "cat /cache/canary";
    lab.succeeds(lab.job(&format!("echo {CANARY} > /cache/canary"))).await;
    let crash = Crash::new(&lab.socket).limit(Duration::from_mins(2));
    // The job dies when all of it is there: at the start of its last container.
    let never = CrashSite { request: usize::MAX, side: Side::Before };
    let whole = crash.run(never, lab.job(script)).await.unwrap();
    let starts = |one: &RecordedRequest| {
        one.request.target.contains("/containers/") && one.request.target.contains("/start")
    };
    let request = whole.requests.iter().rposition(starts).unwrap();
    let all_is_there = CrashSite { request, side: Side::After };

    let mut sites = crash.sites();
    let mut killed = 0;
    while let Some(site) = sites.next() {
        let job = crash.run(all_is_there, lab.job(script)).await.unwrap();
        assert!(matches!(job.end, CrashEnd::Killed(_)), "{job:?}");
        let left = lab.left().await;
        assert_eq!(left.len(), 4, "two containers, a network and a volume: {left:?}");
        let report = crash.run(site, lab.berth(&["sweep"])).await.unwrap();
        sites.ran(&report);
        killed += usize::from(matches!(report.end, CrashEnd::Killed(_)));
        let late = report.unanswered().next().map(|_| Instant::now() + LATE);
        lab.succeeds(lab.berth(&["sweep"])).await;
        assert_eq!(lab.swept(late).await, [""; 0], "{site:?}");
    }
    println!("{killed} sweeps were killed");
    // It asks four times what is there, and removes four things.
    assert!(killed >= 16, "{killed}");
    lab.succeeds(lab.job(&format!("grep -q {CANARY} /cache/canary"))).await;
    lab.remove_caches().await;
}
