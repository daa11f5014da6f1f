//! A job stage by stage, perhaps by several processes.

use std::{fmt, path::Path, sync::Arc};

use docker_api_trait::Input;
use futures_util::FutureExt as _;
use tracing::Instrument as _;
use volume_manager::Outcome;

use crate::{
    ArtifactReport, Artifacts, Cancel, CleanupReport, Executor, JobPlan, JobProgress, JobResult,
    LogSink, Masker, Phase, ResumeError, StepResult, TransferError, UnknownStep, UploadReport,
    Workspace,
    log::Refusal,
    redact::RedactingObserver,
    run::{
        Run,
        lifecycle::masker,
        span::job_span,
        state::RunState,
        when::{Failure, first_failure},
    },
};

/// A job that is ready for its steps. Dropping it detaches from its containers and leaves them.
pub struct PreparedJob {
    pub(crate) plan: Arc<JobPlan>,
    pub(crate) state: RunState,
    pub(crate) masker: Masker,
    pub(crate) observer: RedactingObserver,
    /// Why the sink is not called any more.
    pub(crate) refusal: Refusal,
    /// How long the standard input of its shells stays open.
    pub(crate) input: Input,
}

impl PreparedJob {
    pub(crate) fn new(executor: &Executor, plan: &JobPlan, masker: Masker, input: Input) -> Self {
        Self {
            plan: Arc::new(plan.clone()),
            state: RunState::new(plan, executor.docker.requests_sent()),
            masker,
            observer: RedactingObserver::new(Arc::clone(&executor.observer), plan),
            refusal: Refusal::default(),
            input,
        }
    }

    /// Its plan.
    pub fn plan(&self) -> &JobPlan {
        &self.plan
    }

    /// What became of its steps so far.
    pub fn steps(&self) -> &[StepResult] {
        &self.state.steps
    }

    /// What became of its steps so far, for the process that carries it on with
    /// [`Executor::resume_with`].
    pub fn progress(&self) -> JobProgress {
        JobProgress::new(&self.plan.run, &self.state.steps)
    }
}

impl fmt::Debug for PreparedJob {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PreparedJob").field("run", &self.plan.run).finish_non_exhaustive()
    }
}
impl Executor {
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
        let span = job_span(plan);
        self.prepare_job(plan, Input::Kept, cancel).instrument(span).await
    }

    /// Finds a job that another process has prepared, by its plan, and attaches to its containers. A
    /// step must not be under way.
    ///
    /// No step has run as far as this one knows: unless all of them run here, [`finish`](Self::finish)
    /// ends in [`FailureReason::Incomplete`](crate::FailureReason::Incomplete). After steps in other
    /// processes use [`resume_with`](Self::resume_with).
    ///
    /// One that fails changes nothing and can be tried again; [`abandon`](Self::abandon) removes the
    /// job.
    ///
    /// # Errors
    /// [`ResumeError::NotPrepared`] when a container is gone or does not run;
    /// [`PrepareError::Engine`], [`PrepareError::Volumes`].
    pub async fn resume(&self, plan: &JobPlan) -> Result<PreparedJob, ResumeError> {
        self.resume_with(plan, &JobProgress::none(plan)).await
    }

    /// Finds a job as [`resume`](Self::resume) does, whose steps so far ended as `progress` says:
    /// [`PreparedJob::progress`] of the process that ran the last one.
    ///
    /// # Errors
    /// As [`resume`](Self::resume); and [`ResumeError::OtherRun`] and
    /// [`ResumeError::UnknownStep`] when the progress does not belong to the plan.
    pub async fn resume_with(
        &self,
        plan: &JobPlan,
        progress: &JobProgress,
    ) -> Result<PreparedJob, ResumeError> {
        let mut job = PreparedJob::new(self, plan, masker(plan)?, Input::Kept);
        let cancel = Cancel::new();
        let mut run = Run::new(self, &mut job, &cancel);
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

    /// Brings a project's files into the build folder of a prepared job.
    ///
    /// # Errors
    /// [`TransferError`], with what was sent so far in place: the next upload repairs it.
    pub async fn upload(
        &self,
        job: &mut PreparedJob,
        workspace: &Workspace,
    ) -> Result<UploadReport, TransferError> {
        Run::new(self, job, &Cancel::new()).upload(workspace).await
    }

    /// Runs one step of a prepared job, whatever its `when` says; the after-script's name is
    /// `after_script`. Its result is also kept for [`finish`](Self::finish).
    ///
    /// A step that is cancelled or out of time is asked to stop, gets its grace and is killed. Its
    /// container is started again for a later step. The after-script is stopped by
    /// [`Cancel::kill`] alone.
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
        let mut run = Run::new(self, job, cancel);
        let interrupt = run.interrupt_of(step);
        run.run_step(step, sink, interrupt).await;
        job.state.steps.last().cloned().ok_or_else(unknown)
    }

    /// Takes artifacts out of the build folder of a prepared job, into a folder of this machine.
    ///
    /// # Errors
    /// [`TransferError`]; what came before is there.
    pub async fn collect(
        &self,
        job: &mut PreparedJob,
        artifacts: &Artifacts,
        folder: &Path,
    ) -> Result<ArtifactReport, TransferError> {
        Run::new(self, job, &Cancel::new()).collect(artifacts, folder).await
    }

    /// Removes what a prepared job left on the engine, by its plan alone: containers, network and
    /// temporary volumes; caches stay. For a job that cannot be resumed, or is not to be. Can be called
    /// again, and when nothing was prepared.
    pub async fn abandon(&self, plan: &JobPlan, cancel: &Cancel) -> CleanupReport {
        let (executor, plan, cancel) = (self.clone(), plan.clone(), cancel.clone());
        let work = async move {
            let mut job = PreparedJob::new(&executor, &plan, Masker::none(), Input::Kept);
            job.state = RunState::abandoned(&plan, executor.docker.requests_sent());
            executor.clean_up(&mut job, Outcome::Crashed, &cancel).await
        };
        self.supervisor.run(Cancel::new(), work.boxed()).await
    }

    /// Ends a prepared job: removes its containers, network and temporary volumes.
    ///
    /// It has succeeded only if every step ran that had to by its `when`, here or in the progress that
    /// was passed on, and none of them failed. Otherwise the outcome is the first failure;
    /// [`Canceled`](crate::FailureReason::Canceled) when `cancel` was asked to stop; or
    /// [`Incomplete`](crate::FailureReason::Incomplete), which names the steps.
    pub async fn finish(&self, job: PreparedJob, cancel: &Cancel) -> JobResult {
        let failed = first_failure(&job.state.steps);
        let (executor, cancel) = (self.clone(), cancel.clone());
        // A cleanup that has begun is not to be dropped half-way.
        let end = async move { executor.end(job, failed.map(Failure::Step), &cancel).await };
        self.supervisor.run(Cancel::new(), end.boxed()).await
    }
}
