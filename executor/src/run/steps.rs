//! The steps of a job in their order, and the after-script.

use std::time::Duration;

use docker_api_trait::{ContainerStatus, Signal};
use futures_util::FutureExt as _;
use tokio::time::{Instant, sleep, timeout};
use tracing::Instrument as _;

use crate::{
    error::RunError,
    event::JobEvent,
    log::{Guard, LogEnd, LogSink, Truncation},
    outcome::{FailureReason, Phase, StepOutcome, StepResult, TimedPart},
    plan::StepPlan,
    run::{
        Run,
        interrupt::Interrupt,
        supervise::caught,
        when::{Failure, counts, first_failure, wants},
    },
};

/// How long a container may take to end that was killed because code of others had panicked.
const ABORT_TIMEOUT: Duration = Duration::from_secs(2);
/// The time between two inspections of the killed container.
const ABORT_POLL: Duration = Duration::from_millis(100);

impl<'a> Run<'a> {
    /// Runs the steps that have not run yet and that their outcomes ask for, and the after-script.
    /// Returns the first failure that counts.
    pub(crate) async fn run_steps(&mut self, sink: &mut dyn LogSink) -> Option<Failure> {
        self.state.script_begin.get_or_insert_with(Instant::now);
        let mut failed = first_failure(&self.state.steps).map(Failure::Step);
        let plan = self.inputs.plan;
        for step in &plan.steps {
            if self.has_result(step) {
                continue;
            }
            let reason = failed.as_ref().and_then(|failed| failed.reason(&self.state.steps));
            if !wants(step.when, reason) {
                self.skip(step);
                continue;
            }
            let interrupt = self.interrupt_of(step);
            let result = match interrupt.check() {
                Ok(()) => self.run_step(step, sink, interrupt).await.1,
                Err(reason) => {
                    let reason = self.fail(reason);
                    self.state.interrupted = Some(reason.clone());
                    self.skip(step);
                    Some(Failure::Before(reason))
                }
            };
            if failed.is_none() {
                failed = result;
            }
        }
        if let Some(after) = plan.after_script.as_ref().filter(|after| !self.has_result(after)) {
            self.run_after_script(after, sink, failed.as_ref()).await;
        }
        failed
    }

    /// Runs the after-script, unless there is nothing to run it in or no time left for it. It does not
    /// change the job's outcome.
    async fn run_after_script(
        &mut self,
        step: &StepPlan,
        sink: &mut dyn LogSink,
        failed: Option<&Failure>,
    ) {
        let reason = failed.and_then(|failed| failed.reason(&self.state.steps));
        let is_hopeless = match reason {
            Some(FailureReason::Timeout { what, .. }) => *what == TimedPart::Job,
            Some(FailureReason::System { .. } | FailureReason::ImagePull { .. }) => true,
            _ => false,
        };
        let interrupt = self.interrupt_of(step);
        if is_hopeless || self.cancel.is_killed() || interrupt.check().is_err() {
            return self.skip(step);
        }
        self.run_step(step, sink, interrupt).await;
    }

    /// Returns what interrupts a step, or the after-script, that begins now.
    pub(crate) fn interrupt_of(&mut self, step: &StepPlan) -> Interrupt<'a> {
        let (cancel, plan, begin) = (self.inputs.cancel, self.inputs.plan, self.state.begin);
        let script_begin = *self.state.script_begin.get_or_insert_with(Instant::now);
        if plan.after_script.as_ref() == Some(step) {
            Interrupt::of_after_script(cancel, &plan.timeouts, begin)
        } else {
            Interrupt::of_step(cancel, &plan.timeouts, begin, script_begin, step.timeout)
        }
    }

    /// Runs a step and keeps its result. Returns it, and the step's failure if that counts.
    pub(crate) async fn run_step(
        &mut self,
        step: &StepPlan,
        sink: &mut dyn LogSink,
        interrupt: Interrupt<'a>,
    ) -> (StepResult, Option<Failure>) {
        self.state.phase = Phase::Script;
        self.limit(interrupt);
        let begin = Instant::now();
        let (ended, log) = self.caught_step(step, sink).await;
        let result = StepResult {
            name: step.name.clone(),
            container: self.plan.containers[step.container].kind,
            outcome: match ended {
                Ok(()) => StepOutcome::Succeeded,
                Err(reason) => StepOutcome::Failed(self.fail(reason)),
            },
            allow_failure: step.allow_failure,
            duration: begin.elapsed(),
            log: self.redactor().log_end(log),
        };
        self.record(result.clone());
        let failed = counts(&result).then(|| Failure::Step(self.state.steps.len() - 1));
        (result, failed)
    }

    /// Runs a step. A panic of the sink or the observer, the only code of others, is its failure.
    async fn caught_step(
        &mut self,
        step: &StepPlan,
        sink: &mut dyn LogSink,
    ) -> (Result<(), FailureReason>, LogEnd) {
        let mut sink = Guard::new(sink, self.inputs.refusal);
        let span = tracing::debug_span!("step", name = %step.name);
        let run = async {
            self.observer.event(&JobEvent::StepStarted { step: &step.name });
            Ok(self.step_outcome(step, &mut sink).instrument(span).await)
        };
        match caught(run.boxed()).await {
            Ok(ended) => ended,
            Err(reason) => {
                self.abort(step).await;
                let message = match reason.error() {
                    Some(RunError::Panicked { message }) => message.clone(),
                    _ => String::new(),
                };
                (Err(reason), LogEnd::Truncated(Truncation::Panicked(message)))
            }
        }
    }

    /// Kills the container of a step whose run was broken off, so that a later step finds no script
    /// running there.
    async fn abort(&mut self, step: &StepPlan) {
        let docker = self.inputs.docker;
        let slot = &mut self.state.containers[step.container];
        slot.detach();
        slot.forget_session();
        slot.started = false;
        let Some(id) = slot.trace.known().cloned() else { return };
        let end = async {
            // A container that has ended needs no signal.
            let _ = docker.kill_container(&id, Signal::Kill).await;
            while let Ok(details) = docker.inspect_container(&id).await
                && details.status == ContainerStatus::Running
            {
                sleep(ABORT_POLL).await;
            }
        };
        // Cleanup removes it in any case.
        let _ = timeout(ABORT_TIMEOUT, end).await;
    }

    fn has_result(&self, step: &StepPlan) -> bool {
        self.state.steps.iter().any(|result| result.name == step.name)
    }

    fn skip(&mut self, step: &StepPlan) {
        self.record(StepResult {
            name: step.name.clone(),
            container: self.plan.containers[step.container].kind,
            outcome: StepOutcome::Skipped,
            allow_failure: step.allow_failure,
            duration: Duration::ZERO,
            log: LogEnd::Complete,
        });
    }

    /// Keeps a step's result, and then reports it: an observer that panics does not lose it.
    fn record(&mut self, result: StepResult) {
        self.state.steps.push(result);
        let steps = &self.state.steps;
        self.inputs.observer.event(&JobEvent::StepEnded(&steps[steps.len() - 1]));
    }
}
