//! Images from real registries: pull policies, credentials from every source, and shared pulls.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod helpers;

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
    sync::Arc,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE};
use docker_api_trait::{BollardDocker, DockerApi, Endpoint, ImageReference};
use executor::{
    Cancel, Command as JobCommand, Event, Executor, ExecutorConfig, FailureReason, JobEvent,
    JobOutcome, JobSpec, Observer, Trust, image::PullPolicy, job::RegistryLogin,
};
use helpers::{Project, WAIT, docker, docker_says, stderr, stdout, unique, variable};
use testkit::{Backend, Passage, Proxy, WireRequest, suite};
use tokio::{sync::watch, task::JoinSet, time::timeout};
use volume_manager::DockerVolumeManager;

/// An image in a registry under a name of the test's own, and not on the engine.
struct Published {
    reference: String,
    registry: String,
}

impl Published {
    fn open() -> Self {
        Self::new(variable("BERTH_E2E_REGISTRY"), "/nonexistent")
    }

    /// Only the registry's user gets it.
    fn locked() -> Self {
        let registry = variable("BERTH_E2E_REGISTRY_LOCKED");
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("config.json"), config_json(&registry, &password())).unwrap();
        Self::new(registry, folder.path().to_str().unwrap())
    }

    fn new(registry: String, config: &str) -> Self {
        let reference = format!("{registry}/berth/{}:1", unique("e2e"));
        docker_says(&["tag", &variable("BERTH_E2E_IMAGE"), &reference]);
        docker_says(&["--config", config, "push", "--quiet", &reference]);
        docker_says(&["image", "rm", &reference]);
        Self { reference, registry }
    }

    fn is_on_the_engine(&self) -> bool {
        docker(&["image", "inspect", &self.reference]).status.success()
    }

    fn forget(&self) {
        docker(&["image", "rm", &self.reference]);
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        self.forget();
    }
}

fn user() -> String {
    variable("BERTH_E2E_REGISTRY_USER")
}

fn password() -> String {
    variable("BERTH_E2E_REGISTRY_PASSWORD")
}

/// Docker's `config.json` with a password for a registry.
fn config_json(registry: &str, password: &str) -> String {
    let entry = serde_json::json!({ "username": user(), "password": password });
    serde_json::json!({ "auths": { registry: entry } }).to_string()
}

const POLICIES: &str = "pull_policy = [\"always\", \"if-not-present\", \"never\"]";

/// A job that says `ran`, of an image by these policies.
fn job(image: &Published, policies: &str) -> String {
    job_of(&image.reference, policies, "echo ran")
}

fn job_of(image: &str, policies: &str, script: &str) -> String {
    format!(
        "image = {{ name = {image:?}, pull_policy = {policies} }}\n\
         [[steps]]\nname = \"run\"\nscript = '''{script}'''\n"
    )
}

#[track_caller]
fn assert_ran(output: &Output, pulled: bool) {
    let errors = stderr(output);
    assert_eq!((output.status.code(), stdout(output).as_str()), (Some(0), "ran\n"), "{errors}");
    assert_eq!(errors.contains("berth: pulling "), pulled, "{errors}");
}

/// The job could not have its image, and none of the secrets was said.
#[track_caller]
fn assert_refused(output: &Output, secrets: &[&str]) {
    let errors = stderr(output);
    assert_eq!((output.status.code(), stdout(output).as_str()), (Some(125), ""), "{errors}");
    assert!(errors.contains("hint: "), "{errors}");
    for secret in secrets {
        assert!(!errors.contains(secret), "{errors}");
    }
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn a_policy_decides_when_the_registry_is_asked() {
    let project = Project::new("policy");
    let image = Published::open();
    let run = |policies: &str| project.run(&job(&image, policies), Some(POLICIES));

    let output = run("\"never\"");
    assert_refused(&output, &[]);
    assert!(stderr(&output).contains("is not on the engine"), "{}", stderr(&output));
    assert!(!image.is_on_the_engine());
    assert_ran(&run("\"if-not-present\""), true);
    assert_ran(&run("\"if-not-present\""), false);
    assert_ran(&run("\"never\""), false);
    assert_ran(&run("\"always\""), true);
    image.forget();
    let output = run("[\"never\", \"always\"]");
    assert_ran(&output, true);
    assert!(stderr(&output).contains("by the pull policy never: "), "{}", stderr(&output));
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn a_list_falls_back_to_what_is_there_when_the_registry_is_not() {
    let project = Project::new("fallback");
    // Nobody listens on the port.
    let reference = format!("localhost:1/berth/{}:1", unique("e2e"));
    docker_says(&["tag", &variable("BERTH_E2E_IMAGE"), &reference]);
    let run = |policies| project.run(&job_of(&reference, policies, "echo ran"), Some(POLICIES));
    let (list, alone) = (run("[\"always\", \"if-not-present\"]"), run("\"always\""));
    docker_says(&["image", "rm", &reference]);
    assert_ran(&list, true);
    assert!(stderr(&list).contains("by the pull policy always: "), "{}", stderr(&list));
    assert_refused(&alone, &[]);
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn what_always_pulled_is_used_by_its_id() {
    let project = Project::new("id");
    let image = Published::open();
    let text = job_of(&image.reference, "\"always\"", WAIT);
    let running = project.start(&text, Some(POLICIES));
    let used = running.inspect("build", "{{.Config.Image}}");
    assert_eq!(running.finish().status.code(), Some(0));
    let id = docker_says(&["image", "inspect", "--format", "{{.Id}}", &image.reference]);
    assert_eq!(used, id);
    // By its digest, an image is pulled and used too.
    let format = "{{index .RepoDigests 0}}";
    let digests = docker_says(&["image", "inspect", "--format", format, &image.reference]);
    assert!(digests.contains("@sha256:"), "{digests}");
    let digest = digests.split_once('@').unwrap().1;
    let pinned = format!("{}@{digest}", image.reference.rsplit_once(':').unwrap().0);
    image.forget();
    let output = project.run(&job_of(&pinned, "\"always\"", "echo ran"), Some(POLICIES));
    docker(&["image", "rm", &pinned]);
    assert_ran(&output, true);
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn a_locked_registry_opens_with_the_jobs_own_login() {
    let project = Project::new("login");
    let image = Published::locked();
    let login = |password: &str| {
        let (registry, user) = (&image.registry, user());
        let table = format!(
            "[[registries]]\nregistry = {registry:?}\nusername = {user:?}\npassword = {password:?}\n"
        );
        let text = format!("{}{table}", job(&image, "\"always\""));
        project.run(&text, Some(POLICIES))
    };
    assert_refused(&project.run(&job(&image, "\"always\""), Some(POLICIES)), &[]);
    assert_refused(&login("not-this-one"), &["not-this-one"]);
    assert!(!image.is_on_the_engine());
    let output = login(&password());
    assert_ran(&output, true);
    assert!(!stderr(&output).contains(&password()));
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn a_locked_registry_opens_with_the_variable_docker_auth_config() {
    let project = Project::new("variable");
    let image = Published::locked();
    let run = |password: &str| {
        let config = config_json(&image.registry, password);
        let variable =
            format!("[variables]\nDOCKER_AUTH_CONFIG = {{ value = '{config}', masked = true }}\n");
        project.run(&format!("{}{variable}", job(&image, "\"always\"")), Some(POLICIES))
    };
    assert_refused(&run("not-this-one"), &["not-this-one"]);
    assert_ran(&run(&password()), true);
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn a_locked_registry_opens_with_the_users_own_configuration() {
    let project = Project::new("user");
    let image = Published::locked();
    let run = |password: &str| {
        project.write("config.json", &config_json(&image.registry, password));
        project.run(&job(&image, "\"if-not-present\""), Some(POLICIES))
    };
    assert_refused(&run("not-this-one"), &["not-this-one"]);
    assert_ran(&run(&password()), true);
    project.assert_nothing_left();
}

/// By a process of its own: a file that is open for writing cannot be run, and what other tests start
/// meanwhile has our descriptors for a moment.
fn write_program(path: &Path, text: &str) {
    let mut shell = Command::new("sh");
    shell.args(["-ec", "cat > \"$1\"; chmod 755 \"$1\"", "sh"]).arg(path);
    let mut writing = shell.stdin(Stdio::piped()).spawn().unwrap();
    writing.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(writing.wait().unwrap().success(), "{}", path.display());
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn a_locked_registry_opens_with_a_credential_helper() {
    let mut project = Project::new("helper");
    let image = Published::locked();
    let helpers = serde_json::json!({ "credHelpers": { &image.registry: "berthtest" } });
    project.write("config.json", &helpers.to_string());
    let path = std::env::var("PATH").unwrap();
    project.set("PATH", &format!("{}:{path}", project.folder().display()));
    let answer = |text: &str| {
        let script = format!("#!/bin/sh\n[ \"$1\" = get ] && read -r server\n{text}\n");
        write_program(&project.folder().join("docker-credential-berthtest"), &script);
        project.run(&job(&image, "\"always\""), Some(POLICIES))
    };
    let login = |password: &str| {
        let reply = serde_json::json!({ "Username": user(), "Secret": password });
        answer(&format!("echo '{reply}'"))
    };
    let output = answer("echo \"no keys for $server today\"; exit 1");
    assert_refused(&output, &[]);
    let said = format!("no keys for {} today", image.registry);
    assert!(stderr(&output).contains(&said), "{}", stderr(&output));
    assert_refused(&login("not-this-one"), &["not-this-one"]);
    assert_ran(&login(&password()), true);

    // A job's own configuration does not run programs here.
    image.forget();
    let text =
        format!("{}[variables]\nDOCKER_AUTH_CONFIG = '{helpers}'\n", job(&image, "\"always\""));
    fs::remove_file(project.folder().join("config.json")).unwrap();
    assert_refused(&project.run(&text, Some(POLICIES)), &[&password()]);
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn a_services_image_comes_from_a_locked_registry_too() {
    let project = Project::new("service");
    let image = Published::locked();
    project.write("config.json", &config_json(&image.registry, &password()));
    let own = variable("BERTH_E2E_IMAGE");
    let text = format!(
        "image = {{ name = {own:?}, pull_policy = \"never\" }}\n\
         [[steps]]\nname = \"run\"\nscript = \"echo ran\"\n\
         [[services]]\nimage = {:?}\naliases = [\"idle\"]\ncommand = [\"sleep\", \"60\"]\n",
        image.reference
    );
    let output = project.run(&text, Some(POLICIES));
    assert_ran(&output, true);
    assert!(stderr(&output).contains("service idle runs"), "{}", stderr(&output));
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn a_failed_pull_is_its_own_reason_in_the_report() {
    let project = Project::new("reason");
    let image = Published::locked();
    project.write("config.json", &config_json(&image.registry, "not-this-one"));
    let report = project.folder().join("report.json");
    let more = ["--report", report.to_str().unwrap()];
    let output = project.command(&job(&image, "\"always\""), Some(POLICIES), &more).output();
    assert_refused(&output.unwrap(), &["not-this-one"]);
    let text = fs::read_to_string(report).unwrap();
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["failure_reason"], "image_pull_failure", "{text}");
    assert!(!text.contains("not-this-one"), "{text}");
    project.assert_nothing_left();
}

/// Counts jobs that have come to their pull.
#[derive(Debug)]
struct Comers(watch::Sender<usize>);

impl Observer for Comers {
    fn event(&self, event: &Event<'_>) {
        if let JobEvent::PullStarted(_) = event.kind {
            self.0.send_modify(|count| *count += 1);
        }
    }
}

fn is_pull(request: &WireRequest) -> bool {
    request.method == "POST" && request.path() == "/images/create"
}

/// Whether a pull is with the password.
fn opens(request: &WireRequest) -> bool {
    let head = String::from_utf8_lossy(&request.head);
    let mut fields = head.lines().filter_map(|line| line.split_once(": "));
    let login = fields.find(|(name, _)| name.eq_ignore_ascii_case("x-registry-auth")).unwrap().1;
    let login = URL_SAFE.decode(login).unwrap();
    String::from_utf8_lossy(&login).contains(&password())
}

#[tokio::test]
#[ignore = "needs Docker: cargo xtask e2e"]
async fn jobs_at_once_share_a_pull_with_those_of_the_same_password_only() {
    let image = Published::locked();
    let secrets = [&password(), &password(), "not-this-one", &password(), &password()];
    let comers = watch::Sender::new(0);
    let proxy = Proxy::new(Backend::socket(suite::socket())).unwrap();
    // No pull is over before all have come to theirs.
    proxy.on_request({
        let (comers, all) = (comers.clone(), secrets.len());
        move |request, _| {
            let mut comers = comers.subscribe();
            Box::pin(async move {
                if is_pull(&request) {
                    // Without them all, the number of pulls will tell.
                    let come = comers.wait_for(|count| *count >= all);
                    let _ = timeout(Duration::from_mins(1), come).await;
                }
                Passage::Go
            })
        }
    });
    let engine = BollardDocker::new(Endpoint::Unix(proxy.socket())).unwrap();
    let engine: Arc<dyn DockerApi> = Arc::new(engine);
    let owner = suite::owner();
    let volumes = DockerVolumeManager::new(Arc::clone(&engine));
    let mut config = ExecutorConfig::new(owner);
    config.images.pull_policies = vec![PullPolicy::Always];
    let executor = Executor::new(engine, Arc::new(volumes), config);
    let executor = executor.with_observer(Arc::new(Comers(comers)));
    let project = Project::new("shared");
    let mut jobs = JoinSet::new();
    for secret in secrets {
        let (executor, secret) = (executor.clone(), secret.to_owned());
        let reference: ImageReference = image.reference.parse().unwrap();
        let mut job = JobSpec::new(
            &project.name,
            Trust::Trusted,
            reference,
            JobCommand::script("true").unwrap(),
        );
        job.registries.push(RegistryLogin::new(&image.registry, user(), &secret));
        jobs.spawn(async move {
            let cancel = Cancel::new();
            let result = executor.job(&job).cancel(&cancel).run().await;
            (secret, result.unwrap().outcome)
        });
    }
    for (secret, outcome) in jobs.join_all().await {
        if secret == "not-this-one" {
            let refused = matches!(outcome, JobOutcome::Failed(FailureReason::ImagePull { .. }));
            assert!(refused, "{outcome:?}");
        } else {
            assert!(matches!(outcome, JobOutcome::Succeeded), "{outcome:?}");
        }
    }
    let mut pulls: Vec<_> = proxy.requests().into_iter().map(|sent| sent.request).collect();
    pulls.retain(|request| is_pull(request) && opens(request));
    assert_eq!(pulls.len(), 1, "one pull for four jobs");
    project.assert_nothing_left();
}
