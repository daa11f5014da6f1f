//! What happens to a container over time.
//!
//! Nothing runs in the background. A run knows when it started and when something ended it; what is
//! true now is computed from that. Whoever waits sleeps until the computed moment, or until the
//! life changes.

use std::time::Duration;

use docker_api_trait::{
    ApiError, ContainerStatus, ExitFuture, ExitStatus, LogChunk, LogStream, Operation,
};
use futures_util::{StreamExt as _, stream};
use tokio::{
    sync::watch,
    time::{self, Instant},
};

use super::script::ScriptedRun;

/// The exit code of a process that was asked to stop: 128 + SIGTERM.
const STOPPED: i64 = 143;
/// The exit code of a process that was killed: 128 + SIGKILL.
const KILLED: i64 = 137;

/// The runs of one container, the last one perhaps still going on.
#[derive(Debug, Default)]
pub(super) struct Life {
    runs: Vec<Run>,
    removed: bool,
}

#[derive(Debug)]
struct Run {
    started: Instant,
    script: ScriptedRun,
    /// The end that the engine put to it, or will when a grace is over.
    forced: Option<End>,
}

/// How and when a run ended or will end.
#[derive(Debug, Clone, Copy)]
struct End {
    at: Instant,
    code: i64,
    oom_killed: bool,
}

/// What an inspection shows of a life.
#[derive(Debug, Clone, Copy)]
pub(super) struct Condition {
    pub(super) status: ContainerStatus,
    pub(super) exit_code: i64,
    pub(super) oom_killed: bool,
}

impl Run {
    /// The script's own end or the forced one, whichever comes first.
    fn end(&self) -> Option<End> {
        // A moment that no clock reaches is never.
        let own = self.script.duration().and_then(|duration| self.started.checked_add(duration));
        let own = own.map(|at| End {
            at,
            code: self.script.exit_code(),
            oom_killed: self.script.is_oom_killed(),
        });
        match (own, self.forced) {
            (Some(own), Some(forced)) => Some(if own.at <= forced.at { own } else { forced }),
            (own, forced) => own.or(forced),
        }
    }

    fn ended(&self, now: Instant) -> Option<End> {
        self.end().filter(|end| end.at <= now)
    }

    /// Ends the run at `at`, unless it ends before.
    fn force(&mut self, at: Instant, code: i64) {
        if self.forced.is_none_or(|forced| at < forced.at) {
            self.forced = Some(End { at, code, oom_killed: false });
        }
    }

    /// When the piece of output at `position` is written; `None` when it never is.
    fn written_at(&self, position: usize) -> Option<Instant> {
        let at = self.started.checked_add(self.script.output().get(position)?.offset)?;
        match self.end() {
            Some(end) if end.at < at => None,
            _ => Some(at),
        }
    }
}

impl Life {
    pub(super) fn condition(&self, now: Instant) -> Condition {
        let Some(run) = self.runs.last() else {
            return Condition { status: ContainerStatus::Created, exit_code: 0, oom_killed: false };
        };
        match run.ended(now) {
            Some(End { code, oom_killed, .. }) => {
                Condition { status: ContainerStatus::Exited, exit_code: code, oom_killed }
            }
            None => Condition { status: ContainerStatus::Running, exit_code: 0, oom_killed: false },
        }
    }

    pub(super) fn is_running(&self, now: Instant) -> bool {
        self.condition(now).status == ContainerStatus::Running
    }

    /// The run that is going on, or else the one that would be next, as a number for [`exit`] and
    /// [`output`].
    pub(super) fn current_or_next_run(&self, now: Instant) -> usize {
        if self.is_running(now) { self.runs.len() - 1 } else { self.runs.len() }
    }

    /// How many pieces of output the run that is going on has written already.
    pub(super) fn pieces_written(&self, now: Instant) -> usize {
        let Some(run) = self.runs.last().filter(|_| self.is_running(now)) else {
            return 0;
        };
        let written = |&piece: &usize| run.written_at(piece).is_some_and(|at| at <= now);
        (0..run.script.output().len()).take_while(written).count()
    }

    pub(super) fn start(&mut self, now: Instant, script: ScriptedRun) {
        self.runs.push(Run { started: now, script, forced: None });
    }

    /// Asks the run that is going on to stop, and arranges that it is killed when `grace` is over.
    pub(super) fn stop(&mut self, now: Instant, grace: Duration) {
        let running = self.is_running(now);
        let Some(run) = self.runs.last_mut().filter(|_| running) else {
            return;
        };
        if !run.script.ignores_stop() {
            run.force(now, STOPPED);
        } else if let Some(at) = now.checked_add(grace) {
            run.force(at, KILLED);
        }
    }

    /// Kills what runs; nothing comes after.
    pub(super) fn remove(&mut self, now: Instant) {
        if let Some(run) = self.runs.last_mut() {
            run.force(now, KILLED);
        }
        self.removed = true;
    }
}

/// Resolves when run number `run` has ended.
pub(super) fn exit(
    mut life: watch::Receiver<Life>,
    run: usize,
    operation: Operation,
) -> ExitFuture {
    Box::pin(async move {
        loop {
            let next = {
                let life = life.borrow_and_update();
                let now = Instant::now();
                match life.runs.get(run) {
                    Some(run) => match run.ended(now) {
                        Some(end) => return Ok(ExitStatus::new(end.code)),
                        None => run.end().map(|end| end.at),
                    },
                    // A removal wakes the waiter, and what it reads is the last exit code.
                    None if life.removed => {
                        return Ok(ExitStatus::new(life.condition(now).exit_code));
                    }
                    None => None,
                }
            };
            if changed_before(&mut life, next).await.is_err() {
                return Err(ApiError::Lost { operation, source: "the engine is gone".into() });
            }
        }
    })
}

/// What an attached stream does next.
enum Next {
    Piece(LogChunk),
    Wait(Option<Instant>),
    Never,
    End,
}

/// What run number `run` writes, from its piece number `first` on.
pub(super) fn output(life: watch::Receiver<Life>, run: usize, first: usize) -> LogStream {
    stream::unfold((life, first), move |(mut life, position)| async move {
        loop {
            let next = next_piece(&life.borrow_and_update(), run, position);
            match next {
                Next::Piece(chunk) => return Some((Ok(chunk), (life, position + 1))),
                Next::Wait(until) => changed_before(&mut life, until).await.ok()?,
                Next::Never => std::future::pending().await,
                Next::End => return None,
            }
        }
    })
    .boxed()
}

fn next_piece(life: &Life, run: usize, position: usize) -> Next {
    let now = Instant::now();
    let Some(run) = life.runs.get(run) else {
        // Measured: of a container that is removed while it does not run, an attached stream
        // stays open.
        return if life.removed { Next::Never } else { Next::Wait(None) };
    };
    match (run.written_at(position), run.end()) {
        (Some(at), _) if at <= now => Next::Piece(run.script.output()[position].chunk.clone()),
        (Some(at), _) => Next::Wait(Some(at)),
        (None, Some(end)) if end.at <= now => Next::End,
        (None, end) => Next::Wait(end.map(|end| end.at)),
    }
}

/// Waits until the life changes or the clock says `deadline`.
async fn changed_before(
    life: &mut watch::Receiver<Life>,
    deadline: Option<Instant>,
) -> Result<(), watch::error::RecvError> {
    match deadline {
        None => life.changed().await,
        Some(deadline) => time::timeout_at(deadline, life.changed()).await.unwrap_or(Ok(())),
    }
}
