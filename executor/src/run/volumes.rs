//! A job's volumes, the whole protocol with their manager: prepared before its containers exist, checked
//! and made writable once the first container holds them, finished at its end.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use docker_api_trait::{ContainerId, ContainerName, Operation};
use futures_util::future;
use volume_manager::{
    AttachReport, Cancellation, Clock, FinishReport, Outcome, PrepareContext, PreparedVolumes,
    VolumeError, VolumeEvent, VolumeObserver, VolumeState,
};

use crate::{
    describe::describe,
    error::PrepareError,
    event::JobEvent,
    outcome::{
        CleanupFailure, CleanupReport, FailureReason, ObjectKind, RemovedObject, StepOutcome,
        StepResult,
    },
    redact::RedactingObserver,
    run::{
        Inputs,
        cleanup::Time,
        interrupt::Interrupt,
        state::{Slot, Trace},
    },
};

/// A container that has the volumes.
pub(super) struct Holder {
    id: ContainerId,
    name: String,
}

impl Holder {
    /// The first that is there.
    pub(super) fn first<'a>(
        mut containers: impl Iterator<Item = (&'a Trace<ContainerId>, &'a ContainerName)>,
    ) -> Option<Self> {
        containers.find_map(|(trace, name)| {
            Some(Self { id: trace.known()?.clone(), name: name.to_string() })
        })
    }
}

/// A preparation that waits is interrupted with its job.
#[async_trait]
impl Cancellation for Interrupt<'_> {
    fn is_cancelled(&self) -> bool {
        self.check().is_err()
    }

    async fn cancelled(&self) {
        self.occurs().await;
    }
}

/// The clock of the runtime.
#[derive(Debug)]
struct RuntimeClock;

#[async_trait]
impl Clock for RuntimeClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// Reports what happens to volumes as what happens to the job.
#[derive(Debug)]
struct VolumeProgress<'a>(&'a RedactingObserver);

impl VolumeObserver for VolumeProgress<'_> {
    fn event(&self, event: &VolumeEvent<'_>) {
        match event {
            VolumeEvent::Ready(volume) => self.0.event(&JobEvent::VolumeReady(volume)),
            VolumeEvent::Waiting { destination } => {
                self.0.event(&JobEvent::WaitingForVolume { destination: destination.as_str() });
            }
            _ => {}
        }
    }
}

/// Returns how a job ended, for its volumes. A step that was cut short counts even if the job did not
/// fail because of it: what it was writing may be incomplete.
pub(crate) fn volume_outcome(ended: &Result<(), FailureReason>, steps: &[StepResult]) -> Outcome {
    let cut_short = steps.iter().find_map(|step| match &step.outcome {
        StepOutcome::Failed(reason) => outcome_of_interruption(reason),
        StepOutcome::Succeeded | StepOutcome::Skipped => None,
    });
    match ended {
        Ok(()) => cut_short.unwrap_or(Outcome::Succeeded),
        Err(FailureReason::Script { .. }) => cut_short.unwrap_or(Outcome::ScriptFailed),
        Err(reason) => outcome_of_interruption(reason).unwrap_or(Outcome::Crashed),
    }
}

fn outcome_of_interruption(reason: &FailureReason) -> Option<Outcome> {
    match reason {
        FailureReason::Script { .. } => None,
        FailureReason::Canceled => Some(Outcome::Cancelled),
        FailureReason::Timeout { .. } => Some(Outcome::TimedOut),
        _ => Some(Outcome::Crashed),
    }
}

impl Inputs<'_> {
    /// Prepares the volumes of the plan.
    pub(super) async fn prepare_volumes(&self) -> Result<PreparedVolumes, FailureReason> {
        let progress = VolumeProgress(self.observer);
        let context = PrepareContext::default()
            .with_cancellation(&self.interrupt)
            .with_observer(&progress)
            .with_clock(&RuntimeClock);
        let prepared = self.volumes.prepare(&self.plan.volumes, &context).await;
        prepared.map_err(|error| match error {
            VolumeError::Cancelled => {
                self.interrupt.check().err().unwrap_or(FailureReason::Canceled)
            }
            error => PrepareError::from(error).into(),
        })
    }

    /// Attaches to the containers, then checks the volumes that `holder` mounts and makes new ones
    /// writable. Where an attachment prepares the container, it gives an empty volume the owner
    /// and mode of the image's directory: volumes that were opened before are checked again.
    pub(super) async fn hold_volumes(
        &self,
        attached: impl Future<Output = Result<(), FailureReason>>,
        holder: Option<&Holder>,
        prepared: &PreparedVolumes,
    ) -> Result<PreparedVolumes, FailureReason> {
        let Some(holder) = holder else {
            attached.await?;
            return Ok(prepared.clone());
        };
        if !self.docker.capabilities().attach_prepares {
            let (attached, held) =
                future::join(attached, self.check_volumes(holder, prepared)).await;
            attached?;
            return Ok(held?.volumes);
        }
        let held = self.check_volumes(holder, prepared).await?;
        attached.await?;
        if held.opened.is_empty() {
            return Ok(held.volumes);
        }
        Ok(self.check_volumes(holder, &held.volumes).await?.volumes)
    }

    /// Returns the volumes as this container holds them, and reports caches that have vanished. Whether
    /// it matters that some are closed depends on the image's user: a script that runs as root can write
    /// anyway.
    async fn check_volumes(
        &self,
        holder: &Holder,
        prepared: &PreparedVolumes,
    ) -> Result<AttachReport, PrepareError> {
        let report = match self.volumes.attached(&holder.id, prepared).await {
            Ok(report) => report,
            // Together with the container that held it.
            Err(VolumeError::Vanished { .. }) => {
                let container = holder.name.clone();
                return Err(PrepareError::ContainerVanished { container });
            }
            Err(error) => return Err(error.into()),
        };
        let recreated = Some(VolumeState::Recreated);
        for (before, now) in prepared.volumes.iter().zip(&report.volumes.volumes) {
            if now.state == recreated && before.state != recreated {
                self.observer.event(&JobEvent::CacheVanished(now));
            }
        }
        if let Some(error) = &report.closed {
            self.warn(&describe(error));
        }
        Ok(report)
    }

    /// Finishes the volumes, as far as there is time.
    pub(super) async fn finish_volumes(
        &self,
        prepared: PreparedVolumes,
        outcome: Outcome,
        time: &Time<'_>,
    ) -> CleanupReport {
        let temporaries: Vec<_> = prepared.temporaries().map(ToString::to_string).collect();
        if let Some(finished) = time.enough(self.volumes.finish(prepared, outcome)).await {
            return cleanup_report(finished);
        }
        let failed = temporaries.into_iter().map(|name| CleanupFailure {
            kind: ObjectKind::Volume,
            name,
            error: time.out(Operation::RemoveVolume).into(),
        });
        CleanupReport { removed: Vec::new(), failed: failed.collect() }
    }

    /// Returns the first container of the job that was created.
    pub(super) fn first_container(&self, slots: &[Slot]) -> Option<Holder> {
        let traces = slots.iter().map(|slot| &slot.trace);
        Holder::first(traces.zip(self.plan.containers.iter().map(|one| &one.name)))
    }
}

fn cleanup_report(finished: FinishReport) -> CleanupReport {
    let kind = ObjectKind::Volume;
    // A fork that no other job will see is removed, too.
    let removed = finished.removed.into_iter().chain(finished.discarded);
    let failed = finished.failed.into_iter().map(|failed| CleanupFailure {
        kind,
        name: failed.volume.to_string(),
        error: failed.error.into(),
    });
    CleanupReport {
        removed: removed.map(|name| RemovedObject { kind, name: name.to_string() }).collect(),
        failed: failed.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{job::ContainerKind, log::LogEnd, outcome::TimedPart};

    fn step(outcome: StepOutcome) -> StepResult {
        StepResult {
            name: "a".to_owned(),
            container: ContainerKind::Build,
            outcome,
            allow_failure: true,
            duration: Duration::ZERO,
            log: LogEnd::Complete,
        }
    }

    #[test]
    fn a_step_that_was_cut_short_counts_for_volumes() {
        let script =
            || FailureReason::Script { exit_code: 1, cause: crate::outcome::ExitCause::of(1) };
        let timeout = || FailureReason::Timeout { what: TimedPart::Step, limit: Duration::ZERO };
        let cut = [step(StepOutcome::Failed(timeout()))];
        let failed = [step(StepOutcome::Failed(script()))];
        for (ended, steps, expected) in [
            (Ok(()), &[][..], Outcome::Succeeded),
            (Ok(()), &failed[..], Outcome::Succeeded),
            (Ok(()), &cut[..], Outcome::TimedOut),
            (Err(script()), &failed[..], Outcome::ScriptFailed),
            (Err(script()), &cut[..], Outcome::TimedOut),
            (Err(FailureReason::Canceled), &failed[..], Outcome::Cancelled),
            (Err(FailureReason::Incomplete { steps: Vec::new() }), &[][..], Outcome::Crashed),
        ] {
            assert_eq!(volume_outcome(&ended, steps), expected, "{ended:?} {steps:?}");
        }
    }
}
