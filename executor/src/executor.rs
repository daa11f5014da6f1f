//! Running jobs: whole, or stage by stage.

use std::{fmt, path::Path, sync::Arc, time::Duration};

use docker_api_trait::{DockerApi, Input};
use tokio::time::Instant;
use tracing::Instrument as _;
use volume_manager::{Outcome, VolumeManager};

use crate::{
    ArtifactReport, Artifacts, AuthConfig, Cancel, ExecutorConfig, ExecutorError, FailureReason,
    JobError, JobEvent, JobOutcome, JobPlan, JobResult, JobSpec, LogSink, Masker, Observer,
    RunContext, StepOutcome, StepPlan, StepResult, StepWhen, TimedPart, Transfers, UploadReport,
    Workspace, cleanup, describe,
    image::Images,
    interrupt::{Deadline, Interrupt},
    log::Guard,
    plan,
    plan::build::AFTER_SCRIPT,
    prepare,
    state::RunState,
    step::{self, Runner},
    transfer::Carrier,
};

/// Runs jobs on an engine.
///
/// # Contract
/// - Jobs may run concurrently on one executor; each is cleaned up by itself. Pulls of one image are
///   shared.
/// - [`run`](Self::run) always cleans up before it returns, whatever the outcome, and its result
///   says what it could not remove. All that it makes carries the run's labels from the moment of
///   its creation.
/// - To stop a job, use its [`Cancel`] and await the result. A future that is dropped instead
///   cleans nothing up: what the job made then stays until it is swept by its labels.
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
        Self { docker, volumes, observer: Arc::new(()), images, config }
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

    /// The settings.
    pub fn config(&self) -> &ExecutorConfig {
        &self.config
    }

    /// Plans a job and runs it.
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
        let plan = plan(job, &self.config, &RunContext::draw())?;
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
        mut sink: Box<dyn LogSink>,
        cancel: &Cancel,
    ) -> JobResult {
        let span = tracing::debug_span!("job", run = %plan.run, project = %plan.project);
        async {
            let mut job = match self.ready(plan, Input::Once, cancel).await {
                Ok(job) => job,
                Err(result) => return *result,
            };
            let failed = match self.brought(&mut job, transfers, cancel).await {
                Ok(()) => {
                    let sink = &mut Guard::new(&mut *sink);
                    let failed = self.steps(&mut job, sink, cancel).await;
                    let collected = self.collected(&mut job, transfers, cancel).await;
                    if let Err(FailureReason::System { error }) = &collected {
                        let why = describe(&**error);
                        self.observer.event(&JobEvent::NotCollected(&why));
                    }
                    failed.or(collected.err().map(Failure::Before))
                }
                Err(reason) => Some(Failure::Before(reason)),
            };
            self.end(job, failed, cancel).await
        }
        .instrument(span)
        .await
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
        let report = carrier.upload(&mut job.state, workspace).await?;
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
        let report = carrier.collect(&container, artifacts, folder).await?;
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
        let deadline = Deadline::new(TimedPart::Job, job.state.begin, job.plan.timeouts.job);
        let interrupt = Interrupt::new(cancel, [deadline]);
        // What is dropped half-way repairs itself the next time.
        tokio::select! {
            biased;
            uploaded = self.upload(job, workspace) => Ok(uploaded.map(drop)?),
            reason = interrupt.occurs() => Err(reason),
        }
    }

    async fn collected(
        &self,
        job: &mut PreparedJob,
        transfers: &Transfers,
        cancel: &Cancel,
    ) -> Result<(), FailureReason> {
        let Some((artifacts, folder)) = &transfers.artifacts else { return Ok(()) };
        let deadline = Deadline::new(TimedPart::Job, job.state.begin, job.plan.timeouts.job);
        let interrupt = Interrupt::new(cancel, [deadline]).only_by_kill();
        tokio::select! {
            biased;
            collected = self.collect(job, artifacts, folder) => Ok(collected.map(drop)?),
            reason = interrupt.occurs() => Err(reason),
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
        prepare::resume(&*self.docker, &*self.volumes, plan, &mut state).await?;
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
            Interrupt::new(cancel, after_script_deadlines(job)).only_by_kill()
        } else {
            Interrupt::new(cancel, deadlines(job, begin, &step))
        };
        self.one_step(job, &step, sink, &interrupt, cancel).await;
        job.state.steps.last().ok_or_else(|| ExecutorError::UnknownStep { step: step.name.clone() })
    }

    /// Ends a prepared job: removes its containers, network and temporary volumes. Its outcome is
    /// that of the steps that ran on this [`PreparedJob`].
    pub async fn finish(&self, job: PreparedJob, cancel: &Cancel) -> JobResult {
        let failed = first_failure(&job.state.steps);
        self.end(job, failed.map(Failure::Step), cancel).await
    }

    async fn ready(
        &self,
        plan: &JobPlan,
        input: Input,
        cancel: &Cancel,
    ) -> Result<PreparedJob, Box<JobResult>> {
        let mut state = RunState::new(plan, self.docker.requests_sent());
        for note in &plan.notes {
            self.observer.event(&JobEvent::Noted(note));
        }
        let begin = state.begin;
        let timeouts = &plan.timeouts;
        let interrupt = Interrupt::new(
            cancel,
            [
                Deadline::new(TimedPart::Job, begin, timeouts.job),
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
        let attempt = preparation.run(&mut state).instrument(tracing::debug_span!("prepare"));
        match interrupt.settled(attempt).await {
            Ok(()) => Ok(PreparedJob { plan: plan.clone(), state, masker }),
            Err(reason) => {
                if matches!(reason, FailureReason::Canceled | FailureReason::Timeout { .. }) {
                    self.observer.event(&JobEvent::Stopping);
                }
                let reason = reason.redacted(&secrets(plan));
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
            let interrupt = Interrupt::new(cancel, deadlines(job, begin, step));
            let result = match interrupt.check() {
                Ok(()) => self.one_step(job, step, sink, &interrupt, cancel).await,
                Err(reason) => {
                    self.observer.event(&JobEvent::Stopping);
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
        let interrupt = Interrupt::new(cancel, after_script_deadlines(job)).only_by_kill();
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
        };
        let begin = Instant::now();
        let span = tracing::debug_span!("step", name = %step.name);
        let (ended, log) = step::run(&runner, state, step, sink).instrument(span).await;
        let ended = ended.map_err(|reason| reason.redacted(&secrets(plan)));
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
        let ended = ended.map_err(|reason| reason.redacted(&secrets(plan)));
        let begin = Instant::now();
        let outcome = if ended.is_ok() { Outcome::Succeeded } else { Outcome::Failed };
        let cleanup =
            cleanup::clean_up(&*self.docker, &*self.volumes, plan, &mut state, outcome, cancel)
                .instrument(tracing::debug_span!("cleanup"))
                .await;
        state.timings.cleanup = begin.elapsed();
        let log = state.log_end();
        JobResult {
            run: plan.run.clone(),
            project: plan.project.clone(),
            outcome: match ended {
                Ok(()) => JobOutcome::Succeeded,
                Err(reason) => JobOutcome::Failed(reason),
            },
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

/// What made a job fail.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The step at this place among the results.
    Step(usize),
    /// Something before a step could begin.
    Before(FailureReason),
}

impl Failure {
    fn reason<'a>(&'a self, steps: &'a [StepResult]) -> Option<&'a FailureReason> {
        match self {
            Self::Before(reason) => Some(reason),
            Self::Step(index) => match &steps[*index].outcome {
                StepOutcome::Failed(reason) => Some(reason),
                StepOutcome::Succeeded | StepOutcome::Skipped => None,
            },
        }
    }
}

fn counts(result: &StepResult) -> bool {
    match &result.outcome {
        // Whatever becomes of the after-script, the job's outcome stays.
        _ if result.name == AFTER_SCRIPT => false,
        StepOutcome::Failed(FailureReason::Script { .. }) => !result.allow_failure,
        StepOutcome::Failed(FailureReason::Timeout { what: TimedPart::Step, .. }) => {
            !result.allow_failure
        }
        StepOutcome::Failed(_) => true,
        StepOutcome::Succeeded | StepOutcome::Skipped => false,
    }
}

fn first_failure(steps: &[StepResult]) -> Option<usize> {
    steps.iter().position(counts)
}

/// Whether a step is to run after what happened so far. After an interruption of the whole, or when
/// nobody can tell what happened, none is.
fn wants(when: StepWhen, failed: Option<&FailureReason>) -> bool {
    match failed {
        None => when != StepWhen::Failure,
        Some(
            FailureReason::Script { .. } | FailureReason::Timeout { what: TimedPart::Step, .. },
        ) => when != StepWhen::Success,
        Some(_) => false,
    }
}

fn deadlines(job: &PreparedJob, script_begin: Instant, step: &StepPlan) -> [Option<Deadline>; 3] {
    let timeouts = &job.plan.timeouts;
    [
        Deadline::new(TimedPart::Job, job.state.begin, timeouts.job),
        Deadline::new(TimedPart::Script, script_begin, timeouts.script),
        Deadline::new(TimedPart::Step, Instant::now(), step.timeout),
    ]
}

/// What an engine's words may repeat of a request and nobody should read.
fn secrets(plan: &JobPlan) -> Vec<&str> {
    let of_job = plan.secrets.iter().map(|secret| secret.0.as_str());
    let mut secrets: Vec<_> = plan.volumes.secrets().into_iter().chain(of_job).collect();
    // The longest first: of one that begins with another nothing may be left.
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets
}

fn after_script_deadlines(job: &PreparedJob) -> [Option<Deadline>; 2] {
    let timeouts = &job.plan.timeouts;
    [
        Deadline::new(TimedPart::Job, job.state.begin, timeouts.job),
        Deadline::new(TimedPart::AfterScript, Instant::now(), Some(timeouts.after_script)),
    ]
}

fn masker(plan: &JobPlan) -> Result<Masker, ExecutorError> {
    Ok(Masker::new(plan.secrets.iter().map(|secret| secret.0.as_bytes()))?)
}
