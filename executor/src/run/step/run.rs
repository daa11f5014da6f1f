//! One step, from its script to its outcome.

use docker_api_trait::{ApiError, ContainerStatus, DockerApi, ExitStatus, Input};

use super::pulse;
use crate::{
    Cancel, ContainerPlan, ExecutorError, FailureReason, JobPlan, LogEnd, LogSink, Masker,
    Observer, Process, StepPlan, Truncation,
    image::Images,
    log::Pump,
    refusal,
    run::files,
    run::interrupt::Interrupt,
    run::prepare::{self, Preparation},
    run::state::{RunState, Slot, Trace},
    shell::{Ended, Feed, Mark, Session, StepVariables},
};

/// So often a lost connection is made anew in one step.
const RECONNECTIONS: usize = 5;

/// All that running a step needs.
pub(crate) struct Runner<'a> {
    pub(crate) docker: &'a dyn DockerApi,
    pub(crate) volumes: &'a dyn volume_manager::VolumeManager,
    pub(crate) observer: &'a dyn Observer,
    pub(crate) images: &'a Images,
    pub(crate) plan: &'a JobPlan,
    pub(crate) masker: &'a Masker,
    pub(crate) interrupt: &'a Interrupt<'a>,
    pub(crate) cancel: &'a Cancel,
    /// Whether containers run on while the engine is down.
    pub(crate) live_restore: bool,
    /// How often the engine had been away when the step began.
    pub(crate) outages: u64,
}

/// Why a run of a step is looked at before it has ended.
enum Pause {
    /// It has to stop.
    Interrupted(FailureReason),
    /// The end of its container was learnt by asking for it.
    Pulse(Result<ExitStatus, ApiError>),
}

/// Runs a step; tells how it and its log ended.
pub(crate) async fn run(
    runner: &Runner<'_>,
    state: &mut RunState,
    step: &StepPlan,
    sink: &mut dyn LogSink,
) -> (Result<(), FailureReason>, LogEnd) {
    let plan = &runner.plan.containers[step.container];
    let not_started = LogEnd::Truncated(Truncation::NotStarted);
    if let Err(reason) = runner.interrupt.check() {
        return (Err(reason), not_started);
    }
    let ready = runner.made_ready(state, step, plan);
    if let Err(reason) = runner.interrupt.settled(ready).await {
        return (Err(reason), not_started);
    }
    let number = state.steps.len();
    let RunState { containers, limit, told, .. } = state;
    let slot = &mut containers[step.container];
    let Some(session) = &mut slot.session else {
        let container = plan.name.to_string();
        return (Err(ExecutorError::ContainerVanished { container }.into()), not_started);
    };
    let mut pump = Pump::new(sink, limit, runner.masker, runner.interrupt);
    pump.begin(&step.name).await;
    if let Err(reason) = runner.interrupt.check() {
        return (Err(reason), pump.finish(true, &step.name).await);
    }
    let mut feed = match plan.process {
        Process::Shell(_) => {
            let secrets = runner.plan.exports.iter();
            let secrets = secrets.map(|(name, value)| (name.as_str(), value.0.as_str()));
            let others = runner.plan.step_environment.iter().map(String::as_str);
            Feed::text(&StepVariables::new(secrets, others).step(&step.script), &Mark::draw())
        }
        Process::Program(_) => Feed::program(),
    };
    let ended = runner.ended(session, &mut feed, &mut pump, plan).await;
    let interrupted = ended.is_err();
    let lost = matches!(ended, Ok(Ended::Lost(_) | Ended::Mute(_)));
    if matches!(ended, Ok(Ended::NotBegun)) {
        // What ran instead may have written what never came.
        pump.broken_off("nothing of the step was heard");
    }
    let outcome = match ended {
        Ok(ended) => {
            let outcome = runner.outcome(ended, session, &feed, plan);
            runner.interrupt.settled(outcome).await
        }
        Err(reason) => {
            told.interruption(runner.observer, &reason, number);
            runner.stop(session, &mut feed, &mut pump, plan).await;
            Err(reason)
        }
    };
    if session.knows_end() || lost {
        // What comes next is another run of the container, to be attached to anew.
        slot.session = None;
        slot.started = false;
    }
    let log = pump.finish(interrupted, &step.name).await;
    (outcome, log)
}

impl Runner<'_> {
    /// Makes sure that the step's container is there and, if it is a shell, runs: one that was killed
    /// with an earlier step is started again, and what is a program's own is made now.
    async fn made_ready(
        &self,
        state: &mut RunState,
        step: &StepPlan,
        plan: &ContainerPlan,
    ) -> Result<(), FailureReason> {
        let mounts = state.volumes.mounts();
        let slot = &mut state.containers[step.container];
        if let Trace::None = slot.trace {
            let preparation = Preparation {
                docker: self.docker,
                volumes: self.volumes,
                observer: self.observer,
                images: self.images,
                plan: self.plan,
                masker: self.masker,
                input: Input::None,
                interrupt: self.interrupt,
            };
            preparation.create_container(plan, &mut slot.trace, mounts, &state.hosts).await?;
            if let Some(id) = slot.trace.known() {
                let put = files::put(self.docker, id, &self.plan.files).await;
                put.map_err(|error| refusal::of_a_volume(self.plan, error))?;
            }
        }
        let Some(id) = slot.trace.known().cloned() else {
            let container = plan.name.to_string();
            return Err(ExecutorError::ContainerVanished { container }.into());
        };
        if slot.session.is_none() {
            slot.session = Some(prepare::attach(self.docker, &id, plan, slot.started).await?);
        }
        if !slot.started {
            prepare::start(self.docker, self.plan, &id, slot, plan, self.observer).await?;
        }
        Ok(())
    }

    /// Runs the step until it ends. A connection that is lost is made anew as long as the container
    /// runs.
    ///
    /// # Errors
    /// Why it has to stop before.
    async fn ended(
        &self,
        session: &mut Session,
        feed: &mut Feed,
        pump: &mut Pump<'_>,
        plan: &ContainerPlan,
    ) -> Result<Ended, FailureReason> {
        let id = session.id().clone();
        let mut reconnections = 0;
        loop {
            let knows_end = session.knows_end();
            let pause = async {
                tokio::select! {
                    biased;
                    reason = self.interrupt.occurs() => Pause::Interrupted(reason),
                    end = pulse(self.docker, &id), if !knows_end => Pause::Pulse(end),
                }
            };
            let error = match session.run(feed, pump, pause).await {
                Err(Pause::Interrupted(reason)) => return Err(reason),
                // It has been asked for a minute: whoever asks again waits again.
                Err(Pause::Pulse(Err(error @ ApiError::TimedOut { .. }))) => {
                    pump.broken(&error);
                    return Ok(Ended::Mute(error));
                }
                Err(Pause::Pulse(end)) => {
                    session.learn(end);
                    continue;
                }
                Ok(Ended::Lost(error)) if reconnections < RECONNECTIONS => error,
                Ok(ended) => return Ok(ended),
            };
            reconnections += 1;
            pump.broken(&error);
            tracing::debug!(%id, %error, "the connection was lost");
            let again = async { Ok(self.reconnected(session, feed, plan).await) };
            if !self.interrupt.settled(again).await? {
                return Ok(Ended::Lost(error));
            }
        }
    }

    /// Attaches again to a container whose connection was lost and that runs on; the engine is waited
    /// for before. A script that may not have arrived whole is not waited for.
    async fn reconnected(
        &self,
        session: &mut Session,
        feed: &mut Feed,
        plan: &ContainerPlan,
    ) -> bool {
        session.detach();
        match self.docker.inspect_container(session.id()).await {
            Ok(details) if details.status == ContainerStatus::Running && feed.has_begun() => {}
            _ => return false,
        }
        match prepare::attach(self.docker, session.id(), plan, true).await {
            Ok(fresh) => {
                *session = fresh;
                feed.ask_again(&Mark::draw());
                true
            }
            Err(_) => false,
        }
    }
}

impl Slot {
    /// Gives up the attachment, before the container goes.
    pub(crate) fn detach(&mut self) {
        if let Some(session) = &mut self.session {
            session.detach();
        }
    }
}
