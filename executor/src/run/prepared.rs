//! A job that is ready for its steps: what a run keeps between two calls.

use std::{fmt, sync::Arc};

use docker_api_trait::Input;

use crate::{
    log::{Masker, Refusal},
    outcome::StepResult,
    plan::JobPlan,
    redact::RedactingObserver,
    run::{progress::JobProgress, state::RunState},
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
    pub(crate) fn new(
        plan: &JobPlan,
        masker: Masker,
        observer: RedactingObserver,
        input: Input,
        requests_before: u64,
    ) -> Self {
        Self {
            plan: Arc::new(plan.clone()),
            state: RunState::new(plan, requests_before),
            masker,
            observer,
            refusal: Refusal::default(),
            input,
        }
    }

    /// Returns its plan. It is shared, so that a loop over its steps can run them:
    /// `for step in &job.plan().steps`.
    pub fn plan(&self) -> Arc<JobPlan> {
        Arc::clone(&self.plan)
    }

    /// What became of its steps so far.
    pub fn steps(&self) -> &[StepResult] {
        &self.state.steps
    }

    /// What became of its steps so far, for the process that carries it on with
    /// [`Executor::resume_with`](crate::Executor::resume_with).
    pub fn progress(&self) -> JobProgress {
        JobProgress::new(&self.plan.run, &self.state.steps)
    }
}

impl fmt::Debug for PreparedJob {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PreparedJob").field("run", &self.plan.run).finish_non_exhaustive()
    }
}
