//! `e2e`: the tests that need a real engine, and a look at what they leave on it.

use std::{
    env, io,
    process::Stdio,
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, Result, anyhow, bail};
use docker_api_trait::{DockerApi, ImageReference};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
    signal,
    time::{Instant, sleep},
};

use xtask::{
    engine::{self, Engine, podman},
    failure::failure,
    image::IMAGE_VARIABLE,
    process,
    workspace::Workspace,
};

use crate::{
    fixture::{self, Fixtures},
    inventory,
    leftovers::{self, Leftovers, SUITE_PREFIX},
    target,
};

/// The variable by which tests learn the owner that they put on everything they make.
const OWNER_VARIABLE: &str = "BERTH_E2E_OWNER";

/// How many tests run at once: most of the time they wait for the engine. `RUST_TEST_THREADS` says otherwise.
const THREADS: (&str, &str) = ("RUST_TEST_THREADS", "4");

/// What a suite leaves is looked at until two looks that are so far apart agree: a busy engine still
/// removes something, or makes what a killed program has asked for.
const LOOK: Duration = Duration::from_secs(3);
/// After this long the last look counts.
const SETTLE_LIMIT: Duration = Duration::from_mins(1);

/// Runs the suite, or those of its tests whose names contain `filter`.
pub(crate) async fn run(workspace: &Workspace, filter: Option<&str>) -> Result<()> {
    let engine = engine::require()?;
    println!("engine: {engine}");
    let docker = target::connect()?;
    let suite = Suite::prepare(&engine, &docker).await?;
    let fixtures = Fixtures::provide(workspace, &docker, &suite.image).await?;

    // Without documentation tests: `--ignored` would run the examples that are marked `ignore`.
    let mut tests = Command::from(workspace.cargo([
        "test",
        "--workspace",
        "--all-features",
        "--tests",
        "--no-fail-fast",
        "--",
        "--ignored",
    ]));
    tests.envs(fixtures.variables());
    let outcome = suite.run(&docker, tests, filter).await;
    // After the containers that may have been made of images from the registries.
    let removed = fixtures.remove().await.context("the fixtures");
    let faults: Vec<_> = [outcome, removed].into_iter().filter_map(Result::err).collect();
    one_of(faults).map_or(Ok(()), Err)
}

/// Runs on Podman, which is provided, what is listed below: each test passes there or asserts what
/// docs/podman.md says of it.
pub(crate) async fn podman(workspace: &Workspace, filter: Option<&str>) -> Result<()> {
    let engine = podman::up()?;
    let images = fixture::images(&target::connect_to_socket(podman::SOCKET)?).await?;
    let tests = [SHORT_ON_PODMAN, LONG_ON_PODMAN].concat();
    on_podman(workspace, &engine, &tests, images, filter).await
}

/// Runs the part that takes little more than a minute, and takes the Podman down.
pub(crate) async fn short_on_podman(workspace: &Workspace) -> Result<()> {
    let outcome = async {
        let engine = podman::up()?;
        on_podman(workspace, &engine, SHORT_ON_PODMAN, Vec::new(), None).await
    };
    let outcome = outcome.await;
    let down = podman::down();
    one_of([outcome, down].into_iter().filter_map(Result::err).collect()).map_or(Ok(()), Err)
}

async fn on_podman(
    workspace: &Workspace,
    engine: &Engine,
    tests: &[&str],
    images: Vec<(&str, String)>,
    filter: Option<&str>,
) -> Result<()> {
    let docker = target::connect_to_socket(podman::SOCKET)?;
    let suite = Suite::prepare(engine, &docker).await?;
    // Of the whole workspace, so that nothing is built again with other features.
    let mut words = vec!["test", "--workspace", "--all-features", "--no-fail-fast"];
    words.extend(tests.iter().chain(BESIDE).flat_map(|test| ["--test", *test]));
    words.extend(["--", "--ignored"]);
    let mut tests = Command::from(workspace.cargo(words));
    tests.env("DOCKER_HOST", engine.address()).envs(images);
    suite.run(&docker, tests, filter).await
}

/// What runs on Podman: the tests of these names, in whichever packages.
const SHORT_ON_PODMAN: &[&str] = &["conformance", "specs", "engine", "volumes"];
/// Tests that need no engine, of the packages that have none of these: without a test of each, dependencies
/// have other features than in the other suites, and are built anew for minutes.
const BESIDE: &[&str] = &["faulty", "wire"];
/// These wait much, or need the service images.
const LONG_ON_PODMAN: &[&str] = &["differential", "job", "services", "sweep"];

/// An engine with an image, as it was before the tests, and the owner of what they make.
struct Suite {
    image: ImageReference,
    owner: String,
    before: Vec<leftovers::Object>,
}

impl Suite {
    /// Provides the image, and sweeps what suites have left that were killed.
    async fn prepare(engine: &Engine, docker: &dyn DockerApi) -> Result<Self> {
        let image = target::ensure_image(engine)?;
        let owner = format!("{SUITE_PREFIX}{:08x}", getrandom::u32().context("no random number")?);
        let before = inventory::take(docker).await?;
        let abandoned = leftovers::abandoned(&before, SystemTime::now());
        println!("left by suites that were killed, and swept: {}", abandoned.len());
        inventory::remove(docker, &abandoned).await?;
        Ok(Self { image, owner, before })
    }

    /// Runs the tests, and looks at what they leave.
    async fn run(
        &self,
        docker: &dyn DockerApi,
        mut tests: Command,
        filter: Option<&str>,
    ) -> Result<()> {
        tests.args(filter).env(IMAGE_VARIABLE, self.image.as_str());
        tests.env(OWNER_VARIABLE, &self.owner);
        if env::var_os(THREADS.0).is_none() {
            tests.env(THREADS.0, THREADS.1);
        }
        let mut out = io::stdout();
        let outcome = tokio::select! {
            outcome = run_tests(&mut tests, filter, &mut out) => outcome,
            // The tests hear of it from the terminal, as we do; what they leave is ours to sweep.
            _ = signal::ctrl_c() => Err(anyhow!("interrupted")),
        };
        // Also after a failure: what a failed test leaves is a fault of its own.
        let clean = clean_up(docker, &self.before, &self.owner).await;
        let faults: Vec<_> = [outcome, clean].into_iter().filter_map(Result::err).collect();
        one_of(faults).map_or(Ok(()), Err)
    }
}

/// The faults as one; a single one as it is, with its hint.
fn one_of(mut faults: Vec<anyhow::Error>) -> Option<anyhow::Error> {
    if faults.len() > 1 {
        let texts: Vec<String> = faults.iter().map(|fault| format!("{fault:#}")).collect();
        return Some(anyhow!("{}", texts.join("; and ")));
    }
    faults.pop()
}

/// Runs the tests, passes their output on to `out`, and insists that there are any.
async fn run_tests(
    command: &mut Command,
    filter: Option<&str>,
    out: &mut impl io::Write,
) -> Result<()> {
    println!("$ {}", process::command_line(command.as_std()));
    let spawned = command.stdout(Stdio::piped()).kill_on_drop(true).spawn();
    let mut child = process::checked(command.as_std(), spawned)?;
    let output = child.stdout.take().context("the tests have no standard output")?;
    let mut lines = BufReader::new(output);
    let mut ran = 0;
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line).await.context("could not read the tests' output")? > 0
    {
        ran += tests_in(&String::from_utf8_lossy(&line));
        out.write_all(&line).and_then(|()| out.flush()).context("could not pass output on")?;
        line.clear();
    }
    process::expect_success(
        command.as_std(),
        process::checked(command.as_std(), child.wait().await)?,
    )?;
    if ran == 0 {
        let fact = match filter {
            Some(filter) => format!("no real-engine test has {filter:?} in its name"),
            None => "there is no real-engine test".to_owned(),
        };
        return Err(failure(
            fact,
            "such a test carries #[ignore = \"needs Docker: cargo xtask e2e\"]",
        ));
    }
    println!("real-engine tests that passed: {ran}");
    Ok(())
}

/// How many tests passed, when `line` is a test binary's closing line.
fn tests_in(line: &str) -> u64 {
    line.trim()
        .strip_prefix("test result: ")
        .and_then(|counts| counts.split_once(". "))
        .and_then(|(_, counts)| counts.split_once(" passed"))
        .and_then(|(passed, _)| passed.parse().ok())
        .unwrap_or(0)
}

/// What is on the engine when it comes to rest, and what of it is left of the suite.
async fn settled(
    docker: &dyn DockerApi,
    before: &[leftovers::Object],
    owner: &str,
) -> Result<(Vec<leftovers::Object>, Leftovers)> {
    let deadline = Instant::now() + SETTLE_LIMIT;
    let mut last = None;
    loop {
        let after = inventory::take(docker).await?;
        let leftovers = Leftovers::between(before, &after, owner);
        if last.as_ref() == Some(&leftovers) || Instant::now() >= deadline {
            return Ok((after, leftovers));
        }
        last = Some(leftovers);
        sleep(LOOK).await;
    }
}

/// Removes what the suite made; fails when there is more than its caches.
async fn clean_up(docker: &dyn DockerApi, before: &[leftovers::Object], owner: &str) -> Result<()> {
    let (after, leftovers) = settled(docker, before, owner).await?;
    for object in &leftovers.ours {
        println!("left behind: {object}");
    }
    for object in &leftovers.of_others {
        println!("left behind by another owner, and left there: {object}");
    }
    let swept = inventory::remove(docker, &leftovers.ours).await;
    let caches = leftovers::caches_of(&after, owner);
    println!("caches of this suite, swept: {}", caches.len());
    let caches = inventory::remove(docker, &caches).await;
    swept.and(caches).context("after the suite")?;
    let found: Vec<String> =
        leftovers.ours.iter().chain(&leftovers.of_others).map(ToString::to_string).collect();
    if !found.is_empty() {
        bail!("the tests left more than caches on the engine: {}", found.join(", "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use docker_api_trait::{ContainerApi as _, ContainerRequest};
    use testkit::FakeDocker;

    use super::*;

    const OWNER: &str = "e2e-1";

    async fn create(docker: &FakeDocker, name: &str) {
        let mut request = ContainerRequest::new(name.parse().unwrap(), "busybox".parse().unwrap());
        request.labels = BTreeMap::from([("dev.berth.owner".to_owned(), OWNER.to_owned())]);
        docker.create_container(&request).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_on_its_way_out_is_not_left_and_what_comes_late_is() {
        let docker = FakeDocker::new().with_image("busybox");
        create(&docker, "berth-leaving").await;
        let others = async {
            sleep(LOOK / 2).await;
            docker.remove_container(&docker.containers()[0].id).await.unwrap();
        };
        let (cleaned, ()) = tokio::join!(clean_up(&docker, &[], OWNER), others);
        cleaned.unwrap();
        create(&docker, "berth-leaving").await;
        let others = async {
            sleep(LOOK / 2).await;
            docker.remove_container(&docker.containers()[0].id).await.unwrap();
            create(&docker, "berth-late").await;
        };
        let (cleaned, ()) = tokio::join!(clean_up(&docker, &[], OWNER), others);
        let error = cleaned.unwrap_err().to_string();
        assert!(error.contains("berth-late") && !error.contains("berth-leaving"), "{error}");
        assert_eq!(docker.containers().len(), 0, "what is left is removed");
    }

    #[tokio::test(start_paused = true)]
    async fn an_engine_that_never_comes_to_rest_is_judged_in_the_end() {
        let docker = FakeDocker::new().with_image("busybox");
        let begin = Instant::now();
        let others = async {
            for number in 0.. {
                create(&docker, &format!("berth-{number}")).await;
                sleep(LOOK / 2).await;
            }
        };
        tokio::select! {
            biased;
            cleaned = clean_up(&docker, &[], OWNER) => assert!(cleaned.is_err()),
            () = others => {}
        }
        assert!(begin.elapsed() < SETTLE_LIMIT * 2, "{:?}", begin.elapsed());
    }

    #[test]
    fn the_tests_that_ran_are_counted_from_the_closing_lines() {
        let line = "test result: ok. 12 passed; 0 failed; 3 ignored; 0 measured; 0 filtered out";
        assert_eq!(tests_in(line), 12);
        assert_eq!(tests_in("test result: FAILED. 4 passed; 1 failed; 0 ignored\n"), 4);
        assert_eq!(tests_in("test result: ok. 0 passed; 0 failed; 0 ignored"), 0);
    }

    #[test]
    fn other_lines_count_nothing() {
        assert_eq!(tests_in("running 5 tests"), 0);
        assert_eq!(tests_in("test counts::result ... ok"), 0);
        assert_eq!(tests_in("it printed: test result: ok. 9 passed"), 0);
        assert_eq!(tests_in(""), 0);
    }

    #[tokio::test]
    async fn a_suite_without_a_test_is_a_failure() {
        let closing = "test result: ok. 0 passed; 0 failed";
        let mut out = Vec::new();
        let mut command = Command::new("echo");
        let error = run_tests(command.arg(closing), Some("x"), &mut out).await.unwrap_err();
        assert_eq!(error.to_string(), "no real-engine test has \"x\" in its name");
        assert_eq!(out, format!("{closing}\n").into_bytes());
        let mut command = Command::new("echo");
        run_tests(command.arg("test result: ok. 2 passed"), None, &mut out).await.unwrap();
    }
}
