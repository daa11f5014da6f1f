//! One job on its way through an executor, from its description to its result.

use std::{future::Future, path::PathBuf, time::SystemTime};

use docker_api_trait::Input;
use futures_util::{FutureExt as _, future::BoxFuture};
use tracing::Instrument as _;

use crate::{
    cancel::Cancel,
    executor::Executor,
    job::{JobError, JobSpec},
    log::{LogSink, NullSink},
    outcome::JobResult,
    plan::{JobPlan, RunContext},
    run::{span::job_span, supervise::caught, transfer::Transfers, when::Failure},
    workspace::{Artifacts, Workspace},
};

/// A job that is about to run, made by [`Executor::job`] of a [`JobSpec`] or by
/// [`Executor::planned_job`] of a [`JobPlan`]. Nothing happens before [`run`](JobRun::run) is awaited.
#[derive(Debug)]
#[must_use = "nothing happens before `run` is awaited"]
pub struct JobRun<S = JobSpec> {
    executor: Box<Executor>,
    subject: Box<S>,
    context: RunContext,
    transfers: Transfers,
    sink: Box<dyn LogSink>,
    cancel: Cancel,
}

impl<S> JobRun<S> {
    pub(super) fn new(executor: &Executor, subject: S, context: RunContext) -> Self {
        Self {
            executor: Box::new(executor.clone()),
            subject: Box::new(subject),
            context,
            transfers: Transfers::none(),
            sink: Box::new(NullSink),
            cancel: Cancel::new(),
        }
    }

    /// Sends the job's output to `sink`. Without one it is read and dropped.
    pub fn sink(mut self, sink: impl LogSink + 'static) -> Self {
        self.sink = Box::new(sink);
        self
    }

    /// Lets `cancel` stop the job.
    pub fn cancel(mut self, cancel: &Cancel) -> Self {
        self.cancel = cancel.clone();
        self
    }

    /// Brings a project's files into the job's build directory before its first step. When they cannot
    /// be brought, the job fails and no step runs.
    pub fn workspace(mut self, workspace: Workspace) -> Self {
        self.transfers.workspace = Some(workspace);
        self
    }

    /// Fetches artifacts from the build directory into a directory of this machine after the last
    /// step, whatever its outcome. When they cannot be fetched, the job fails, unless it has failed
    /// already.
    pub fn artifacts(mut self, artifacts: Artifacts, directory: impl Into<PathBuf>) -> Self {
        self.transfers.artifacts = Some((artifacts, directory.into()));
        self
    }

    /// Sets workspace and artifacts together.
    pub fn transfers(mut self, transfers: Transfers) -> Self {
        self.transfers = transfers;
        self
    }

    /// Returns the unique id of the run, which is a label of everything that it creates.
    pub fn run_id(&self) -> &str {
        &self.context.run
    }
}

impl JobRun<JobSpec> {
    /// Plans and runs the job, and cleans up after it, whatever its outcome.
    ///
    /// When this future is dropped, the job is stopped at once, and a task of its own cleans up:
    /// [`Executor::idle`] waits for that.
    ///
    /// # Errors
    /// [`JobError`] when the job cannot be planned: no request was sent then. Everything that happens
    /// later is part of the result.
    pub fn run(self) -> BoxFuture<'static, Result<JobResult, JobError>> {
        let run = async move {
            let Self { executor, subject, mut context, transfers, sink, cancel } = self;
            // The run begins now: it may have waited for its turn.
            context.now = SystemTime::now();
            let plan = executor.plan_for(&subject, context.clone()).await?;
            let subject = Box::new(plan);
            Ok(JobRun { executor, subject, context, transfers, sink, cancel }.run().await)
        };
        run.boxed()
    }
}

impl JobRun<JobPlan> {
    /// Runs the planned job, and cleans up after it, whatever its outcome.
    ///
    /// When this future is dropped, the job is stopped at once, and a task of its own cleans up:
    /// [`Executor::idle`] waits for that.
    pub fn run(self) -> BoxFuture<'static, JobResult> {
        let cancel = self.cancel.child();
        let supervisor = self.executor.supervisor.clone();
        let job = Self { cancel: cancel.clone(), ..self }.run_unsupervised();
        async move { supervisor.run(cancel, job).await }.boxed()
    }

    /// Runs the planned job as [`run`](Self::run) does, but on the caller's task. When this future is
    /// dropped, nothing is cleaned up: what the job created stays until a sweep removes it.
    pub fn run_unsupervised(self) -> BoxFuture<'static, JobResult> {
        let Self { executor, subject, transfers, sink, cancel, .. } = self;
        executor.carry_out(*subject, transfers, sink, cancel).boxed()
    }
}

impl Executor {
    /// Carries out a plan, from its preparation to its cleanup. The future owns everything it needs.
    fn carry_out(
        &self,
        plan: JobPlan,
        transfers: Transfers,
        mut sink: Box<dyn LogSink>,
        cancel: Cancel,
    ) -> impl Future<Output = JobResult> + Send + use<> {
        let executor = self.clone();
        let span = job_span(&plan);
        let job = async move {
            let mut job = match executor.prepare_job(&plan, Input::Once, &cancel).await {
                Ok(job) => job,
                Err(result) => return *result,
            };
            let mut run = executor.run_of(&mut job, &cancel);
            let worked = caught(run.work(&transfers, &mut *sink).map(Ok).boxed()).await;
            let failed =
                worked.unwrap_or_else(|panicked| Some(Failure::Before(run.fail(panicked))));
            executor.end(job, failed, &cancel).await
        };
        job.instrument(span)
    }
}
