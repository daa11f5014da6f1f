//! The one way to run something in a container: steps, scripts of a driver, and Berth's own short scripts.

use docker_api_trait::{ApiError, ContainerStatus, ExitStatus, LogSource, Operation};

use crate::{
    cancel::Cancel,
    error::TransferError,
    log::{LogEnd, LogLimit, Masker, MemorySink, Pump, Truncation},
    outcome::FailureReason,
    plan::ContainerPlan,
    run::{Inputs, Run, interrupt::Interrupt, step},
    shell::{Ended, Feed, Mark, Session, internal},
};

/// The maximum number of times that a lost connection is re-established for one script.
const MAX_RECONNECTS: usize = 5;
/// How much output of Berth's own scripts is kept.
const MAX_OUTPUT: u64 = 64 * 1024;

/// Why the run of a script pauses before it has ended.
enum Pause {
    /// It has to stop.
    Interrupted(FailureReason),
    /// The end of its container was learnt by polling.
    Polled(Result<ExitStatus, ApiError>),
}

impl Inputs<'_> {
    /// Runs what `feed` holds in a container until it ends. A connection that is lost is re-established
    /// while the container runs.
    ///
    /// # Errors
    /// Why it has to stop before it has ended. It still runs then.
    pub(crate) async fn run_script(
        &self,
        session: &mut Session,
        feed: &mut Feed,
        pump: &mut Pump<'_>,
        plan: &ContainerPlan,
    ) -> Result<Ended, FailureReason> {
        let id = session.id().clone();
        let mut reconnects = 0;
        loop {
            let knows_end = session.knows_end();
            let pause = async {
                tokio::select! {
                    biased;
                    reason = self.interrupt.occurs() => Pause::Interrupted(reason),
                    end = step::poll_exit(self.docker, &id), if !knows_end => Pause::Polled(end),
                }
            };
            let error = match session.run(feed, pump, pause).await {
                Err(Pause::Interrupted(reason)) => return Err(reason),
                // The engine has not answered for a minute: another request would wait as long.
                Err(Pause::Polled(Err(error @ ApiError::TimedOut { .. }))) => {
                    pump.broken(&error);
                    return Ok(Ended::Mute(error));
                }
                Err(Pause::Polled(end)) => {
                    session.learn(end);
                    continue;
                }
                Ok(Ended::Lost(error)) if reconnects < MAX_RECONNECTS => error,
                Ok(ended) => return Ok(ended),
            };
            reconnects += 1;
            pump.broken(&error);
            tracing::debug!(%id, %error, "the connection was lost");
            let again = async { Ok(self.reconnect(session, feed, plan).await) };
            if !self.interrupt.settle(again).await? {
                return Ok(Ended::Lost(error));
            }
        }
    }

    /// Attaches again to a container whose connection was lost, if it still runs; an engine that is
    /// unreachable is waited for first. Returns whether it succeeded. A script that may not have arrived
    /// completely is not waited for.
    async fn reconnect(
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
        match self.attach(session.id(), plan, true).await {
            Ok(fresh) => {
                *session = fresh;
                feed.ask_again(&Mark::draw());
                true
            }
            Err(_) => false,
        }
    }
}

/// How a short script of Berth's own ended.
pub(super) struct OwnScript {
    pub(super) exit_code: i64,
    /// What it wrote to both outputs.
    pub(super) output: String,
}

impl Run<'_> {
    /// Runs a short script of Berth's own in the shell of a container. It is not interrupted: to stop
    /// it, drop the future.
    pub(super) async fn run_own_script(
        &mut self,
        container: usize,
        script: &str,
    ) -> Result<OwnScript, TransferError> {
        let never = Cancel::new();
        let inputs = Inputs { interrupt: Interrupt::by_kill(&never), ..self.inputs };
        let Some(session) = self.state.containers[container].session() else {
            return Err(TransferError::WithoutShell);
        };
        let mut sink = MemorySink::new();
        let written = sink.clone();
        let nothing = Masker::none();
        let mut limit = LogLimit::new(Some(MAX_OUTPUT));
        let mut pump = Pump::new(&mut sink, &mut limit, &nothing, &inputs.interrupt);
        let mut feed = Feed::text(&internal(script), &Mark::draw());
        let plan = &inputs.plan.containers[container];
        let ended = inputs.run_script(session, &mut feed, &mut pump, plan).await;
        let log = pump.finish(false, "").await;
        match ended {
            // An answer of which a part may be missing must not be taken for a complete one.
            Ok(Ended::Code(_)) if let LogEnd::Truncated(why @ Truncation::Engine(_)) = log => {
                let source = why.reason().into();
                Err(ApiError::Lost { operation: Operation::AttachContainer, source }.into())
            }
            Ok(Ended::Code(exit_code)) => {
                let output = written.text(LogSource::Stdout) + &written.text(LogSource::Stderr);
                Ok(OwnScript { exit_code, output })
            }
            Ok(Ended::Container(status)) => {
                Err(TransferError::BuildFolder { code: status.code, words: feed.first_words() })
            }
            // Nothing stops it.
            Ok(Ended::NotBegun) | Err(_) => Err(TransferError::WithoutShell),
            Ok(Ended::Lost(error) | Ended::Mute(error)) => Err(error.into()),
        }
    }
}
