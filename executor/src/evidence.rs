//! The lock that an executor holds for the runs that it plans itself.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::OnceCell;

use crate::{Instance, InstanceError, Instances, RunContext};

/// Where the lock is held.
#[derive(Debug)]
enum Place {
    /// In the user's state directory.
    OfUser,
    /// In this one.
    Given(Instances),
    /// There is none.
    Nowhere,
}

#[derive(Debug)]
struct Shared {
    place: Place,
    /// Claimed for the first run, so that an executor that runs nothing writes nothing.
    instance: OnceCell<Result<Option<Instance>, InstanceError>>,
    /// The runs that have not ended cleanly, or not yet.
    unclean: AtomicUsize,
}

/// Ends the evidence. When something may be left on the engine, the free lock stays for the next sweep.
impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(Ok(Some(instance))) = self.instance.take() {
            instance.release(*self.unclean.get_mut() > 0);
        }
    }
}

/// The evidence that the process of an executor lives. Clones hold the same lock.
#[derive(Debug, Clone)]
pub(crate) struct Evidence(Arc<Shared>);

impl Evidence {
    pub(crate) fn of_user() -> Self {
        Self::at(Place::OfUser)
    }

    pub(crate) fn given(instances: Instances) -> Self {
        Self::at(Place::Given(instances))
    }

    pub(crate) fn none() -> Self {
        Self::at(Place::Nowhere)
    }

    fn at(place: Place) -> Self {
        let (instance, unclean) = (OnceCell::new(), AtomicUsize::new(0));
        Self(Arc::new(Shared { place, instance, unclean }))
    }

    /// Draws a run that carries the lock's label; with it comes why there is no lock.
    pub(crate) async fn context(&self) -> (RunContext, Option<&InstanceError>) {
        let shared = Arc::clone(&self.0);
        let claim = || async move {
            // Locks are files.
            let claimed = tokio::task::spawn_blocking(move || match &shared.place {
                Place::OfUser => Instances::of_user()?.claim().map(Some),
                Place::Given(instances) => instances.claim().map(Some),
                Place::Nowhere => Ok(None),
            });
            claimed.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
        };
        match self.0.instance.get_or_init(claim).await {
            Ok(Some(instance)) => (RunContext::draw().with_instance(instance), None),
            Ok(None) => (RunContext::draw(), None),
            Err(error) => (RunContext::draw(), Some(error)),
        }
    }

    /// A run begins.
    pub(crate) fn begin(&self) {
        self.0.unclean.fetch_add(1, Ordering::Relaxed);
    }

    /// A run has left nothing.
    pub(crate) fn end(&self) {
        self.0.unclean.fetch_sub(1, Ordering::Relaxed);
    }
}
