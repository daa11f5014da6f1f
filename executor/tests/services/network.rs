//! The networks by which a job finds its services.

use std::sync::Arc;

use docker_api_trait::Operation;
use executor::{
    Cancel, ExecutorConfig, FailureReason, NullSink, ServiceSpec,
    error::{PrepareError, RunError},
    outcome::{ObjectKind, Phase},
};
use testkit::ScriptedRun;

use super::{job_with_db, with_db};
use crate::common::{
    Events, assert_clean, assert_succeeded, engine, error, executor, executor_with, failure, image,
    job, program, run, run_and, seconds, step,
};

#[tokio::test(start_paused = true)]
async fn of_two_services_with_one_alias_the_first_has_it() {
    let engine = with_db();
    let mut job = job_with_db();
    job.services[0].aliases.push("store".to_owned());
    job.services.push(ServiceSpec::new(image("db")).with_alias("store").with_alias("second"));
    job.services.push(ServiceSpec::new(image("db")));
    let events = Events::default();
    let executor = executor(&engine).with_observer(Arc::new(events.clone()));
    let result = executor.job(&job).run().await.unwrap();
    let names: Vec<_> = result.services.iter().map(|service| service.name.as_str()).collect();
    assert_eq!(names, ["store", "second"]);
    let requests = engine.container_requests();
    let aliases = requests.iter().map(|request| request.network.clone().unwrap().aliases);
    let aliases: Vec<_> = aliases.map(|aliases| aliases.join(" ")).collect();
    assert_eq!(aliases, ["store db", "second", "build"]);
    assert_eq!(events.count("Noted(AliasTaken"), 3);
    assert_eq!(events.count("Noted(ServiceLeftOut"), 1);
    assert_clean(&engine, &result);
}

#[tokio::test(start_paused = true)]
async fn a_job_with_services_has_a_network_of_its_own_while_it_lasts() {
    let engine = with_db().with_ipv6();
    engine.script(ScriptedRun::exits(0).lasting(seconds(10)));
    let mut config = ExecutorConfig::new("ci");
    (config.network.ipv6, config.network.mtu) = (true, Some(1400));
    config.containers.labels.insert("team".to_owned(), "core".to_owned());
    let executor = executor_with(&engine, config);
    let look = |_: &Cancel| {
        let networks = engine.networks();
        let [network] = networks.as_slice() else { panic!("{networks:?}") };
        assert!(network.name.starts_with("berth-n1-app-"), "{}", network.name);
        assert!(network.ipv6);
        assert_eq!(network.options["com.docker.network.driver.mtu"], "1400");
        assert_eq!(network.labels["dev.berth.kind"], "network");
        assert_eq!(network.labels["team"], "core");
        assert_eq!(network.containers.len(), 2);
    };
    let result = run_and(&executor, &job_with_db(), NullSink, seconds(5), look).await;
    assert_succeeded(&result);
    let removed: Vec<_> = result.cleanup.removed.iter().map(|removed| removed.kind).collect();
    let container = ObjectKind::Container;
    assert_eq!(removed, [container, container, ObjectKind::Network]);
    assert_clean(&engine, &result);
}

#[tokio::test(start_paused = true)]
async fn a_network_that_cannot_be_made_fails_the_job_before_its_containers() {
    let engine = with_db();
    let mut config = ExecutorConfig::new("ci");
    config.network.ipv6 = true;
    let executor = executor_with(&engine, config);
    let mut job = job_with_db();
    job.volumes.push("/cache".to_owned());
    let result = executor.job(&job).run().await.unwrap();
    assert!(
        matches!(
            error(&result, Phase::Prepare, false),
            RunError::Prepare(PrepareError::Network { .. })
        ),
        "{:?}",
        result.outcome
    );
    assert!(engine.container_requests().is_empty());
    assert_clean(&engine, &result);
}

#[tokio::test(start_paused = true)]
async fn a_network_whose_creation_got_no_reply_is_found_and_removed() {
    let engine = with_db();
    engine.lose_reply_once(Operation::CreateNetwork);
    let result = run(&engine, &job_with_db()).await;
    assert!(
        matches!(failure(&result, Phase::Prepare, true), FailureReason::System { .. }),
        "{:?}",
        result.outcome
    );
    assert_eq!(result.cleanup.removed.len(), 1);
    assert_eq!(result.cleanup.removed[0].kind, ObjectKind::Network);
    assert_clean(&engine, &result);
}

#[tokio::test(start_paused = true)]
async fn containers_of_services_whose_creation_got_no_reply_are_found_and_removed() {
    let engine = with_db();
    // That of the service comes first.
    engine.lose_reply_once(Operation::CreateContainer);
    let result = run(&engine, &job_with_db()).await;
    assert!(
        matches!(failure(&result, Phase::Prepare, true), FailureReason::System { .. }),
        "{:?}",
        result.outcome
    );
    assert_eq!(result.cleanup.removed.len(), 3);
    assert_clean(&engine, &result);
}

#[tokio::test(start_paused = true)]
async fn without_services_there_is_no_network() {
    let engine = engine();
    let result = run(&engine, &job([step("a")])).await;
    assert_succeeded(&result);
    assert!(!engine.calls().contains(&Operation::CreateNetwork));
    assert!(engine.container_requests()[0].network.is_none());
}

#[tokio::test(start_paused = true)]
async fn on_the_default_bridge_a_job_finds_services_in_its_host_table() {
    let engine = with_db();
    let mut config = ExecutorConfig::new("ci");
    config.containers.host.network_mode = Some("bridge".to_owned());
    let executor = executor_with(&engine, config);
    let mut job = job_with_db();
    job.services[0].aliases.push("store".to_owned());
    // The second program's container is made when its step comes.
    job.steps = vec![program("a"), program("b")];
    let result = executor.job(&job).run().await.unwrap();
    assert_succeeded(&result);
    let requests = engine.container_requests();
    let modes = requests.iter().map(|request| request.host.network_mode.as_deref());
    assert!(modes.into_iter().all(|mode| mode == Some("bridge")));
    assert!(requests[0].host.extra_hosts.is_empty());
    for request in &requests[1..] {
        assert_eq!(request.host.extra_hosts, ["store:172.17.0.2", "db:172.17.0.2"]);
    }
    assert!(!engine.calls().contains(&Operation::CreateNetwork));
    assert_clean(&engine, &result);
}

#[tokio::test(start_paused = true)]
async fn a_users_own_network_is_joined_and_left_alone() {
    let engine = with_db();
    let mut config = ExecutorConfig::new("ci");
    config.containers.host.network_mode = Some("shared".to_owned());
    let executor = executor_with(&engine, config);
    let result = executor.job(&job_with_db()).run().await.unwrap();
    // Nobody made it, so that nothing can be started in it.
    assert!(
        matches!(
            error(&result, Phase::Start, false),
            RunError::Prepare(PrepareError::Refused { .. })
        ),
        "{:?}",
        result.outcome
    );
    let requests = engine.container_requests();
    let networks = requests.iter().map(|request| request.network.clone().unwrap().network);
    assert!(networks.into_iter().all(|network| network.as_str() == "shared"));
    assert!(!engine.calls().contains(&Operation::RemoveNetwork));
    assert_clean(&engine, &result);
}
