//! A job's progress, for whoever wants to show it.

use std::{fmt::Debug, sync::Arc, time::SystemTime};

use docker_api_trait::{EngineVersion, ImageReference, PullProgress};
use volume_manager::PreparedVolume;

use crate::{
    image::PullPolicy,
    instance::InstanceError,
    outcome::{FailureReason, ServiceResult, StepResult},
    plan::JobNote,
    workspace::{ArtifactReport, PackProgress, UploadReport},
};

/// Something that happened to a job, in the order in which it happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum JobEvent<'a> {
    /// The engine answered.
    Connected(&'a EngineVersion),
    /// A volume is not free yet: the job waits for it.
    WaitingForVolume {
        /// Where it is to be mounted.
        destination: &'a str,
    },
    /// A volume is ready.
    VolumeReady(&'a PreparedVolume),
    /// A cache that was found was another one when the first container was made: others removed it
    /// meanwhile, as by pruning. The job goes on with the new one, empty unless another run has filled
    /// it.
    CacheVanished(&'a PreparedVolume),
    /// A cache had lost its folder on the engine's disk. It was removed, and the job is made ready anew.
    CacheRebuilt {
        /// Its name.
        volume: &'a str,
    },
    /// The engine does not have the image; it is being pulled.
    PullStarted(&'a ImageReference),
    /// The pull goes on.
    PullProgressed(&'a PullProgress),
    /// A pull failed in a way that may pass; it is tried again.
    PullRetried {
        /// The image.
        image: &'a ImageReference,
        /// What went wrong.
        why: &'a str,
    },
    /// A source of credentials could not be used for an image's registry. The others are.
    CredentialsUnusable {
        /// The image.
        image: &'a ImageReference,
        /// The source and the reason, without any secret.
        why: &'a str,
    },
    /// A pull policy did not bring the image; the next one is tried.
    PolicyFailed {
        /// The image.
        image: &'a ImageReference,
        /// The policy.
        policy: PullPolicy,
        /// What went wrong.
        why: &'a str,
    },
    /// A container runs.
    Started {
        /// Its name.
        container: &'a str,
    },
    /// A service was started and then waited for.
    ServiceReady(&'a ServiceResult),
    /// A service was not found ready: it was not created or started, ended, was not ready in time, or
    /// nothing can look at it. [`Readiness::hint`](crate::outcome::Readiness::hint) has a remedy. The job goes on,
    /// as in GitLab Runner: whether it can do without is its own business.
    ServiceFailed {
        /// What became of it.
        service: &'a ServiceResult,
        /// The end of what it wrote.
        log: &'a str,
    },
    /// Files of the project are being sent; copies of the progress show how far it is.
    Uploading(&'a PackProgress),
    /// The project's files are in the build folder.
    Uploaded(&'a UploadReport),
    /// Artifacts could not be had, or not all of them. It is the job's failure unless something else is.
    NotCollected(&'a str),
    /// Artifacts came out of the build folder.
    Collected(&'a ArtifactReport),
    /// A step begins.
    StepStarted {
        /// Its name.
        step: &'a str,
    },
    /// A step has ended, or was not run.
    StepEnded(&'a StepResult),
    /// This process holds no lock that proves to a sweep that it is running. If it is killed, what the job left
    /// goes when its deadline has passed, and stays when it has no time limit.
    NoInstance(&'a InstanceError),
    /// Something odd about the job that does not keep it from running.
    Noted(&'a JobNote),
    /// The engine finds something odd about the container.
    Warned(&'a str),
    /// The job or a step of it was interrupted, by a request or a time limit; what it does is being
    /// stopped. Told once of each.
    Stopping(&'a FailureReason),
}

/// Something that happened, to which job and when.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Event<'a> {
    /// The run's unique id: the same as in its labels and in its result.
    pub run: &'a str,
    /// The job's own id, [`JobSpec::id`](crate::job::JobSpec::id); empty if it has none.
    pub job: &'a str,
    /// When it happened, by this host's clock.
    pub at: SystemTime,
    /// What happened.
    pub kind: &'a JobEvent<'a>,
}

impl<'a> Event<'a> {
    /// An event of this run of this job, for tests of observers.
    pub fn new(run: &'a str, job: &'a str, at: SystemTime, kind: &'a JobEvent<'a>) -> Self {
        Self { run, job, at, kind }
    }
}

/// Receives the events of jobs: of all jobs of an executor, which each event tells apart.
///
/// Called from within the job, so it must not block.
pub trait Observer: Debug + Send + Sync {
    /// Something happened. The first event of a run comes before anything is created.
    fn event(&self, event: &Event<'_>);
}

/// Shows nothing.
impl Observer for () {
    fn event(&self, _event: &Event<'_>) {}
}

macro_rules! delegate_observer {
    ($($owner:ty),*) => {$(
        impl<T: Observer + ?Sized> Observer for $owner {
            fn event(&self, event: &Event<'_>) {
                (**self).event(event);
            }
        }
    )*};
}

delegate_observer!(&T, Box<T>, Arc<T>);
