//! The beginning and the end of a job: its preparation with what follows a failed one, and its result.

use std::{sync::Arc, time::SystemTime};

use docker_api_trait::Input;
use futures_util::FutureExt as _;
use tokio::time::Instant;
use tracing::Instrument as _;
use volume_manager::Outcome;

use crate::{
    cancel::Cancel,
    error::PrepareError,
    executor::Executor,
    log::{MaskError, Masker},
    outcome::{CleanupReport, FailureReason, JobOutcome, JobResult, StepOutcome},
    plan::JobPlan,
    redact::RedactingObserver,
    run::{
        Inputs, Run,
        interrupt::Interrupt,
        prepared::PreparedJob,
        span::trace_end,
        volumes::volume_outcome,
        when::{Failure, final_failure},
    },
};

impl Executor {
    /// Returns the run of `job`, which `cancel` stops. Until another limit is set, a phase is interrupted
    /// by `cancel` and by the job's own time limit.
    pub(crate) fn run_of<'a>(&'a self, job: &'a mut PreparedJob, cancel: &'a Cancel) -> Run<'a> {
        let PreparedJob { plan, state, masker, observer, refusal, input } = job;
        let inputs = Inputs {
            docker: &*self.docker,
            volumes: &*self.volumes,
            observer,
            images: &self.images,
            plan,
            masker,
            refusal,
            cancel,
            interrupt: Interrupt::of_job(cancel, &plan.timeouts, state.begin),
            input: *input,
        };
        Run { inputs, state }
    }

    /// Returns what is kept of a job of which nothing has been requested.
    pub(crate) fn begin(&self, plan: &JobPlan, masker: Masker, input: Input) -> PreparedJob {
        let observer = RedactingObserver::new(Arc::clone(&self.observer), plan);
        PreparedJob::new(plan, masker, observer, input, self.docker.requests_sent())
    }

    /// Prepares a job. One that cannot be prepared is cleaned up.
    pub(crate) async fn prepare_job(
        &self,
        plan: &JobPlan,
        input: Input,
        cancel: &Cancel,
    ) -> Result<PreparedJob, Box<JobResult>> {
        self.evidence.begin(plan);
        let (mut job, masked) = match masker(plan) {
            Ok(masker) => (self.begin(plan, masker, input), Ok(())),
            Err(error) => (self.begin(plan, Masker::none(), input), Err(error)),
        };
        let mut run = self.run_of(&mut job, cancel);
        let prepared = match masked {
            Ok(()) => run.prepare_in_time(self.config.rebuild_caches).await,
            Err(error) => Err(PrepareError::from(error).into()),
        };
        match prepared.map_err(|reason| run.fail(reason)) {
            Ok(()) => Ok(job),
            Err(reason) => Err(Box::new(self.conclude(job, Err(reason), cancel).await)),
        }
    }

    /// Ends a job after its steps.
    pub(crate) async fn end(
        &self,
        job: PreparedJob,
        failed: Option<Failure>,
        cancel: &Cancel,
    ) -> JobResult {
        let steps = &job.state.steps;
        let failed = failed.or_else(|| job.state.interrupted.clone().map(Failure::Before));
        let failed = final_failure(&job.plan.steps, steps, failed, cancel.is_stopped());
        let ended = match failed {
            None => Ok(()),
            Some(Failure::Before(reason)) => Err(reason),
            Some(Failure::Step(index)) => match &steps[index].outcome {
                StepOutcome::Failed(reason) => Err(reason.clone()),
                StepOutcome::Succeeded | StepOutcome::Skipped => Ok(()),
            },
        };
        self.conclude(job, ended, cancel).await
    }

    /// Cleans up after a job, and collects its result.
    async fn conclude(
        &self,
        mut job: PreparedJob,
        ended: Result<(), FailureReason>,
        cancel: &Cancel,
    ) -> JobResult {
        if let Some(begin) = job.state.script_begin {
            job.state.timings.script = begin.elapsed();
        }
        let begin = Instant::now();
        let outcome = volume_outcome(&ended, &job.state.steps);
        let cleanup = self.clean_up(&mut job, outcome, cancel).await;
        let PreparedJob { plan, mut state, observer, .. } = job;
        state.timings.cleanup = begin.elapsed();
        let log = state.log_end();
        let ended_at = SystemTime::now();
        let result = JobResult {
            run: plan.run.clone(),
            job: plan.job.clone(),
            started_at: ended_at.checked_sub(state.begin.elapsed()).unwrap_or(ended_at),
            ended_at,
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
        };
        let result = observer.redactor().result(result);
        trace_end(&result);
        result
    }

    /// Removes what a job created, except caches.
    pub(crate) async fn clean_up(
        &self,
        job: &mut PreparedJob,
        outcome: Outcome,
        cancel: &Cancel,
    ) -> CleanupReport {
        let mut run = self.run_of(job, cancel);
        let report = run.remove_all(outcome).boxed().instrument(tracing::debug_span!("cleanup"));
        let report = report.await;
        if report.failed.is_empty() {
            self.evidence.end(run.plan);
        }
        run.redactor().cleanup(report)
    }
}

pub(crate) fn masker(plan: &JobPlan) -> Result<Masker, MaskError> {
    Masker::new(plan.secrets.iter().map(|secret| secret.0.as_bytes()))
}
