//! The suite of `DockerApi` judges a wrapper: one that only counts passes, one that hides errors does not.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use docker_api_trait::{ApiError, CallLayer, Layered, Operation};
use testkit::{
    FakeDocker,
    conformance::docker_api::{Case, Subject, volume},
};

/// The fake within a layer.
fn layered(layer: impl CallLayer + 'static) -> Subject {
    let fake = FakeDocker::new().with_image("busybox");
    let engine = Layered::new(fake.clone(), layer);
    Subject::new(engine, "tests", "busybox".parse().unwrap()).over_fake(fake)
}

/// Counts calls.
#[derive(Debug, Default, Clone)]
struct Count(Arc<AtomicU64>);

impl CallLayer for Count {
    async fn call<T: Send>(
        &self,
        _: Operation,
        call: impl Future<Output = Result<T, ApiError>> + Send,
    ) -> Result<T, ApiError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        call.await
    }
}

/// Reports that an object is missing as a lost connection.
#[derive(Debug)]
struct HideMissing;

impl CallLayer for HideMissing {
    async fn call<T: Send>(
        &self,
        operation: Operation,
        call: impl Future<Output = Result<T, ApiError>> + Send,
    ) -> Result<T, ApiError> {
        match call.await {
            Err(ApiError::NotFound { message, .. }) => {
                Err(ApiError::Lost { operation, source: message.into() })
            }
            reply => reply,
        }
    }
}

mod counted {
    use super::{Case, Count, Ordering, layered};

    async fn judge(case: Case) {
        let count = Count::default();
        case.check(layered(count.clone())).await;
        assert!(count.0.load(Ordering::Relaxed) > 0, "the case calls the wrapper");
    }

    testkit::docker_api_conformance!(
        #[tokio::test(start_paused = true)]
        judge
    );
}

#[tokio::test(start_paused = true)]
async fn wrapper_that_changes_an_error_is_refused() {
    let case = volume::removing_a_volume_twice_is_not_found();
    let seen = case.observe(layered(HideMissing)).await;
    assert_eq!(seen, ["ok", "lost", "lost"]);
    let judged = tokio::spawn(async move { case.check(layered(HideMissing)).await }).await;
    assert!(judged.unwrap_err().is_panic());
}
