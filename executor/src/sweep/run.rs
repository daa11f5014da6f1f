//! Listing and removing. What is taken, `decide` says.

use std::{collections::BTreeSet, mem, sync::Arc, time::Duration};

use docker_api_trait::{
    ApiError, ContainerId, DockerApi, LATE_EFFECT, LabelFilter, NetworkId, Operation, VolumeName,
};
use futures_util::{StreamExt as _, future, stream};
use tokio::time::{Instant, sleep_until, timeout_at};
use volume_manager::{ObjectLabels, Role, label};

use super::{
    Kept, Leftover, SweepReport, Verdict,
    decide::{Facts, Question, verdict},
};
use crate::{
    error::CleanupError,
    instance::{Instances, Life},
    outcome::{CleanupFailure, ObjectKind},
    run::removal,
};

/// So many removals are under way at once.
const CONCURRENCY: usize = 16;
/// How long one removal may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long all removals may take.
const LIMIT: Duration = Duration::from_mins(2);

/// Removes what dead processes have left: containers, networks and temporary volumes, never a cache.
///
/// # Contract
/// - Only what carries Berth's labels is looked at. It is taken when its owner is dead: when the lock
///   of the process that made it is free, or, of a process of which nothing can be known here, when the
///   deadline in its labels has passed by the engine's own clock. Everything else stays.
/// - Containers and networks are removed by id, volumes after a second look at their labels. What
///   somebody else removes meanwhile is fine; several sweeps may run at once.
/// - What cannot be removed is told, and the rest is removed all the same. A second sweep removes
///   what the first could not because of an order or a race.
/// - Four requests when nobody died and nothing is overdue, however much else is on the engine.
///
/// Who runs jobs by this crate sweeps when it starts, and whenever it likes:
///
/// ```no_run
/// # async fn start(docker: std::sync::Arc<dyn docker_api_trait::DockerApi>)
/// # -> Result<(), Box<dyn std::error::Error>> {
/// use executor::{RunContext, instance::Instances, sweep::Sweep};
///
/// let instances = Instances::open("/var/lib/my-ci".as_ref())?.with_engine("unix:///run/docker.sock");
/// let instance = instances.claim()?;
/// if !instances.dead()?.is_empty() {
///     let report = Sweep::new(docker).with_instances(instances).with_owner("my-ci").run().await?;
///     println!("{} removed, {} stay", report.removed.len(), report.failed.len());
/// }
/// // A plan for each job, with this, and at the end of the process:
/// let context = RunContext::draw().with_instance(&instance);
/// instance.release(false);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Sweep {
    docker: Arc<dyn DockerApi>,
    instances: Option<Instances>,
    owner: Option<String>,
    ended_of_all: bool,
}

/// What one look at the engine has led to.
struct Pass {
    report: SweepReport,
    /// The processes of which something should be gone and is not.
    left: BTreeSet<String>,
}

/// Returns an object with its verdict; nothing for one that a sweep has no say in.
fn judge(facts: Facts<'_>, question: &Question<'_>) -> Option<Leftover> {
    let value = |key: &str| facts.labels.get(key).cloned().unwrap_or_default();
    let (run, instance) = (value(label::RUN), value(label::INSTANCE));
    let (kind, name) = (facts.kind, facts.name.to_owned());
    let verdict = verdict(facts, question)?;
    Some(Leftover { kind, name, run, instance, verdict })
}

/// An object by what removes it.
#[derive(Debug, Clone)]
enum Target {
    Container { id: ContainerId, keep_anonymous_volumes: bool },
    Network(NetworkId),
    Volume(VolumeName),
}

type Found = (Leftover, Target);

impl Sweep {
    /// A sweep of the engine `docker`, of all owners, by deadlines alone.
    pub fn new(docker: Arc<dyn DockerApi>) -> Self {
        Self { docker, instances: None, owner: None, ended_of_all: false }
    }

    /// With a state folder, whose processes are known to live or not.
    pub fn with_instances(mut self, instances: Instances) -> Self {
        self.instances = Some(instances);
        self
    }

    /// Only of this installation.
    pub fn with_owner(mut self, owner: impl Into<String>) -> Self {
        self.owner = Some(owner.into());
        self
    }

    /// What processes of the state folder have left, whatever its owner; what is overdue still only of
    /// the one of [`with_owner`](Self::with_owner). For a sweep that nobody asked for: it does away with
    /// every cue that there is, and otherwise with no more than one that was asked for.
    pub fn with_ended_of_all_owners(mut self) -> Self {
        self.ended_of_all = true;
        self
    }

    /// Tells what [`run`](Self::run) would remove, and what it would keep. Nothing is changed.
    ///
    /// # Errors
    /// [`CleanupError::Engine`] when the engine does not answer.
    pub async fn look(&self) -> Result<SweepReport, CleanupError> {
        let mut report = SweepReport::default();
        for (leftover, _) in self.found(&mut report).await? {
            match leftover.verdict {
                Verdict::Remove(_) => report.removed.push(leftover),
                Verdict::Keep(_) => report.kept.push(leftover),
            }
        }
        Ok(sorted(report))
    }

    /// Removes what dead processes have left. When one of the state folder died that was not swept yet,
    /// it looks a second time, a second after it began: for what that one had asked for last, and for
    /// what could not be removed at first.
    ///
    /// Takes two minutes at most, and the lists. One that is dropped half-way has forgotten nobody.
    ///
    /// # Errors
    /// [`CleanupError::Engine`] when the engine does not answer. What could not be removed is in the
    /// report.
    pub async fn run(&self) -> Result<SweepReport, CleanupError> {
        let begin = Instant::now();
        let end = begin + LIMIT;
        // Before the lists: of one that dies later, not everything is in them.
        let dead = self.dead();
        let mut pass = self.pass(end).await?;
        if !dead.is_empty() {
            sleep_until(begin + LATE_EFFECT).await;
            let Ok(second) = self.pass(end).await else { return Ok(sorted(pass.report)) };
            let removed = mem::take(&mut pass.report.removed);
            pass = second;
            pass.report.removed.extend(removed);
            self.forget(&dead, &pass);
        }
        Ok(sorted(pass.report))
    }

    /// The processes that died on this engine and were not forgotten yet.
    fn dead(&self) -> Vec<String> {
        let dead = self.instances.as_ref().map(Instances::dead);
        dead.and_then(Result::ok).unwrap_or_default()
    }

    async fn pass(&self, end: Instant) -> Result<Pass, CleanupError> {
        let mut report = SweepReport::default();
        let mut left = BTreeSet::new();
        let found = self.found(&mut report).await?;
        let (doomed, kept): (Vec<_>, Vec<_>) = found
            .into_iter()
            .partition(|(leftover, _)| matches!(leftover.verdict, Verdict::Remove(_)));
        report.kept.extend(kept.into_iter().map(|(leftover, _)| leftover));
        // Containers first: they hold networks and volumes.
        let mut ended = self.removals(&doomed, ObjectKind::Container, end).await;
        let (networks, volumes) = future::join(
            self.removals(&doomed, ObjectKind::Network, end),
            self.removals(&doomed, ObjectKind::Volume, end),
        )
        .await;
        ended.extend(networks.into_iter().chain(volumes));
        for (leftover, removed) in ended {
            match removed {
                Ok(true) => report.removed.push(leftover.clone()),
                // It was not what it had seemed.
                Ok(false) => {}
                Err(error) => {
                    left.insert(leftover.instance.clone());
                    let (kind, name) = (leftover.kind, leftover.name.clone());
                    report.failed.push(CleanupFailure { kind, name, error });
                }
            }
        }
        Ok(Pass { report, left })
    }

    /// Removes all of a kind, some at once; what became of each.
    async fn removals<'a>(
        &self,
        doomed: &'a [Found],
        kind: ObjectKind,
        end: Instant,
    ) -> Vec<(&'a Leftover, Result<bool, CleanupError>)> {
        let of_kind = doomed.iter().filter(|(leftover, _)| leftover.kind == kind);
        let removals: Vec<_> = of_kind
            .map(|(leftover, target)| async move {
                (leftover, self.removed_in_time(leftover, target, end).await)
            })
            .collect();
        stream::iter(removals).buffer_unordered(CONCURRENCY).collect().await
    }

    /// Forgets the dead processes of which nothing is left that a sweep could take.
    fn forget(&self, dead: &[String], pass: &Pass) {
        let Some(instances) = &self.instances else { return };
        if !pass.report.unlisted.is_empty() {
            return;
        }
        let is_kept = |label: &String| {
            pass.report.kept.iter().any(|kept| {
                kept.instance == *label
                    && matches!(
                        kept.verdict,
                        Verdict::Keep(Kept::OtherOwner | Kept::OtherSchema | Kept::Lives)
                    )
            })
        };
        for label in dead {
            if !pass.left.contains(label) && !is_kept(label) {
                instances.forget(label);
            }
        }
    }

    /// Every object of ours that is no cache, with its verdict.
    async fn found(&self, report: &mut SweepReport) -> Result<Vec<Found>, CleanupError> {
        // Whether a process lives is looked at after the lists: what they show was made before.
        let labelled = [LabelFilter::present(label::SCHEMA)];
        let temporary = [
            LabelFilter::present(label::SCHEMA),
            LabelFilter::equals(label::KIND, Role::Temporary.as_str()),
        ];
        let (info, containers, networks, volumes) = future::join4(
            self.docker.info(),
            self.docker.list_containers(&labelled),
            self.docker.list_networks(&labelled),
            self.docker.list_volumes(&temporary),
        )
        .await;
        let info = info.map_err(CleanupError::from)?;
        let life = |label: &str| {
            self.instances.as_ref().map_or(Life::Unknown, |instances| instances.life(label))
        };
        let question = Question {
            owner: self.owner.as_deref(),
            ended_of_all: self.ended_of_all,
            life: &life,
            now: info.now,
        };
        let mut found = Vec::new();
        let mut add = |facts: Facts<'_>, target| {
            found.extend(judge(facts, &question).map(|leftover| (leftover, target)));
        };
        let mut unlisted = |kind, error: ApiError| report.unlisted.push((kind, error.into()));
        for one in containers.unwrap_or_else(|error| {
            unlisted(ObjectKind::Container, error);
            Vec::new()
        }) {
            let (kind, name, created) = (ObjectKind::Container, &*one.name, one.created);
            let facts = Facts { kind, name, labels: &one.labels, created };
            let kept = one.labels.get(label::ANONYMOUS_VOLUMES);
            let keep_anonymous_volumes = kept.is_some_and(|value| value == label::KEPT);
            add(facts, Target::Container { id: one.id, keep_anonymous_volumes });
        }
        for one in networks.unwrap_or_else(|error| {
            unlisted(ObjectKind::Network, error);
            Vec::new()
        }) {
            let (kind, name, created) = (ObjectKind::Network, &*one.name, one.created);
            let facts = Facts { kind, name, labels: &one.labels, created };
            add(facts, Target::Network(one.id));
        }
        for one in volumes.unwrap_or_else(|error| {
            unlisted(ObjectKind::Volume, error);
            Vec::new()
        }) {
            // A name that is none of ours was not given by us.
            let Ok(volume) = one.name.parse() else { continue };
            let (kind, name, created) = (ObjectKind::Volume, &*one.name, one.created);
            let facts = Facts { kind, name, labels: &one.labels, created };
            add(facts, Target::Volume(volume));
        }
        Ok(found)
    }

    async fn removed_in_time(
        &self,
        leftover: &Leftover,
        target: &Target,
        end: Instant,
    ) -> Result<bool, CleanupError> {
        let begin = Instant::now();
        let deadline = (begin + PATIENCE).min(end);
        let operation = match target {
            Target::Container { .. } => Operation::RemoveContainer,
            Target::Network(_) => Operation::RemoveNetwork,
            Target::Volume(_) => Operation::RemoveVolume,
        };
        match timeout_at(deadline, self.removed(leftover, target)).await {
            Ok(removed) => removed,
            Err(_) => Err(ApiError::TimedOut { operation, limit: deadline - begin }.into()),
        }
    }

    /// Removes it; whether it was still what it had been.
    async fn removed(&self, leftover: &Leftover, target: &Target) -> Result<bool, CleanupError> {
        if let Target::Volume(name) = target {
            // A name can be another volume's by now.
            match self.docker.inspect_volume(name).await {
                Ok(volume) => {
                    let ours = ObjectLabels::read(&volume.labels);
                    let is_same = ours.is_some_and(|ours| {
                        ours.role() == Some(Role::Temporary) && ours.run() == Some(&*leftover.run)
                    });
                    if !is_same {
                        return Ok(false);
                    }
                }
                Err(ApiError::NotFound { .. }) => return Ok(true),
                Err(error) => return Err(error.into()),
            }
        }
        match target {
            Target::Container { id, keep_anonymous_volumes } => {
                removal::container(&*self.docker, id, *keep_anonymous_volumes).await?;
            }
            Target::Network(id) => removal::network(&*self.docker, id).await?,
            Target::Volume(name) => removal::volume(&*self.docker, name).await?,
        }
        Ok(true)
    }
}

fn sorted(mut report: SweepReport) -> SweepReport {
    let by_name = |one: &Leftover, other: &Leftover| one.name.cmp(&other.name);
    report.removed.sort_by(by_name);
    report.kept.sort_by(by_name);
    report
}
