//! What a job is at, for the one who answers its signals.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use executor::{Event, JobEvent, JobPlan, Observer};

use crate::sink::Narrator;

/// Whether the after-script runs. Clones know the same job.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stage(Arc<AtomicBool>);

impl Stage {
    pub(crate) fn is_after_script(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// The observer that follows the job, and shows it to a person unless it is to be quiet.
    pub(crate) fn observer(&self, quiet: bool) -> Arc<dyn Observer> {
        Arc::new(Follower { stage: self.clone(), narrator: (!quiet).then_some(Narrator) })
    }
}

#[derive(Debug)]
struct Follower {
    stage: Stage,
    narrator: Option<Narrator>,
}

impl Observer for Follower {
    fn event(&self, event: &Event<'_>) {
        match event.kind {
            JobEvent::StepStarted { step } => {
                self.stage.0.store(*step == JobPlan::AFTER_SCRIPT, Ordering::Relaxed);
            }
            JobEvent::StepEnded(_) => self.stage.0.store(false, Ordering::Relaxed),
            _ => {}
        }
        if let Some(narrator) = &self.narrator {
            narrator.event(event);
        }
    }
}
