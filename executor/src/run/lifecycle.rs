//! The phases of a job: preparation, files in, steps, artifacts out, cleanup.

use futures_util::FutureExt as _;
use tracing::Instrument as _;

use crate::{
    describe::describe,
    event::JobEvent,
    log::LogSink,
    outcome::{FailureReason, Phase},
    run::{Run, interrupt::Interrupt, supervise::caught, transfer::Transfers, when::Failure},
};

impl Run<'_> {
    /// Prepares the job within its limits. What it is doing when it has to stop may still finish.
    pub(crate) async fn prepare_in_time(&mut self, may_rebuild: bool) -> Result<(), FailureReason> {
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
