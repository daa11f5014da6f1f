//! A job stage by stage, perhaps by several processes.

use std::{fmt, path::Path};

use docker_api_trait::Input;
use futures_util::FutureExt as _;
use tokio::time::Instant;
use tracing::Instrument as _;
use volume_manager::Outcome;

use crate::{
    ArtifactReport, Artifacts, Cancel, CleanupReport, Executor, ExecutorError, JobEvent, JobPlan,
    JobProgress, JobResult, LogSink, Masker, Observer as _, Phase, StepResult, UploadReport,
    Workspace,
    log::Refusal,
    redact::{RedactingObserver, Redactor},
    run::interrupt::{self, Interrupt},
    run::lifecycle::masker,
    run::resume,
    run::state::RunState,
    run::transfer::Carrier,
    run::when::{Failure, first_failure},
};

/// A job that is ready for its steps. Dropping it detaches from its containers and leaves them.
pub struct PreparedJob {
    pub(crate) plan: JobPlan,
    pub(crate) state: RunState,
    pub(crate) masker: Masker,
    /// Why the sink is not called any more.
    pub(crate) refusal: Refusal,
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
        let span = tracing::debug_span!("job", run = %plan.run, project = %plan.project);
        self.ready(plan, Input::Kept, cancel).instrument(span).await
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
    /// [`ExecutorError::NotPrepared`] when a container is gone or does not run;
    /// [`ExecutorError::Engine`], [`ExecutorError::Volumes`].
    pub async fn resume(&self, plan: &JobPlan) -> Result<PreparedJob, ExecutorError> {
        self.resume_with(plan, &JobProgress::none(plan)).await
    }

    /// Finds a job as [`resume`](Self::resume) does, whose steps so far ended as `progress` says:
    /// [`PreparedJob::progress`] of the process that ran the last one.
    ///
    /// # Errors
    /// As [`resume`](Self::resume); and [`ExecutorError::OtherRun`] and
    /// [`ExecutorError::UnknownStep`] when the progress does not belong to the plan.
    pub async fn resume_with(
        &self,
        plan: &JobPlan,
        progress: &JobProgress,
    ) -> Result<PreparedJob, ExecutorError> {
        let masker = masker(plan)?;
        let mut state = RunState::new(plan, self.docker.requests_sent());
        state.steps = progress.results(plan).map_err(|error| Redactor::of(plan).error(error))?;
        let resumed = resume::resume(&*self.docker, &*self.volumes, plan, &mut state).await;
        resumed.map_err(|error| Redactor::of(plan).error(error))?;
        state.phase = if state.steps.is_empty() { Phase::Start } else { Phase::Script };
        Ok(PreparedJob { plan: plan.clone(), state, masker, refusal: Refusal::default() })
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
        let observer = RedactingObserver::new(&*self.observer, &job.plan);
        let carrier = Carrier { docker: &*self.docker, observer: &observer, plan: &job.plan };
        let sent = carrier.upload(&mut job.state, workspace).await;
        let redactor = Redactor::of(&job.plan);
        let report = redactor.upload(&sent.map_err(|error| redactor.error(error))?);
        observer.event(&JobEvent::Uploaded(&report));
        Ok(job.state.upload.insert(report))
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
        let observer = RedactingObserver::new(&*self.observer, &job.plan);
        let carrier = Carrier { docker: &*self.docker, observer: &observer, plan: &job.plan };
        let container = job.state.container().cloned().ok_or(ExecutorError::NoBuildFolder)?;
        let taken = carrier.collect(&container, artifacts, folder).await;
        let redactor = Redactor::of(&job.plan);
        // A job may have written a secret into the name of a file.
        let report = redactor.artifacts(&taken.map_err(|error| redactor.error(error))?);
        observer.event(&JobEvent::Collected(&report));
        Ok(job.state.artifacts.insert(report))
    }

    /// Removes what a prepared job left on the engine, by its plan alone: containers, network and
    /// temporary volumes; caches stay. For a job that cannot be resumed, or is not to be. Can be called
    /// again, and when nothing was prepared.
    pub async fn abandon(&self, plan: &JobPlan, cancel: &Cancel) -> CleanupReport {
        let (executor, plan, cancel) = (self.clone(), plan.clone(), cancel.clone());
        let work = async move {
            let mut state = RunState::abandoned(&plan, executor.docker.requests_sent());
            executor.clean_up(&plan, &mut state, Outcome::Failed, &cancel).await
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
