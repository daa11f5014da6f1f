//! When something has to stop, other than by itself.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::{
    cancel::Cancel,
    outcome::{FailureReason, TimedPart},
    plan::Timeouts,
};

/// What is interrupted may finish the requests that it is in, for so long, so that their effect is
/// known. Then it is dropped, and cleanup looks for the effect.
const SETTLE: Duration = Duration::from_secs(5);

/// What no clock can tell is as far away as this.
const LONGEST: Duration = Duration::from_hours(24 * 365 * 30);

/// When a limit ends that began then, however long it is.
pub(crate) fn end(begin: Instant, limit: Duration) -> Instant {
    begin + limit.min(LONGEST)
}

/// A time limit of a part of a job, running.
#[derive(Debug, Clone, Copy)]
struct Deadline {
    what: TimedPart,
    limit: Duration,
    at: Instant,
}

impl Deadline {
    /// A limit that runs from `begin`; none when there is no limit, or none that a clock can tell.
    fn new(what: TimedPart, begin: Instant, limit: Option<Duration>) -> Option<Self> {
        let limit = limit?;
        Some(Self { what, limit, at: begin.checked_add(limit)? })
    }

    fn of_job(timeouts: &Timeouts, begin: Instant) -> Option<Self> {
        Self::new(TimedPart::Job, begin, timeouts.job)
    }

    fn reason(&self) -> FailureReason {
        FailureReason::Timeout { what: self.what, limit: self.limit }
    }
}

/// What may interrupt a part of a job.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Interrupt<'a> {
    cancel: &'a Cancel,
    /// Whether only being killed counts: an after-script runs although its job was stopped.
    only_kill: bool,
    deadline: Option<Deadline>,
}

impl<'a> Interrupt<'a> {
    /// Interrupts by `cancel`, or by the first of these deadlines.
    fn new(cancel: &'a Cancel, deadlines: impl IntoIterator<Item = Option<Deadline>>) -> Self {
        let deadline = deadlines.into_iter().flatten().min_by_key(|deadline| deadline.at);
        Self { cancel, only_kill: false, deadline }
    }

    /// Interrupts by a request to stop at once alone.
    pub(crate) fn by_kill(cancel: &'a Cancel) -> Self {
        Self::new(cancel, []).only_by_kill()
    }

    /// Interrupts whatever belongs to a job that began then.
    pub(crate) fn of_job(cancel: &'a Cancel, timeouts: &Timeouts, begin: Instant) -> Self {
        Self::new(cancel, [Deadline::of_job(timeouts, begin)])
    }

    /// Interrupts the preparation of a job that began then.
    pub(crate) fn of_preparation(cancel: &'a Cancel, timeouts: &Timeouts, begin: Instant) -> Self {
        let preparation = Deadline::new(TimedPart::Prepare, begin, timeouts.prepare);
        Self::new(cancel, [Deadline::of_job(timeouts, begin), preparation])
    }

    /// Interrupts a step that begins now, given when the job and its first step began.
    pub(crate) fn of_step(
        cancel: &'a Cancel,
        timeouts: &Timeouts,
        begin: Instant,
        script_begin: Instant,
        limit: Option<Duration>,
    ) -> Self {
        let script = Deadline::new(TimedPart::Script, script_begin, timeouts.script);
        let step = Deadline::new(TimedPart::Step, Instant::now(), limit);
        Self::new(cancel, [Deadline::of_job(timeouts, begin), script, step])
    }

    /// Interrupts an after-script that begins now.
    pub(crate) fn of_after_script(cancel: &'a Cancel, timeouts: &Timeouts, begin: Instant) -> Self {
        let limit = Some(timeouts.after_script);
        let after_script = Deadline::new(TimedPart::AfterScript, Instant::now(), limit);
        Self::new(cancel, [Deadline::of_job(timeouts, begin), after_script]).only_by_kill()
    }

    /// Not by a request to stop, only by one to stop at once.
    pub(crate) fn only_by_kill(mut self) -> Self {
        self.only_kill = true;
        self
    }

    /// Returns when it has to stop.
    pub(crate) async fn occurs(&self) -> FailureReason {
        let cancelled = async {
            if self.only_kill { self.cancel.killed().await } else { self.cancel.stopped().await }
        };
        let timed_out = async {
            match &self.deadline {
                Some(deadline) => {
                    tokio::time::sleep_until(deadline.at).await;
                    deadline.reason()
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = cancelled => FailureReason::Canceled,
            reason = timed_out => reason,
        }
    }

    /// Runs an attempt until it ends by itself or is interrupted; then it may still finish the requests
    /// that it has sent, unless it has to stop at once.
    pub(crate) async fn settle<T>(
        &self,
        attempt: impl Future<Output = Result<T, FailureReason>>,
    ) -> Result<T, FailureReason> {
        let mut attempt = std::pin::pin!(attempt);
        tokio::select! {
            biased;
            ended = &mut attempt => ended,
            reason = self.occurs() => tokio::select! {
                biased;
                ended = timeout(SETTLE, &mut attempt) => ended.unwrap_or(Err(reason)),
                () = self.cancel.killed() => Err(FailureReason::Canceled),
            },
        }
    }

    /// Whether it has to stop now. Asked between requests, so that none is dropped half-way.
    pub(crate) fn check(&self) -> Result<(), FailureReason> {
        let cancelled =
            if self.only_kill { self.cancel.is_killed() } else { self.cancel.is_stopped() };
        if cancelled {
            return Err(FailureReason::Canceled);
        }
        match &self.deadline {
            Some(deadline) if Instant::now() >= deadline.at => Err(deadline.reason()),
            _ => Ok(()),
        }
    }
}
