//! The containers of services.

use docker_api_trait::LogDriver;
use executor::{ExecutorConfig, Variable};

use super::{job_with_db, with_db};
use crate::common::{assert_clean, assert_succeeded, executor_with, run};

#[tokio::test(start_paused = true)]
async fn a_service_is_made_as_the_job_asks_and_shares_its_volumes() {
    let engine = with_db();
    let mut job = job_with_db();
    job.volumes.push("/cache".to_owned());
    job.variables.push(Variable::new("MODE", "test").unwrap());
    job.variables.push(Variable::new("TOKEN", "s3cret").unwrap().masked());
    let service = &mut job.services[0];
    service.command = vec!["--port".to_owned(), "1".to_owned()];
    service.variables.push(Variable::new("PASSWORD", "$TOKEN-db").unwrap());
    assert_succeeded(&run(&engine, &job).await);
    let request = &engine.container_requests()[0];
    assert_eq!(request.arguments, ["--port", "1"]);
    assert_eq!(request.environment, ["MODE=test", "PASSWORD=s3cret-db"]);
    assert_eq!(request.mounts.len(), 1);
    assert_eq!(request.labels["dev.berth.kind"], "service");
    assert_eq!(request.log_driver, Some(LogDriver::None));
}

#[tokio::test(start_paused = true)]
async fn only_a_build_container_may_keep_its_anonymous_volumes() {
    for keep in [false, true] {
        let engine = with_db();
        let mut config = ExecutorConfig::new("ci");
        config.containers.keep_anonymous_volumes = keep;
        let executor = executor_with(&engine, config);
        let result = executor.job(&job_with_db()).run().await.unwrap();
        assert_clean(&engine, &result);
        let kept = engine.removed_alone();
        assert_eq!(kept.len(), usize::from(keep));
        assert!(kept.iter().all(|name| name.starts_with("berth-b1-")), "{kept:?}");
    }
}
