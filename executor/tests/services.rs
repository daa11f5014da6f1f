//! Services on the fake engine: when they count as ready, how a job finds them, and what is left.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{sync::Arc, time::Duration};

use common::{
    Events, assert_clean, assert_succeeded, engine, error, executor, executor_with, failure, image,
    job, program, run, run_and, run_on, seconds, step,
};
use docker_api_trait::{DockerApi, Health, HealthStatus, LogDriver, Operation};
use executor::{
    Cancel, Executor, ExecutorConfig, FailureReason, JobResult, JobSpec, NullSink, ServiceSpec,
    Variable,
    error::{PrepareError, RunError},
    outcome::{ObjectKind, Phase, Readiness},
};
use testkit::{FakeDocker, Fault, FaultKind, FaultyDocker, ScriptedRun, Site};
use volume_manager::DockerVolumeManager;

/// An engine with a service that runs on.
fn with_db() -> FakeDocker {
    let engine = engine().with_image("db");
    engine.script_for_image("db", ScriptedRun::never_ends().prints_stdout("starting\n"));
    engine
}

fn with_ports(ports: &[&str]) -> FakeDocker {
    let ports = ports.iter().map(|port| (*port).to_owned()).collect();
    with_db().with_image_details("db", |image| image.exposed_ports = ports)
}

fn job_with_db() -> JobSpec {
    let mut job = job([step("a")]);
    job.services.push(ServiceSpec::new(image("db")));
    job
}

async fn watched(engine: &FakeDocker, config: ExecutorConfig) -> (JobResult, Events) {
    let events = Events::default();
    let executor = executor_with(engine, config).with_observer(Arc::new(events.clone()));
    let result = executor.job(&job_with_db()).run().await.unwrap();
    // Whatever becomes of a service, its job goes on.
    assert_succeeded(&result);
    assert_clean(engine, &result);
    (result, events)
}

async fn readiness(engine: &FakeDocker) -> (Readiness, Duration, Events) {
    let (result, events) = watched(engine, ExecutorConfig::new("ci")).await;
    let service = &result.services[0];
    (service.readiness.clone(), service.duration, events)
}

#[tokio::test(start_paused = true)]
async fn a_service_with_a_health_check_is_ready_when_that_says_so() {
    let healthy = Health::new(HealthStatus::Healthy);
    let engine = with_ports(&["6379/tcp"]).with_image_health("db", seconds(3), healthy);
    let (readiness, took, events) = readiness(&engine).await;
    assert_eq!(readiness, Readiness::Healthy);
    assert!(took >= seconds(3) && took <= seconds(4), "{took:?}");
    assert_eq!(events.count("ServiceReady"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_service_with_ports_is_ready_when_it_listens_on_one() {
    let engine =
        with_ports(&["53/udp", "6379/tcp", "8080/tcp"]).with_listener("db", seconds(1), 6379);
    let (readiness, took, _) = readiness(&engine).await;
    assert_eq!(readiness, Readiness::Listening(6379));
    assert!(took >= seconds(1) && took < seconds(2), "{took:?}");
    let request = &engine.exec_requests()[0];
    assert_eq!(request.command[..3], ["cat", "/proc/net/tcp", "/proc/net/tcp6"]);
    assert_eq!(request.user.as_deref(), Some("0"));
}

#[tokio::test(start_paused = true)]
async fn a_job_can_name_the_port_to_wait_for() {
    let healthy = Health::new(HealthStatus::Healthy);
    let engine = with_ports(&["1/tcp"])
        .with_image_health("db", Duration::ZERO, healthy)
        .with_listener("db", Duration::ZERO, 6379);
    let mut job = job_with_db();
    job.services[0].variables.push(Variable::new("HEALTHCHECK_TCP_PORT", "6379").unwrap());
    let result = run(&engine, &job).await;
    assert_eq!(result.services[0].readiness, Readiness::Listening(6379));
}

#[tokio::test(start_paused = true)]
async fn a_service_without_ports_and_health_check_is_not_waited_for() {
    for ports in [&[][..], &["9/sctp"]] {
        let (readiness, took, events) = readiness(&with_ports(ports)).await;
        assert_eq!((readiness, took), (Readiness::Running, Duration::ZERO));
        assert_eq!(events.count("ServiceReady"), 1);
    }
}

/// A service in whose image there is no program at all.
fn without_programs(ports: &[&str]) -> FakeDocker {
    with_ports(ports).with_image_without_shell("db")
}

#[tokio::test(start_paused = true)]
async fn a_service_that_nothing_can_look_at_is_not_reported_as_ready() {
    for (ports, named) in [(&["6379/tcp"][..], false), (&["53/udp"], false), (&[], true)] {
        let engine = without_programs(ports);
        // Neither `nc` nor bash is in the job's image.
        engine.script_exec_of("sh", ScriptedRun::exits(9));
        let mut job = job_with_db();
        if named {
            let port = Variable::new("HEALTHCHECK_TCP_PORT", "6379").unwrap();
            job.services[0].variables.push(port);
        }
        let events = Events::default();
        let executor = executor(&engine).with_observer(Arc::new(events.clone()));
        let result = executor.job(&job).run().await.unwrap();
        let service = &result.services[0];
        assert!(matches!(service.readiness, Readiness::Unknown { .. }), "{service:?}");
        assert!(!service.readiness.is_ready());
        assert!(service.readiness.hint().unwrap().contains("health check"));
        assert_eq!((events.count("ServiceReady"), events.count("ServiceFailed")), (0, 1));
        assert_succeeded(&result);
        assert_clean(&engine, &result);
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_without_programs_is_looked_at_from_the_job() {
    let engine = without_programs(&["6379/tcp", "8080/tcp"]);
    engine.script_exec_of("sh", ScriptedRun::exits(0).prints_stdout("open 8080\nall tried\n"));
    assert_eq!(readiness(&engine).await.0, Readiness::Listening(8080));
    let asked = engine.exec_requests().pop().unwrap();
    let [connect, address, ports @ ..] = &asked.command[3..] else { panic!("{asked:?}") };
    assert!(connect == "connect" && address.starts_with("172."), "{address}");
    assert_eq!(ports, ["6379", "8080"]);
    assert_eq!(asked.user, None, "it is the job's own user");
    // One that never listens is waited for as any other.
    let engine = without_programs(&["6379/tcp"]);
    engine.script_exec_of("sh", ScriptedRun::exits(0).prints_stdout("all tried\n"));
    let (outcome, took, _) = readiness(&engine).await;
    assert_eq!(outcome, Readiness::TimedOut { health: String::new(), loopback: None });
    assert_eq!(took, seconds(30));
}

#[tokio::test(start_paused = true)]
async fn a_service_without_cat_is_looked_at_with_its_shell() {
    let table = "sl local_address rem_address st\n0: 00000000:18EB 00000000:0000 0A 0\n";
    let engine = with_ports(&["6379/tcp"]);
    engine.script_exec_of("cat", ScriptedRun::exits(127));
    engine.script_exec_of("sh", ScriptedRun::exits(0).prints_stdout(table));
    assert_eq!(readiness(&engine).await.0, Readiness::Listening(6379));
    assert_eq!(engine.exec_requests().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_cat_that_prints_no_table_does_not_say_that_nothing_listens() {
    let engine = with_ports(&["6379/tcp"]);
    engine.script_exec(ScriptedRun::exits(0));
    assert!(matches!(readiness(&engine).await.0, Readiness::Unknown { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_udp_port_counts_where_the_image_has_no_other() {
    let engine = with_ports(&["53/udp"]);
    let table = "sl local_address rem_address st\n0: 00000000:0035 00000000:0000 07 0\n";
    engine.script_exec(ScriptedRun::exits(0).prints_stdout(table));
    assert_eq!(readiness(&engine).await.0, Readiness::Bound(53));
}

/// A listener of the loopback on port 6379.
const LOOPBACK: &str = "sl local_address rem_address st\n0: 0100007F:18EB 00000000:0000 0A 0\n";

#[tokio::test(start_paused = true)]
async fn a_port_of_the_loopback_counts_on_the_hosts_network_only() {
    let engine = with_ports(&["6379/tcp"]);
    engine.script_exec(ScriptedRun::exits(0).prints_stdout(LOOPBACK));
    let (outcome, took, _) = readiness(&engine).await;
    assert_eq!(outcome, Readiness::TimedOut { health: String::new(), loopback: Some(6379) });
    assert_eq!(took, seconds(30));
    assert!(outcome.words().contains("127.0.0.1 only"), "{}", outcome.words());
    let mut config = ExecutorConfig::new("ci");
    config.containers.host.network_mode = Some("host".to_owned());
    let (result, _) = watched(&engine, config).await;
    assert_eq!(result.services[0].readiness, Readiness::Listening(6379));
}

#[tokio::test(start_paused = true)]
async fn an_open_port_counts_until_the_health_check_has_a_result() {
    // Docker's default interval.
    let healthy = Health::new(HealthStatus::Healthy);
    let engine = with_ports(&["6379/tcp"])
        .with_image_health("db", seconds(30), healthy.clone())
        .with_listener("db", seconds(2), 6379);
    let (ready, took, _) = readiness(&engine).await;
    assert_eq!(ready, Readiness::Listening(6379));
    assert!(took >= seconds(2) && took < seconds(4), "{took:?}");
    // Without a port, and without a way to look at it, the check decides.
    let engines = [with_db(), without_programs(&["6379/tcp"])];
    for engine in engines {
        engine.script_exec_of("sh", ScriptedRun::exits(9));
        let engine = engine.with_image_health("db", seconds(20), healthy.clone());
        let (ready, took, _) = readiness(&engine).await;
        assert_eq!(ready, Readiness::Healthy);
        assert!(took >= seconds(20) && took < seconds(22), "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_unhealthy_service_is_not_ready_though_its_port_is_open() {
    let mut sick = Health::new(HealthStatus::Unhealthy);
    "no disk".clone_into(&mut sick.output);
    let mut failing = Health::new(HealthStatus::Starting);
    failing.has_result = true;
    for (verdict, named) in [(sick.clone(), false), (sick, true), (failing, false)] {
        let engine = with_ports(&["6379/tcp"])
            .with_image_health("db", Duration::ZERO, verdict)
            .with_listener("db", Duration::ZERO, 6379);
        let mut job = job_with_db();
        if named {
            let port = Variable::new("HEALTHCHECK_TCP_PORT", "6379").unwrap();
            job.services[0].variables.push(port);
        }
        let result = run(&engine, &job).await;
        let readiness = &result.services[0].readiness;
        assert!(matches!(readiness, Readiness::TimedOut { .. }), "{readiness:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_ends_while_it_is_looked_at_has_ended() {
    let engine = with_ports(&["6379/tcp"]);
    engine.script_for_image("db", ScriptedRun::exits(3).lasting(seconds(1)));
    // As a runtime ends that was to run a program in a container that is no more.
    engine.script_exec(ScriptedRun::exits(126).lasting(seconds(2)));
    assert_eq!(readiness(&engine).await.0, Readiness::Exited { exit_code: 3 });
    // One whose end the engine learns a moment later.
    let engine = with_ports(&["6379/tcp"]);
    engine.script_for_image("db", ScriptedRun::exits(3).lasting(Duration::from_millis(1050)));
    engine.script_exec(ScriptedRun::exits(126).lasting(seconds(1)));
    assert_eq!(readiness(&engine).await.0, Readiness::Exited { exit_code: 3 });
}

#[tokio::test(start_paused = true)]
async fn a_service_that_ends_while_the_engine_refuses_the_look_has_ended() {
    let engine = with_ports(&["6379/tcp"]);
    engine.script_for_image("db", ScriptedRun::exits(3).lasting(seconds(1)));
    let faulty = FaultyDocker::with_faults(
        Arc::new(engine.clone()),
        [
            Fault::after(Site::EveryOf(Operation::CreateExec), FaultKind::Delay(seconds(2))),
            Fault::before(Site::EveryOf(Operation::StartExec), FaultKind::Status(500)),
        ],
    );
    let result = run_on(Arc::new(faulty), &job_with_db()).await;
    assert_eq!(result.services[0].readiness, Readiness::Exited { exit_code: 3 });
    assert_succeeded(&result);
    assert_clean(&engine, &result);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_not_ready_in_time_is_told_of_with_its_log() {
    let engine = with_ports(&["6379/tcp"]);
    let (outcome, took, events) = readiness(&engine).await;
    assert_eq!(outcome, Readiness::TimedOut { health: String::new(), loopback: None });
    assert_eq!(took, seconds(30));
    let event = events.first("ServiceFailed").unwrap();
    assert!(event.contains("starting"), "{event}");
    let mut sick = Health::new(HealthStatus::Unhealthy);
    "no route".clone_into(&mut sick.output);
    let engine = with_db().with_image_health("db", seconds(1), sick);
    let health = "no route".to_owned();
    assert_eq!(readiness(&engine).await.0, Readiness::TimedOut { health, loopback: None });
}

#[tokio::test(start_paused = true)]
async fn a_service_that_ends_is_told_of_with_the_end_of_its_log() {
    let engine = with_ports(&["6379/tcp"]);
    let run = ScriptedRun::exits(3).prints_stdout("x".repeat(100_000));
    engine.script_for_image("db", run.prints_stderr("no space left\n").lasting(seconds(2)));
    let (readiness, took, events) = readiness(&engine).await;
    assert_eq!(readiness, Readiness::Exited { exit_code: 3 });
    assert!(took >= seconds(2) && took <= seconds(4), "{took:?}");
    let event = events.first("ServiceFailed").unwrap();
    assert!(event.contains("xno space left"), "{}", event.len());
    assert!(event.len() < 70_000, "{}", event.len());
}

#[tokio::test(start_paused = true)]
async fn a_service_that_cannot_be_started_is_told_of() {
    let engine = with_db().with_image_without_shell("db");
    let mut job = job_with_db();
    job.services[0].image.entrypoint = vec!["sh".to_owned()];
    let result = run(&engine, &job).await;
    assert_succeeded(&result);
    assert!(matches!(result.services[0].readiness, Readiness::NotStarted { .. }), "{result:?}");
    assert_clean(&engine, &result);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_refused_is_reported_and_the_job_goes_on() {
    for mode in [None, Some("bridge"), Some("host")] {
        for status in [400, 409] {
            let engine = with_db();
            // The creation of the service comes first.
            let fault = Fault::before(
                Site::FirstOf(Operation::CreateContainer, 1),
                FaultKind::Status(status),
            );
            let faulty = FaultyDocker::with_faults(Arc::new(engine.clone()), [fault]);
            let events = Events::default();
            let mut config = ExecutorConfig::new("ci");
            config.containers.host.network_mode = mode.map(ToOwned::to_owned);
            let docker: Arc<dyn DockerApi> = Arc::new(faulty);
            let volumes = DockerVolumeManager::new(Arc::clone(&docker));
            let executor = Executor::with_engine_as_is(docker, Arc::new(volumes), config)
                .with_observer(Arc::new(events.clone()));
            let job = job_with_db();
            let result = executor.job(&job).run().await.unwrap();
            assert_succeeded(&result);
            let service = &result.services[0];
            assert_eq!(service.name, "db");
            assert!(matches!(service.readiness, Readiness::NotStarted { .. }), "{service:?}");
            assert_eq!(events.count("ServiceFailed"), 1);
            assert_clean(&engine, &result);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_ends_at_once_is_reported_with_a_hint() {
    let engine = with_ports(&["6379/tcp"]);
    engine.script_for_image("db", ScriptedRun::exits(0));
    let (readiness, _, events) = readiness(&engine).await;
    assert_eq!(readiness, Readiness::Exited { exit_code: 0 });
    assert!(readiness.hint().unwrap().contains("keep running"));
    assert_eq!(events.count("ServiceFailed"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_service_is_not_waited_for_when_the_configuration_says_so() {
    let mut config = ExecutorConfig::new("ci");
    config.services.ready_timeout = None;
    let engine = with_ports(&["6379/tcp"]);
    let (result, _) = watched(&engine, config).await;
    assert_eq!(result.services[0].readiness, Readiness::Unchecked);
    assert!(!engine.calls().contains(&Operation::InspectContainer));
}

#[tokio::test(start_paused = true)]
async fn services_are_waited_for_together() {
    let engine = with_ports(&["6379/tcp"]);
    let mut job = job_with_db();
    job.services.push(ServiceSpec::new(image("db")).with_alias("other"));
    let result = run(&engine, &job).await;
    assert_eq!(result.services.len(), 2);
    assert_eq!(result.timings.start, seconds(30));
}

#[tokio::test(start_paused = true)]
async fn an_image_of_a_service_that_nobody_has_fails_the_job() {
    let engine = engine();
    let result = run(&engine, &job_with_db()).await;
    assert!(
        matches!(failure(&result, Phase::Prepare, false), FailureReason::ImagePull { .. }),
        "{:?}",
        result.outcome
    );
    assert_clean(&engine, &result);
}

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
