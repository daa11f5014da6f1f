//! Shells that are fed their steps.

use docker_api_trait::Attachment;

use super::*;

/// A step for a shell.
fn step(mark: &str, script: &str) -> Bytes {
    format!("{mark} {}\n{script}\n{mark}\n", script.len()).into()
}

fn shell_job(name: &str, input: Input) -> ContainerRequest {
    let mut request = job(name);
    request.entrypoint = vec!["sh".to_owned()];
    request.arguments = ["-c", "find", "berth", "loop"].map(ToOwned::to_owned).to_vec();
    request.input = input;
    request
}

/// A shell that runs, and both its ends.
async fn shell(docker: &FakeDocker, input: Input) -> (ContainerId, Attachment) {
    let name = format!("shell-{}", docker.containers().len());
    let id = create(docker, &shell_job(&name, input)).await;
    let attachment = docker.attach_container_with_input(&id).await.unwrap();
    docker.start_container(&id).await.unwrap();
    (id, attachment)
}

/// What comes within an hour, both outputs apart, and whether that is the end.
async fn hear(attachment: &mut Attachment) -> (String, String, bool) {
    let mut heard = [String::new(), String::new()];
    loop {
        match timeout(HOUR, attachment.output.next()).await {
            Ok(Some(chunk)) => {
                let chunk = chunk.unwrap();
                let stderr = chunk.source == docker_api_trait::LogSource::Stderr;
                heard[usize::from(stderr)].push_str(std::str::from_utf8(&chunk.bytes).unwrap());
            }
            end => {
                let [stdout, stderr] = heard;
                return (stdout, stderr, end.is_ok());
            }
        }
    }
}

async fn said(attachment: &mut Attachment) -> String {
    hear(attachment).await.0
}

#[tokio::test(start_paused = true)]
async fn a_shell_plays_one_run_for_each_step_and_none_for_its_start() {
    let docker = docker();
    docker.script_next(ScriptedRun::exits(0).prints_stdout("one").prints_stderr("err"));
    docker.script_next(ScriptedRun::exits(3).pausing(SECOND).prints_stdout("two"));
    let (id, mut attachment) = shell(&docker, Input::Once).await;
    assert_eq!(hear(&mut attachment).await, (String::new(), String::new(), false));
    attachment.input.write(step("a1", "make")).await.unwrap();
    let expected = ("a1+onea1-0.".to_owned(), "a1+erra1-0.".to_owned(), false);
    assert_eq!(hear(&mut attachment).await, expected);
    attachment.input.write(step("b2", "make test")).await.unwrap();
    assert_eq!(said(&mut attachment).await, "b2+twob2-3.");
    attachment.input.close().await.unwrap();
    assert!(hear(&mut attachment).await.2, "the end");
    assert_eq!(status(&docker, &id).await, (ContainerStatus::Exited, 0, false));
    assert_eq!(docker.scripts(), ["make", "make test"]);
}

#[tokio::test(start_paused = true)]
async fn steps_that_come_early_are_played_when_it_is_their_turn() {
    let docker = docker();
    docker.script_next(ScriptedRun::exits(1).lasting(SECOND * 3));
    docker.script_next(ScriptedRun::exits(2).lasting(SECOND));
    let id = create(&docker, &shell_job("job-1", Input::Once)).await;
    let mut attachment = docker.attach_container_with_input(&id).await.unwrap();
    attachment.input.write(step("a1", "one")).await.unwrap();
    attachment.input.write(step("b2", "two")).await.unwrap();
    assert!(docker.scripts().is_empty(), "nobody reads yet");
    docker.start_container(&id).await.unwrap();
    let begin = Instant::now();
    attachment.input.close().await.unwrap();
    assert_eq!(said(&mut attachment).await, "a1+a1-1.b2+b2-2.");
    assert_eq!(begin.elapsed(), SECOND * 4);
}

#[tokio::test(start_paused = true)]
async fn a_shell_ends_when_its_only_attachment_is_dropped_and_its_step_has_ended() {
    let docker = docker();
    docker.script(ScriptedRun::exits(7).lasting(SECOND));
    let (id, mut attachment) = shell(&docker, Input::Once).await;
    attachment.input.write(step("a1", "make")).await.unwrap();
    // One end alone keeps the connection.
    drop(attachment.output);
    tokio::time::advance(SECOND / 2).await;
    drop(attachment.input);
    assert_eq!(status(&docker, &id).await, (ContainerStatus::Running, 0, false));
    let exit = exit(&docker, &id, WaitCondition::NotRunning).await;
    assert_eq!(exit, ExitStatus::new(0));
}

#[tokio::test(start_paused = true)]
async fn a_kept_shell_goes_on_with_another_attachment() {
    let docker = docker();
    let (id, mut attachment) = shell(&docker, Input::Kept).await;
    attachment.input.write(step("a1", "one")).await.unwrap();
    assert_eq!(said(&mut attachment).await, "a1+a1-0.");
    attachment.input.close().await.unwrap();
    drop(attachment);
    let mut attachment = docker.attach_container_with_input(&id).await.unwrap();
    attachment.input.write(step("b2", "two")).await.unwrap();
    assert_eq!(said(&mut attachment).await, "b2+b2-0.");
    assert_eq!(status(&docker, &id).await, (ContainerStatus::Running, 0, false));
}

#[tokio::test(start_paused = true)]
async fn a_signal_to_all_ends_the_step_but_for_one_that_ignores_it() {
    let docker = docker();
    docker.script_next(ScriptedRun::never_ends().prints_stdout("up"));
    docker.script_next(ScriptedRun::never_ends().ignoring_stop());
    let (id, mut attachment) = shell(&docker, Input::Once).await;
    attachment.input.write(step("a1", "one")).await.unwrap();
    assert_eq!(said(&mut attachment).await, "a1+up");
    drop(run(&docker, &id, &["sh", "-c", "kill -TERM -1"]).await);
    assert_eq!(said(&mut attachment).await, "a1-143.");
    attachment.input.write(step("b2", "two")).await.unwrap();
    drop(run(&docker, &id, &["sh", "-c", "kill -TERM -1"]).await);
    assert_eq!(hear(&mut attachment).await, ("b2+".to_owned(), "b2+".to_owned(), false));
    docker.kill_container(&id, Signal::Term).await.unwrap();
    assert_eq!(status(&docker, &id).await, (ContainerStatus::Running, 0, false));
    docker.kill_container(&id, Signal::Kill).await.unwrap();
    assert_eq!(hear(&mut attachment).await, (String::new(), String::new(), true));
    assert_eq!(status(&docker, &id).await, (ContainerStatus::Exited, 137, false));
    let late = attachment.input.write(step("c3", "three")).await;
    assert!(matches!(late, Err(ApiError::Lost { .. })), "{late:?}");
}

#[tokio::test(start_paused = true)]
async fn a_shell_is_killed_when_the_grace_of_its_stop_is_over() {
    let docker = docker();
    let (id, attachment) = shell(&docker, Input::Once).await;
    let begin = Instant::now();
    docker.stop_container(&id, SECOND * 3).await.unwrap();
    assert_eq!(begin.elapsed(), SECOND * 3);
    assert_eq!(status(&docker, &id).await, (ContainerStatus::Exited, 137, false));
    drop(attachment);
}

#[tokio::test(start_paused = true)]
async fn a_step_may_run_out_of_memory_and_take_its_shell_along() {
    let docker = docker();
    docker.script_next(ScriptedRun::exits(0).oom_killed());
    docker.script_next(ScriptedRun::exits(0).oom_killed().prints_stdout("up").kills_shell());
    let (id, mut attachment) = shell(&docker, Input::Once).await;
    attachment.input.write(step("a1", "one")).await.unwrap();
    assert_eq!(said(&mut attachment).await, "a1+a1-137.");
    assert_eq!(status(&docker, &id).await, (ContainerStatus::Running, 0, true));
    attachment.input.write(step("b2", "two")).await.unwrap();
    let _ = attachment.input.write(step("c3", "three")).await;
    assert_eq!(hear(&mut attachment).await, ("b2+up".to_owned(), "b2+".to_owned(), true));
    assert_eq!(status(&docker, &id).await, (ContainerStatus::Exited, 137, true));
}

#[tokio::test(start_paused = true)]
async fn a_shell_that_is_started_again_reads_an_input_of_its_own_over_the_same_volumes() {
    let docker = docker();
    let mut request = shell_job("job-1", Input::Once);
    request.mounts = job_with("job-1", &[("cache", "/cache")]).mounts;
    let id = create(&docker, &request).await;
    for (file, mark) in [("/cache/a", "a1"), ("/cache/b", "b2")] {
        docker.script_next(ScriptedRun::exits(0).writing(file));
        let mut attachment = docker.attach_container_with_input(&id).await.unwrap();
        docker.start_container(&id).await.unwrap();
        attachment.input.write(step(mark, file)).await.unwrap();
        attachment.input.close().await.unwrap();
        assert_eq!(said(&mut attachment).await, format!("{mark}+{mark}-0."));
        assert_eq!(status(&docker, &id).await, (ContainerStatus::Exited, 0, false));
    }
    assert!(docker.volume_files("cache").iter().eq(["a", "b"]));
}

#[tokio::test(start_paused = true)]
async fn a_shell_ends_where_its_input_makes_no_sense() {
    let docker = docker();
    let (id, mut attachment) = shell(&docker, Input::Once).await;
    attachment.input.write("\nno-size\na1 many\n".into()).await.unwrap();
    assert!(hear(&mut attachment).await.2);
    assert_eq!(status(&docker, &id).await, (ContainerStatus::Exited, 2, false));
}

#[tokio::test(start_paused = true)]
async fn what_only_resembles_a_shell_plays_its_run_at_its_start() {
    let docker = docker();
    docker.script(ScriptedRun::exits(3));
    let without_input = shell_job("job-1", Input::None);
    let mut other_name = shell_job("job-2", Input::Once);
    other_name.arguments[2] = "other".to_owned();
    for request in [without_input, other_name] {
        let id = create(&docker, &request).await;
        let mut attachment = docker.attach_container_with_input(&id).await.unwrap();
        attachment.input.write(step("a1", "make")).await.unwrap();
        docker.start_container(&id).await.unwrap();
        assert_eq!(hear(&mut attachment).await, (String::new(), String::new(), true));
        assert_eq!(status(&docker, &id).await, (ContainerStatus::Exited, 3, false));
    }
    assert!(docker.scripts().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_shell_that_is_asked_again_tells_the_last_code_and_runs_nothing() {
    let docker = docker();
    docker.script_next(ScriptedRun::exits(3).prints_stdout("once").lasting(Duration::from_secs(1)));
    let (id, mut attachment) = shell(&docker, Input::Kept).await;
    attachment.input.write(step("a1", "make")).await.unwrap();
    attachment.input.write(step("b2", "return \"$berth_code\"")).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(docker.scripts(), ["make"]);
    assert_eq!(docker.exit_codes(), [3]);
    docker.remove_container(&id).await.unwrap();
    assert_eq!(hear(&mut attachment).await.0, "a1+oncea1-3.b2+b2-3.");
    assert_eq!(docker.exit_codes(), [3], "also of what is gone");
}

#[tokio::test(start_paused = true)]
async fn what_is_killed_before_its_end_has_no_exit_code_of_its_own() {
    let docker = docker();
    docker.script(ScriptedRun::exits(0).lasting(Duration::from_mins(1)));
    let (id, mut attachment) = shell(&docker, Input::Once).await;
    attachment.input.write(step("a1", "make")).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    docker.remove_container(&id).await.unwrap();
    assert!(docker.exit_codes().is_empty());
}
