//! Whether the engine answers, known once for all who wait for it.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::{Instant, sleep, timeout_at};

use super::{EngineEvent, EngineObserver, RetryPolicy};
use crate::{ApiError, DockerApi, EngineInfo, Operation};

/// How long the last look may take.
const LAST_LOOK: Duration = Duration::from_secs(1);
/// A longer outage has no representable end.
const MAX_OUTAGE: Duration = Duration::from_hours(24 * 365 * 30);

/// What is known of the engine.
#[derive(Debug, Default)]
struct Known {
    /// Whether it has ever answered: one that never did is not waited for.
    met: bool,
    /// What tells it from others.
    identity: Option<String>,
    /// Since when it is away.
    away_since: Option<Instant>,
    /// Whether it was reported as unreachable.
    told: bool,
    /// It was away for longer than it may; cleared by its next answer.
    gone: bool,
    /// The engine that answers in its place.
    changed_to: Option<String>,
}

/// The connection to one engine, shared by all handles to it.
#[derive(Debug)]
pub(super) struct Link {
    engine: Arc<dyn DockerApi>,
    policy: RetryPolicy,
    observer: Arc<dyn EngineObserver>,
    known: Mutex<Known>,
    /// Held by the one who looks whether the engine is back.
    looking: tokio::sync::Mutex<()>,
    outages: AtomicU64,
}

impl Link {
    pub(super) fn new(
        engine: Arc<dyn DockerApi>,
        policy: RetryPolicy,
        observer: Arc<dyn EngineObserver>,
    ) -> Self {
        Self {
            engine,
            policy,
            observer,
            known: Mutex::default(),
            looking: tokio::sync::Mutex::default(),
            outages: AtomicU64::default(),
        }
    }

    pub(super) fn outages(&self) -> u64 {
        self.outages.load(Ordering::Relaxed)
    }

    pub(super) fn is_away(&self) -> bool {
        self.known().away_since.is_some()
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing may be asked of an engine that is not the one from before.
    pub(super) fn check(&self, operation: Operation) -> Result<(), ApiError> {
        let known = self.known();
        match (&known.identity, &known.changed_to) {
            (Some(expected), Some(found)) => Err(ApiError::Changed {
                operation,
                expected: expected.clone(),
                found: found.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// A request was answered, whatever the answer.
    pub(super) fn answered(&self) {
        let back_after = {
            let mut known = self.known();
            known.met = true;
            known.gone = false;
            let since = known.away_since.take();
            std::mem::take(&mut known.told).then_some(since).flatten().map(|since| since.elapsed())
        };
        if let Some(after) = back_after {
            self.observer.engine_event(&EngineEvent::Back { after });
        }
    }

    /// The engine has said who it is.
    pub(super) fn introduced(
        &self,
        operation: Operation,
        info: &EngineInfo,
    ) -> Result<(), ApiError> {
        if let Some(id) = &info.id {
            let changed_from = {
                let mut known = self.known();
                match &known.identity {
                    Some(expected) if expected != id && known.changed_to.is_none() => {
                        let expected = expected.clone();
                        known.changed_to = Some(id.clone());
                        Some(expected)
                    }
                    Some(_) => None,
                    None => {
                        known.identity = Some(id.clone());
                        None
                    }
                }
            };
            if let Some(expected) = changed_from {
                self.observer
                    .engine_event(&EngineEvent::Changed { expected: &expected, found: id });
            }
        }
        self.check(operation)
    }

    /// Asks who answers, when something that must be there is not.
    pub(super) async fn verify(&self, operation: Operation) -> Result<(), ApiError> {
        if self.known().identity.is_none() {
            return Ok(());
        }
        match self.engine.info().await {
            Ok(info) => self.introduced(operation, &info),
            // The answer before is all there is.
            Err(_) => Ok(()),
        }
    }

    /// Waits until the engine answers, after a request failed with `error`. One caller looks; the
    /// others wait for what it finds.
    ///
    /// # Errors
    /// `error` of an engine that never answered, that has been away for too long; or that is another
    /// one now.
    pub(super) async fn back(&self, operation: Operation, error: ApiError) -> Result<(), ApiError> {
        {
            let mut known = self.known();
            // A connection that was lost was one.
            known.met |= matches!(error, ApiError::Lost { .. });
            if !known.met || self.policy.outage.is_zero() {
                return Err(error);
            }
            let since = *known.away_since.get_or_insert_with(Instant::now);
            if known.gone {
                drop(known);
                return Err(gone(operation, since.elapsed(), error));
            }
        }
        let mut looks = self.policy.looks();
        let mut error = error;
        let _looking = self.looking.lock().await;
        loop {
            // Another one may have found out meanwhile.
            let state = {
                let known = self.known();
                (known.away_since, known.gone)
            };
            // An outage that began since has its own end.
            let since = match state {
                (None, _) => return self.check(operation),
                (Some(since), true) => return Err(gone(operation, since.elapsed(), error)),
                (Some(since), false) => since,
            };
            let deadline = since + self.policy.outage.min(MAX_OUTAGE);
            match timeout_at(deadline + LAST_LOOK, self.engine.info()).await {
                Ok(Ok(info)) => {
                    self.answered();
                    return self.introduced(operation, &info);
                }
                Ok(Err(fresh)) => {
                    if !std::mem::replace(&mut self.known().told, true) {
                        self.outages.fetch_add(1, Ordering::Relaxed);
                        let patience = self.policy.outage;
                        self.observer.engine_event(&EngineEvent::Lost { error: &fresh, patience });
                    }
                    error = fresh;
                }
                Err(_) => {}
            }
            let pause = looks.next().unwrap_or(Duration::from_secs(1));
            // The last look is at the very end.
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                self.known().gone = true;
                let after = since.elapsed();
                self.observer.engine_event(&EngineEvent::Gone { after });
                return Err(gone(operation, after, error));
            }
            sleep(pause.min(left)).await;
        }
    }
}

fn gone(operation: Operation, after: Duration, error: ApiError) -> ApiError {
    ApiError::Gone { operation, after, source: Box::new(error) }
}
