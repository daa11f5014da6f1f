//! `bench many`: jobs at once on one engine, each with a service and a cache, against the same
//! requests sent bare and as much at once.

use std::{sync::Arc, time::Duration};

use anyhow::{Result, ensure};
use docker_api_trait::{
    BollardDocker, ContainerApi as _, DockerApi, ImageReference, LabelFilter, NetworkApi as _,
    VolumeApi as _,
};
use executor::{
    Cancel, Command, Executor, ExecutorConfig, ImageSpec, JobOutcome, JobResult, JobSpec,
    ServiceSpec, Trust,
};
use futures_util::future;
use serde_json::json;
use tokio::time::Instant;
use volume_manager::{DockerVolumeManager, ObjectLabels, Role, label};

use super::{
    bare::Bare,
    served::{ALIAS, SCRIPT, SERVICE, ServedJob},
    statistics::{Summary, ratio, rounded, turn},
    target::{Target, profile},
};
use crate::target::ensure_image;

/// A job that takes longer has failed.
const LIMIT: Duration = Duration::from_mins(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Through one executor.
    Berth,
    /// The requests alone.
    Bare,
}

/// Runs the jobs each way, in turn and with the first of each pair changing, and prints what that
/// says. Fails when a job does, or when anything but caches is left; never for a timing.
pub(crate) async fn many(jobs: u32, pairs: u32, json: bool) -> Result<()> {
    let Target { engine, socket, version } = Target::connect().await?;
    let image = ensure_image(&xtask::engine::require()?)?;
    let owner = format!("bench-{}", executor::RunContext::draw().run);
    let bare_owner = format!("{owner}-bare");
    let bench = Bench { engine, image, owner, bare_owner, jobs };
    let bares: Vec<_> = (0..jobs).map(|_| Bare::new(&socket)).collect();
    let measured = bench.measure(pairs, &bares).await;
    // What was made goes, whether the measurement came to its end or not.
    let left = bench.sweep(&bench.owner).await;
    let bare_left = bench.sweep(&bench.bare_owner).await;
    let measured = measured?;
    let leftovers = left?;
    bare_left?;
    measured.print(&bench, leftovers, pairs, json, &version);
    ensure!(measured.failures == 0, "{} jobs failed", measured.failures);
    ensure!(leftovers == 0, "{leftovers} objects were left on the engine");
    Ok(())
}

struct Bench {
    engine: BollardDocker,
    image: ImageReference,
    owner: String,
    bare_owner: String,
    jobs: u32,
}

#[derive(Default)]
struct Measured {
    berth: Vec<Duration>,
    bare: Vec<Duration>,
    failures: usize,
    /// Of all jobs of a round together; the most of any round.
    requests: u64,
    bare_requests: u64,
}

impl Measured {
    fn print(&self, bench: &Bench, leftovers: usize, pairs: u32, json: bool, version: &str) {
        let (berth, bare) = (Summary::of(&self.berth), Summary::of(&self.bare));
        let ratio = ratio(berth.median, bare.median);
        let jobs = bench.jobs;
        if json {
            println!(
                "{}",
                json!({
                    "name": "many",
                    "jobs": jobs,
                    "pairs": pairs,
                    "berth_ms": rounded(berth.median),
                    "bare_ms": rounded(bare.median),
                    "ratio": ratio,
                    "api_requests": self.requests,
                    "bare_requests": self.bare_requests,
                    "failures": self.failures,
                    "leftovers": leftovers,
                    "profile": profile(),
                    "engine": version,
                })
            );
            return;
        }
        println!(
            "{jobs} jobs at once, each with a service and a cache, {pairs} pairs, engine \
             {version}, {} build",
            profile()
        );
        println!("{:<10} {:>9} {:>9} {:>9} {:>9}", "", "median ms", "min", "max", "requests");
        for (name, summary, requests) in
            [("berth", berth, self.requests), ("bare", bare, self.bare_requests)]
        {
            println!(
                "{name:<10} {:>9.1} {:>9.1} {:>9.1} {requests:>9}",
                summary.median, summary.min, summary.max
            );
        }
        println!("ratio {ratio:.2}; {} failed, {leftovers} objects left", self.failures);
    }
}

impl Bench {
    async fn measure(&self, pairs: u32, bares: &[Bare]) -> Result<Measured> {
        let mut measured = Measured::default();
        // The first pair makes the caches, and is not counted.
        for pair in 0..=pairs {
            for way in turn([Way::Berth, Way::Bare], pair) {
                match way {
                    Way::Berth => {
                        let (took, requests) = self.berth(&mut measured.failures).await?;
                        if pair > 0 {
                            measured.berth.push(took);
                            measured.requests = measured.requests.max(requests);
                        }
                    }
                    Way::Bare => {
                        let (took, requests) = self.bare(bares, pair).await?;
                        if pair > 0 {
                            measured.bare.push(took);
                            measured.bare_requests = requests;
                        }
                    }
                }
            }
        }
        Ok(measured)
    }

    async fn berth(&self, failures: &mut usize) -> Result<(Duration, u64)> {
        let engine: Arc<dyn DockerApi> = Arc::new(self.engine.with_own_count());
        let volumes = Arc::new(DockerVolumeManager::new(Arc::clone(&engine)));
        let config = ExecutorConfig::new(self.owner.as_str());
        let executor = Executor::new(Arc::clone(&engine), volumes, config);
        let jobs: Result<Vec<_>> = (0..self.jobs).map(|index| self.job(index)).collect();
        let (jobs, cancel) = (jobs?, Cancel::new());
        let begin = Instant::now();
        let runs = jobs.iter().map(|job| executor.job(job).cancel(&cancel).run());
        let results = future::join_all(runs).await;
        let took = begin.elapsed();
        let requests = engine.requests_sent();
        for result in results {
            let result = result?;
            if let Some(fault) = fault(&result) {
                eprintln!("job {}: {fault}", result.run);
                *failures += 1;
            }
        }
        Ok((took, requests))
    }

    /// A job that asks its service and writes into its cache.
    fn job(&self, index: u32) -> Result<JobSpec> {
        let project = format!("{}-{index}", self.owner);
        let mut job =
            JobSpec::new(project, Trust::Trusted, self.image.clone(), Command::script(SCRIPT)?);
        job.volumes.push("/cache".to_owned());
        job.timeout = Some(LIMIT);
        let mut image = ImageSpec::new(self.image.clone());
        image.entrypoint = vec![SERVICE[0].to_owned()];
        let mut service = ServiceSpec::new(image).with_alias(ALIAS);
        service.command = SERVICE[1..].iter().map(|word| (*word).to_owned()).collect();
        job.services.push(service);
        Ok(job)
    }

    async fn bare(&self, bares: &[Bare], pair: u32) -> Result<(Duration, u64)> {
        let sent = |bares: &[Bare]| bares.iter().map(Bare::requests).sum::<u64>();
        let before = sent(bares);
        let begin = Instant::now();
        let runs = bares.iter().enumerate().map(|(index, bare)| async move {
            let volume = &format!("{}-{index}", self.bare_owner);
            let name = &format!("{volume}-{pair}");
            let job =
                ServedJob { image: self.image.as_str(), owner: &self.bare_owner, volume, name };
            job.run(bare).await
        });
        // All end before the first error is returned: what they made can be swept then.
        let ended = tokio::time::timeout(LIMIT, future::join_all(runs)).await?;
        let took = begin.elapsed();
        ended.into_iter().collect::<Result<()>>()?;
        Ok((took, sent(bares) - before))
    }

    /// Removes all that an owner has on the engine; tells how much of it was no cache.
    async fn sweep(&self, owner: &str) -> Result<usize> {
        let ours = [LabelFilter::equals(label::OWNER, owner)];
        let mut left = 0;
        for container in self.engine.list_containers(&ours).await? {
            eprintln!("left: container {}", container.name);
            self.engine.remove_container(&container.id).await?;
            left += 1;
        }
        for network in self.engine.list_networks(&ours).await? {
            eprintln!("left: network {}", network.name);
            self.engine.remove_network(&network.id).await?;
            left += 1;
        }
        for volume in self.engine.list_volumes(&ours).await? {
            if ObjectLabels::read(&volume.labels).and_then(ObjectLabels::role) != Some(Role::Cache)
            {
                eprintln!("left: volume {}", volume.name);
                left += 1;
            }
            self.engine.remove_volume(&volume.name.parse()?).await?;
        }
        Ok(left)
    }
}

/// What is wrong with a job that has ended; nothing as a rule.
fn fault(result: &JobResult) -> Option<String> {
    if !matches!(result.outcome, JobOutcome::Succeeded) {
        return Some(format!("{:?}", result.outcome));
    }
    if let Some(service) = result.services.iter().find(|service| !service.readiness.is_ready()) {
        return Some(format!("its service {}", service.readiness.words()));
    }
    let failed = &result.cleanup.failed;
    (!failed.is_empty()).then(|| format!("cleanup: {failed:?}"))
}
