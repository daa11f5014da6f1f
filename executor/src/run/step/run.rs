//! One step, from its script to its outcome.

use super::exit::ExitClassifier;
use crate::{
    error::StepError,
    log::{LogEnd, LogSink, Pump, Truncation},
    outcome::FailureReason,
    plan::{Process, StepPlan},
    refusal,
    run::{
        Run, files,
        state::{RunState, Trace},
    },
    shell::{Ended, Feed, Mark, StepVariables},
};

impl Run<'_> {
    /// Runs a step in its container. Returns how it and its log ended.
    pub(crate) async fn step_outcome(
        &mut self,
        step: &StepPlan,
        sink: &mut dyn LogSink,
    ) -> (Result<(), FailureReason>, LogEnd) {
        let inputs = self.inputs;
        let outages_before = inputs.docker.outages();
        if let Err(reason) = self.ready_for(step).await {
            return (Err(reason), LogEnd::Truncated(Truncation::NotStarted));
        }
        let plan = &inputs.plan.containers[step.container];
        let number = self.state.steps.len();
        let RunState { containers, limit, reported, live_restore, .. } = &mut *self.state;
        let slot = &mut containers[step.container];
        let Some(session) = slot.session() else {
            let container = plan.name.to_string();
            let reason = StepError::ContainerVanished { container }.into();
            return (Err(reason), LogEnd::Truncated(Truncation::NotStarted));
        };
        let mut pump = Pump::new(sink, limit, inputs.masker, &inputs.interrupt);
        pump.begin(&step.name).await;
        if let Err(reason) = inputs.interrupt.check() {
            return (Err(reason), pump.finish(true, &step.name).await);
        }
        let mut feed = inputs.feed(step);
        let ended = inputs.run_script(session, &mut feed, &mut pump, plan).await;
        let interrupted = ended.is_err();
        let lost = matches!(ended, Ok(Ended::Lost(_) | Ended::Mute(_)));
        if matches!(ended, Ok(Ended::NotBegun)) {
            // What ran instead may have written what never came.
            pump.broken_off("nothing of the step was heard");
        }
        let outcome = match ended {
            Ok(ended) => {
                let classifier =
                    ExitClassifier { inputs, live_restore: *live_restore, outages_before };
                let outcome = classifier.outcome(ended, session, &feed, plan);
                inputs.interrupt.settle(outcome).await
            }
            Err(reason) => {
                // Reported before the step has stopped, which may take all of its grace.
                inputs.report_interruption(reported, &reason, number);
                inputs.stop_step(session, &mut feed, &mut pump, plan).await;
                Err(reason)
            }
        };
        if session.knows_end() || lost {
            // The next step attaches to another run of the container.
            slot.forget_session();
            slot.started = false;
        }
        let log = pump.finish(interrupted, &step.name).await;
        (outcome, log)
    }

    /// Waits until the step's container is ready, unless the step has to stop before.
    async fn ready_for(&mut self, step: &StepPlan) -> Result<(), FailureReason> {
        let interrupt = self.interrupt;
        interrupt.check()?;
        interrupt.settle(self.ensure_running(step)).await
    }

    /// Makes sure that the step's container exists and, if it is a shell, runs: one that was killed with
    /// an earlier step is started again, and one for a program is created now.
    async fn ensure_running(&mut self, step: &StepPlan) -> Result<(), FailureReason> {
        let inputs = self.inputs;
        let plan = &inputs.plan.containers[step.container];
        let RunState { containers, volumes, hosts, .. } = &mut *self.state;
        let slot = &mut containers[step.container];
        if let Trace::None = slot.trace {
            inputs.create_container(plan, &mut slot.trace, volumes, hosts).await?;
            if let Some(id) = slot.trace.known() {
                let put = files::put(inputs.docker, id, &inputs.plan.files).await;
                put.map_err(|error| refusal::of_a_volume(volumes, error))?;
            }
        }
        let Some(id) = slot.trace.known().cloned() else {
            let container = plan.name.to_string();
            return Err(StepError::ContainerVanished { container }.into());
        };
        if !slot.is_attached() {
            let session = inputs.attach(&id, plan, slot.started).await?;
            slot.attach(session);
        }
        if !slot.started {
            inputs.start(&id, slot, plan, volumes).await?;
        }
        Ok(())
    }
}

impl crate::run::Inputs<'_> {
    /// Returns what is sent to the step's container.
    fn feed(&self, step: &StepPlan) -> Feed {
        match self.plan.containers[step.container].process {
            Process::Shell(_) => {
                let secrets = self.plan.exports.iter();
                let secrets = secrets.map(|(name, value)| (name.as_str(), value.0.as_str()));
                let others = self.plan.step_environment.iter().map(String::as_str);
                let variables = StepVariables::new(secrets, others);
                Feed::text(&variables.step(&step.script), &Mark::draw())
            }
            Process::Program(_) => Feed::program(),
        }
    }
}
