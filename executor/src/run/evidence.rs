//! The lock that an executor holds for the runs that it plans itself.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::OnceCell;
use volume_manager::label;

use crate::{
    instance::{Instance, InstanceError, Instances},
    plan::{JobPlan, RunContext},
};

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
    /// Claimed for the first run, so that an executor that runs nothing writes nothing. A failed claim
    /// is repeated for the next run.
    instance: OnceCell<Option<Instance>>,
    /// The runs with this lock's label that have not ended cleanly, or not yet.
    unclean: Mutex<BTreeSet<String>>,
}

/// Ends the evidence. When something may be left on the engine, the free lock stays for the next sweep.
impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(Some(instance)) = self.instance.take() {
            let unclean = self.unclean.get_mut().unwrap_or_else(PoisonError::into_inner);
            instance.release(!unclean.is_empty());
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
        let (instance, unclean) = (OnceCell::new(), Mutex::default());
        Self(Arc::new(Shared { place, instance, unclean }))
    }

    /// Returns the context with the lock's label, and why there is no lock if there is none.
    pub(crate) async fn attach(&self, context: RunContext) -> (RunContext, Option<InstanceError>) {
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
        match self.0.instance.get_or_try_init(claim).await {
            Ok(Some(instance)) => (context.with_instance(instance), None),
            Ok(None) => (context, None),
            Err(error) => (context, Some(error)),
        }
    }

    /// Records that a run begins, if its plan carries this lock's label.
    pub(crate) fn begin(&self, plan: &JobPlan) {
        let Some(Some(instance)) = self.0.instance.get() else { return };
        let is_own = |value: &String| value == instance.label();
        let mut labels = plan.containers.iter().filter_map(|one| one.labels.get(label::INSTANCE));
        if labels.any(is_own) {
            self.unclean(|runs| runs.insert(plan.run.clone()));
        }
    }

    /// Records that nothing of a run is left.
    pub(crate) fn end(&self, plan: &JobPlan) {
        self.unclean(|runs| runs.remove(&plan.run));
    }

    fn unclean(&self, change: impl FnOnce(&mut BTreeSet<String>) -> bool) {
        // A set of names is consistent also after a panic.
        change(&mut self.0.unclean.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
