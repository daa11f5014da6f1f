//! The phases of a job: preparation, files in, steps, artifacts out, cleanup.

use std::time::Duration;

use docker_api_trait::{ContainerStatus, Input, Signal};
use futures_util::FutureExt as _;
use tokio::time::{Instant, sleep, timeout};
use tracing::Instrument as _;
use volume_manager::Outcome;

use crate::{
    Cancel, CleanupReport, Executor, ExecutorError, FailureReason, JobEvent, JobOutcome, JobPlan,
    JobResult, LogEnd, LogSink, Masker, Observer as _, Phase, PreparedJob, StepOutcome, StepPlan,
    StepResult, TimedPart, Transfers, Truncation, describe,
    log::{Guard, Refusal},
    redact::{RedactingObserver, Redactor},
    run::cleanup,
    run::interrupt::{self, Deadline, Interrupt},
    run::prepare,
    run::rebuild,
    run::state::RunState,
    run::step::{self, Runner},
    run::supervise::caught,
    run::when::{Failure, counts, final_failure, wants},
};

/// How long a container may take to end that was killed because code of others had panicked.
const ABORT_TIMEOUT: Duration = Duration::from_secs(2);
/// The time between two inspections of the killed container.
const ABORT_POLL: Duration = Duration::from_millis(100);

impl Executor {
    pub(crate) async fn ready(
        &self,
        plan: &JobPlan,
        input: Input,
        cancel: &Cancel,
    ) -> Result<PreparedJob, Box<JobResult>> {
        self.evidence.begin(plan);
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
        let observer = RedactingObserver::new(&*self.observer, plan);
        let preparation = prepare::Preparation {
            docker: &*self.docker,
            volumes: &*self.volumes,
            observer: &observer,
            images: &self.images,
            plan,
            masker: &masker,
            input,
            interrupt: &interrupt,
        };
        let attempt = async {
            for note in &plan.notes {
                observer.event(&JobEvent::Noted(note));
            }
            rebuild::ready(&preparation, self.config.rebuild_caches, &mut state, cancel).await
        };
        let attempt = attempt.instrument(tracing::debug_span!("prepare"));
        match caught(interrupt.settled(attempt).boxed()).await {
            Ok(()) => {
                Ok(PreparedJob { plan: plan.clone(), state, masker, refusal: Refusal::default() })
            }
            Err(reason) => {
                self.tell_of_interruption(&mut state, &reason);
                let reason = Redactor::of(plan).reason(reason);
                Err(Box::new(self.clear(plan, state, Err(reason), cancel).await))
            }
        }
    }

    /// What a job is for: files in, steps, artifacts out.
    pub(crate) async fn work(
        &self,
        job: &mut PreparedJob,
        transfers: &Transfers,
        sink: &mut dyn LogSink,
        cancel: &Cancel,
    ) -> Option<Failure> {
        if let Err(reason) = self.brought(job, transfers, cancel).await {
            return Some(Failure::Before(reason));
        }
        let failed = self.steps(job, sink, cancel).await;
        if failed.is_none() && transfers.artifacts.is_some() {
            job.state.phase = Phase::Collect;
        }
        let collected = self.collected(job, transfers, cancel).await;
        if let Err(reason) = &collected {
            let why = match reason {
                FailureReason::System { error } => describe(&**error),
                _ => "they were still on their way when the job was stopped".to_owned(),
            };
            RedactingObserver::new(&*self.observer, &job.plan).event(&JobEvent::NotCollected(&why));
        }
        failed.or(collected.err().map(Failure::Before))
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
    pub(crate) async fn one_step(
        &self,
        job: &mut PreparedJob,
        step: &StepPlan,
        sink: &mut dyn LogSink,
        interrupt: &Interrupt<'_>,
        cancel: &Cancel,
    ) -> Option<Failure> {
        job.state.phase = Phase::Script;
        let PreparedJob { plan, state, masker, refusal } = job;
        let mut sink = Guard::new(sink, refusal);
        let observer = RedactingObserver::new(&*self.observer, plan);
        let runner = Runner {
            docker: &*self.docker,
            volumes: &*self.volumes,
            observer: &observer,
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
        let run = async {
            observer.event(&JobEvent::StepStarted { step: &step.name });
            Ok(step::run(&runner, state, step, &mut sink).instrument(span).await)
        };
        let (ended, log) = match caught(run.boxed()).await {
            Ok(ended) => ended,
            // Only the sink and the observer are code of others.
            Err(reason) => {
                self.abort_step(state, step).await;
                let message = match reason.error() {
                    Some(ExecutorError::Panicked { message }) => message.clone(),
                    _ => String::new(),
                };
                (Err(reason), LogEnd::Truncated(Truncation::Panicked(message)))
            }
        };
        if let Err(reason) = &ended {
            self.tell_of_interruption(state, reason);
        }
        let ended = ended.map_err(|reason| Redactor::of(plan).reason(reason));
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
        let counts = counts(&result);
        // Kept first: an observer that panics does not lose it.
        state.steps.push(result);
        observer.event(&JobEvent::StepEnded(&state.steps[state.steps.len() - 1]));
        counts.then(|| Failure::Step(state.steps.len() - 1))
    }

    /// Kills the container of a step whose run was broken off, so that a later step finds no script
    /// running there.
    async fn abort_step(&self, state: &mut RunState, step: &StepPlan) {
        let slot = &mut state.containers[step.container];
        slot.detach();
        (slot.session, slot.started) = (None, false);
        let Some(id) = slot.trace.known().cloned() else { return };
        let end = async {
            // A container that has ended needs no signal.
            let _ = self.docker.kill_container(&id, Signal::Kill).await;
            while let Ok(details) = self.docker.inspect_container(&id).await
                && details.status == ContainerStatus::Running
            {
                sleep(ABORT_POLL).await;
            }
        };
        // Cleanup removes it in any case.
        let _ = timeout(ABORT_TIMEOUT, end).await;
    }

    pub(crate) fn tell_of_interruption(&self, state: &mut RunState, reason: &FailureReason) {
        state.told.interruption(&*self.observer, reason, state.steps.len());
    }

    fn skip(&self, job: &mut PreparedJob, step: &StepPlan) {
        let result = StepResult {
            name: step.name.clone(),
            container: job.plan.containers[step.container].kind,
            outcome: StepOutcome::Skipped,
            allow_failure: step.allow_failure,
            duration: Duration::ZERO,
            log: LogEnd::Complete,
        };
        let observer = RedactingObserver::new(&*self.observer, &job.plan);
        let steps = &mut job.state.steps;
        steps.push(result);
        observer.event(&JobEvent::StepEnded(&steps[steps.len() - 1]));
    }

    /// Clears up after a job's steps.
    pub(crate) async fn end(
        &self,
        job: PreparedJob,
        failed: Option<Failure>,
        cancel: &Cancel,
    ) -> JobResult {
        let PreparedJob { plan, mut state, .. } = job;
        let failed = final_failure(&plan.steps, &state.steps, failed, cancel.is_stopped());
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

    pub(crate) async fn clean_up(
        &self,
        plan: &JobPlan,
        state: &mut RunState,
        outcome: Outcome,
        cancel: &Cancel,
    ) -> CleanupReport {
        let work = cleanup::clean_up(&*self.docker, &*self.volumes, plan, state, outcome, cancel);
        let report = work.boxed().instrument(tracing::debug_span!("cleanup")).await;
        if report.failed.is_empty() {
            self.evidence.end(plan);
        }
        Redactor::of(plan).cleanup(report)
    }

    async fn clear(
        &self,
        plan: &JobPlan,
        mut state: RunState,
        ended: Result<(), FailureReason>,
        cancel: &Cancel,
    ) -> JobResult {
        let ended = ended.map_err(|reason| Redactor::of(plan).reason(reason));
        let begin = Instant::now();
        let outcome = if ended.is_ok() { Outcome::Succeeded } else { Outcome::Failed };
        let cleanup = self.clean_up(plan, &mut state, outcome, cancel).await;
        state.timings.cleanup = begin.elapsed();
        let log = state.log_end();
        let result = JobResult {
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
        };
        Redactor::of(plan).result(result)
    }
}

pub(crate) fn masker(plan: &JobPlan) -> Result<Masker, ExecutorError> {
    Ok(Masker::new(plan.secrets.iter().map(|secret| secret.0.as_bytes()))?)
}
