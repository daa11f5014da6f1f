//! Running jobs: whole, or stage by stage.

use std::{fmt, future::Future, path::Path, sync::Arc, time::Duration};

use docker_api_trait::{DockerApi, Input};
use futures_util::FutureExt as _;
use tokio::time::Instant;
use tracing::Instrument as _;
use volume_manager::{Outcome, VolumeManager};

use crate::{
    ArtifactReport, Artifacts, AuthConfig, Cancel, ExecutorConfig, ExecutorError, FailureReason,
    JobError, JobEvent, JobOutcome, JobPlan, JobResult, JobSpec, LogSink, Masker, Observer, Phase,
    RunContext, StepOutcome, StepPlan, StepResult, TimedPart, Transfers, UploadReport, Workspace,
    cleanup, describe,
    host::plan_aside,
    image::Images,
    interrupt::{self, Deadline, Interrupt},
    log::Guard,
    prepare, rebuild, resume,
    state::RunState,
    step::{self, Runner},
    supervise::{Supervisor, caught},
    transfer::Carrier,
    when::{Failure, counts, first_failure, wants},
};

/// Runs jobs on an engine.
///
/// # Contract
/// - Jobs may run concurrently on one executor; each is cleaned up by itself. Pulls of one image are
///   shared.
/// - [`run`](Self::run) always cleans up before it returns, whatever the outcome, and its result
///   says what it could not remove. All that it makes carries the run's labels from the moment of
///   its creation.
/// - To stop a job, use its [`Cancel`] and await the result. A job whose future is dropped instead is
///   stopped at once and cleaned up by a task of its own; [`idle`](Self::idle) waits for that. So is
///   one whose sink or observer panics: it fails with [`ExecutorError::Panicked`]. When the process
///   dies, or the runtime ends before, what the job made stays until it is swept by its labels.
/// - Stage by stage, [`prepare`](Self::prepare), [`run_step`](Self::run_step) and
///   [`finish`](Self::finish) do the same; whoever calls them decides which steps run. A job that was
///   prepared can be carried on by another process with [`resume`](Self::resume).
/// - Must be used within a tokio runtime with time; its futures can be spawned.
#[derive(Debug, Clone)]
pub struct Executor {
    docker: Arc<dyn DockerApi>,
    volumes: Arc<dyn VolumeManager>,
    observer: Arc<dyn Observer>,
    images: Images,
    config: ExecutorConfig,
    supervisor: Supervisor,
}

/// A job that is ready for its steps. Dropping it detaches from its containers and leaves them.
pub struct PreparedJob {
    pub(crate) plan: JobPlan,
    pub(crate) state: RunState,
    pub(crate) masker: Masker,
}

impl PreparedJob {
    /// Its plan.
    pub fn plan(&self) -> &JobPlan {
        &self.plan
    }

    /// What became of its steps so far.
    pub fn steps(&self) -> &[StepResult] {
        &self.state.steps
    }
}

impl fmt::Debug for PreparedJob {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PreparedJob").field("run", &self.plan.run).finish_non_exhaustive()
    }
}

impl Executor {
    /// An executor for the engine `docker`, with volumes from `volumes`.
    pub fn new(
        docker: Arc<dyn DockerApi>,
        volumes: Arc<dyn VolumeManager>,
        config: ExecutorConfig,
    ) -> Self {
        let images = Images::new(Arc::clone(&docker));
        let supervisor = Supervisor::new();
        Self { docker, volumes, observer: Arc::new(()), images, config, supervisor }
    }

    /// The executor with an observer of its jobs' progress.
    pub fn with_observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    /// The executor with the registry credentials of the user that runs jobs, beside those that come
    /// with a job.
    pub fn with_auth_config(mut self, config: AuthConfig) -> Self {
        self.images = self.images.with_auth_config(config);
        self
    }

    /// Returns when no job is under way, also none whose future was dropped: what comes before a
    /// runtime is shut down. Jobs that were prepared stage by stage are not waited for.
    pub async fn idle(&self) {
        self.supervisor.idle().await;
    }

    /// The settings.
    pub fn config(&self) -> &ExecutorConfig {
        &self.config
    }

    /// Plans a job and runs it. What it mounts of the host is judged by what it is on this very host, as
    /// by [`plan_on_this_host`](crate::plan_on_this_host): a link to an engine's socket is refused. Of an engine on another
    /// machine, links of this one say nothing: use [`plan()`](crate::plan()) and [`run_plan`](Self::run_plan).
    ///
    /// # Errors
    /// [`JobError`] when the job cannot be planned: nothing was started then, and no request sent.
    /// Whatever happens later is part of the result.
    pub async fn run(
        &self,
        job: &JobSpec,
        sink: Box<dyn LogSink>,
        cancel: &Cancel,
    ) -> Result<JobResult, JobError> {
        let plan = plan_aside(job, &self.config, RunContext::draw()).await?;
        Ok(self.run_plan(&plan, sink, cancel).await)
    }

    /// Runs a plan. A plan is for one run: its names and labels are that run's.
    ///
    /// When the process dies, a container ends as soon as its step does: its shell reads from it.
    pub async fn run_plan(
        &self,
        plan: &JobPlan,
        sink: Box<dyn LogSink>,
        cancel: &Cancel,
    ) -> JobResult {
        self.run_plan_with(plan, &Transfers::none(), sink, cancel).await
    }

    /// Runs a plan with a project's files brought into its build folder before the steps, and
    /// artifacts taken from there after them. As [`run_plan`](Self::run_plan) otherwise.
    ///
    /// Files that cannot be brought make the job fail before its first step, artifacts that cannot be
    /// had after its last one; a script's own failure goes before that.
    pub async fn run_plan_with(
        &self,
        plan: &JobPlan,
        transfers: &Transfers,
        sink: Box<dyn LogSink>,
        cancel: &Cancel,
    ) -> JobResult {
        let cancel = cancel.child();
        let job = self.carry_out(plan.clone(), transfers.clone(), sink, cancel.clone());
        self.supervisor.run(cancel, job.boxed()).await
    }

    /// A run of a plan as a future that owns all it needs, for a caller that has tasks of its own:
    /// [`run_plan_with`](Self::run_plan_with) is this in a task that outlives its caller.
    ///
    /// One that is dropped cleans nothing up: what it made stays until it is swept by its labels.
    pub fn carry_out(
        &self,
        plan: JobPlan,
        transfers: Transfers,
        mut sink: Box<dyn LogSink>,
        cancel: Cancel,
    ) -> impl Future<Output = JobResult> + Send + use<> {
        let executor = self.clone();
        let span = tracing::debug_span!("job", run = %plan.run, project = %plan.project);
        let job = async move {
            let mut job = match executor.ready(&plan, Input::Once, &cancel).await {
                Ok(job) => job,
                Err(result) => return *result,
            };
            let work = executor.work(&mut job, &transfers, &mut *sink, &cancel);
            let failed = caught(work.map(Ok).boxed()).await;
            let failed = failed.unwrap_or_else(|panicked| Some(Failure::Before(panicked)));
            executor.end(job, failed, &cancel).await
        };
        job.instrument(span)
    }

    /// What a job is for: files in, steps, artifacts out.
    async fn work(
        &self,
        job: &mut PreparedJob,
        transfers: &Transfers,
        sink: &mut dyn LogSink,
        cancel: &Cancel,
    ) -> Option<Failure> {
        if let Err(reason) = self.brought(job, transfers, cancel).await {
            return Some(Failure::Before(reason));
        }
        let failed = self.steps(job, &mut Guard::new(sink), cancel).await;
        if failed.is_none() && transfers.artifacts.is_some() {
            job.state.phase = Phase::Collect;
        }
        let collected = self.collected(job, transfers, cancel).await;
        if let Err(reason) = &collected {
            let why = match reason {
                FailureReason::System { error } => job.plan.redacted(&describe(&**error)),
                _ => "they were still on their way when the job was stopped".to_owned(),
            };
            self.observer.event(&JobEvent::NotCollected(&why));
        }
        failed.or(collected.err().map(Failure::Before))
    }

    /// Brings a project's files into the build folder of a prepared job.
    ///
    /// # Errors
    /// [`ExecutorError`], with what was sent so far in place: the next upload repairs it.
    pub async fn upload<'a>(
        &self,
        job: &'a mut PreparedJob,
        workspace: &Workspace,
    ) -> Result<&'a UploadReport, ExecutorError> {
        let carrier = Carrier { docker: &*self.docker, observer: &*self.observer, plan: &job.plan };
        let sent = carrier.upload(&mut job.state, workspace).await;
        let report = sent.map_err(|error| error.redacted(&job.plan.hidden()))?;
        self.observer.event(&JobEvent::Uploaded(&report));
        Ok(job.state.upload.insert(report))
    }

    /// Takes artifacts out of the build folder of a prepared job, into a folder of this machine.
    ///
    /// # Errors
    /// [`ExecutorError`]; what came before is there.
    pub async fn collect<'a>(
        &self,
        job: &'a mut PreparedJob,
        artifacts: &Artifacts,
        folder: &Path,
    ) -> Result<&'a ArtifactReport, ExecutorError> {
        let carrier = Carrier { docker: &*self.docker, observer: &*self.observer, plan: &job.plan };
        let container = job.state.container().cloned().ok_or(ExecutorError::NoBuildFolder)?;
        let taken = carrier.collect(&container, artifacts, folder).await;
        let report = taken.map_err(|error| error.redacted(&job.plan.hidden()))?;
        self.observer.event(&JobEvent::Collected(&report));
        Ok(job.state.artifacts.insert(report))
    }

    async fn brought(
        &self,
        job: &mut PreparedJob,
        transfers: &Transfers,
        cancel: &Cancel,
    ) -> Result<(), FailureReason> {
        let Some(workspace) = &transfers.workspace else { return Ok(()) };
        job.state.phase = Phase::Upload;
        let interrupt =
            Interrupt::new(cancel, [interrupt::of_job(&job.plan.timeouts, job.state.begin)]);
        // What is dropped half-way repairs itself the next time.
        tokio::select! {
            biased;
            uploaded = self.upload(job, workspace) => Ok(uploaded.map(drop)?),
            reason = interrupt.occurs() => {
                self.tell_of_interruption(&mut job.state, &reason);
                Err(reason)
            }
        }
    }

    async fn collected(
        &self,
        job: &mut PreparedJob,
        transfers: &Transfers,
        cancel: &Cancel,
    ) -> Result<(), FailureReason> {
        let Some((artifacts, folder)) = &transfers.artifacts else { return Ok(()) };
        let interrupt =
            Interrupt::new(cancel, [interrupt::of_job(&job.plan.timeouts, job.state.begin)])
                .only_by_kill();
        tokio::select! {
            biased;
            collected = self.collect(job, artifacts, folder) => Ok(collected.map(drop)?),
            reason = interrupt.occurs() => {
                self.tell_of_interruption(&mut job.state, &reason);
                Err(reason)
            }
        }
    }

    /// Makes everything ready for a job's steps: volumes, network, images, services, containers.
    ///
    /// Its containers outlive this process: call [`finish`](Self::finish), here or after
    /// [`resume`](Self::resume) elsewhere.
    ///
    /// # Errors
    /// The job's result, when it did not come so far; it is cleaned up then.
    pub async fn prepare(
        &self,
        plan: &JobPlan,
        cancel: &Cancel,
    ) -> Result<PreparedJob, Box<JobResult>> {
        let span = tracing::debug_span!("job", run = %plan.run, project = %plan.project);
        self.ready(plan, Input::Kept, cancel).instrument(span).await
    }

    /// Finds a job that another process has prepared, by its plan, and attaches to its containers.
    /// Steps that ran before are not known here; a step must not be under way.
    ///
    /// # Errors
    /// [`ExecutorError::NotPrepared`] when a container is gone or does not run;
    /// [`ExecutorError::Engine`], [`ExecutorError::Volumes`].
    pub async fn resume(&self, plan: &JobPlan) -> Result<PreparedJob, ExecutorError> {
        let masker = masker(plan)?;
        let mut state = RunState::new(plan, self.docker.requests_sent());
        resume::resume(&*self.docker, &*self.volumes, plan, &mut state).await?;
        Ok(PreparedJob { plan: plan.clone(), state, masker })
    }

    /// Runs one step of a prepared job, whatever its `when` says; the after-script's name is
    /// `after_script`. Its result is also kept for [`finish`](Self::finish).
    ///
    /// A step that is cancelled or out of time is asked to stop, gets its grace and is killed. Its
    /// container is started again for a later step. The after-script is stopped by
    /// [`Cancel::kill`] alone.
    ///
    /// # Errors
    /// [`ExecutorError::UnknownStep`]. How the step ended is in its result.
    pub async fn run_step<'a>(
        &self,
        job: &'a mut PreparedJob,
        step: &str,
        sink: &mut dyn LogSink,
        cancel: &Cancel,
    ) -> Result<&'a StepResult, ExecutorError> {
        let unknown = || ExecutorError::UnknownStep { step: step.to_owned() };
        let step = job.plan.step(step).cloned().ok_or_else(unknown)?;
        let begin = *job.state.script_begin.get_or_insert_with(Instant::now);
        let is_after_script = job.plan.after_script.as_ref() == Some(&step);
        let interrupt = if is_after_script {
            Interrupt::new(cancel, interrupt::of_after_script(&job.plan.timeouts, job.state.begin))
                .only_by_kill()
        } else {
            Interrupt::new(
                cancel,
                interrupt::of_step(&job.plan.timeouts, job.state.begin, begin, &step),
            )
        };
        self.one_step(job, &step, sink, &interrupt, cancel).await;
        job.state.steps.last().ok_or_else(|| ExecutorError::UnknownStep { step: step.name.clone() })
    }

    /// Ends a prepared job: removes its containers, network and temporary volumes. Its outcome is
    /// that of the steps that ran on this [`PreparedJob`].
    pub async fn finish(&self, job: PreparedJob, cancel: &Cancel) -> JobResult {
        let failed = first_failure(&job.state.steps);
        let (executor, cancel) = (self.clone(), cancel.clone());
        // A cleanup that has begun is not to be dropped half-way.
        let end = async move { executor.end(job, failed.map(Failure::Step), &cancel).await };
        self.supervisor.run(Cancel::new(), end.boxed()).await
    }

    async fn ready(
        &self,
        plan: &JobPlan,
        input: Input,
        cancel: &Cancel,
    ) -> Result<PreparedJob, Box<JobResult>> {
        let mut state = RunState::new(plan, self.docker.requests_sent());
        let begin = state.begin;
        let timeouts = &plan.timeouts;
        let interrupt = Interrupt::new(
            cancel,
            [
                interrupt::of_job(timeouts, begin),
                Deadline::new(TimedPart::Prepare, begin, timeouts.prepare),
            ],
        );
        let masker = match masker(plan) {
            Ok(masker) => masker,
            Err(error) => {
                return Err(Box::new(self.clear(plan, state, Err(error.into()), cancel).await));
            }
        };
        let preparation = prepare::Preparation {
            docker: &*self.docker,
            volumes: &*self.volumes,
            observer: &*self.observer,
            images: &self.images,
            plan,
            masker: &masker,
            input,
            interrupt: &interrupt,
        };
        let attempt = async {
            for note in &plan.notes {
                self.observer.event(&JobEvent::Noted(note));
            }
            rebuild::ready(&preparation, self.config.rebuild_caches, &mut state, cancel).await
        };
        let attempt = attempt.instrument(tracing::debug_span!("prepare"));
        match caught(interrupt.settled(attempt).boxed()).await {
            Ok(()) => Ok(PreparedJob { plan: plan.clone(), state, masker }),
            Err(reason) => {
                self.tell_of_interruption(&mut state, &reason);
                let reason = reason.redacted(&plan.hidden());
                Err(Box::new(self.clear(plan, state, Err(reason), cancel).await))
            }
        }
    }

    /// Runs the steps that their outcomes ask for, and the after-script; the first failure that
    /// counts comes back.
    async fn steps(
        &self,
        job: &mut PreparedJob,
        sink: &mut dyn LogSink,
        cancel: &Cancel,
    ) -> Option<Failure> {
        let begin = *job.state.script_begin.insert(Instant::now());
        let mut failed: Option<Failure> = None;
        let steps = job.plan.steps.clone();
        for step in &steps {
            let reason = failed.as_ref().and_then(|failed| failed.reason(&job.state.steps));
            if !wants(step.when, reason) {
                self.skip(job, step);
                continue;
            }
            let interrupt = Interrupt::new(
                cancel,
                interrupt::of_step(&job.plan.timeouts, job.state.begin, begin, step),
            );
            let result = match interrupt.check() {
                Ok(()) => self.one_step(job, step, sink, &interrupt, cancel).await,
                Err(reason) => {
                    self.tell_of_interruption(&mut job.state, &reason);
                    self.skip(job, step);
                    Some(Failure::Before(reason))
                }
            };
            if failed.is_none() {
                failed = result;
            }
        }
        if let Some(after) = job.plan.after_script.clone() {
            self.after_script(job, &after, sink, failed.as_ref(), cancel).await;
        }
        failed
    }

    /// Runs the after-script, unless there is nothing to run it in or no time left for it. Whatever
    /// becomes of it, the job's outcome stays.
    async fn after_script(
        &self,
        job: &mut PreparedJob,
        step: &StepPlan,
        sink: &mut dyn LogSink,
        failed: Option<&Failure>,
        cancel: &Cancel,
    ) {
        let reason = failed.and_then(|failed| failed.reason(&job.state.steps));
        let hopeless = match reason {
            Some(FailureReason::Timeout { what, .. }) => *what == TimedPart::Job,
            Some(FailureReason::System { .. } | FailureReason::ImagePull { .. }) => true,
            _ => false,
        };
        if hopeless || cancel.is_killed() {
            return self.skip(job, step);
        }
        let interrupt =
            Interrupt::new(cancel, interrupt::of_after_script(&job.plan.timeouts, job.state.begin))
                .only_by_kill();
        if interrupt.check().is_err() {
            return self.skip(job, step);
        }
        self.one_step(job, step, sink, &interrupt, cancel).await;
    }

    /// Runs a step and keeps its result; comes back with its failure if that counts.
    async fn one_step(
        &self,
        job: &mut PreparedJob,
        step: &StepPlan,
        sink: &mut dyn LogSink,
        interrupt: &Interrupt<'_>,
        cancel: &Cancel,
    ) -> Option<Failure> {
        self.observer.event(&JobEvent::StepStarted { step: &step.name });
        job.state.phase = Phase::Script;
        let PreparedJob { plan, state, masker } = job;
        let runner = Runner {
            docker: &*self.docker,
            volumes: &*self.volumes,
            observer: &*self.observer,
            images: &self.images,
            plan,
            masker,
            interrupt,
            cancel,
            live_restore: state.live_restore,
            outages: self.docker.outages(),
        };
        let begin = Instant::now();
        let span = tracing::debug_span!("step", name = %step.name);
        let (ended, log) = step::run(&runner, state, step, sink).instrument(span).await;
        if let Err(reason) = &ended {
            self.tell_of_interruption(state, reason);
        }
        let ended = ended.map_err(|reason| reason.redacted(&plan.hidden()));
        let result = StepResult {
            name: step.name.clone(),
            container: plan.containers[step.container].kind,
            outcome: match ended {
                Ok(()) => StepOutcome::Succeeded,
                Err(reason) => StepOutcome::Failed(reason),
            },
            allow_failure: step.allow_failure,
            duration: begin.elapsed(),
            log,
        };
        self.observer.event(&JobEvent::StepEnded(&result));
        let counts = counts(&result);
        state.steps.push(result);
        counts.then(|| Failure::Step(state.steps.len() - 1))
    }

    fn tell_of_interruption(&self, state: &mut RunState, reason: &FailureReason) {
        state.told.interruption(&*self.observer, reason, state.steps.len());
    }

    fn skip(&self, job: &mut PreparedJob, step: &StepPlan) {
        let result = StepResult {
            name: step.name.clone(),
            container: job.plan.containers[step.container].kind,
            outcome: StepOutcome::Skipped,
            allow_failure: step.allow_failure,
            duration: Duration::ZERO,
            log: crate::LogEnd::Complete,
        };
        self.observer.event(&JobEvent::StepEnded(&result));
        job.state.steps.push(result);
    }

    /// Clears up after a job's steps.
    async fn end(&self, job: PreparedJob, failed: Option<Failure>, cancel: &Cancel) -> JobResult {
        let PreparedJob { plan, mut state, .. } = job;
        if let Some(begin) = state.script_begin {
            state.timings.script = begin.elapsed();
        }
        let ended = match failed {
            None => Ok(()),
            Some(Failure::Before(reason)) => Err(reason),
            Some(Failure::Step(index)) => match &state.steps[index].outcome {
                StepOutcome::Failed(reason) => Err(reason.clone()),
                StepOutcome::Succeeded | StepOutcome::Skipped => Ok(()),
            },
        };
        self.clear(&plan, state, ended, cancel).await
    }

    async fn clear(
        &self,
        plan: &JobPlan,
        mut state: RunState,
        ended: Result<(), FailureReason>,
        cancel: &Cancel,
    ) -> JobResult {
        let ended = ended.map_err(|reason| reason.redacted(&plan.hidden()));
        let begin = Instant::now();
        let outcome = if ended.is_ok() { Outcome::Succeeded } else { Outcome::Failed };
        let cleanup =
            cleanup::clean_up(&*self.docker, &*self.volumes, plan, &mut state, outcome, cancel)
                .instrument(tracing::debug_span!("cleanup"))
                .await;
        state.timings.cleanup = begin.elapsed();
        let cleanup = cleanup.redacted(&plan.hidden());
        let log = state.log_end();
        JobResult {
            run: plan.run.clone(),
            project: plan.project.clone(),
            outcome: match ended {
                Ok(()) => JobOutcome::Succeeded,
                Err(reason) => JobOutcome::Failed(reason),
            },
            phase: state.phase,
            engine: state.engine,
            volumes: state.volumes,
            log,
            services: state.services.into_iter().filter_map(|service| service.result).collect(),
            steps: state.steps,
            upload: state.upload,
            artifacts: state.artifacts,
            timings: state.timings,
            api_requests: self.docker.requests_sent() - state.requests_before,
            cleanup,
        }
    }
}

fn masker(plan: &JobPlan) -> Result<Masker, ExecutorError> {
    Ok(Masker::new(plan.secrets.iter().map(|secret| secret.0.as_bytes()))?)
}
