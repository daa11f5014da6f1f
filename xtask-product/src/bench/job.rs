//! `bench job`: a warm job of four stages in two containers, against the requests that GitLab Runner
//! sends for it, and against stages that are programs of their own in containers that idle.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use docker_api_trait::{BollardDocker, DockerApi, ImageReference};
use executor::{
    Command, Executor, ExecutorConfig, JobOutcome, JobSpec, StepSpec, Trust, job::JobError,
};
use serde_json::json;
use tokio::time::Instant;
use volume_manager::DockerVolumeManager;

use super::{
    bare::Bare,
    exec::ExecJob,
    gitlab::GitlabJob,
    statistics::{Summary, ratio, rounded, turn},
    target::{Target, profile, remove_caches},
};
use crate::target::ensure_image;

/// A job of ours may take no more requests.
const MOST_REQUESTS: u64 = 26;
/// The ways to run the job.
const WAYS: [Way; 3] = [Way::Berth, Way::Gitlab, Way::Exec];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Ours: scripts are fed to a shell.
    Berth,
    /// GitLab Runner's: a container is started once a stage.
    Gitlab,
    /// Each stage is a program of its own in a container that idles.
    Exec,
}

/// Runs the job each way, in turn and with the first of each round changing, and prints what that
/// says. Fails when a job does, or when ours takes too many requests; never for a timing.
pub(crate) async fn job(pairs: u32, json: bool) -> Result<()> {
    let Target { engine, socket, version } = Target::connect().await?;
    let image = ensure_image(&xtask::engine::require()?)?;
    let project = format!("bench-{}", executor::RunContext::draw().run);
    let bench = Bench { engine, image, project };
    let bare = Bare::new(&socket);
    let measured = bench.measure(pairs, &bare).await;
    // What was made goes, whether the measurement came to its end or not.
    let caches = remove_caches(&bench.engine, &bench.project).await;
    let mut volumes = Ok(());
    for way in [Way::Gitlab, Way::Exec] {
        for volume in bench.bare_volumes(way) {
            volumes = volumes.and(bare.remove_volume(&volume).await);
        }
    }
    let measured = measured?;
    caches?;
    volumes?;
    measured.print(pairs, json, &version);
    let requests = measured.of(Way::Berth).requests;
    ensure!(requests <= MOST_REQUESTS, "the job took {requests} requests, not {MOST_REQUESTS}");
    Ok(())
}

struct Bench {
    engine: BollardDocker,
    image: ImageReference,
    project: String,
}

/// What was measured of one way.
#[derive(Default)]
struct Timings {
    times: Vec<Duration>,
    requests: u64,
}

#[derive(Default)]
struct Measured([Timings; WAYS.len()]);

impl Measured {
    fn of(&self, way: Way) -> &Timings {
        &self.0[way as usize]
    }

    fn print(&self, pairs: u32, json: bool, version: &str) {
        let summaries = WAYS.map(|way| Summary::of(&self.of(way).times));
        let [berth, gitlab, exec] = summaries.map(|summary| summary.median);
        let (ratio, exec_ratio) = (ratio(berth, gitlab), ratio(exec, gitlab));
        let requests = WAYS.map(|way| self.of(way).requests);
        if json {
            println!(
                "{}",
                json!({
                    "name": "job",
                    "pairs": pairs,
                    "berth_ms": rounded(berth),
                    "gitlab_ms": rounded(gitlab),
                    "exec_ms": rounded(exec),
                    "ratio": ratio,
                    "exec_ratio": exec_ratio,
                    "api_requests": requests[0],
                    "gitlab_requests": requests[1],
                    "exec_requests": requests[2],
                    "profile": profile(),
                    "engine": version,
                })
            );
            return;
        }
        println!(
            "a warm job of four stages in two containers with two caches, {pairs} rounds, engine \
             {version}, {} build",
            profile()
        );
        println!("{:<10} {:>9} {:>9} {:>9} {:>9}", "", "median ms", "min", "max", "requests");
        for ((way, summary), requests) in WAYS.iter().zip(summaries).zip(requests) {
            println!(
                "{:<10} {:>9.1} {:>9.1} {:>9.1} {requests:>9}",
                format!("{way:?}").to_lowercase(),
                summary.median,
                summary.min,
                summary.max
            );
        }
        println!("ratio {ratio:.2}, of exec {exec_ratio:.2}");
    }
}

impl Bench {
    async fn measure(&self, pairs: u32, bare: &Bare) -> Result<Measured> {
        let mut measured = Measured::default();
        // The first round makes the caches, and is not counted.
        for round in 0..=pairs {
            for way in turn(WAYS, round) {
                let (took, requests) = self.run(way, round, bare).await?;
                if round > 0 {
                    let timings = &mut measured.0[way as usize];
                    timings.times.push(took);
                    timings.requests = timings.requests.max(requests);
                }
            }
        }
        Ok(measured)
    }

    /// How long a job takes, and how many requests.
    async fn run(&self, way: Way, round: u32, bare: &Bare) -> Result<(Duration, u64)> {
        if way == Way::Berth {
            return self.berth().await;
        }
        let image = self.image.as_str();
        let [cache, builds] = self.bare_volumes(way);
        let volumes = [cache.as_str(), builds.as_str()];
        let name = &format!("{cache}-{round}");
        let sent = bare.requests();
        let begin = Instant::now();
        let done = match way {
            Way::Gitlab => GitlabJob { image, volumes, name }.run(bare).await,
            _ => ExecJob { image, volumes, name }.run(bare).await,
        };
        done.with_context(|| format!("the requests of {way:?} failed"))?;
        Ok((begin.elapsed(), bare.requests() - sent))
    }

    fn bare_volumes(&self, way: Way) -> [String; 2] {
        ["cache", "builds"].map(|kind| format!("{}-{way:?}-{kind}", self.project).to_lowercase())
    }

    async fn berth(&self) -> Result<(Duration, u64)> {
        let engine: Arc<dyn DockerApi> = Arc::new(self.engine.with_own_count());
        let volumes = DockerVolumeManager::new(Arc::clone(&engine));
        let executor = Executor::new(engine, Arc::new(volumes), ExecutorConfig::new("bench"));
        let mut job =
            JobSpec::with_steps(self.project.clone(), Trust::Trusted, self.image.clone(), steps()?);
        job.volumes = ["/cache", "/builds"].map(ToOwned::to_owned).to_vec();
        let begin = Instant::now();
        let result = executor.job(&job).run().await?;
        let took = begin.elapsed();
        match result.outcome {
            JobOutcome::Succeeded => {
                ensure!(result.cleanup.failed.is_empty(), "{:?}", result.cleanup.failed);
                Ok((took, result.api_requests))
            }
            outcome => bail!("the job to be measured did not succeed: {outcome:?}"),
        }
    }
}

/// The stages of a job that does nothing.
fn steps() -> Result<[StepSpec; 4], JobError> {
    let step = |name, script| Ok::<_, JobError>(StepSpec::new(name, Command::script(script)?));
    Ok([
        step("prepare", "true")?.in_helper(),
        step("sources", "true")?.in_helper(),
        step("script", "touch /cache/x")?,
        step("clear", "true")?.in_helper(),
    ])
}
