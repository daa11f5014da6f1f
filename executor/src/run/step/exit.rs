//! Classifies how a step ended: by its script's own failure, or because of its container or engine. Asks
//! the engine for the facts; the rules are in `exit_rules`.

use std::time::Duration;

use docker_api_trait::{ApiError, ContainerId, ExitStatus, Signal, WaitCondition};
use futures_util::future;
use tokio::time::sleep;

use super::exit_rules::{AfterLoss, Progress, Unheard};
use crate::{
    error::StepError,
    outcome::{ExitCause, FailureReason},
    plan::{ContainerPlan, Process},
    run::{Inputs, process},
    shell::{BEGIN_LIMIT, Ended, Feed, Session},
};

/// The engine learns a moment after an exit that the kernel had killed for lack of memory.
const LATE_NEWS: Duration = Duration::from_millis(100);
/// An engine with few containers ends within the time that these take, also on a busy machine.
const ENDING_LOOKS: usize = 20;
/// A program may well have been killed by what it runs, and nobody is to wait long for the news.
const ENDING_LOOKS_OF_PROGRAM: usize = 4;
/// Between two of them.
const ENDING_LOOK: Duration = Duration::from_millis(500);

/// Classifies the end of one step.
pub(super) struct ExitClassifier<'a> {
    pub(super) inputs: Inputs<'a>,
    /// Whether containers run on while the engine is down.
    pub(super) live_restore: bool,
    /// How often the engine had been unreachable when the step began.
    pub(super) outages_before: u64,
}

impl ExitClassifier<'_> {
    /// Returns the outcome of a step that ended. Where the shell cannot tell, the engine is asked.
    pub(super) async fn outcome(
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
                let what =
                    if feed.was_sent() { "the step did not begin" } else { "no shell was ready" };
                let detail = format!("{what} within {seconds} s: {words}");
                // Whatever runs there instead is not needed.
                let _ = self.inputs.docker.kill_container(session.id(), Signal::Kill).await;
                session.detach();
                session.set_ended(ExitStatus::new(137));
                Err(StepError::NoShell { image: plan.image.reference.clone(), detail }.into())
            }
            Ended::Container(status) => {
                self.container_ended(status, session.id(), feed, plan).await
            }
            Ended::Mute(source) => Err(StepError::EngineLost { source }.into()),
            Ended::Lost(error) => {
                let details = self.inputs.docker.inspect_container(session.id()).await;
                match self.unheard(feed, plan).broken(&error, details) {
                    AfterLoss::Exited(exit_code) => {
                        let status = ExitStatus::new(exit_code);
                        session.set_ended(status.clone());
                        self.container_ended(status, session.id(), feed, plan).await
                    }
                    AfterLoss::Failed(error) => Err(error.into()),
                }
            }
        }
    }

    /// What the end of a container means. The engine is asked where that is not plain.
    async fn container_ended(
        &self,
        status: ExitStatus,
        id: &ContainerId,
        feed: &Feed,
        plan: &ContainerPlan,
    ) -> Result<(), FailureReason> {
        let unheard = self.unheard(feed, plan);
        if let Some(meaning) = unheard.at_once(&status) {
            return meaning;
        }
        let details = self.inputs.docker.inspect_container(id).await;
        let ended_with_it = unheard.may_be_the_engines_doing(status.code, &details)
            && self.engine_ends(id, &plan.process).await;
        // By now the engine may have been away.
        let unheard = self.unheard(feed, plan);
        let was_away = unheard.was_away || ended_with_it;
        Err(Unheard { was_away, ..unheard }.ended(status.code, details))
    }

    fn unheard<'a>(&self, feed: &Feed, plan: &'a ContainerPlan) -> Unheard<'a> {
        let progress = match &plan.process {
            Process::Program(_) => Progress::Program,
            Process::Shell(_) if feed.has_begun() => Progress::Begun,
            Process::Shell(_) if feed.was_sent() => Progress::Unbegun(feed.first_words()),
            Process::Shell(_) => Progress::Unready(feed.first_words()),
        };
        Unheard {
            container: plan.name.as_str(),
            image: &plan.image.reference,
            progress,
            was_asked_again: feed.was_asked_again(),
            was_away: self.was_away(),
            live_restore: self.live_restore,
        }
    }

    /// Whether the kernel has killed in a container that runs on. Older engines tell only of one that
    /// has ended.
    async fn out_of_memory(&self, id: &ContainerId) -> bool {
        if process::was_short_of_memory(self.inputs.docker, id).await {
            return true;
        }
        for pause in [Duration::ZERO, LATE_NEWS] {
            sleep(pause).await;
            match self.inputs.docker.inspect_container(id).await {
                Ok(details) if details.oom_killed => return true,
                Ok(_) => {}
                Err(_) => return false,
            }
        }
        false
    }

    /// Whether the engine ends. One that is asked to stops its containers, tells of it, and goes on
    /// answering on the connections that it has until it has ended itself; for one that was about to,
    /// this waits. It may be back before anybody looks, but a request that was under way is lost: here a
    /// wait for an exit that does not come.
    async fn engine_ends(&self, id: &ContainerId, process: &Process) -> bool {
        let waiting = async {
            let exit = self.inputs.docker.wait_container(id, WaitCondition::NextExit).await;
            let lost = match exit {
                Ok(exit) => matches!(exit.await, Err(ApiError::Lost { .. })),
                Err(_) => false,
            };
            if !lost {
                future::pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            () = waiting => true,
            () = self.looks(process) => false,
        }
    }

    /// Looks at the engine for as long as it may need to end; one that is away is waited for.
    async fn looks(&self, process: &Process) {
        let looks = match process {
            Process::Shell(_) => ENDING_LOOKS,
            Process::Program(_) => ENDING_LOOKS_OF_PROGRAM,
        };
        for _ in 0..looks {
            sleep(ENDING_LOOK).await;
            if self.inputs.docker.info().await.is_err() || self.was_away() {
                return;
            }
        }
    }

    /// Whether the engine was away since the step began, and ends its containers with that.
    fn was_away(&self) -> bool {
        !self.live_restore && self.inputs.docker.outages() > self.outages_before
    }
}
