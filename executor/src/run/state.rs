//! What is known of a run while it goes on; it outlives an attempt that is dropped.

use std::time::Duration;

use docker_api_trait::{ContainerId, EngineVersion, NetworkId};
use sync_wrapper::SyncWrapper;
use tokio::time::Instant;
use volume_manager::PreparedVolumes;

use crate::{
    log::{LogEnd, LogLimit, Truncation},
    outcome::{FailureReason, Phase, ServiceResult, StepResult, TimedPart, Timings},
    plan::JobPlan,
    run::service::ServiceLog,
    shell::Session,
    workspace::{ArtifactReport, UploadReport},
};

/// What may exist on the engine because of a creation.
#[derive(Debug, Clone, Default)]
pub(crate) enum Trace<I> {
    /// Nothing.
    #[default]
    None,
    /// Perhaps an object, under the plan's name and labels: the reply did not come.
    Unknown,
    /// This object.
    Known(I),
}

impl<I> Trace<I> {
    pub(crate) fn known(&self) -> Option<&I> {
        match self {
            Self::Known(id) => Some(id),
            Self::None | Self::Unknown => None,
        }
    }
}

/// A container of a plan.
#[derive(Default)]
pub(crate) struct Slot {
    pub(crate) trace: Trace<ContainerId>,
    /// The attachment to it, while there is one. The wrapper makes a prepared job `Sync`: streams are not.
    session: Option<SyncWrapper<Session>>,
    pub(crate) started: bool,
}

/// A service of a plan.
#[derive(Default)]
pub(crate) struct ServiceSlot {
    pub(crate) trace: Trace<ContainerId>,
    pub(crate) log: Option<ServiceLog>,
    pub(crate) result: Option<ServiceResult>,
}

/// An interruption that was reported: of the whole job, or of the step with this number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reported {
    pub(crate) limit: Option<TimedPart>,
    pub(crate) step: usize,
}

/// What is known of a run. Every object on the engine is noted here before its creation is requested.
pub(crate) struct RunState {
    pub(crate) begin: Instant,
    /// When it began to be made ready, the last time.
    pub(crate) prepared_from: Instant,
    pub(crate) requests_before: u64,
    pub(crate) engine: Option<EngineVersion>,
    /// Whether containers run on while the engine is down.
    pub(crate) live_restore: bool,
    /// How far the job has come.
    pub(crate) phase: Phase,
    pub(crate) volumes: PreparedVolumes,
    pub(crate) network: Trace<NetworkId>,
    /// Entries of the host table for services that are found in no other way.
    pub(crate) hosts: Vec<String>,
    pub(crate) containers: Vec<Slot>,
    pub(crate) services: Vec<ServiceSlot>,
    pub(crate) steps: Vec<StepResult>,
    /// Why a step that was asked for did not begin.
    pub(crate) interrupted: Option<FailureReason>,
    /// The interruptions that were reported.
    pub(crate) reported: Vec<Reported>,
    pub(crate) upload: Option<UploadReport>,
    pub(crate) artifacts: Option<ArtifactReport>,
    pub(crate) limit: LogLimit,
    pub(crate) timings: Timings,
    /// When the first step began.
    pub(crate) script_begin: Option<Instant>,
}

impl Slot {
    pub(crate) fn is_attached(&self) -> bool {
        self.session.is_some()
    }

    pub(crate) fn session(&mut self) -> Option<&mut Session> {
        self.session.as_mut().map(SyncWrapper::get_mut)
    }

    pub(crate) fn attach(&mut self, session: Session) {
        self.session = Some(SyncWrapper::new(session));
    }

    /// Forgets the session: the container has ended, or will be started again.
    pub(crate) fn forget_session(&mut self) {
        self.session = None;
    }

    /// Gives up the attachment, before the container is removed.
    pub(crate) fn detach(&mut self) {
        if let Some(session) = self.session() {
            session.detach();
        }
    }
}

impl RunState {
    pub(crate) fn new(plan: &JobPlan, requests_before: u64) -> Self {
        let begin = Instant::now();
        Self {
            begin,
            prepared_from: begin,
            requests_before,
            engine: None,
            live_restore: false,
            phase: Phase::default(),
            volumes: PreparedVolumes::default(),
            network: Trace::None,
            hosts: Vec::new(),
            containers: plan.containers.iter().map(|_| Slot::default()).collect(),
            services: plan.services.iter().map(|_| ServiceSlot::default()).collect(),
            steps: Vec::new(),
            interrupted: None,
            reported: Vec::new(),
            upload: None,
            artifacts: None,
            limit: LogLimit::new(plan.log_limit),
            timings: Timings::default(),
            script_begin: None,
        }
    }

    /// The state of a job of which only its plan is known: anything in it may exist.
    pub(crate) fn abandoned(plan: &JobPlan, requests_before: u64) -> Self {
        let mut state = Self::new(plan, requests_before);
        state.volumes = PreparedVolumes::unprepared(&plan.volumes);
        state.network = Trace::Unknown;
        state.containers.iter_mut().for_each(|slot| slot.trace = Trace::Unknown);
        state.services.iter_mut().for_each(|slot| slot.trace = Trace::Unknown);
        state
    }

    /// As nothing was made yet. What it took until now is of the preparation.
    pub(crate) fn begin_anew(&mut self, plan: &JobPlan) {
        let Timings { connect, .. } = self.timings;
        let timings = Timings {
            connect,
            prepare: self.begin.elapsed().saturating_sub(connect),
            ..self.timings
        };
        let fresh = Self::new(plan, self.requests_before);
        let reported = std::mem::take(&mut self.reported);
        *self = Self { begin: self.begin, reported, timings, engine: self.engine.take(), ..fresh };
    }

    /// The first container that is there: all of them have the build directory.
    pub(crate) fn container(&self) -> Option<&ContainerId> {
        self.containers.iter().find_map(|slot| slot.trace.known())
    }

    /// How the log of all steps together ended: the first that is not complete counts.
    pub(crate) fn log_end(&self) -> LogEnd {
        let mut ran = self.steps.iter().filter(|step| !step.outcome.is_skipped()).peekable();
        if ran.peek().is_none() {
            return LogEnd::Truncated(Truncation::NotStarted);
        }
        ran.find(|step| step.log != LogEnd::Complete)
            .map_or(LogEnd::Complete, |step| step.log.clone())
    }

    /// The time since `mark`, which becomes now.
    pub(crate) fn lap(mark: &mut Instant) -> Duration {
        let took = mark.elapsed();
        *mark += took;
        took
    }
}
