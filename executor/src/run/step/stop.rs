//! Ending what a step runs.

use std::time::Duration;

use docker_api_trait::{ExitStatus, Signal};
use futures_util::future;
use tokio::time::{Instant, sleep, sleep_until};

use crate::{
    log::Pump,
    plan::ContainerPlan,
    run::{Inputs, interrupt, process},
    shell::{Ended, Feed, Session},
};

/// A killed container ends within this time, or its engine is out of order.
const KILL_TIMEOUT: Duration = Duration::from_secs(2);

impl Inputs<'_> {
    /// Ends what a step runs: asks it to stop, gives it its grace, and kills its container. The output
    /// is read on meanwhile, since an unread one would keep the engine from doing any of it.
    pub(super) async fn stop_step(
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
        if may_ask
            && !grace.is_zero()
            && !self.cancel.is_killed()
            && self.ask_to_stop(session, feed, pump, begin).await
        {
            return;
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
            done = session.run(feed, pump, sleep(KILL_TIMEOUT)) => done,
            done = kill => done,
        };
        if !session.knows_end() {
            // Cleanup removes it by force; nothing may be left unread until then.
            session.detach();
            session.set_ended(ExitStatus::new(137));
        }
    }

    /// Asks what runs to stop, and reads its output until its container has ended, the grace is over, or
    /// the job is killed. Returns whether the container has ended.
    async fn ask_to_stop(
        &self,
        session: &mut Session,
        feed: &mut Feed,
        pump: &mut Pump<'_>,
        begin: Instant,
    ) -> bool {
        let id = session.id().clone();
        let is_program = feed.is_program();
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
        let end = interrupt::end(begin, self.plan.timeouts.stop_grace);
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
        match done {
            Ok(Ended::Container(_)) => true,
            Ok(Ended::Code(_)) => {
                let rest = session.run(&mut Feed::program(), pump, over).await;
                matches!(rest, Ok(Ended::Container(_)) | Err(true))
            }
            Ok(Ended::Lost(_) | Ended::Mute(_) | Ended::NotBegun) | Err(()) => false,
        }
    }
}
