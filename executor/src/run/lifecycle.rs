//! The phases of a job: preparation, files in, steps, artifacts out, cleanup.

use std::time::SystemTime;

use docker_api_trait::Input;
use futures_util::FutureExt as _;
use tokio::time::Instant;
use tracing::Instrument as _;
use volume_manager::Outcome;

use crate::{
    Cancel, CleanupReport, Executor, FailureReason, JobEvent, JobOutcome, JobPlan, JobResult,
    LogSink, MaskError, Masker, Phase, PrepareError, PreparedJob, StepOutcome, Transfers, describe,
    run::{
        Run,
        interrupt::Interrupt,
        span::trace_end,
        supervise::caught,
        volumes::volume_outcome,
        when::{Failure, final_failure},
    },
};

impl Executor {
    /// Prepares a job. One that cannot be prepared is cleaned up.
    pub(crate) async fn prepare_job(
        &self,
        plan: &JobPlan,
        input: Input,
        cancel: &Cancel,
    ) -> Result<PreparedJob, Box<JobResult>> {
        self.evidence.begin(plan);
        let (mut job, masked) = match masker(plan) {
            Ok(masker) => (PreparedJob::new(self, plan, masker, input), Ok(())),
            Err(error) => (PreparedJob::new(self, plan, Masker::none(), input), Err(error)),
        };
        let mut run = Run::new(self, &mut job, cancel);
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
        let cleanup = self.clean_up(&mut job, volume_outcome(&ended), cancel).await;
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
                Err(reason) => JobOutcome::Failed(observer.redactor().reason(reason)),
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
        let mut run = Run::new(self, job, cancel);
        let report = run.remove_all(outcome).boxed().instrument(tracing::debug_span!("cleanup"));
        let report = report.await;
        if report.failed.is_empty() {
            self.evidence.end(run.plan);
        }
        run.redactor().cleanup(report)
    }
}

impl Run<'_> {
    /// Prepares the job within its limits. What it is doing when it has to stop may still finish.
    async fn prepare_in_time(&mut self, may_rebuild: bool) -> Result<(), FailureReason> {
        let timeouts = &self.inputs.plan.timeouts;
        let interrupt = Interrupt::of_preparation(self.inputs.cancel, timeouts, self.state.begin);
        self.limit(interrupt);
        let attempt = async {
            for note in &self.inputs.plan.notes {
                self.observer.event(&JobEvent::Noted(note));
            }
            self.prepare_or_rebuild(may_rebuild).await
        };
        let attempt = attempt.instrument(tracing::debug_span!("prepare"));
        caught(interrupt.settle(attempt).boxed()).await
    }

    /// Does what the job is for: files in, steps, artifacts out. Returns the first failure that counts.
    pub(crate) async fn work(
        &mut self,
        transfers: &Transfers,
        sink: &mut dyn LogSink,
    ) -> Option<Failure> {
        if let Err(reason) = self.bring_files(transfers).await {
            return Some(Failure::Before(reason));
        }
        let failed = self.run_steps(sink).await;
        if failed.is_none() && transfers.artifacts.is_some() {
            self.state.phase = Phase::Collect;
        }
        let collected = self.collect_artifacts(transfers).await;
        if let Err(reason) = &collected {
            let why = match reason {
                FailureReason::System { error } => describe(&**error),
                _ => "they were still on their way when the job was stopped".to_owned(),
            };
            self.observer.event(&JobEvent::NotCollected(&why));
        }
        failed.or(collected.err().map(Failure::Before))
    }

    async fn bring_files(&mut self, transfers: &Transfers) -> Result<(), FailureReason> {
        let Some(workspace) = &transfers.workspace else { return Ok(()) };
        self.state.phase = Phase::Upload;
        let interrupt = self.interrupt;
        // An upload that is dropped before it has ended is repaired by the next one.
        let sent: Result<(), FailureReason> = tokio::select! {
            biased;
            sent = self.upload(workspace) => sent.map(drop).map_err(Into::into),
            reason = interrupt.occurs() => Err(reason),
        };
        sent.map_err(|reason| self.fail(reason))
    }

    async fn collect_artifacts(&mut self, transfers: &Transfers) -> Result<(), FailureReason> {
        let Some((artifacts, folder)) = &transfers.artifacts else { return Ok(()) };
        let timeouts = &self.inputs.plan.timeouts;
        let interrupt = Interrupt::of_job(self.inputs.cancel, timeouts, self.state.begin);
        let interrupt = interrupt.only_by_kill();
        let collected: Result<(), FailureReason> = tokio::select! {
            biased;
            fetched = self.collect(artifacts, folder) => {
                fetched.map(drop).map_err(Into::into)
            }
            reason = interrupt.occurs() => Err(reason),
        };
        collected.map_err(|reason| self.fail(reason))
    }
}

pub(crate) fn masker(plan: &JobPlan) -> Result<Masker, MaskError> {
    Masker::new(plan.secrets.iter().map(|secret| secret.0.as_bytes()))
}
