//! What `FakeDocker` promises, one sentence a test. That a real engine does the same is for
//! `differential.rs` to show.

use std::{collections::BTreeMap, time::Duration};

use docker_api_trait::{
    ApiError, ContainerApi, ContainerId, ContainerRequest, ContainerStatus, DockerApi, ExitStatus,
    ImageApi, ImageReference, LabelFilter, LogChunk, LogStream, Mount, MountSource, Operation,
    SystemApi, Volume, VolumeApi, VolumeName, VolumeRequest, WaitCondition,
};
use futures_util::{StreamExt as _, TryStreamExt as _};
use testkit::{FakeDocker, ScriptedRun};
use tokio::time::{Instant, timeout};

const HOUR: Duration = Duration::from_secs(3600);
const SECOND: Duration = Duration::from_secs(1);

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn name(name: &str) -> VolumeName {
    VolumeName::new(name).unwrap()
}

fn volume(volume: &str) -> VolumeRequest {
    VolumeRequest::new(name(volume))
}

fn image(reference: &str) -> ImageReference {
    ImageReference::new(reference).unwrap()
}

fn job(name: &str) -> ContainerRequest {
    ContainerRequest::new(name.parse().unwrap(), image("busybox"))
}

fn job_with(job_name: &str, mounts: &[(&str, &str)]) -> ContainerRequest {
    let mut request = job(job_name);
    request.mounts = mounts
        .iter()
        .map(|(volume, destination)| {
            let labels = labels(&[("from", "mount")]);
            let source = MountSource::Volume { name: name(volume), labels, no_copy: false };
            Mount::new(*destination, source)
        })
        .collect();
    request
}

fn docker() -> FakeDocker {
    FakeDocker::new().with_image("busybox")
}

async fn create(docker: &FakeDocker, request: &ContainerRequest) -> ContainerId {
    docker.create_container(request).await.unwrap().id
}

/// Creates and starts a container that plays `run`.
async fn started(docker: &FakeDocker, run: ScriptedRun) -> ContainerId {
    docker.script_next(run);
    let id = create(docker, &job(&format!("job-{}", docker.containers().len()))).await;
    docker.start_container(&id).await.unwrap();
    id
}

async fn exit(docker: &FakeDocker, id: &ContainerId, condition: WaitCondition) -> ExitStatus {
    docker.wait_container(id, condition).await.unwrap().await.unwrap()
}

async fn status(docker: &FakeDocker, id: &ContainerId) -> (ContainerStatus, i64, bool) {
    let details = docker.inspect_container(id).await.unwrap();
    (details.status, details.exit_code, details.oom_killed)
}

async fn read(stream: LogStream) -> Vec<LogChunk> {
    stream.try_collect().await.unwrap()
}

macro_rules! assert_fails {
    ($result:expr, $variant:ident, $expected:literal) => {
        match $result {
            Err(ApiError::$variant { message, .. }) => assert_eq!(message, $expected),
            Err(other) => panic!("expected {}, not {other:?}", stringify!($variant)),
            Ok(_) => panic!("expected {}", stringify!($variant)),
        }
    };
}

#[tokio::test]
async fn creating_a_volume_again_returns_the_first_ones_labels() {
    let docker = docker();
    let first = volume("cache").with_labels(labels(&[("owner", "one")]));
    let second = volume("cache").with_labels(labels(&[("owner", "two")]));
    let created = docker.create_volume(&first).await.unwrap();
    assert_eq!(created.labels, first.labels);
    assert_eq!(created.mountpoint, "/var/lib/docker/volumes/cache/_data");
    assert_eq!(docker.create_volume(&second).await.unwrap(), created);
    assert_eq!(docker.volumes(), [created]);
}

#[tokio::test]
async fn a_name_that_another_driver_has_is_a_conflict() {
    let docker = docker();
    let mut foreign = Volume::local("cache");
    foreign.driver = "nfs".to_owned();
    docker.insert_volume(foreign.clone());
    let mut request = volume("cache");
    assert_eq!(docker.create_volume(&request).await.unwrap(), foreign);
    request.driver = Some("local".to_owned());
    assert_fails!(
        docker.create_volume(&request).await,
        Conflict,
        "create cache: driver 'nfs' already has volume 'cache': volume name must be unique"
    );
}

#[tokio::test]
async fn a_driver_that_nobody_has_is_not_found() {
    let mut request = volume("cache");
    request.driver = Some("nfs".to_owned());
    assert_fails!(
        docker().create_volume(&request).await,
        NotFound,
        "create cache: error looking up volume plugin nfs: plugin \"nfs\" not found"
    );
}

#[tokio::test]
async fn the_local_driver_refuses_options_that_it_cannot_use() {
    let docker = docker();
    let mut request = volume("cache");
    request.options = labels(&[("colour", "red")]);
    assert_fails!(
        docker.create_volume(&request).await,
        Rejected,
        "create cache: invalid option: \"colour\""
    );
    request.options = labels(&[("type", "tmpfs")]);
    assert_fails!(
        docker.create_volume(&request).await,
        Rejected,
        "create cache: missing required option: \"device\""
    );
    request.options = labels(&[("type", "tmpfs"), ("device", "tmpfs"), ("o", "uid=1")]);
    assert_eq!(docker.create_volume(&request).await.unwrap().options, request.options);
}

#[tokio::test]
async fn a_volume_that_is_gone_is_not_found() {
    let docker = docker();
    docker.create_volume(&volume("cache")).await.unwrap();
    docker.remove_volume(&name("cache")).await.unwrap();
    let words = "get cache: no such volume";
    assert!(matches!(docker.remove_volume(&name("cache")).await,
        Err(ApiError::NotFound { message, .. }) if message == words));
    assert!(matches!(docker.inspect_volume(&name("cache")).await,
        Err(ApiError::NotFound { message, .. }) if message == words));
}

#[tokio::test]
async fn a_volume_is_in_use_while_any_container_refers_to_it() {
    let docker = docker();
    let id = create(&docker, &job_with("job-1", &[("cache", "/cache")])).await;
    for step in ["created", "exited"] {
        let error = docker.remove_volume(&name("cache")).await.unwrap_err();
        let words = format!("remove cache: volume is in use - [{id}]");
        assert!(
            matches!(&error, ApiError::Conflict { message, .. } if *message == words),
            "{step}: {error:?}"
        );
        docker.start_container(&id).await.unwrap();
    }
    docker.remove_container(&id).await.unwrap();
    docker.remove_volume(&name("cache")).await.unwrap();
    assert_eq!(docker.volumes(), []);
}

#[tokio::test]
async fn volumes_are_listed_by_name_and_by_all_their_labels() {
    let docker = docker();
    for (name, owner) in [("zebra", "one"), ("ant", "one"), ("bee", "two")] {
        let labels = labels(&[("owner", owner), (name, "")]);
        docker.create_volume(&volume(name).with_labels(labels)).await.unwrap();
    }
    let listed = |filters: Vec<LabelFilter>| {
        let docker = docker.clone();
        async move {
            let volumes = docker.list_volumes(&filters).await.unwrap();
            volumes.into_iter().map(|volume| volume.name).collect::<Vec<_>>()
        }
    };
    let one = LabelFilter::equals("owner", "one");
    assert_eq!(listed(vec![]).await, ["ant", "bee", "zebra"]);
    assert_eq!(listed(vec![one.clone()]).await, ["ant", "zebra"]);
    assert_eq!(listed(vec![one, LabelFilter::present("ant")]).await, ["ant"]);
}

#[tokio::test]
async fn an_image_that_is_missing_is_not_found() {
    let docker = FakeDocker::new();
    let words = "No such image: busybox:latest";
    assert_fails!(
        docker.inspect_image(&image("busybox")).await,
        NotFound,
        "no such image: busybox: No such image: busybox:latest"
    );
    assert!(matches!(docker.create_container(&job("job-1")).await,
        Err(ApiError::NotFound { message, .. }) if message == words));
    assert_eq!(docker.containers(), []);
}

#[tokio::test]
async fn an_image_is_found_by_each_of_its_names() {
    let docker = docker();
    let found = docker.inspect_image(&image("busybox:latest")).await.unwrap();
    for other in ["busybox", "docker.io/library/busybox", found.id.as_str()] {
        assert_eq!(docker.inspect_image(&image(other)).await.unwrap(), found, "{other}");
    }
    assert!(docker.inspect_image(&image("busybox:1.36")).await.is_err());
}

#[tokio::test]
async fn a_pull_brings_the_image_when_its_stream_has_ended() {
    let docker = FakeDocker::new().with_registry_image("busybox");
    let mut pull = docker.pull_image(&image("busybox")).await.unwrap();
    assert_eq!(pull.next().await.unwrap().unwrap().status, "Pulling from busybox");
    drop(pull);
    assert!(docker.inspect_image(&image("busybox")).await.is_err(), "an abandoned pull");

    let messages: Vec<_> =
        docker.pull_image(&image("busybox")).await.unwrap().try_collect().await.unwrap();
    assert!(messages.len() > 1, "{messages:?}");
    let pulled = docker.inspect_image(&image("busybox:latest")).await.unwrap();
    let digest = image(&pulled.digests[0]);
    assert_eq!(docker.inspect_image(&digest).await.unwrap(), pulled);
}

#[tokio::test]
async fn a_pull_of_what_the_registry_lacks_is_not_found() {
    assert_fails!(
        docker().pull_image(&image("team/tool:1")).await.map(drop),
        NotFound,
        "pull access denied for team/tool, repository does not exist or may require 'docker login'"
    );
}

#[tokio::test]
async fn an_import_takes_the_name_from_another_image() {
    let docker = docker();
    let before = docker.inspect_image(&image("busybox")).await.unwrap();
    docker.import_image(&image("busybox"), "archive".into()).await.unwrap();
    assert_ne!(docker.inspect_image(&image("busybox")).await.unwrap().id, before.id);
}

#[tokio::test]
async fn with_any_image_every_image_is_there_and_can_be_pulled() {
    let docker = FakeDocker::new().with_any_image();
    assert!(docker.inspect_image(&image("a/b:c")).await.is_ok());
    assert!(docker.pull_image(&image("a/b:c")).await.is_ok());
    assert!(docker.create_container(&job("job-1")).await.is_ok());
}

#[tokio::test]
async fn a_name_that_a_container_has_is_a_conflict_until_it_is_removed() {
    let docker = docker();
    let first = create(&docker, &job("job-1")).await;
    let error = docker.create_container(&job("job-1")).await.unwrap_err();
    assert!(
        matches!(&error, ApiError::Conflict { message, .. } if message.contains(first.as_str()))
    );
    docker.remove_container(&first).await.unwrap();
    assert_ne!(create(&docker, &job("job-1")).await, first);
}

#[tokio::test]
async fn a_mount_creates_a_vanished_volume_with_the_mounts_labels() {
    let docker = docker();
    docker.create_volume(&volume("cache")).await.unwrap();
    docker.vanish_volume(&name("cache"));
    assert_eq!(docker.volumes(), []);
    create(&docker, &job_with("job-1", &[("cache", "/cache")])).await;
    assert_eq!(docker.volumes()[0].labels, labels(&[("from", "mount")]));
}

#[tokio::test]
async fn a_mount_leaves_a_volume_that_is_there_as_it_is() {
    let docker = docker();
    let existing = docker.create_volume(&volume("cache")).await.unwrap();
    create(&docker, &job_with("job-1", &[("cache", "/cache")])).await;
    assert_eq!(docker.volumes(), [existing]);
}

#[tokio::test]
async fn two_mounts_with_one_destination_are_rejected() {
    let docker = docker();
    for (again, message) in [
        ("/c", "Duplicate mount point: /c"),
        ("/c/", "Duplicate mount point: /c/"),
        ("/d/../c", "Duplicate mount point: /d/../c"),
    ] {
        let request = job_with("job-1", &[("first", "/c"), ("second", again)]);
        let error = docker.create_container(&request).await.unwrap_err();
        assert!(matches!(&error, ApiError::Rejected { message: words, .. } if words == message));
    }
    assert_eq!(docker.containers(), []);
    // As on a real engine, which creates volumes as it goes through the mounts.
    assert_eq!(docker.volume_names(), ["first"]);
}

#[tokio::test]
async fn a_destination_that_is_relative_or_the_root_is_rejected() {
    let docker = docker();
    for destination in ["c", "", "/", "/.", "/c/..", "./c"] {
        let request = job_with("job-1", &[("cache", destination)]);
        let error = docker.create_container(&request).await.unwrap_err();
        assert!(matches!(error, ApiError::Rejected { .. }), "{destination:?}: {error:?}");
    }
    assert_eq!(docker.volumes(), []);
}

#[tokio::test]
async fn ids_look_like_the_engines_and_are_the_same_in_every_run() {
    let (one, other) = (docker(), docker());
    let id = create(&one, &job("job-1")).await;
    assert_eq!(id, create(&other, &job("job-1")).await);
    assert_eq!(id.as_str().len(), 64);
    let next = create(&one, &job("job-2")).await;
    assert_ne!(id.as_str()[..12], next.as_str()[..12], "short ids differ too");
}

#[tokio::test]
async fn containers_are_listed_newest_first_in_every_state() {
    let docker = docker();
    for name in ["job-1", "job-2", "job-3"] {
        let mut request = job(name);
        request.labels = labels(&[("odd", if name == "job-2" { "no" } else { "yes" })]);
        let id = create(&docker, &request).await;
        docker.start_container(&id).await.unwrap();
    }
    let odd = [LabelFilter::equals("odd", "yes")];
    let listed = docker.list_containers(&odd).await.unwrap();
    let names: Vec<_> = listed.iter().map(|container| container.name.as_str()).collect();
    assert_eq!(names, ["job-3", "job-1"]);
    assert_eq!(listed[0].labels, labels(&[("odd", "yes")]));
}

#[tokio::test(start_paused = true)]
async fn a_container_is_created_then_runs_for_its_time_then_has_exited() {
    let docker = docker();
    docker.script(ScriptedRun::exits(3).lasting(HOUR));
    let id = create(&docker, &job("job-1")).await;
    assert_eq!(status(&docker, &id).await, (ContainerStatus::Created, 0, false));
    docker.start_container(&id).await.unwrap();
    assert_eq!(status(&docker, &id).await, (ContainerStatus::Running, 0, false));
    tokio::time::advance(HOUR).await;
    assert_eq!(status(&docker, &id).await, (ContainerStatus::Exited, 3, false));
}

#[tokio::test]
async fn a_run_that_the_kernel_killed_says_so() {
    let docker = docker();
    let id = started(&docker, ScriptedRun::exits(0).oom_killed()).await;
    assert_eq!(status(&docker, &id).await, (ContainerStatus::Exited, 137, true));
}

#[tokio::test]
async fn starting_twice_is_fine_and_starting_nothing_is_not_found() {
    let docker = docker();
    let id = started(&docker, ScriptedRun::never_ends()).await;
    docker.script_next(ScriptedRun::exits(5));
    docker.start_container(&id).await.unwrap();
    assert_eq!(status(&docker, &id).await, (ContainerStatus::Running, 0, false));
    docker.remove_container(&id).await.unwrap();
    assert!(matches!(docker.start_container(&id).await, Err(ApiError::NotFound { .. })));
    let next = create(&docker, &job("job-2")).await;
    docker.start_container(&next).await.unwrap();
    assert_eq!(exit(&docker, &next, WaitCondition::NotRunning).await, ExitStatus::new(5));
}

#[tokio::test]
async fn a_queued_run_is_played_once_and_before_the_usual_one() {
    let docker = docker();
    docker.script(ScriptedRun::exits(1));
    for (run, code) in [(Some(ScriptedRun::exits(2)), 2), (None, 1)] {
        if let Some(run) = run {
            docker.script_next(run);
        }
        let id = create(&docker, &job(&format!("job-{code}"))).await;
        docker.start_container(&id).await.unwrap();
        assert_eq!(exit(&docker, &id, WaitCondition::NotRunning).await, ExitStatus::new(code));
    }
}

#[tokio::test(start_paused = true)]
async fn a_waiter_for_the_next_exit_is_registered_before_the_start() {
    let docker = docker();
    docker.script(ScriptedRun::exits(3).lasting(HOUR));
    let id = create(&docker, &job("job-1")).await;
    let exit = docker.wait_container(&id, WaitCondition::NextExit).await.unwrap();
    let begin = Instant::now();
    docker.start_container(&id).await.unwrap();
    assert_eq!(exit.await.unwrap(), ExitStatus::new(3));
    assert_eq!(begin.elapsed(), HOUR);
}

#[tokio::test]
async fn a_created_container_counts_as_not_running_with_code_0() {
    let docker = docker();
    docker.script(ScriptedRun::exits(3));
    let id = create(&docker, &job("job-1")).await;
    assert_eq!(exit(&docker, &id, WaitCondition::NotRunning).await, ExitStatus::new(0));
    docker.start_container(&id).await.unwrap();
    assert_eq!(exit(&docker, &id, WaitCondition::NotRunning).await, ExitStatus::new(3));
}

#[tokio::test(start_paused = true)]
async fn the_next_exit_of_a_container_that_has_exited_never_comes_unless_it_runs_again() {
    let docker = docker();
    let id = started(&docker, ScriptedRun::exits(3)).await;
    let mut exit = docker.wait_container(&id, WaitCondition::NextExit).await.unwrap();
    assert!(timeout(HOUR, &mut exit).await.is_err());
    docker.script(ScriptedRun::exits(4));
    docker.start_container(&id).await.unwrap();
    assert_eq!(exit.await.unwrap(), ExitStatus::new(4));
}

#[tokio::test]
async fn waiters_of_a_running_container_that_is_removed_get_137() {
    let docker = docker();
    for vanish in [false, true] {
        let id = started(&docker, ScriptedRun::never_ends()).await;
        let next = docker.wait_container(&id, WaitCondition::NextExit).await.unwrap();
        let ended = docker.wait_container(&id, WaitCondition::NotRunning).await.unwrap();
        if vanish {
            docker.vanish_container(&id);
        } else {
            docker.remove_container(&id).await.unwrap();
        }
        assert_eq!(next.await.unwrap(), ExitStatus::new(137));
        assert_eq!(ended.await.unwrap(), ExitStatus::new(137));
    }
}

#[tokio::test]
async fn waiters_of_a_container_that_is_removed_while_it_rests_get_its_last_code() {
    let docker = docker();
    let created = create(&docker, &job("created")).await;
    let exited = started(&docker, ScriptedRun::exits(3)).await;
    for (id, code) in [(created, 0), (exited, 3)] {
        let exit = docker.wait_container(&id, WaitCondition::NextExit).await.unwrap();
        docker.remove_container(&id).await.unwrap();
        assert_eq!(exit.await.unwrap(), ExitStatus::new(code));
    }
}

#[tokio::test]
async fn a_waiter_learns_that_the_engine_is_gone() {
    let docker = docker();
    let id = started(&docker, ScriptedRun::never_ends()).await;
    let exit = docker.wait_container(&id, WaitCondition::NextExit).await.unwrap();
    drop(docker);
    assert!(matches!(exit.await, Err(ApiError::Lost { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_a_run_at_once_and_with_143() {
    let docker = docker();
    let id = started(&docker, ScriptedRun::never_ends()).await;
    let begin = Instant::now();
    docker.stop_container(&id, HOUR).await.unwrap();
    assert_eq!(begin.elapsed(), Duration::ZERO);
    assert_eq!(status(&docker, &id).await, (ContainerStatus::Exited, 143, false));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_ignores_the_stop_is_killed_after_the_grace_in_whole_seconds() {
    let docker = docker();
    let id = started(&docker, ScriptedRun::never_ends().ignoring_stop()).await;
    let begin = Instant::now();
    docker.stop_container(&id, Duration::from_millis(1500)).await.unwrap();
    assert_eq!(begin.elapsed(), SECOND * 2);
    assert_eq!(status(&docker, &id).await, (ContainerStatus::Exited, 137, false));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_ends_within_the_grace_keeps_its_own_code() {
    let docker = docker();
    let id = started(&docker, ScriptedRun::exits(3).lasting(SECOND).ignoring_stop()).await;
    docker.stop_container(&id, HOUR).await.unwrap();
    assert_eq!(status(&docker, &id).await, (ContainerStatus::Exited, 3, false));
}

#[tokio::test(start_paused = true)]
async fn a_stop_goes_on_when_its_caller_goes_away() {
    let docker = docker();
    let id = started(&docker, ScriptedRun::never_ends().ignoring_stop()).await;
    assert!(timeout(SECOND, docker.stop_container(&id, SECOND * 10)).await.is_err());
    assert_eq!(exit(&docker, &id, WaitCondition::NotRunning).await, ExitStatus::new(137));
}

#[tokio::test]
async fn stopping_what_does_not_run_is_fine_and_stopping_nothing_is_not_found() {
    let docker = docker();
    let created = create(&docker, &job("created")).await;
    let exited = started(&docker, ScriptedRun::exits(3)).await;
    docker.stop_container(&created, SECOND).await.unwrap();
    docker.stop_container(&exited, SECOND).await.unwrap();
    assert_eq!(status(&docker, &created).await, (ContainerStatus::Created, 0, false));
    assert_eq!(status(&docker, &exited).await, (ContainerStatus::Exited, 3, false));
    docker.remove_container(&created).await.unwrap();
    assert!(matches!(
        docker.stop_container(&created, SECOND).await,
        Err(ApiError::NotFound { .. })
    ));
}

#[tokio::test]
async fn removing_twice_is_not_found() {
    let docker = docker();
    let id = started(&docker, ScriptedRun::never_ends()).await;
    docker.remove_container(&id).await.unwrap();
    assert!(matches!(docker.remove_container(&id).await, Err(ApiError::NotFound { .. })));
    assert!(matches!(docker.inspect_container(&id).await, Err(ApiError::NotFound { .. })));
    assert_eq!(docker.containers(), []);
}

#[tokio::test]
async fn who_attaches_before_the_start_reads_everything_in_order() {
    let docker = docker();
    docker.script(ScriptedRun::exits(0).prints_stdout("a").prints_stderr("b").prints_stdout("c"));
    let id = create(&docker, &job("job-1")).await;
    let output = docker.attach_container(&id).await.unwrap();
    docker.start_container(&id).await.unwrap();
    let expected = [LogChunk::stdout("a"), LogChunk::stderr("b"), LogChunk::stdout("c")];
    assert_eq!(read(output).await, expected);
}

#[tokio::test(start_paused = true)]
async fn who_attaches_later_reads_the_rest_and_the_stream_ends_with_the_run() {
    let docker = docker();
    let run = ScriptedRun::exits(0).prints_stdout("early").pausing(SECOND).prints_stdout("late");
    let id = started(&docker, run.lasting(SECOND * 5)).await;
    let begin = Instant::now();
    let output = docker.attach_container(&id).await.unwrap();
    assert_eq!(read(output).await, [LogChunk::stdout("late")]);
    assert_eq!(begin.elapsed(), SECOND * 5);
}

#[tokio::test(start_paused = true)]
async fn what_a_run_would_have_written_after_its_end_is_never_written() {
    let docker = docker();
    docker.script(ScriptedRun::never_ends().prints_stdout("a").pausing(HOUR).prints_stdout("b"));
    let id = create(&docker, &job("job-1")).await;
    let output = docker.attach_container(&id).await.unwrap();
    docker.start_container(&id).await.unwrap();
    docker.stop_container(&id, SECOND).await.unwrap();
    assert_eq!(read(output).await, [LogChunk::stdout("a")]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_a_container_that_does_not_run_stays_open_until_its_next_run() {
    let docker = docker();
    docker.script(ScriptedRun::exits(0).prints_stdout("again"));
    let id = started(&docker, ScriptedRun::exits(0)).await;
    let mut output = docker.attach_container(&id).await.unwrap();
    assert!(timeout(HOUR, output.next()).await.is_err());
    docker.start_container(&id).await.unwrap();
    assert_eq!(read(output).await, [LogChunk::stdout("again")]);

    let mut output = docker.attach_container(&id).await.unwrap();
    docker.remove_container(&id).await.unwrap();
    assert!(timeout(HOUR, output.next()).await.is_err(), "a removal does not end it");
}

#[tokio::test]
async fn a_run_leaves_files_in_the_volumes_that_it_may_write_to() {
    let docker = docker();
    let run = ScriptedRun::exits(0)
        .writing("/cache/a")
        .writing("/cache/deep/b")
        .writing("/cache/sealed/c")
        .writing("/tmp/own");
    let mut request = job_with(
        "job-1",
        &[("cache", "/cache"), ("deep", "/cache/deep/"), ("old", "/cache/sealed")],
    );
    request.mounts[2].read_only = true;
    docker.script_next(run);
    let id = create(&docker, &request).await;
    let output = docker.attach_container(&id).await.unwrap();
    docker.start_container(&id).await.unwrap();

    assert!(docker.volume_files("cache").iter().eq(["a"]));
    assert!(docker.volume_files("deep").iter().eq(["b"]));
    assert!(docker.volume_files("old").is_empty());
    let complaint = "sh: can't create /cache/sealed/c: Read-only file system\n";
    assert_eq!(read(output).await, [LogChunk::stderr(complaint)]);
}

#[tokio::test]
async fn the_journal_holds_every_call_and_counts_each_as_a_request() {
    let docker = docker();
    let id = started(&docker, ScriptedRun::exits(0)).await;
    drop(docker.attach_container(&id).await);
    exit(&docker, &id, WaitCondition::NotRunning).await;
    assert!(docker.inspect_volume(&name("absent")).await.is_err());
    drop(docker.version()); // Never polled, so never sent.
    let expected = [
        Operation::CreateContainer,
        Operation::StartContainer,
        Operation::AttachContainer,
        Operation::WaitContainer,
        Operation::InspectVolume,
    ];
    assert_eq!(docker.calls(), expected);
    assert_eq!(docker.requests_sent(), 5);
    assert_eq!(docker.container_requests(), [job("job-0")]);
}

#[tokio::test]
async fn clones_are_handles_to_one_engine() {
    let docker = docker();
    let engine: Box<dyn DockerApi> = Box::new(docker.clone());
    engine.create_volume(&volume("cache")).await.unwrap();
    assert_eq!(docker.volume_names(), ["cache"]);
    assert_eq!(engine.version().await.unwrap().os, "linux");
}

#[tokio::test]
async fn a_refused_call_has_no_effect() {
    let docker = docker();
    let full = || ApiError::from_status(Operation::CreateVolume, 500, "no space left on device");
    docker.refuse_once(Operation::CreateVolume, full);
    assert!(matches!(
        docker.create_volume(&volume("cache")).await,
        Err(ApiError::Engine { status: 500, .. })
    ));
    assert_eq!(docker.volumes(), []);
    docker.create_volume(&volume("cache")).await.unwrap();

    docker.refuse(Operation::CreateVolume, full);
    for _ in 0..2 {
        assert!(docker.create_volume(&volume("other")).await.is_err());
    }
    assert_eq!(docker.volume_names(), ["cache"]);
}

#[tokio::test]
async fn a_call_whose_reply_is_lost_has_taken_effect() {
    let docker = docker();
    docker.lose_reply_once(Operation::CreateContainer);
    let error = docker.create_container(&job("job-1")).await.unwrap_err();
    assert!(matches!(error, ApiError::Lost { .. }) && error.effect_unknown());
    assert_eq!(docker.containers().len(), 1);
    assert!(docker.create_container(&job("job-2")).await.is_ok());
}

#[tokio::test]
async fn an_unreachable_engine_answers_nothing() {
    let docker = docker();
    docker.unreachable();
    assert!(matches!(docker.version().await, Err(ApiError::Unreachable { .. })));
    let create = docker.create_volume(&volume("cache")).await;
    assert!(matches!(create, Err(ApiError::Unreachable { .. })));
    assert_eq!(docker.volumes(), []);
}

#[tokio::test(start_paused = true)]
async fn a_held_call_stays_pending_without_effect() {
    let docker = docker();
    docker.hold(Operation::CreateVolume);
    assert!(timeout(HOUR, docker.create_volume(&volume("cache"))).await.is_err());
    assert_eq!(docker.volumes(), []);
    assert_eq!(docker.calls(), [Operation::CreateVolume]);
}

#[tokio::test]
async fn volumes_can_be_carried_to_another_engine() {
    let docker = docker();
    let labels = labels(&[("owner", "one")]);
    docker.create_volume(&volume("cache").with_labels(labels)).await.unwrap();
    let other = FakeDocker::new();
    other.create_volume(&volume("gone-afterwards")).await.unwrap();
    other.restore(docker.snapshot());
    assert_eq!(other.volumes(), docker.volumes());
}
