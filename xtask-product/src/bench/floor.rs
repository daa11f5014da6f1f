//! `bench floor`: a warm job against the bare requests that it cannot do without.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail};
use docker_api_trait::{BollardDocker, DockerApi, ImageReference};
use executor::{Command, Executor, ExecutorConfig, JobOutcome, JobSpec, Trust};
use serde_json::json;
use tokio::time::Instant;
use volume_manager::DockerVolumeManager;

use super::{
    bare::Bare,
    statistics::{Summary, rounded},
    target::{Target, profile, remove_caches},
};
use crate::target::ensure_image;

/// Runs the pairs, in turn and with the first one of each pair changing, and prints what they say.
pub(crate) async fn floor(pairs: u32, json: bool) -> Result<()> {
    let Target { engine, socket, version } = Target::connect().await?;
    let image = ensure_image(&xtask::engine::require()?)?;
    let run = executor::RunContext::draw().run;
    let bench = Bench {
        engine,
        image,
        project: format!("bench-{run}"),
        bare_volume: format!("bench-{run}-bare"),
    };
    let bare = Bare::new(&socket);
    let measured = bench.measure(pairs, &bare).await;
    // What was made goes, whether the measurement came to its end or not.
    let berth_volumes = remove_caches(&bench.engine, &bench.project).await;
    let bare_volume = bare.remove_volume(&bench.bare_volume).await;
    let measured = measured?;
    berth_volumes?;
    bare_volume?;

    let (berth, baseline) = (Summary::of(&measured.berth), Summary::of(&measured.baseline));
    let ratio = rounded(berth.median / baseline.median);
    let profile = profile();
    if json {
        let both = |of: fn(&Summary) -> f64| json!({ "berth": rounded(of(&berth)), "baseline": rounded(of(&baseline)) });
        println!(
            "{}",
            json!({
                "name": "floor",
                "pairs": pairs,
                "median_ms": both(|summary| summary.median),
                "ratio": ratio,
                "api_requests": measured.api_requests,
                "baseline_requests": measured.baseline_requests,
                "min_ms": both(|summary| summary.min),
                "max_ms": both(|summary| summary.max),
                "profile": profile,
                "engine": version,
            })
        );
        return Ok(());
    }
    println!("a warm job with one cache, {pairs} pairs, engine {version}, {profile} build");
    println!("{:<10} {:>9} {:>9} {:>9} {:>9}", "", "median ms", "min", "max", "requests");
    for (name, summary, requests) in [
        ("berth", berth, measured.api_requests),
        ("baseline", baseline, measured.baseline_requests),
    ] {
        println!(
            "{name:<10} {:>9.1} {:>9.1} {:>9.1} {requests:>9}",
            summary.median, summary.min, summary.max
        );
    }
    println!("ratio {ratio:.2}");
    Ok(())
}

struct Bench {
    engine: BollardDocker,
    image: ImageReference,
    project: String,
    bare_volume: String,
}

#[derive(Default)]
struct Measured {
    berth: Vec<Duration>,
    baseline: Vec<Duration>,
    api_requests: u64,
    baseline_requests: u64,
}

impl Bench {
    async fn measure(&self, pairs: u32, bare: &Bare) -> Result<Measured> {
        let mut measured = Measured::default();
        // The first pair makes both caches, and is not counted.
        for pair in 0..=pairs {
            let (berth, baseline);
            let before = bare.requests();
            let container = format!("{}-{pair}", self.bare_volume);
            if pair % 2 == 0 {
                berth = self.berth().await?;
                baseline = self.baseline(bare, &container).await?;
            } else {
                baseline = self.baseline(bare, &container).await?;
                berth = self.berth().await?;
            }
            if pair > 0 {
                measured.berth.push(berth.0);
                measured.api_requests = measured.api_requests.max(berth.1);
                measured.baseline.push(baseline);
                measured.baseline_requests = bare.requests() - before;
            }
        }
        Ok(measured)
    }

    /// One job: how long from its first request to its last, and how many.
    async fn berth(&self) -> Result<(Duration, u64)> {
        let engine: Arc<dyn DockerApi> = Arc::new(self.engine.with_own_count());
        let volumes = DockerVolumeManager::new(Arc::clone(&engine));
        let executor = Executor::new(engine, Arc::new(volumes), ExecutorConfig::new("bench"));
        let mut job = JobSpec::new(
            self.project.clone(),
            Trust::Trusted,
            self.image.clone(),
            Command::script("true")?,
        );
        job.volumes.push("/cache".parse()?);
        let begin = Instant::now();
        let result = executor.job(&job).run().await?;
        let took = begin.elapsed();
        match result.outcome {
            JobOutcome::Succeeded => Ok((took, result.api_requests)),
            outcome => bail!("the job to be measured did not succeed: {outcome:?}"),
        }
    }

    async fn baseline(&self, bare: &Bare, container: &str) -> Result<Duration> {
        let begin = Instant::now();
        bare.job(self.image.as_str(), &self.bare_volume, container)
            .await
            .context("the bare requests failed")?;
        Ok(begin.elapsed())
    }
}
