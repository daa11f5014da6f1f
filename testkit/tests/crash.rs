//! What `Crash` promises, shown on a program of three requests: one of the tests here, run again
//! as a child.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{env, io::Write as _, sync::Arc, time::Duration};

use docker_api_trait::{
    BollardDocker, ContainerApi as _, ContainerRequest, Endpoint, LabelFilter, SystemApi as _,
    VolumeApi as _, VolumeName,
};
use testkit::{
    Backend, Crash, CrashEnd, CrashError, CrashReport, CrashSite, Proxy, Reply, Side, WireRequest,
    suite,
};
use tokio::process::Command;

/// Says to a test that it is the program, and which.
const PROGRAM: &str = "TESTKIT_CRASH_PROGRAM";
/// A label of what the program makes on a real engine.
const LABEL: &str = "dev.berth.test";

/// This very binary, to run `test` as a program.
fn program(test: &str, value: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", test, "--include-ignored", "--nocapture"]).env(PROGRAM, value);
    command
}

fn engine() -> BollardDocker {
    BollardDocker::new(Endpoint::Unix(suite::socket())).unwrap()
}

fn answer(request: &WireRequest) -> Reply {
    match request.path() {
        "/version" => {
            Reply::json(200, r#"{"Version":"1","ApiVersion":"1.41","Os":"linux","Arch":"amd64"}"#)
        }
        "/volumes" => Reply::json(200, r#"{"Volumes":[],"Warnings":null}"#),
        _ => Reply::empty(204),
    }
}

/// The program.
async fn ask_three_things(docker: &BollardDocker) {
    docker.version().await.unwrap();
    docker.list_volumes(&[]).await.unwrap();
    // Not the macro: the test harness would take that for itself.
    std::io::stdout().write_all(b"two of three\n").unwrap();
    docker.remove_volume(&VolumeName::new("cache").unwrap()).await.unwrap();
}

/// The program, when it is run as one; else what it asks.
#[tokio::test]
async fn the_program_asks_three_things() {
    if let Ok(value) = env::var(PROGRAM) {
        ask_three_things(&engine()).await;
        if value == "hangs" {
            std::future::pending::<()>().await;
        }
        return;
    }
    let proxy = Proxy::new(Backend::script(answer)).unwrap();
    let docker = BollardDocker::new(Endpoint::Unix(proxy.socket())).unwrap();
    ask_three_things(&docker).await;
    assert_eq!(proxy.requests().len(), 3);
}

const THREE: &str = "the_program_asks_three_things";

/// The report, what the program asked, and what the engine behind heard.
async fn crash(site: CrashSite) -> (CrashReport, Vec<String>, usize) {
    let engine = Arc::new(Proxy::new(Backend::script(answer)).unwrap());
    let report = Crash::new(engine.socket()).run(site, program(THREE, "ends")).await.unwrap();
    let asked = report.requests.iter().map(|one| one.request.path().to_owned()).collect();
    (report, asked, engine.requests().len())
}

#[tokio::test]
async fn a_program_is_killed_at_every_request_before_and_after_its_effect() {
    let asked = ["/version", "/volumes", "/volumes/cache"];
    let mut sites = Crash::new("/unused").sites();
    let mut ran = Vec::new();
    while let Some(site) = sites.next() {
        let (report, seen, heard) = crash(site).await;
        sites.ran(&report);
        ran.push(site);
        match &report.end {
            CrashEnd::Killed(request) => {
                assert_eq!((request.number, request.path()), (site.request, asked[site.request]));
                assert_eq!(seen, asked[..=site.request]);
                // The engine has heard of the last one only when it was killed after the effect.
                assert_eq!(heard, site.request + usize::from(site.side == Side::After));
                let wrote = String::from_utf8_lossy(&report.stdout).contains("two of three");
                assert_eq!(wrote, site.request == 2);
                assert_eq!(report.unanswered().count(), 0, "one after the other");
                let answered = report.requests.iter().filter(|one| one.answered).count();
                assert_eq!(answered, heard);
            }
            CrashEnd::Completed(status) => {
                assert!(status.success(), "{}", String::from_utf8_lossy(&report.stderr));
                assert_eq!((seen.len(), heard), (3, 3));
            }
        }
    }
    let last = CrashSite { request: 3, side: Side::Before };
    assert_eq!((ran.len(), ran.last()), (7, Some(&last)));
}

#[tokio::test]
async fn a_program_that_neither_comes_to_the_site_nor_ends_is_killed_in_time() {
    let crash = Crash::with_backend(Backend::script(answer)).limit(Duration::from_secs(3));
    let site = CrashSite { request: 9, side: Side::Before };
    let error = crash.run(site, program(THREE, "hangs")).await.unwrap_err();
    assert!(matches!(error, CrashError::TimedOut { .. }));
    let error = crash.run(site, Command::new("/no/such/program")).await.unwrap_err();
    assert!(matches!(error, CrashError::Run(_)));
}

/// The program, when it is run as one; else that it leaves nothing.
#[tokio::test]
#[ignore = "needs Docker: cargo xtask e2e"]
async fn the_program_makes_and_removes_a_container() {
    let own = || format!("berth-test-crash-{}-alone", std::process::id());
    let label = env::var(PROGRAM).unwrap_or_else(|_| own());
    let docker = engine();
    let mut request = ContainerRequest::new(label.parse().unwrap(), suite::image());
    request.labels.insert(LABEL.to_owned(), label.clone());
    request.entrypoint = vec!["true".to_owned()];
    let id = docker.create_container(&request).await.unwrap().id;
    docker.start_container(&id).await.unwrap();
    docker.remove_container(&id).await.unwrap();
    if env::var(PROGRAM).is_err() {
        let left = docker.list_containers(&[LabelFilter::equals(LABEL, &label)]).await.unwrap();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[tokio::test]
#[ignore = "needs Docker: cargo xtask e2e"]
async fn what_a_killed_program_leaves_on_a_real_engine_is_what_it_had_made() {
    let (docker, crash) = (engine(), Crash::new(suite::socket()));
    let mut sites = crash.sites();
    let mut left = Vec::new();
    while let Some(site) = sites.next() {
        let label = format!("berth-test-crash-{}-{}", std::process::id(), left.len());
        let program = program("the_program_makes_and_removes_a_container", &label);
        let report = crash.run(site, program).await.unwrap();
        sites.ran(&report);
        let containers =
            docker.list_containers(&[LabelFilter::equals(LABEL, &label)]).await.unwrap();
        left.push(containers.len());
        for container in containers {
            docker.remove_container(&container.id).await.unwrap();
        }
    }
    // Create, start and remove, each before and after; then it ends by itself.
    assert_eq!(left, [0, 1, 1, 1, 1, 0, 0]);
}
