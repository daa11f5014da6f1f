//! The retry policy of an executor.

use std::sync::Arc;

use docker_api_trait::{DockerApi, Operation};
use executor::{Executor, ExecutorConfig, JobOutcome, RetryPolicy, SteadyDocker};
use volume_manager::DockerVolumeManager;

use super::status;
use crate::common::{engine, job, step};

/// Runs a job with a cache, one request of which the engine fails at; returns whether it succeeded, and
/// its requests.
async fn succeeds(
    fails: Operation,
    executor: impl Fn(Arc<dyn DockerApi>, ExecutorConfig) -> Executor,
) -> (bool, u64) {
    let engine = engine();
    let mut job = job([step("a")]);
    job.volumes = vec!["/cache".to_owned()];
    engine.refuse_once(fails, status(fails, 500));
    let executor = executor(Arc::new(engine), ExecutorConfig::new("ci")).without_instance();
    let result = executor.job(&job).run().await.unwrap();
    (matches!(result.outcome, JobOutcome::Succeeded), result.api_requests)
}

fn volumes_on(docker: &Arc<dyn DockerApi>) -> Arc<DockerVolumeManager> {
    Arc::new(DockerVolumeManager::new(Arc::clone(docker)))
}

#[tokio::test(start_paused = true)]
async fn an_executor_repeats_requests_by_default() {
    let by_default = |docker, config| {
        let volumes = volumes_on(&docker);
        Executor::new(docker, volumes, config)
    };
    let as_is = |docker, config| {
        let volumes = volumes_on(&docker);
        Executor::with_engine_as_is(docker, volumes, config)
    };
    assert!(succeeds(Operation::Version, by_default).await.0);
    assert!(!succeeds(Operation::Version, as_is).await.0);
    // The volume manager has the engine that it was given.
    assert!(!succeeds(Operation::CreateVolume, by_default).await.0);
    assert!(succeeds(Operation::CreateVolume, Executor::for_engine).await.0);
    // Pruning is no part of a job: nothing fails, and the default costs no request.
    let untroubled = Operation::PruneVolumes;
    let (succeeded, requests) = succeeds(untroubled, as_is).await;
    assert!(succeeded);
    assert_eq!(succeeds(untroubled, by_default).await, (true, requests));
    assert_eq!(succeeds(untroubled, Executor::for_engine).await, (true, requests));
}

#[tokio::test(start_paused = true)]
async fn a_steady_engine_keeps_its_own_policy() {
    let impatient = |docker, config| {
        let docker = SteadyDocker::new(docker, RetryPolicy::default().with_retries(0));
        Executor::for_engine(Arc::new(docker), config)
    };
    assert!(!succeeds(Operation::Version, impatient).await.0);
}
