//! What a volume manager gets from its caller while it prepares: cancellation, a clock, and a
//! place to report to.
//!
//! They are traits, so that this crate needs no runtime: the caller's runtime is behind them.

use std::{
    fmt::Debug,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use backon::{FuturesTimerSleeper, Sleeper as _};
use futures_util::future::{self, Either};

use crate::{
    error::VolumeError, path::ContainerPath, prepared::PreparedVolume, prepared::PreparedVolumes,
};

/// Says when a caller wants no more of what it asked for.
#[async_trait]
pub trait Cancellation: Debug + Send + Sync {
    /// Whether it is cancelled. Once it is, it stays so.
    fn is_cancelled(&self) -> bool;

    /// Returns once it is cancelled. Can be dropped and called again.
    async fn cancelled(&self);
}

/// What time it is, and waiting. Tests have clocks of their own.
#[async_trait]
pub trait Clock: Debug + Send + Sync {
    /// Returns the time of day.
    fn now(&self) -> SystemTime;

    /// Returns after `duration`. Can be dropped.
    async fn sleep(&self, duration: Duration);
}

/// Receives what happens to volumes. It is called from within the manager, and must not block.
pub trait VolumeObserver: Debug + Send + Sync {
    /// Something happened.
    fn event(&self, event: &VolumeEvent<'_>);
}

/// Something that happened while volumes were prepared.
#[derive(Debug)]
#[non_exhaustive]
pub enum VolumeEvent<'a> {
    /// The volume at `destination` is not free yet: `prepare` waits for it.
    Waiting {
        /// Where it is to be mounted.
        destination: &'a ContainerPath,
    },
    /// The volume is ready to be mounted.
    Ready(&'a PreparedVolume),
}

/// Reports nothing.
impl VolumeObserver for () {
    fn event(&self, _event: &VolumeEvent<'_>) {}
}

/// Is never cancelled.
#[derive(Debug, Clone, Copy, Default)]
struct NeverCancelled;

#[async_trait]
impl Cancellation for NeverCancelled {
    fn is_cancelled(&self) -> bool {
        false
    }

    async fn cancelled(&self) {
        future::pending::<()>().await;
    }
}

/// The clock of the operating system. It needs no runtime.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    async fn sleep(&self, duration: Duration) {
        FuturesTimerSleeper.sleep(duration).await;
    }
}

/// What [`VolumeManager::prepare`](crate::VolumeManager::prepare) gets from its caller. The default is
/// never cancelled, reports nothing, and has the operating system's clock.
#[derive(Debug, Clone, Copy)]
pub struct PrepareContext<'a> {
    cancellation: &'a dyn Cancellation,
    observer: &'a dyn VolumeObserver,
    clock: &'a dyn Clock,
}

impl Default for PrepareContext<'_> {
    fn default() -> Self {
        Self { cancellation: &NeverCancelled, observer: &(), clock: &SystemClock }
    }
}

impl<'a> PrepareContext<'a> {
    /// Sets what cancels the preparation.
    pub fn with_cancellation(mut self, cancellation: &'a dyn Cancellation) -> Self {
        self.cancellation = cancellation;
        self
    }

    /// Sets who receives the events.
    pub fn with_observer(mut self, observer: &'a dyn VolumeObserver) -> Self {
        self.observer = observer;
        self
    }

    /// Sets the clock.
    pub fn with_clock(mut self, clock: &'a dyn Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Returns the clock.
    pub fn clock(&self) -> &'a dyn Clock {
        self.clock
    }

    /// Checks whether the preparation is cancelled: before each request, so that none is dropped
    /// half-way.
    ///
    /// # Errors
    /// [`VolumeError::Cancelled`] when it is.
    pub fn check(&self) -> Result<(), VolumeError> {
        if self.cancellation.is_cancelled() { Err(VolumeError::Cancelled) } else { Ok(()) }
    }

    /// Waits for `work`, which is dropped when the preparation is cancelled.
    ///
    /// # Errors
    /// [`VolumeError::Cancelled`] when it is cancelled first.
    pub async fn wait<T>(&self, work: impl Future<Output = T> + Send) -> Result<T, VolumeError> {
        let cancelled = self.cancellation.cancelled();
        match future::select(cancelled, std::pin::pin!(work)).await {
            Either::Left(((), _)) => Err(VolumeError::Cancelled),
            Either::Right((done, _)) => Ok(done),
        }
    }

    /// Reports an event.
    pub fn report(&self, event: &VolumeEvent<'_>) {
        self.observer.event(event);
    }

    /// Reports that each of the volumes is ready, in their order.
    pub fn report_ready(&self, volumes: &PreparedVolumes) {
        volumes.volumes.iter().for_each(|volume| self.report(&VolumeEvent::Ready(volume)));
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    /// Is cancelled from the start.
    #[derive(Debug)]
    struct Cancelled;

    #[async_trait]
    impl Cancellation for Cancelled {
        fn is_cancelled(&self) -> bool {
            true
        }

        async fn cancelled(&self) {}
    }

    #[test]
    fn without_anything_it_is_never_cancelled() {
        let context = PrepareContext::default();
        assert!(context.check().is_ok());
        assert!(context.wait(future::pending::<()>()).now_or_never().is_none());
        assert_eq!(context.wait(async { 7 }).now_or_never().unwrap().unwrap(), 7);
    }

    #[test]
    fn what_waits_ends_when_it_is_cancelled() {
        let context = PrepareContext::default().with_cancellation(&Cancelled);
        assert!(matches!(context.check(), Err(VolumeError::Cancelled)));
        let waited = context.wait(future::pending::<()>()).now_or_never().unwrap();
        assert!(matches!(waited, Err(VolumeError::Cancelled)));
    }

    #[tokio::test]
    async fn the_clock_of_the_system_needs_no_runtime() {
        let begin = SystemClock.now();
        SystemClock.sleep(Duration::from_millis(20)).await;
        assert!(SystemClock.now().duration_since(begin).unwrap() >= Duration::from_millis(19));
    }
}
