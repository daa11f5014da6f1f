//! Running jobs with fates of their own, a few at a time, and looking at what is left.

use std::{
    collections::BTreeMap,
    fs, io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Result, bail, ensure};
use async_trait::async_trait;
use docker_api_trait::{
    BollardDocker, ContainerApi as _, DockerApi, ImageReference, LabelFilter, LogChunk,
    NetworkApi as _, SystemApi as _, VolumeApi as _,
};
use executor::{
    Cancel, Command, Executor, ExecutorConfig, FailureReason, JobOutcome, JobResult, JobSpec,
    LogSink, NullSink, RetryPolicy, RunContext, SteadyDocker, Trust, instance::Instances,
    job::BuildSpec, plan, sweep::Sweep,
};
use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream};
use testkit::FaultyDocker;
use tokio::{
    runtime::Builder,
    task::spawn_blocking,
    time::{Instant, sleep, timeout},
};
use volume_manager::{BuildStrategy, DockerVolumeManager, ObjectLabels, Role, label};

use super::{
    dice::{Dice, Fate},
    report::{Report, slope_per_1000},
};
use crate::target::{self, ensure_image};

/// So many jobs run at once: enough to meet each other.
const AT_ONCE: usize = 4;
/// So many projects, each with a cache.
const PROJECTS: u64 = 8;
/// Every so many jobs, what dead ones have left is swept, as at the start of a process.
const SWEEP_EVERY: u64 = 50;
/// How long a job may take.
const LIMIT: Duration = Duration::from_mins(1);
/// Connections are kept for 20 s, and looked at as often.
const CONNECTIONS_END: Duration = Duration::from_secs(45);
/// Puts into a cache what must stay in it.
const CANARY: &str = "echo 0123456789abcdef0123456789abcdef > /cache/canary";
/// The job: 3 when its cache has lost the canary.
const SCRIPT: &str = "grep -q 0123456789abcdef0123456789abcdef /cache/canary || exit 3; echo on; \
                      echo > /builds/touched; sleep 0.05";
/// The look at a cache after all jobs: 3 when it has lost the canary, or is a new one.
const LOOK: &str = "grep -q 0123456789abcdef0123456789abcdef /cache/canary || exit 3";

/// Runs `jobs` jobs, `percent` of which something befalls, and prints what is left of them.
///
/// Fails when anything but caches is left, a cache or what was in it is lost, a job ends in a way that
/// nothing explains, files stay open, or memory grows.
pub(crate) async fn soak(jobs: u64, percent: u8, seed: u64, json: bool) -> Result<()> {
    let engine = target::connect()?;
    let version = engine.version().await?.version;
    let image = ensure_image(&xtask::engine::require()?)?;
    let folder = tempfile::tempdir()?;
    let owner = format!("soak-{}", RunContext::draw().run);
    let instances = Instances::open(folder.path())?;
    let soak = Soak { engine, image, instances, owner, percent, seed };
    let measured = match soak.warm().await {
        Ok(()) => soak.measure(jobs).await,
        Err(error) => Err(error),
    };
    let removed = soak.remove_caches().await;
    let mut report = measured?;
    removed?;
    report.engine = version;
    if json {
        println!("{}", report.json());
    } else {
        print!("{report}");
    }
    let faults = report.faults();
    ensure!(faults.is_empty(), "{}", faults.join("; "));
    Ok(())
}

struct Soak {
    engine: BollardDocker,
    image: ImageReference,
    instances: Instances,
    owner: String,
    percent: u8,
    seed: u64,
}

/// How a job ended.
struct Ended {
    fate: Fate,
    outcome: String,
    /// Whether what befell it is a reason for that.
    explained: bool,
    lost_its_cache: bool,
}

impl Soak {
    fn job(&self, project: u64, script: &str) -> Result<JobSpec> {
        let project = format!("soak-{project}");
        let mut job =
            JobSpec::new(project, Trust::Trusted, self.image.clone(), Command::script(script)?);
        job.volumes = vec!["/cache".to_owned()];
        job.build = Some(BuildSpec::new("/builds", BuildStrategy::Clone));
        job.timeout = Some(LIMIT);
        Ok(job)
    }

    fn executor(&self, docker: Arc<dyn DockerApi>) -> Executor {
        let volumes = DockerVolumeManager::new(Arc::clone(&docker));
        let mut config = ExecutorConfig::new(self.owner.clone());
        config.stop_grace = Duration::from_secs(1);
        Executor::new(docker, Arc::new(volumes), config)
    }

    /// Makes the caches and their canaries; not counted.
    async fn warm(&self) -> Result<()> {
        let executor = self.executor(Arc::new(self.engine.clone()));
        for project in 0..PROJECTS {
            let job = self.job(project, CANARY)?;
            let result = executor.job(&job).run().await?;
            if !matches!(result.outcome, JobOutcome::Succeeded) {
                bail!("a cache could not be made: {:?}", result.outcome);
            }
        }
        Ok(())
    }

    async fn measure(&self, jobs: u64) -> Result<Report> {
        sleep(CONNECTIONS_END).await;
        let before = descriptors();
        let begin = Instant::now();
        let mut report = Report { jobs, seed: self.seed, ..Report::default() };
        let memory: Mutex<Vec<(u32, u32)>> = Mutex::default();
        let mut ended =
            stream::iter(0..jobs).map(|number| self.one(number, &memory)).buffer_unordered(AT_ONCE);
        while let Some(one) = ended.next().await {
            let one = one?;
            report.faults += u64::from(one.fate != Fate::Calm);
            report.caches_lost += u64::from(one.lost_its_cache);
            if !one.explained {
                report.unexplained.push(format!("{:?}: {}", one.fate, one.outcome));
            }
            *report.outcomes.entry(one.outcome).or_default() += 1;
        }
        drop(ended);
        // What those leave that died last, and what was asked for as they died.
        sleep(Duration::from_secs(2)).await;
        self.sweep().await?;
        report.seconds = begin.elapsed().as_secs_f64();
        sleep(CONNECTIONS_END).await;
        report.descriptors_delta = descriptors() - before;
        let memory = memory.into_inner().unwrap_or_else(PoisonError::into_inner);
        // In the beginning memory fills up to what is needed.
        report.memory_slope_kib_per_1000 = slope_per_1000(&memory[memory.len() / 4..]);
        report.caches_lost += self.caches_lost().await?;
        report.leftovers = self.left().await?;
        Ok(report)
    }

    fn of_ours(&self) -> [LabelFilter; 1] {
        [LabelFilter::equals(label::OWNER, &self.owner)]
    }

    /// The names of all that is left of this soak and is no cache.
    async fn left(&self) -> Result<Vec<String>> {
        let containers = self.engine.list_containers(&self.of_ours()).await?;
        let networks = self.engine.list_networks(&self.of_ours()).await?;
        let volumes = self.engine.list_volumes(&self.of_ours()).await?;
        let volumes = volumes.into_iter().filter(|volume| !is_cache(&volume.labels));
        Ok(containers
            .into_iter()
            .map(|one| one.name)
            .chain(networks.into_iter().map(|one| one.name))
            .chain(volumes.map(|one| one.name))
            .collect())
    }

    /// How many caches are not as they were made: what is in each is read.
    async fn caches_lost(&self) -> Result<u64> {
        let executor = self.executor(Arc::new(self.engine.clone()));
        let mut lost = 0;
        for project in 0..PROJECTS {
            let job = self.job(project, LOOK)?;
            let result = executor.job(&job).run().await?;
            match &result.outcome {
                JobOutcome::Succeeded => {}
                JobOutcome::Failed(FailureReason::Script { exit_code: 3, .. }) => lost += 1,
                other => bail!("a cache could not be read: {other:?}"),
            }
        }
        Ok(lost)
    }

    async fn sweep(&self) -> Result<()> {
        let sweep = Sweep::new(Arc::new(self.engine.clone()))
            .with_owner(self.owner.clone())
            .with_instances(self.instances.clone());
        sweep.run().await?;
        Ok(())
    }

    async fn one(&self, number: u64, memory: &Mutex<Vec<(u32, u32)>>) -> Result<Ended> {
        if (number + 1).is_multiple_of(SWEEP_EVERY) {
            self.sweep().await?;
        }
        if number.is_multiple_of(10)
            && let (Some(resident), Ok(number)) = (resident(), u32::try_from(number))
        {
            memory.lock().unwrap_or_else(PoisonError::into_inner).push((number, resident));
        }
        let fate = Dice::of(self.seed, number).fate(self.percent);
        // Each job is a process of its own, as it were.
        let instance = self.instances.claim()?;
        let Some(result) = self.fulfil(fate, number, instance.label()).await? else {
            drop(instance);
            let outcome = "its process died".to_owned();
            return Ok(Ended { fate, outcome, explained: true, lost_its_cache: false });
        };
        instance.release(!result.cleanup.failed.is_empty());
        Ok(judged(fate, &result))
    }

    /// Runs a job and what befalls it; nothing comes back when its process dies.
    async fn fulfil(&self, fate: Fate, number: u64, instance: &str) -> Result<Option<JobResult>> {
        if let Fate::Killed(after) = fate {
            return self.die(after, number, instance).await;
        }
        let faulty = FaultyDocker::new(Arc::new(self.engine.with_own_count()));
        if let Fate::Fault(fault) = fate {
            faulty.inject(fault);
        }
        let sink: Box<dyn LogSink> =
            if fate == Fate::Stalled { Box::new(Stalled) } else { Box::new(NullSink) };
        let cancel = Cancel::new();
        let (run, job) = self.begin(Arc::new(faulty), number, instance, sink, &cancel)?;
        let act = async {
            match fate {
                Fate::Cancelled(after) => {
                    sleep(after).await;
                    cancel.stop();
                }
                Fate::Stalled => {
                    sleep(Duration::from_secs(1)).await;
                    cancel.stop();
                }
                Fate::Vanished(after) => {
                    sleep(after).await;
                    self.remove_containers(&run).await;
                }
                Fate::Calm | Fate::Fault(_) | Fate::Killed(_) => {}
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            result = job => Ok(Some(result)),
            () = act => Ok(None),
        }
    }

    /// Makes a job ready; returns the name of its run, too.
    fn begin(
        &self,
        docker: Arc<dyn DockerApi>,
        number: u64,
        instance: &str,
        sink: Box<dyn LogSink>,
        cancel: &Cancel,
    ) -> Result<(String, BoxFuture<'static, JobResult>)> {
        let executor = self.executor(Arc::new(SteadyDocker::new(docker, RetryPolicy::default())));
        let mut context = RunContext::draw();
        instance.clone_into(&mut context.instance);
        let plan = plan(&self.job(number % PROJECTS, SCRIPT)?, executor.config(), &context)?;
        let (run, cancel) = (plan.run.clone(), cancel.clone());
        let job = async move {
            executor.planned_job(&plan).sink(sink).cancel(&cancel).run_unsupervised().await
        };
        Ok((run, job.boxed()))
    }

    /// Runs a job in a runtime of its own, which ends before the job does: whatever the job was at
    /// ends in the midst of it, as with a process, and so do its connections.
    async fn die(&self, after: Duration, number: u64, instance: &str) -> Result<Option<JobResult>> {
        let engine = BollardDocker::new(self.engine.endpoint().clone())?;
        let sink = Box::new(NullSink);
        let (_, job) = self.begin(Arc::new(engine), number, instance, sink, &Cancel::new())?;
        let lived = spawn_blocking(move || {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let ended = runtime.block_on(async { timeout(after, job).await });
            drop(runtime);
            io::Result::Ok(ended.ok())
        });
        Ok(lived.await??)
    }

    /// As somebody who prunes.
    async fn remove_containers(&self, run: &str) {
        let labels = [LabelFilter::equals(label::RUN, run)];
        for container in self.engine.list_containers(&labels).await.unwrap_or_default() {
            // Gone is gone, whoever did it.
            let _ = self.engine.remove_container(&container.id).await;
        }
    }

    async fn remove_caches(&self) -> Result<()> {
        for volume in self.engine.list_volumes(&self.of_ours()).await? {
            self.engine.remove_volume(&volume.name.parse()?).await?;
        }
        Ok(())
    }
}

fn judged(fate: Fate, result: &JobResult) -> Ended {
    let mut lost_its_cache = false;
    let (outcome, explained) = match &result.outcome {
        JobOutcome::Succeeded => ("succeeded".to_owned(), true),
        JobOutcome::Failed(reason) => {
            let explained = match reason {
                FailureReason::Script { exit_code, .. } => {
                    lost_its_cache = *exit_code == 3;
                    lost_its_cache
                }
                FailureReason::Canceled => matches!(fate, Fate::Cancelled(_) | Fate::Stalled),
                FailureReason::Timeout { .. } => false,
                reason => fate != Fate::Calm && reason.is_retryable(),
            };
            let words = reason.as_str().to_owned();
            (if explained { words } else { format!("{reason:?}") }, explained)
        }
        other => (format!("{other:?}"), false),
    };
    Ended { fate, outcome, explained, lost_its_cache }
}

fn is_cache(labels: &BTreeMap<String, String>) -> bool {
    ObjectLabels::read(labels).and_then(ObjectLabels::role) == Some(Role::Cache)
}

/// Takes nothing, for ever.
#[derive(Debug)]
struct Stalled;

#[async_trait]
impl LogSink for Stalled {
    async fn write(&mut self, _chunk: &LogChunk) -> io::Result<()> {
        std::future::pending().await
    }
}

/// How many files this process has open.
fn descriptors() -> i64 {
    let count = fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Resident memory in KiB.
fn resident() -> Option<u32> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}
