//! Further programs in containers.

use super::*;

const TERM_ALL: [&str; 3] = ["sh", "-c", "kill -TERM -1"];
const KILL_ALL: [&str; 3] = ["sh", "-c", "kill -KILL -1"];

#[tokio::test(start_paused = true)]
async fn a_program_plays_its_script_beside_the_container() {
    let docker = docker();
    let id = started(&docker, ScriptedRun::never_ends()).await;
    docker.script_exec(ScriptedRun::exits(4).prints_stdout("a").pausing(SECOND).prints_stderr("b"));
    let begin = Instant::now();
    let (exec, output) = run(&docker, &id, &["make"]).await;
    let details = docker.inspect_exec(&exec).await.unwrap();
    assert_eq!((details.running, details.exit_code), (true, None));
    assert_eq!(read(output).await, [LogChunk::stdout("a"), LogChunk::stderr("b")]);
    assert_eq!(begin.elapsed(), SECOND);
    assert_eq!(docker.inspect_exec(&exec).await.unwrap(), ExecDetails::ended(4));
    assert_eq!(docker.exec_requests(), [ExecRequest::new(["make"])]);
    assert_eq!(status(&docker, &id).await, (ContainerStatus::Running, 0, false));
}

#[tokio::test]
async fn a_program_needs_a_container_that_runs_and_goes_with_it() {
    let docker = docker();
    let request = ExecRequest::new(["make"]);
    let id = create(&docker, &job("job-1")).await;
    let early = docker.create_exec(&id, &request).await;
    assert!(matches!(early, Err(ApiError::Conflict { .. })), "{early:?}");
    docker.script(ScriptedRun::never_ends());
    docker.script_exec(ScriptedRun::never_ends());
    docker.start_container(&id).await.unwrap();
    let prepared = docker.create_exec(&id, &request).await.unwrap();
    let (running, output) = run(&docker, &id, &["make"]).await;

    docker.stop_container(&id, SECOND).await.unwrap();
    assert_eq!(read(output).await, []);
    assert_eq!(docker.inspect_exec(&running).await.unwrap(), ExecDetails::ended(137));
    assert!(matches!(docker.inspect_exec(&prepared).await, Err(ApiError::NotFound { .. })));
    docker.remove_container(&id).await.unwrap();
    assert!(matches!(docker.inspect_exec(&running).await, Err(ApiError::NotFound { .. })));
    let late = docker.create_exec(&id, &request).await;
    assert!(matches!(late, Err(ApiError::NotFound { .. })), "{late:?}");
}

#[tokio::test]
async fn a_signal_to_all_asks_the_container_and_other_programs_to_stop() {
    let docker = docker();
    for (command, code) in [(TERM_ALL, 143), (KILL_ALL, 137)] {
        let id = started(&docker, ScriptedRun::never_ends()).await;
        docker.script_exec(ScriptedRun::never_ends());
        let (other, _) = run(&docker, &id, &["make"]).await;
        let (sender, _) = run(&docker, &id, &command).await;
        assert_eq!(docker.inspect_exec(&sender).await.unwrap(), ExecDetails::ended(0));
        assert_eq!(docker.inspect_exec(&other).await.unwrap(), ExecDetails::ended(code));
        assert_eq!(status(&docker, &id).await, (ContainerStatus::Exited, code, false));
    }
}

#[tokio::test]
async fn a_container_that_ignores_the_stop_ignores_the_signal_to_all() {
    let docker = docker();
    let id = started(&docker, ScriptedRun::never_ends().ignoring_stop()).await;
    drop(run(&docker, &id, &TERM_ALL).await);
    assert_eq!(status(&docker, &id).await, (ContainerStatus::Running, 0, false));
    drop(run(&docker, &id, &KILL_ALL).await);
    assert_eq!(status(&docker, &id).await, (ContainerStatus::Exited, 137, false));
}

#[tokio::test]
async fn where_there_is_no_shell_a_program_that_wants_one_ends_with_126() {
    let docker = docker().with_image_without_shell("busybox");
    let id = started(&docker, ScriptedRun::never_ends()).await;
    let (exec, output) = run(&docker, &id, &TERM_ALL).await;
    assert_eq!(read(output).await.len(), 1);
    assert_eq!(docker.inspect_exec(&exec).await.unwrap(), ExecDetails::ended(126));
    assert_eq!(status(&docker, &id).await, (ContainerStatus::Running, 0, false));
}
