//! A job stage by stage, perhaps by several processes.

use std::{fmt, path::Path};

use docker_api_trait::Input;
use futures_util::FutureExt as _;
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::{
    ArtifactReport, Artifacts, Cancel, Executor, ExecutorError, JobEvent, JobPlan, JobResult,
    LogSink, Masker, Observer as _, StepResult, UploadReport, Workspace,
    interrupt::{self, Interrupt},
    lifecycle::masker,
    redact::{RedactingObserver, Redactor},
    resume,
    state::RunState,
    transfer::Carrier,
    when::{Failure, first_failure},
};

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
        let resumed = resume::resume(&*self.docker, &*self.volumes, plan, &mut state).await;
        resumed.map_err(|error| Redactor::of(plan).error(error))?;
        Ok(PreparedJob { plan: plan.clone(), state, masker })
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

    /// Ends a prepared job: removes its containers, network and temporary volumes. Its outcome is
    /// that of the steps that ran on this [`PreparedJob`].
    pub async fn finish(&self, job: PreparedJob, cancel: &Cancel) -> JobResult {
        let failed = first_failure(&job.state.steps);
        let (executor, cancel) = (self.clone(), cancel.clone());
        // A cleanup that has begun is not to be dropped half-way.
        let end = async move { executor.end(job, failed.map(Failure::Step), &cancel).await };
        self.supervisor.run(Cancel::new(), end.boxed()).await
    }
}
