//! When a service counts as ready, and how it is probed.

use std::{sync::Arc, time::Duration};

use docker_api_trait::{Health, HealthStatus, Operation};
use executor::{ExecutorConfig, ServiceSpec, Variable, outcome::Readiness};
use testkit::{FakeDocker, Fault, FaultKind, FaultyDocker, ScriptedRun, Site};

use super::{job_with_db, readiness, watched, with_db, with_ports};
use crate::common::{
    Events, assert_clean, assert_succeeded, executor, image, run, run_on, seconds,
};

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
