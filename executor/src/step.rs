//! One step, from its script to its outcome.

use std::time::Duration;

use docker_api_trait::{
    ApiError, ContainerId, ContainerStatus, DockerApi, ExitStatus, Input, Signal,
};
use futures_util::future;
use tokio::time::{Instant, sleep, sleep_until};

use crate::{
    Cancel, ContainerPlan, ExecutorError, ExitCause, FailureReason, JobEvent, JobPlan, LogEnd,
    LogSink, Masker, Observer, Process, StepPlan, Truncation,
    image::Images,
    interrupt::Interrupt,
    log::Pump,
    prepare::{self, Preparation},
    process,
    shell::{BEGIN_LIMIT, Ended, Feed, Mark, Prelude, Session},
    state::{RunState, Slot, Trace},
};

/// The engine learns a moment after an exit that the kernel had killed for lack of memory.
const LATE_NEWS: Duration = Duration::from_millis(100);
/// A killed container ends within this time, or its engine is out of order.
const DEATH: Duration = Duration::from_secs(2);

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
    let RunState { containers, limit, .. } = state;
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
            let exports = runner.plan.exports.iter();
            let exports = exports.map(|(name, value)| (name.as_str(), value.0.as_str()));
            let script = Prelude::new(exports).with(&step.script);
            Feed::script(&script, &Mark::draw())
        }
        Process::Program(_) => Feed::program(),
    };
    let ended = session.run(&mut feed, &mut pump, runner.interrupt.occurs()).await;
    let interrupted = ended.is_err();
    let lost = matches!(ended, Ok(Ended::Lost(_)));
    let outcome = match ended {
        Ok(ended) => {
            let outcome = runner.outcome(ended, session, &feed, plan);
            runner.interrupt.settled(outcome).await
        }
        Err(reason) => {
            runner.observer.event(&JobEvent::Stopping);
            runner.stop(session, &mut feed, &mut pump, plan).await;
            Err(reason)
        }
    };
    if session.has_ended() || lost {
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
                crate::files::put(self.docker, id, &self.plan.files).await?;
            }
        }
        let Some(id) = slot.trace.known().cloned() else {
            let container = plan.name.to_string();
            return Err(ExecutorError::ContainerVanished { container }.into());
        };
        if slot.session.is_none() {
            slot.session = Some(
                prepare::attach(self.docker, &id, plan)
                    .await
                    .map_err(|error| Self::vanished(error, plan))?,
            );
        }
        if !slot.started {
            prepare::start(self.docker, &id, slot, plan, self.observer).await?;
        }
        Ok(())
    }

    /// A container that is not there was removed by somebody else: it was there before.
    fn vanished(error: ExecutorError, plan: &ContainerPlan) -> ExecutorError {
        match error {
            ExecutorError::Engine(ApiError::NotFound { .. }) => {
                ExecutorError::ContainerVanished { container: plan.name.to_string() }
            }
            error => error,
        }
    }

    /// What an end means. Where the shell cannot tell, the engine is asked.
    async fn outcome(
        &self,
        ended: Ended,
        session: &mut Session,
        feed: &Feed,
        plan: &ContainerPlan,
    ) -> Result<(), FailureReason> {
        match ended {
            Ended::Code(0) => Ok(()),
            Ended::Code(exit_code) => {
                let cause = match ExitCause::of(exit_code) {
                    ExitCause::Signal(9) if self.out_of_memory(session.id()).await => {
                        ExitCause::OutOfMemory
                    }
                    cause => cause,
                };
                Err(FailureReason::Script { exit_code, cause })
            }
            Ended::NotBegun => {
                let seconds = BEGIN_LIMIT.as_secs();
                let words = feed.first_words();
                let detail = format!("nothing began within {seconds} s: {words}");
                // What runs there instead is nobody's business any more.
                let _ = self.docker.kill_container(session.id(), Signal::Kill).await;
                session.detach();
                session.set_ended(ExitStatus::new(137));
                Err(ExecutorError::NoShell { image: plan.image.reference.clone(), detail }.into())
            }
            Ended::Container(status) => {
                self.container_ended(status, session.id(), feed, plan).await
            }
            Ended::Lost(error) => match self.docker.inspect_container(session.id()).await {
                Ok(details) if details.status == ContainerStatus::Exited => {
                    session.set_ended(ExitStatus::new(details.exit_code));
                    let status = ExitStatus::new(details.exit_code);
                    self.container_ended(status, session.id(), feed, plan).await
                }
                Ok(details) => {
                    let state = details.status.as_str();
                    let detail = format!("{error}; its state is {state}");
                    Err(ExecutorError::ContainerLost { detail }.into())
                }
                Err(ApiError::NotFound { .. }) => {
                    let container = plan.name.to_string();
                    Err(ExecutorError::ContainerVanished { container }.into())
                }
                Err(other) => {
                    let detail = format!("{error}; {other}");
                    Err(ExecutorError::ContainerLost { detail }.into())
                }
            },
        }
    }

    /// What the end of a container means: of a program it is the end of the step, of a shell it
    /// comes unasked.
    async fn container_ended(
        &self,
        status: ExitStatus,
        id: &ContainerId,
        feed: &Feed,
        plan: &ContainerPlan,
    ) -> Result<(), FailureReason> {
        if let Some(detail) = status.error {
            return Err(ExecutorError::ContainerLost { detail }.into());
        }
        let exit_code = status.code;
        let is_program = matches!(plan.process, Process::Program(_));
        if is_program && exit_code == 0 {
            return Ok(());
        }
        if !is_program && !feed.has_begun() && matches!(exit_code, 126 | 127) {
            return Err(ExecutorError::NoShell {
                image: plan.image.reference.clone(),
                detail: feed.first_words(),
            }
            .into());
        }
        match self.docker.inspect_container(id).await {
            Err(ApiError::NotFound { .. }) => {
                let container = plan.name.to_string();
                Err(ExecutorError::ContainerVanished { container }.into())
            }
            _ if !is_program && !feed.has_begun() => {
                let words = feed.first_words();
                let detail = format!("it ended with {exit_code} before the step began: {words}");
                Err(ExecutorError::ContainerLost { detail }.into())
            }
            // Neither running nor ended: somebody's removal of it is under way.
            Ok(details) if details.status == ContainerStatus::Other => {
                let container = plan.name.to_string();
                Err(ExecutorError::ContainerVanished { container }.into())
            }
            Ok(details) if details.oom_killed => {
                Err(FailureReason::Script { exit_code, cause: ExitCause::OutOfMemory })
            }
            _ if !is_program && exit_code == 0 => {
                let detail = "its shell ended before the step did".to_owned();
                Err(ExecutorError::ContainerLost { detail }.into())
            }
            _ => Err(FailureReason::Script { exit_code, cause: ExitCause::of(exit_code) }),
        }
    }

    /// Whether the kernel has killed in a container that runs on. Older engines tell only of one that
    /// has ended.
    async fn out_of_memory(&self, id: &ContainerId) -> bool {
        if process::was_short_of_memory(self.docker, id).await {
            return true;
        }
        for pause in [Duration::ZERO, LATE_NEWS] {
            sleep(pause).await;
            match self.docker.inspect_container(id).await {
                Ok(details) if details.oom_killed => return true,
                Ok(_) => {}
                Err(_) => return false,
            }
        }
        false
    }

    /// Ends what a step runs: asks it to stop, gives it its grace, and kills its container. The output
    /// is read on meanwhile, since an unread one would keep the engine from doing any of it.
    async fn stop(
        &self,
        session: &mut Session,
        feed: &mut Feed,
        pump: &mut Pump<'_>,
        plan: &ContainerPlan,
    ) {
        let grace = self.plan.timeouts.stop_grace;
        let begin = Instant::now();
        let id = session.id().clone();
        let is_program = feed.is_program();
        // Asking reaches all processes that the container sees: there must be no others'.
        let alone = is_program || plan.host.pid_mode.as_deref().unwrap_or_default().is_empty();
        let may_ask = feed.may_be_asked_to_stop() && alone;
        if may_ask && !grace.is_zero() && !self.cancel.is_killed() {
            let ask = async {
                let asked = if is_program {
                    self.docker.kill_container(&id, Signal::Term).await
                } else {
                    process::ask(self.docker, &id).await
                };
                if let Err(error) = asked {
                    tracing::debug!(%id, %error, "the step could not be asked to stop");
                }
                future::pending().await
            };
            let end = begin + grace;
            let over = async {
                tokio::select! {
                    () = self.cancel.killed() => {}
                    () = sleep_until(end) => {}
                }
            };
            let done = tokio::select! {
                biased;
                done = session.run(feed, pump, over) => done,
                done = ask => done,
            };
            // A shell ends before what it has called; that may still be tidying up.
            let over = async {
                tokio::select! {
                    () = self.cancel.killed() => false,
                    () = sleep_until(end) => false,
                    () = process::gone(self.docker, &id) => true,
                }
            };
            let ended = match done {
                Ok(Ended::Container(_)) => true,
                Ok(Ended::Code(_)) => {
                    let rest = session.run(&mut Feed::program(), pump, over).await;
                    matches!(rest, Ok(Ended::Container(_)) | Err(true))
                }
                Ok(Ended::Lost(_) | Ended::NotBegun) | Err(()) => false,
            };
            if ended {
                return;
            }
        }
        tracing::debug!(%id, waited = ?begin.elapsed(), "the step is killed");
        let kill = async {
            // What is not running any more needs no killing.
            let _ = self.docker.kill_container(&id, Signal::Kill).await;
            future::pending().await
        };
        // Also when the step has ended by now, and only what it left has not.
        feed.wait_for_container();
        let _ = tokio::select! {
            biased;
            done = session.run(feed, pump, sleep(DEATH)) => done,
            done = kill => done,
        };
        if !session.has_ended() {
            // Cleanup removes it by force; nothing may be left unread until then.
            session.detach();
            session.set_ended(ExitStatus::new(137));
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
