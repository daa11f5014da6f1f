//! A job stage by stage, perhaps by several processes.

use std::{fmt, path::Path, sync::Arc, time::Duration};

use docker_api_trait::Input;
use futures_util::FutureExt as _;
use tracing::Instrument as _;
use volume_manager::Outcome;

use super::lifecycle::masker;
use crate::{
    cancel::Cancel,
    error::{ResumeError, TransferError, UnknownStep},
    executor::Executor,
    job::{Command, ContainerKind, JobError, StepWhen},
    log::{LogSink, Masker},
    outcome::{CleanupReport, JobOutcome, JobResult, Phase, StepResult},
    plan::{ContainerPlan, JobPlan, Process, StepPlan, mask_name},
    run::{
        prepared::PreparedJob,
        progress::JobProgress,
        span::job_span,
        state::RunState,
        when::{Failure, first_failure},
    },
    workspace::{ArtifactReport, Artifacts, UploadReport, Workspace},
};

/// A job that could not be prepared. It was cleaned up.
#[derive(Debug)]
pub struct PrepareFailure(Box<JobResult>);

impl PrepareFailure {
    /// Returns the job's result, with its outcome and what cleanup could not remove.
    pub fn result(&self) -> &JobResult {
        &self.0
    }

    /// Returns the job's result.
    pub fn into_result(self) -> JobResult {
        *self.0
    }
}

impl fmt::Display for PrepareFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the job could not be prepared: ")?;
        match &self.0.outcome {
            JobOutcome::Failed(reason) => write!(formatter, "{reason}"),
            JobOutcome::Succeeded => formatter.write_str("no reason is known"),
        }
    }
}

impl std::error::Error for PrepareFailure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.failure().and_then(std::error::Error::source)
    }
}

/// A script that was not planned, for [`Executor::run_script`]. Its text does not show in debug output:
/// it may have secrets in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Script {
    name: String,
    command: Command,
    timeout: Option<Duration>,
    allow_failure: bool,
}

impl Script {
    /// A script for the container's shell, by the name that its result gets.
    ///
    /// # Errors
    /// [`JobError`] when the text cannot be a script: see [`Command::script`].
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Result<Self, JobError> {
        let (name, command) = (name.into(), Command::script(text)?);
        Ok(Self { name, command, timeout: None, allow_failure: false })
    }

    /// The script with a time limit of its own.
    pub fn with_timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// The script, whose failure leaves the job's outcome as it is.
    pub fn allowed_to_fail(mut self) -> Self {
        self.allow_failure = true;
        self
    }

    fn planned_in(&self, plan: &JobPlan, container: usize) -> Result<StepPlan, ScriptError> {
        let name = mask_name(&self.name, &plan.secrets);
        let is_valid = !name.is_empty() && name.len() <= 255 && !name.chars().any(char::is_control);
        if !is_valid || name == JobPlan::AFTER_SCRIPT || plan.step(&name).is_some() {
            return Err(ScriptError::Name { name });
        }
        Ok(StepPlan {
            name,
            container,
            script: self.command.as_script().unwrap_or_default().to_owned(),
            when: StepWhen::Always,
            timeout: self.timeout,
            allow_failure: self.allow_failure,
        })
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Script").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Why a script cannot be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScriptError {
    /// The job has no such container with a shell.
    #[error("the job has no {} container with a shell", .container.as_str())]
    NoShell {
        /// The container.
        container: ContainerKind,
    },
    /// The name is empty, longer than 255 bytes, has control characters in it, or is that of a planned
    /// step or of the after-script.
    #[error("{name:?} is not a valid name for a script")]
    Name {
        /// The name.
        name: String,
    },
}

impl ScriptError {
    /// Returns what a person can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoShell { .. } => "add the container to the job's `shells`",
            Self::Name { .. } => {
                "choose a name of at most 255 bytes without control characters that is not that of a \
                 planned step or of the after-script"
            }
        }
    }
}

impl Executor {
    /// Makes everything ready for a job's steps: volumes, network, images, services, containers.
    ///
    /// Its containers outlive this process: call [`finish`](Self::finish), here or after
    /// [`resume`](Self::resume) elsewhere.
    ///
    /// # Errors
    /// [`PrepareFailure`], with the job's result; the job is cleaned up then.
    pub async fn prepare(
        &self,
        plan: &JobPlan,
        cancel: &Cancel,
    ) -> Result<PreparedJob, PrepareFailure> {
        let prepared = self.prepare_job(plan, Input::Kept, cancel).instrument(job_span(plan)).await;
        prepared.map_err(PrepareFailure)
    }

    /// Finds a job that another process has prepared, by its plan, and attaches to its containers. A
    /// step must not be under way.
    ///
    /// No step has run as far as this one knows: unless all of them run here, [`finish`](Self::finish)
    /// ends in [`FailureReason::Incomplete`](crate::outcome::FailureReason::Incomplete). After steps in other
    /// processes use [`resume_with`](Self::resume_with).
    ///
    /// One that fails changes nothing and can be tried again; [`abandon`](Self::abandon) removes the
    /// job.
    ///
    /// # Errors
    /// [`ResumeError::NotPrepared`] when a container is gone or does not run;
    /// [`ResumeError::Engine`], [`ResumeError::Volumes`], [`ResumeError::Attach`].
    pub async fn resume(&self, plan: &JobPlan) -> Result<PreparedJob, ResumeError> {
        self.resume_with(plan, &JobProgress::none(plan)).await
    }

    /// Finds a job as [`resume`](Self::resume) does, whose steps so far ended as `progress` says:
    /// [`PreparedJob::progress`] of the process that ran the last one.
    ///
    /// # Errors
    /// As [`resume`](Self::resume); and [`ResumeError::OtherRun`] when the progress does not belong to
    /// the plan.
    pub async fn resume_with(
        &self,
        plan: &JobPlan,
        progress: &JobProgress,
    ) -> Result<PreparedJob, ResumeError> {
        let mut job = self.begin(plan, masker(plan)?, Input::Kept);
        let cancel = Cancel::new();
        let mut run = self.run_of(&mut job, &cancel);
        let resumed = async {
            run.state.steps = progress.results(plan)?;
            run.resume().await
        };
        if let Err(error) = resumed.await {
            return Err(run.redactor().resume(error));
        }
        let has_steps = !run.state.steps.is_empty();
        run.state.phase = if has_steps { Phase::Script } else { Phase::Start };
        Ok(job)
    }

    /// Sends a project's files to the build directory of a prepared job.
    ///
    /// # Errors
    /// [`TransferError`], with what was sent so far in place: the next upload repairs it.
    pub async fn upload(
        &self,
        job: &mut PreparedJob,
        workspace: &Workspace,
    ) -> Result<UploadReport, TransferError> {
        self.run_of(job, &Cancel::new()).upload(workspace).await
    }

    /// Runs one step of a prepared job, whatever its `when` says; the after-script's name is
    /// `after_script`. Its result is also kept for [`finish`](Self::finish).
    ///
    /// A step that is cancelled or out of time is asked to stop, gets its grace and is killed. Its
    /// container is started again for a later step. The after-script is stopped by
    /// [`Cancel::kill`] alone.
    ///
    /// Use `cancel` to stop the step, and await the result: when this future is dropped, the step goes on
    /// in its container, and only [`finish`](Self::finish) or [`abandon`](Self::abandon) may follow.
    ///
    /// After a call of a sink has failed, no later step of this [`PreparedJob`] calls one.
    ///
    /// # Errors
    /// [`UnknownStep`]. How the step ended is in its result.
    pub async fn run_step(
        &self,
        job: &mut PreparedJob,
        step: &str,
        sink: &mut dyn LogSink,
        cancel: &Cancel,
    ) -> Result<StepResult, UnknownStep> {
        let plan = Arc::clone(&job.plan);
        let unknown = || UnknownStep::new(step);
        let step = plan.step(step).ok_or_else(unknown)?;
        let mut run = self.run_of(job, cancel);
        let interrupt = run.interrupt_of(step);
        Ok(run.run_step(step, sink, interrupt).await.0)
    }

    /// Runs a script that was not planned in a container of a prepared job, for a driver that receives
    /// its scripts while the job runs. The container must have a shell: it has one if a planned step or
    /// [`JobSpec::shells`](crate::job::JobSpec::shells) asks for it.
    ///
    /// Its result counts as that of a step, also in [`PreparedJob::progress`]: a script that fails makes
    /// the job fail. The text is run as it is: `pre_build_script` and the other scripts of the
    /// configuration are added to planned steps alone. Everything else is as for
    /// [`run_step`](Self::run_step).
    ///
    /// # Errors
    /// [`ScriptError`] when the script cannot be run; nothing was run then.
    pub async fn run_script(
        &self,
        job: &mut PreparedJob,
        container: ContainerKind,
        script: &Script,
        sink: &mut dyn LogSink,
        cancel: &Cancel,
    ) -> Result<StepResult, ScriptError> {
        let is_shell =
            |one: &ContainerPlan| one.kind == container && matches!(one.process, Process::Shell(_));
        let index = job.plan.containers.iter().position(is_shell);
        let index = index.ok_or(ScriptError::NoShell { container })?;
        let step = script.planned_in(&job.plan, index)?;
        let mut run = self.run_of(job, cancel);
        let interrupt = run.interrupt_of(&step);
        Ok(run.run_step(&step, sink, interrupt).await.0)
    }

    /// Runs the steps of a prepared job that have not run yet, by their `when`, and the after-script.
    /// Returns their results.
    pub async fn run_remaining_steps(
        &self,
        job: &mut PreparedJob,
        sink: &mut dyn LogSink,
        cancel: &Cancel,
    ) -> Vec<StepResult> {
        let before = job.state.steps.len();
        self.run_of(job, cancel).run_steps(sink).await;
        job.state.steps[before..].to_vec()
    }

    /// Fetches artifacts from the build directory of a prepared job into a directory of this machine.
    ///
    /// # Errors
    /// [`TransferError`]; what came before is there.
    pub async fn collect(
        &self,
        job: &mut PreparedJob,
        artifacts: &Artifacts,
        folder: &Path,
    ) -> Result<ArtifactReport, TransferError> {
        self.run_of(job, &Cancel::new()).collect(artifacts, folder).await
    }

    /// Removes what a prepared job left on the engine, by its plan alone: containers, network and
    /// temporary volumes; caches stay. For a job that cannot be resumed, or is not to be. Can be called
    /// again, and when nothing was prepared.
    pub async fn abandon(&self, plan: &JobPlan, cancel: &Cancel) -> CleanupReport {
        let (executor, plan, cancel) = (self.clone(), plan.clone(), cancel.clone());
        let work = async move {
            let mut job = executor.begin(&plan, Masker::none(), Input::Kept);
            job.state = RunState::abandoned(&plan, executor.docker.requests_sent());
            executor.clean_up(&mut job, Outcome::Crashed, &cancel).await
        };
        self.supervisor.run(Cancel::new(), work.boxed()).await
    }

    /// Ends a prepared job: removes its containers, network and temporary volumes.
    ///
    /// It has succeeded only if every step ran that had to by its `when`, here or in the progress that
    /// was passed on, and none of them failed. Otherwise the outcome is the first failure;
    /// [`Canceled`](crate::outcome::FailureReason::Canceled) when `cancel` was asked to stop; or
    /// [`Incomplete`](crate::outcome::FailureReason::Incomplete), which names the steps.
    pub async fn finish(&self, job: PreparedJob, cancel: &Cancel) -> JobResult {
        let failed = first_failure(&job.state.steps);
        let span = job_span(&job.plan);
        let (executor, cancel) = (self.clone(), cancel.clone());
        // A cleanup that has begun is not to be dropped half-way.
        let end = async move { executor.end(job, failed.map(Failure::Step), &cancel).await };
        self.supervisor.run(Cancel::new(), end.instrument(span).boxed()).await
    }
}
