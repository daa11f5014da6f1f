//! The fixtures of the real-engine tests do what those rely on: the services answer, one with its
//! health, and the registries hand out their image. Only the `docker` program is used here.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    env,
    process::{Command, Output},
    time::{Duration, SystemTime},
};

use tokio::time::{Instant, sleep};

const HEALTH_LIMIT: Duration = Duration::from_mins(3);
const POLL: Duration = Duration::from_millis(200);

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run `cargo xtask e2e`"))
}

fn docker(arguments: &[&str]) -> Output {
    Command::new("docker").args(arguments).output().unwrap()
}

/// What the program wrote; its errors are the panic's message.
fn expect(arguments: &[&str]) -> String {
    let output = docker(arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "docker {}: {errors}", arguments.join(" "));
    String::from_utf8(output.stdout).unwrap()
}

/// The labels by which a sweep finds what a killed test left.
fn labels() -> [String; 2] {
    let now = humantime::format_rfc3339_seconds(SystemTime::now());
    [
        format!("--label=dev.berth.owner={}", variable("BERTH_E2E_OWNER")),
        format!("--label=dev.berth.created-at={now}"),
    ]
}

/// A network with one service on it.
struct Service {
    name: String,
}

impl Service {
    /// Starts `image` under the alias `service`.
    fn start(image: &str, environment: &[&str]) -> Self {
        let name = format!("berth-fixture-{:08x}", getrandom::u32().unwrap());
        let [owner, created] = &labels();
        expect(&["network", "create", owner, created, &name]);
        let mut run = vec!["run", "--detach", "--name", &name, owner, created];
        run.extend(["--network", &name, "--network-alias", "service"]);
        for setting in environment {
            run.extend(["--env", setting]);
        }
        run.push(image);
        expect(&run);
        Self { name }
    }

    /// Runs a script with the clients of both services on the same network.
    fn script(&self, script: &str) -> Output {
        let image = variable("BERTH_E2E_DEBIAN_IMAGE");
        let [owner, created] = &labels();
        let run = ["run", "--rm", owner, created, "--network", &self.name];
        docker(&[&run[..], &[&image, "bash", "-c", script]].concat())
    }

    fn remove(self) {
        expect(&["rm", "--force", "--volumes", &self.name]);
        expect(&["network", "rm", &self.name]);
    }
}

fn text(output: &Output) -> String {
    let Output { stdout, stderr, .. } = output;
    format!("{}{}", String::from_utf8_lossy(stdout), String::from_utf8_lossy(stderr))
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn redis_answers_by_its_alias() {
    let redis = Service::start(&variable("BERTH_E2E_REDIS_IMAGE"), &[]);
    let by_client = redis.script(
        "until redis-cli -h service ping > /dev/null 2>&1; do sleep 0.1; done
         redis-cli -h service set key value; redis-cli -h service get key",
    );
    let by_hand = redis
        .script("exec 3<> /dev/tcp/service/6379; printf 'PING\\r\\n' >&3; read -r -u 3 l; echo $l");
    let ports = "{{json .Config.ExposedPorts}}";
    let ports = expect(&["inspect", "--format", ports, &redis.name]);
    redis.remove();
    assert_eq!(text(&by_client), "OK\nvalue\n");
    assert_eq!(text(&by_hand), "+PONG\r\n");
    assert_eq!(ports, "{\"6379/tcp\":{}}\n");
}

#[tokio::test]
#[ignore = "needs Docker: cargo xtask e2e"]
async fn postgres_becomes_healthy_and_lets_in_who_knows_the_password() {
    let settings = ["POSTGRES_PASSWORD=it's a test", "POSTGRES_DB=shop"];
    let postgres = Service::start(&variable("BERTH_E2E_POSTGRES_IMAGE"), &settings);
    let deadline = Instant::now() + HEALTH_LIMIT;
    let mut states = Vec::new();
    while Instant::now() < deadline && states.last().is_none_or(|state| state != "healthy") {
        sleep(POLL).await;
        states.push(
            expect(&["inspect", "--format", "{{.State.Health.Status}}", &postgres.name])
                .trim()
                .to_owned(),
        );
    }
    let right = postgres
        .script("PGPASSWORD=\"it's a test\" psql -h service -U postgres shop -Atc 'select 6 * 7'");
    let wrong =
        postgres.script("PGPASSWORD=wrong psql -h service -U postgres shop -Atc 'select 6 * 7'");
    let log = text(&docker(&["logs", &postgres.name]));
    postgres.remove();
    assert_eq!(states.last().map(String::as_str), Some("healthy"), "{states:?} {log}");
    assert!(states[..states.len() - 1].iter().all(|state| state == "starting"), "{states:?}");
    assert_eq!(text(&right), "42\n", "{log}");
    assert!(!wrong.status.success() && text(&wrong).contains("authentication failed"));
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn postgres_without_a_password_does_not_start() {
    let image = variable("BERTH_E2E_POSTGRES_IMAGE");
    let [owner, created] = &labels();
    let output = docker(&["run", "--rm", owner, created, &image]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("POSTGRES_PASSWORD is not set"), "{}", text(&output));
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn the_open_registry_hands_out_its_image_and_the_locked_one_to_its_user_only() {
    let open = format!("{}/berth/busybox:latest", variable("BERTH_E2E_REGISTRY"));
    let address = variable("BERTH_E2E_REGISTRY_LOCKED");
    let locked = format!("{address}/berth/busybox:latest");
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().to_str().unwrap();

    expect(&["pull", &open]);
    let refused = docker(&["--config", config, "pull", &locked]);
    let user = variable("BERTH_E2E_REGISTRY_USER");
    let password = variable("BERTH_E2E_REGISTRY_PASSWORD");
    expect(&["--config", config, "login", "-u", &user, "-p", &password, &address]);
    expect(&["--config", config, "pull", &locked]);
    for image in [&open, &locked] {
        expect(&["image", "rm", image]);
    }
    assert!(!refused.status.success());
    assert!(text(&refused).contains("no basic auth credentials"), "{}", text(&refused));
}
