//! The life of a container: runs, exits, output.

use super::*;

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

#[tokio::test(start_paused = true)]
async fn a_signal_asks_or_ends_what_runs_and_is_a_conflict_for_what_does_not() {
    let docker = docker();
    for (run, signal, expected) in [
        (ScriptedRun::never_ends(), Signal::Term, (ContainerStatus::Exited, 143, false)),
        (ScriptedRun::never_ends(), Signal::Kill, (ContainerStatus::Exited, 137, false)),
        (
            ScriptedRun::never_ends().ignoring_stop(),
            Signal::Term,
            (ContainerStatus::Running, 0, false),
        ),
        (
            ScriptedRun::never_ends().ignoring_stop(),
            Signal::Kill,
            (ContainerStatus::Exited, 137, false),
        ),
    ] {
        let id = started(&docker, run).await;
        docker.kill_container(&id, signal).await.unwrap();
        assert_eq!(status(&docker, &id).await, expected);
        if expected.0 == ContainerStatus::Exited {
            let again = docker.kill_container(&id, signal).await;
            assert!(matches!(again, Err(ApiError::Conflict { .. })), "{again:?}");
        }
    }
    let created = create(&docker, &job("created")).await;
    let error = docker.kill_container(&created, Signal::Kill).await;
    assert!(matches!(error, Err(ApiError::Conflict { .. })));
    docker.remove_container(&created).await.unwrap();
    let error = docker.kill_container(&created, Signal::Kill).await;
    assert!(matches!(error, Err(ApiError::NotFound { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_containers_times_are_the_same_in_every_run_and_keep_the_clocks_distance() {
    let docker = docker();
    let id = started(&docker, ScriptedRun::exits(0).lasting(SECOND)).await;
    let begun = docker.inspect_container(&id).await.unwrap();
    assert_eq!(begun.started_at, "2026-01-01T00:00:00.000000000Z");
    assert_eq!(begun.finished_at, "");
    tokio::time::advance(SECOND * 5).await;
    let ended = docker.inspect_container(&id).await.unwrap();
    assert_eq!(ended.finished_at, "2026-01-01T00:00:01.000000000Z");
    docker.start_container(&id).await.unwrap();
    let again = docker.inspect_container(&id).await.unwrap();
    assert_eq!(again.started_at, "2026-01-01T00:00:05.000000000Z");
    assert_eq!(again.image, docker.inspect_image(&image("busybox")).await.unwrap().id);
}

#[tokio::test]
async fn containers_of_an_image_may_have_a_run_of_their_own_beside_the_queue() {
    let docker = docker().with_image("redis");
    docker.script_for_image("docker.io/library/redis:latest", ScriptedRun::never_ends());
    docker.script_next(ScriptedRun::exits(3));
    let mut service = job("service");
    service.image = image("redis");
    let service = create(&docker, &service).await;
    let job = create(&docker, &job("job")).await;
    for id in [&service, &job] {
        docker.start_container(id).await.unwrap();
    }
    assert_eq!(status(&docker, &service).await, (ContainerStatus::Running, 0, false));
    assert_eq!(status(&docker, &job).await, (ContainerStatus::Exited, 3, false));
}
