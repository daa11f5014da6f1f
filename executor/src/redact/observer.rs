//! Events on their way to an observer: without secrets, and with their run, job and time.

use std::{sync::Arc, time::SystemTime};

use super::Redactor;
use crate::{
    event::{Event, JobEvent, Observer},
    plan::JobPlan,
};

/// Hands a job's events on without secrets. All events of a run are emitted here.
#[derive(Debug)]
pub(crate) struct RedactingObserver {
    pub(super) observer: Arc<dyn Observer>,
    pub(super) run: String,
    pub(super) job: String,
    pub(super) redactor: Redactor,
}

impl RedactingObserver {
    pub(crate) fn new(observer: Arc<dyn Observer>, plan: &JobPlan) -> Self {
        let redactor = Redactor::of(plan);
        let job = redactor.text(plan.job.clone());
        Self { observer, run: plan.run.clone(), job, redactor }
    }

    /// Returns what removes the job's secrets from other texts.
    pub(crate) fn redactor(&self) -> &Redactor {
        &self.redactor
    }
}

impl RedactingObserver {
    fn emit(&self, kind: &JobEvent<'_>) {
        self.observer.event(&Event::new(&self.run, &self.job, SystemTime::now(), kind));
    }

    /// Hands an event on.
    pub(crate) fn event(&self, event: &JobEvent<'_>) {
        use JobEvent as E;
        let text = |text: &str| self.redactor.text(text.to_owned());
        match event {
            E::PullProgressed(progress) => {
                let mut progress = (*progress).clone();
                progress.status = text(&progress.status);
                self.emit(&E::PullProgressed(&progress));
            }
            E::PullRetried { image, why } => {
                self.emit(&E::PullRetried { image, why: &text(why) });
            }
            E::CredentialsUnusable { image, why } => {
                self.emit(&E::CredentialsUnusable { image, why: &text(why) });
            }
            E::PolicyFailed { image, policy, why } => {
                let policy = *policy;
                self.emit(&E::PolicyFailed { image, policy, why: &text(why) });
            }
            E::ServiceReady(service) => {
                self.emit(&E::ServiceReady(&self.redactor.service(service)));
            }
            E::ServiceFailed { service, log } => {
                let service = self.redactor.service(service);
                self.emit(&E::ServiceFailed { service: &service, log: &text(log) });
            }
            E::Uploaded(report) => {
                self.emit(&E::Uploaded(&self.redactor.upload(report)));
            }
            E::NotCollected(why) => self.emit(&E::NotCollected(&text(why))),
            E::Collected(report) => {
                self.emit(&E::Collected(&self.redactor.artifacts(report)));
            }
            E::StepStarted { step } => self.emit(&E::StepStarted { step: &text(step) }),
            E::StepEnded(step) => {
                self.emit(&E::StepEnded(&self.redactor.step(step)));
            }
            E::Warned(words) => self.emit(&E::Warned(&text(words))),
            // Names of objects and numbers. An interruption has no text.
            E::Connected(_)
            | E::WaitingForVolume { .. }
            | E::VolumeReady(_)
            | E::CacheVanished(_)
            | E::CacheRebuilt { volume: _ }
            | E::PullStarted(_)
            | E::Started { container: _ }
            | E::Uploading(_)
            | E::NoInstance(_)
            | E::Noted(_)
            | E::Stopping(_) => self.emit(event),
        }
    }
}
