//! Services on a real engine: readiness, names, networks, secrets, and what is left.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod engine_kind;
mod helpers;

use std::{fs, net::TcpListener};

use engine_kind::{EngineKind, engine_kind};
use helpers::{Project, WAIT, docker, stderr, stdout, unique, variable};
use serde_json::Value;

/// A job of one script in the image with the clients, with these services.
fn job(script: &str, services: &str) -> String {
    let image = variable("BERTH_E2E_DEBIAN_IMAGE");
    format!("image = {image:?}\n{services}\n[[steps]]\nname = \"ask\"\nscript = '''\n{script}\n'''")
}

/// A service: its image's variable, its alias, and more of its table.
fn service(image: &str, alias: &str, more: &str) -> String {
    let image = variable(image);
    format!("[[services]]\nimage = {image:?}\naliases = [{alias:?}]\n{more}\n")
}

fn redis(alias: &str, more: &str) -> String {
    service("BERTH_E2E_REDIS_IMAGE", alias, more)
}

/// A service that runs a script of our own. The port makes it one that is waited for.
fn scripted(alias: &str, script: &str, more: &str) -> String {
    let image = variable("BERTH_E2E_DEBIAN_IMAGE");
    format!(
        "[[services]]\nimage = {{ name = {image:?}, entrypoint = [\"sh\", \"-c\"] }}\n\
         command = ['''{script}''']\naliases = [{alias:?}]\n\
         variables.HEALTHCHECK_TCP_PORT = \"4321\"\n{more}\n"
    )
}

const POSTGRES: &str = "BERTH_E2E_POSTGRES_IMAGE";
const PASSWORD: &str = "variables.POSTGRES_PASSWORD = \"$DB_PASSWORD\"";

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn a_job_talks_to_redis_and_postgres_by_alias_from_its_first_step_on() {
    let project = Project::new("services");
    let services = [
        "variables.DB_PASSWORD = { value = \"an-elephant-never\", masked = true }\n".to_owned(),
        redis("cache, keys", ""),
        service(POSTGRES, "db", &format!("{PASSWORD}\nvariables.POSTGRES_DB = \"shop\"")),
    ]
    .concat();
    let script = "set -e
        redis-cli -h cache set key value; redis-cli -h keys get key
        PGPASSWORD=$DB_PASSWORD psql -h db -U postgres shop -Atc 'select 6 * 7'
        PGPASSWORD=$DB_PASSWORD psql -h berth-postgres -U postgres shop -Atc 'select 6 * 8'
        echo password: $DB_PASSWORD";
    // Podman leaves health checks to systemd's timers, and the one of the suite sees no systemd.
    let (wait, readiness) = match engine_kind() {
        EngineKind::Docker => (180, "service db healthy"),
        EngineKind::Podman => (30, "service db was not ready in time"),
    };
    let config = format!("wait_for_services_timeout = {wait}");
    let output = project.run(&job(script, &services), Some(&config));
    let errors = stderr(&output);
    assert_eq!(stdout(&output), "OK\nvalue\n42\n48\npassword: [MASKED]\n", "{errors}");
    assert_eq!(output.status.code(), Some(0), "{errors}");
    assert!(errors.contains("service cache listens on port 6379"), "{errors}");
    assert!(errors.contains(readiness), "{errors}");
    assert!(!errors.contains("elephant"), "{errors}");
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn a_jobs_containers_share_a_network_of_their_own_and_anonymous_volumes_go_with_them() {
    let project = Project::new("network");
    let services = service(POSTGRES, "db", "variables.POSTGRES_PASSWORD = \"x\"");
    let running = project.start(&job(WAIT, &services), None);
    let networks = "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}";
    let network = running.inspect("build", networks);
    assert!(network.starts_with("berth-n1-") && !network.contains(' '), "{network}");
    assert_eq!(running.inspect("service", networks), network, "and no other network");
    assert_eq!(project.objects("network").len(), 1);
    let mounts = "{{range .Mounts}}{{.Name}}{{end}}";
    let volume = running.inspect("service", mounts);
    assert!(docker(&["volume", "inspect", &volume]).status.success(), "{volume}");
    let output = running.finish();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    project.assert_nothing_left();
    assert!(!docker(&["volume", "inspect", &volume]).status.success(), "{volume} is left");
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn a_service_that_ends_at_once_is_told_with_its_log_and_the_job_goes_on() {
    let project = Project::new("ends");
    let services = [service(POSTGRES, "db", ""), redis("cache", "")].concat();
    let output = project.run(&job("redis-cli -h cache ping", &services), None);
    let errors = stderr(&output);
    assert_eq!((output.status.code(), stdout(&output)), (Some(0), "PONG\n".into()), "{errors}");
    assert!(errors.contains("service db ended with exit code 1"), "{errors}");
    assert!(errors.contains("[db] error: POSTGRES_PASSWORD is not set"), "{errors}");
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn a_service_that_cannot_be_started_is_told_and_the_job_goes_on() {
    let project = Project::new("unstarted");
    let services = redis("cache", "command = [\"/no/such/program\"]");
    let output = project.run(&job("echo on", &services), None);
    let errors = stderr(&output);
    assert_eq!((output.status.code(), stdout(&output)), (Some(0), "on\n".into()), "{errors}");
    assert!(errors.contains("service cache could not be started"), "{errors}");
    assert!(errors.contains("/no/such/program"), "{errors}");
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn a_service_that_never_gets_ready_is_waited_for_as_long_as_configured() {
    let project = Project::new("never");
    let services = scripted("slow", "echo waiting for nothing; exec sleep 300", "");
    let report = project.folder().join("report.json");
    let more = ["--report", report.to_str().unwrap()];
    // A busy machine may not have come to run the service's script by the end of a short time.
    let waited = [2, 8, 30].into_iter().any(|limit| {
        let config = format!("wait_for_services_timeout = {limit}");
        let output = project.command(&job("echo on", &services), Some(&config), &more).output();
        let output = output.unwrap();
        let errors = stderr(&output);
        assert_eq!((output.status.code(), stdout(&output)), (Some(0), "on\n".into()), "{errors}");
        assert!(errors.contains("service slow was not ready in time"), "{errors}");
        let text = fs::read_to_string(&report).unwrap();
        let told: Value = serde_json::from_str(&text).unwrap();
        // What the engine takes for the rest of the job is not of this time.
        let took = told["services"][0]["duration_ms"].as_u64().unwrap();
        assert!((limit * 1000..(limit + 20) * 1000).contains(&took), "{text}");
        errors.contains("[slow] waiting for nothing")
    });
    assert!(waited, "the service's log was not shown");
    let output = project.run(&job("echo on", &services), Some("wait_for_services_timeout = -1"));
    assert_eq!(output.status.code(), Some(0));
    assert!(stderr(&output).contains("service slow was not waited for"), "{}", stderr(&output));
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn an_alias_is_the_first_services_and_the_other_is_told() {
    let project = Project::new("alias");
    let services = [redis("cache", ""), redis("cache, second", "")].concat();
    let script = "redis-cli -h cache set k v; redis-cli -h second get k";
    let output = project.run(&job(script, &services), None);
    let errors = stderr(&output);
    assert_eq!(stdout(&output), "OK\n\n", "{errors}");
    assert!(errors.contains("alias cache") || errors.contains("alias \"cache\""), "{errors}");
    assert!(errors.contains("service second listens"), "{errors}");
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn a_secret_reaches_a_service_only_by_name_and_its_log_is_masked() {
    let project = Project::new("secret");
    let services = [
        "[variables]\nOPEN = \"seen\"\nHIDDEN = { value = \"a-well-kept-one\", masked = true }\n"
            .to_owned(),
        scripted("without", "echo open=$OPEN hidden=$HIDDEN; exit 3", ""),
        scripted(
            "with",
            "echo open=$OPEN given=$GIVEN own=$OWN; exit 4",
            "variables.GIVEN = \"$HIDDEN\"\n\
             variables.OWN = { value = \"$OPEN-only-here\", masked = true }",
        ),
    ]
    .concat();
    let output = project.run(&job("true", &services), None);
    let errors = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    assert!(errors.contains("[without] open=seen hidden=\n"), "{errors}");
    assert!(errors.contains("[with] open=seen given=[MASKED] own=[MASKED]\n"), "{errors}");
    assert!(!errors.contains("well-kept"), "{errors}");
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn the_configured_mtu_is_that_of_all_containers() {
    let project = Project::new("mtu");
    let mtu = "cat /sys/class/net/eth0/mtu";
    let services = scripted("other", &format!("{mtu}; exit 9"), "");
    let output = project.run(&job(mtu, &services), Some("network_mtu = 1350"));
    assert_eq!(stdout(&output), "1350\n", "{}", stderr(&output));
    assert!(stderr(&output).contains("[other] 1350"), "{}", stderr(&output));
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn ipv6_is_in_effect_or_the_engine_says_that_it_has_none() {
    let project = Project::new("ipv6");
    let script = "grep -c eth0 /proc/net/if_inet6; redis-cli -h cache ping";
    let output = project.run(&job(script, &redis("cache", "")), Some("enable_ipv6 = true"));
    let errors = stderr(&output);
    if output.status.success() {
        // The link's own address, and one of the network's.
        assert_eq!(stdout(&output), "2\nPONG\n", "{errors}");
    } else {
        assert_eq!((output.status.code(), stdout(&output)), (Some(125), String::new()), "{errors}");
        assert!(errors.contains("the job's network could not be created"), "{errors}");
        assert!(errors.contains("IPv6"), "{errors}");
        assert!(errors.contains("hint: "), "{errors}");
    }
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn services_are_reached_on_the_default_bridge() {
    let project = Project::new("bridge");
    let config = Some("network_mode = \"bridge\"");
    let script = "redis-cli -h cache ping; redis-cli -h berth-redis ping";
    let output = project.run(&job(script, &redis("cache", "")), config);
    assert_eq!(stdout(&output), "PONG\nPONG\n", "{}", stderr(&output));
    // Each program has a container of its own; all find the service.
    let program =
        "[[steps]]\nname = \"NAME\"\ncommand = [\"redis-cli\", \"-h\", \"cache\", \"ping\"]";
    let image = format!("image = {:?}", variable("BERTH_E2E_DEBIAN_IMAGE"));
    let steps = ["one", "two"].map(|name| program.replace("NAME", name)).join("\n");
    let output = project.run(&[image, redis("cache", ""), steps].join("\n"), config);
    assert_eq!(stdout(&output), "PONG\nPONG\n", "{}", stderr(&output));
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn services_are_reached_on_the_hosts_network() {
    let project = Project::new("host");
    // Free until the listener is dropped, and none that the kernel gives to who asks for any.
    let first = 20_000 + u16::try_from(std::process::id() % 12_000).unwrap();
    let mut ports = (first..32_000).chain(20_000..first);
    let port = ports.find(|port| TcpListener::bind(("0.0.0.0", *port)).is_ok()).unwrap();
    let services = redis(
        "cache",
        &format!(
            "command = [\"redis-server\", \"--port\", \"{port}\", \"--save\", \"\"]\n\
             variables.HEALTHCHECK_TCP_PORT = \"{port}\""
        ),
    );
    let script =
        format!("redis-cli -h 127.0.0.1 -p {port} ping; redis-cli -h cache -p {port} ping");
    let output = project.run(&job(&script, &services), Some("network_mode = \"host\""));
    assert_eq!(stdout(&output), "PONG\nPONG\n", "{}", stderr(&output));
    assert!(stderr(&output).contains(&format!("listens on port {port}")), "{}", stderr(&output));
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn services_are_reached_in_a_network_of_the_users_own() {
    let project = Project::new("named");
    let network = unique("berth-test");
    assert!(docker(&["network", "create", &network]).status.success());
    let config = format!("network_mode = {network:?}");
    let output = project.run(&job("redis-cli -h cache ping", &redis("cache", "")), Some(&config));
    assert!(docker(&["network", "rm", &network]).status.success(), "it stays, and empty");
    assert_eq!(stdout(&output), "PONG\n", "{}", stderr(&output));
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn services_of_the_configuration_come_before_those_of_the_job() {
    let project = Project::new("configured");
    let image = variable("BERTH_E2E_REDIS_IMAGE");
    let config = format!(
        "services_limit = 1\n[[runners.docker.services]]\nname = {image:?}\nalias = \"always,there\"\n"
    );
    let script = "redis-cli -h always ping; redis-cli -h there ping; redis-cli -h own ping";
    let output = project.run(&job(script, &redis("own", "")), Some(&config));
    assert_eq!(stdout(&output), "PONG\nPONG\nPONG\n", "{}", stderr(&output));
    let two = [redis("own", ""), redis("other", "")].concat();
    let output = project.run(&job(script, &two), Some(&config));
    assert_eq!(output.status.code(), Some(125));
    assert!(stderr(&output).contains("services, and 1 are allowed"), "{}", stderr(&output));
    project.assert_nothing_left();
}
