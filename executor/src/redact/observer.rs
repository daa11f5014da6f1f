//! Events without secrets.

use std::sync::Arc;

use super::Redactor;
use crate::{JobEvent, JobPlan, Observer};

/// Hands a job's events on without secrets.
#[derive(Debug)]
pub(crate) struct RedactingObserver {
    pub(super) observer: Arc<dyn Observer>,
    pub(super) redactor: Redactor,
}

impl RedactingObserver {
    pub(crate) fn new(observer: Arc<dyn Observer>, plan: &JobPlan) -> Self {
        Self { observer, redactor: Redactor::of(plan) }
    }

    /// Returns what removes the job's secrets from other texts.
    pub(crate) fn redactor(&self) -> &Redactor {
        &self.redactor
    }
}

impl Observer for RedactingObserver {
    fn event(&self, event: &JobEvent<'_>) {
        use JobEvent as E;
        let text = |text: &str| self.redactor.text(text.to_owned());
        match event {
            E::PullProgressed(progress) => {
                let mut progress = (*progress).clone();
                progress.status = text(&progress.status);
                self.observer.event(&E::PullProgressed(&progress));
            }
            E::PullRetried { image, why } => {
                self.observer.event(&E::PullRetried { image, why: &text(why) });
            }
            E::CredentialsUnusable { image, why } => {
                self.observer.event(&E::CredentialsUnusable { image, why: &text(why) });
            }
            E::PolicyFailed { image, policy, why } => {
                let policy = *policy;
                self.observer.event(&E::PolicyFailed { image, policy, why: &text(why) });
            }
            E::ServiceReady(service) => {
                self.observer.event(&E::ServiceReady(&self.redactor.service(service)));
            }
            E::ServiceFailed { service, log } => {
                let service = self.redactor.service(service);
                self.observer.event(&E::ServiceFailed { service: &service, log: &text(log) });
            }
            E::Uploaded(report) => {
                self.observer.event(&E::Uploaded(&self.redactor.upload(report)));
            }
            E::NotCollected(why) => self.observer.event(&E::NotCollected(&text(why))),
            E::Collected(report) => {
                self.observer.event(&E::Collected(&self.redactor.artifacts(report)));
            }
            E::StepStarted { step } => self.observer.event(&E::StepStarted { step: &text(step) }),
            E::StepEnded(step) => {
                self.observer.event(&E::StepEnded(&self.redactor.step(step)));
            }
            E::Warned(words) => self.observer.event(&E::Warned(&text(words))),
            // Names of objects and numbers. An interruption has no text.
            E::Connected(_)
            | E::VolumeReady(_)
            | E::CacheVanished(_)
            | E::CacheRebuilt { volume: _ }
            | E::PullStarted(_)
            | E::Started { container: _ }
            | E::Uploading(_)
            | E::NoInstance(_)
            | E::Noted(_)
            | E::Stopping(_) => self.observer.event(event),
        }
    }
}
