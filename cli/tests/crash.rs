//! The program killed with SIGKILL at every request that it sends, before and after its effect, on a
//! real engine: the next sweep leaves nothing, and no cache is lost.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod helpers;

use std::{path::PathBuf, time::Duration};

use docker_api_trait::{BollardDocker, Endpoint, LabelFilter, VolumeApi as _};
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
    /// Whether nobody else uses the engine.
    is_alone: bool,
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
        Self { is_alone: true, ..lab }
    }

    fn on(socket: PathBuf, test: &str, surroundings: String) -> Self {
        let docker = BollardDocker::new(Endpoint::Unix(socket.clone())).unwrap();
        let folder = tempfile::tempdir().unwrap();
        // What a test leaves that fails goes with the suite.
        let owner = format!("{}-{}", suite::owner(), unique(test));
        Self { docker, socket, owner, folder, surroundings, is_alone: false }
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

    /// The cache with its canary, and how all else is: on an engine that others use, what is ours.
    async fn warm(&self) -> Baseline {
        self.succeeds(self.job(&format!("echo {CANARY} > /cache/canary"))).await;
        let baseline = if self.is_alone {
            Baseline::of(&self.docker).await
        } else {
            Baseline::of_owner(&self.docker, &self.owner).await
        };
        let canaries = baseline.unwrap().with_canaries(&self.docker, &suite::image()).await;
        // The engine's handle keeps connections for a while.
        let baseline = canaries.unwrap().ignoring_tasks();
        assert_eq!(baseline.canaries(), 1);
        baseline
    }

    async fn remove_caches(&self) {
        let ours = [LabelFilter::equals("dev.berth.owner", &self.owner)];
        for cache in self.docker.list_volumes(&ours).await.unwrap() {
            self.docker.remove_volume(&cache.name.parse().unwrap()).await.unwrap();
        }
    }

    /// Sweeps, once. Up to `late`, again and again: what was asked for before the kill and not yet
    /// answered may be made after the first sweep, and an engine that is busy with it may keep one
    /// from all of its work.
    async fn assert_swept(&self, baseline: &Baseline, late: Option<Instant>, site: CrashSite) {
        loop {
            let output = self.berth(&["sweep"]).output().await.unwrap();
            let broken = baseline.broken(&self.docker).await.unwrap();
            if output.status.success() && broken.is_empty() {
                return;
            }
            let is_over = late.is_none_or(|late| Instant::now() > late);
            assert!(!is_over, "{site:?}: {broken:?}, {}", String::from_utf8_lossy(&output.stderr));
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    async fn killed_everywhere(&self, script: &str) -> usize {
        let baseline = self.warm().await;
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
            self.assert_swept(&baseline, late, site).await;
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
    let baseline = lab.warm().await;
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
        let left = baseline.differences(&lab.docker).await.unwrap();
        assert_eq!(left.len(), 4, "two containers, a network and a volume: {left:?}");
        let report = crash.run(site, lab.berth(&["sweep"])).await.unwrap();
        sites.ran(&report);
        killed += usize::from(matches!(report.end, CrashEnd::Killed(_)));
        let late = report.unanswered().next().map(|_| Instant::now() + LATE);
        // Converges in two.
        lab.berth(&["sweep"]).output().await.unwrap();
        lab.assert_swept(&baseline, late, site).await;
    }
    println!("{killed} sweeps were killed");
    // It asks four times what is there, and removes four things.
    assert!(killed >= 16, "{killed}");
    lab.succeeds(lab.job(&format!("grep -q {CANARY} /cache/canary"))).await;
    lab.remove_caches().await;
}
