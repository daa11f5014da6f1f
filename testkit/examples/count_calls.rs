//! A wrapper that counts calls: `cargo run -p testkit --example count_calls`.
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use docker_api_trait::{ApiError, CallLayer, Layered, Operation, SystemApi as _};

#[derive(Debug, Default)]
struct Count(AtomicU64);

impl CallLayer for Count {
    async fn call<T: Send>(
        &self,
        _: Operation,
        call: impl Future<Output = Result<T, ApiError>> + Send,
    ) -> Result<T, ApiError> {
        self.0.fetch_add(1, Relaxed);
        call.await
    }
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() {
    let docker = Layered::new(testkit::FakeDocker::new(), Count::default());
    assert!(docker.version().await.is_ok());
    assert_eq!(docker.layer().0.load(Relaxed), 1);
}
