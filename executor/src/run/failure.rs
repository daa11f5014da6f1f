//! The one way in which a failure leaves a run: without secrets, and with its interruption reported.

use crate::{
    event::JobEvent,
    outcome::{FailureReason, TimedPart},
    run::{Inputs, Run, state::Reported},
};

impl Run<'_> {
    /// Records that the run or a part of it failed. Returns the reason without secrets.
    pub(crate) fn fail(&mut self, reason: impl Into<FailureReason>) -> FailureReason {
        let reason = self.redactor().reason(reason.into());
        self.interrupted(&reason);
        reason
    }

    /// Reports an interruption to the observer, unless it was reported before: a limit of a step
    /// once for each step, everything else once for the job. Other failures are not reported.
    pub(crate) fn interrupted(&mut self, reason: &FailureReason) {
        let inputs = self.inputs;
        inputs.report_interruption(&mut self.state.reported, reason, self.state.steps.len());
    }
}

impl Inputs<'_> {
    /// [`Run::interrupted`] where the rest of the state is in use.
    pub(crate) fn report_interruption(
        &self,
        reported: &mut Vec<Reported>,
        reason: &FailureReason,
        step: usize,
    ) {
        let interruption = match reason {
            FailureReason::Canceled => Reported { limit: None, step: 0 },
            FailureReason::Timeout {
                what: what @ (TimedPart::Step | TimedPart::AfterScript),
                ..
            } => Reported { limit: Some(*what), step },
            FailureReason::Timeout { what, .. } => Reported { limit: Some(*what), step: 0 },
            _ => return,
        };
        if !reported.contains(&interruption) {
            reported.push(interruption);
            self.observer.event(&JobEvent::Stopping(reason));
        }
    }
}
