//! The program on a real engine, as a user runs it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod engine_kind;

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Output, Stdio},
    time::{SystemTime, UNIX_EPOCH},
};

use docker_api_trait::{
    BollardDocker, ContainerApi as _, Endpoint, EndpointSources, LabelFilter, VolumeApi as _,
};
use engine_kind::{EngineKind, engine_kind};
use serde_json::Value;
use testkit::suite;

/// A project of its own for a test, and what was made for it.
struct Project(String);

impl Project {
    fn new(test: &str) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
        Self(format!("{test}-{}-{now}", std::process::id()))
    }

    fn command(&self, subcommand: &str, more: &[&str], script: &[&str]) -> Command {
        let image = suite::image();
        let owner = suite::owner();
        let mut command = Command::new(env!("CARGO_BIN_EXE_berth"));
        command.args([
            subcommand,
            "--image",
            image.as_str(),
            "--owner",
            &owner,
            "--project",
            &self.0,
        ]);
        command.args(more).arg("--").args(script);
        command
    }

    fn run(&self, more: &[&str], script: &str) -> Output {
        self.command("run", more, &[script]).output().unwrap()
    }

    /// Starts a job and returns when it has written its first line.
    fn start(&self, more: &[&str], script: &str) -> Child {
        let mut command = self.command("run", more, &[script]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "started\n", "the log is live");
        child
    }

    /// How many containers and volumes of the project there are.
    async fn objects(&self) -> (usize, usize) {
        let endpoint = Endpoint::resolve(&EndpointSources::from_process(None)).unwrap();
        let engine = BollardDocker::new(endpoint).unwrap();
        let ours = [LabelFilter::equals("dev.berth.project", &self.0)];
        let containers = engine.list_containers(&ours).await.unwrap();
        (containers.len(), engine.list_volumes(&ours).await.unwrap().len())
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn interrupt(child: &Child) {
    let id = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
}

#[tokio::test]
#[ignore = "needs Docker: cargo xtask e2e"]
async fn the_second_run_of_a_project_finds_the_cache_and_another_project_does_not() {
    let project = Project::new("warm");
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.json");
    let more = ["--volume", "/cache", "--report", report.to_str().unwrap()];
    // One of them asks which engine it is; a fresh cache is opened with two more, a warm one looked at
    // once more when a container holds it. On Podman it is looked
    // at again when the container has been made ready, and a container that is about to end by itself
    // may be removed at the second or third try only.
    let (cold, warm) = match engine_kind() {
        EngineKind::Docker => (11, 10),
        EngineKind::Podman => (11 + 1 + 2, 10 + 2),
    };
    for (state, seen, requests) in [("created", "", cold), ("reused", "left\n", warm)] {
        let output = project.run(&more, "ls /cache; touch /cache/left");
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), seen));
        assert!(stderr(&output).contains(state), "{}", stderr(&output));
        let report: Value = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
        assert_eq!(report["volumes"][0]["state"], state);
        assert!(report["api_requests"].as_u64().unwrap() <= requests, "{report}");
    }
    assert_eq!(project.objects().await, (0, 1));
    let other = Project::new("warm-other").run(&["--volume", "/cache"], "ls /cache");
    assert_eq!(stdout(&other), "");
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn exit_code_and_outputs_are_the_scripts_own() {
    let output = Project::new("exit").run(&["--quiet"], "echo out; echo err >&2; exit 3");
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(stdout(&output), "out\n");
    assert!(stderr(&output).starts_with("err\n"), "{}", stderr(&output));
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn several_words_are_run_without_a_shell() {
    let output = Project::new("argv").command("run", &[], &["echo", "$HOME"]).output().unwrap();
    assert_eq!(stdout(&output), "$HOME\n");
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn a_variable_reaches_the_script() {
    let output = Project::new("env").run(&["--env", "GREETING=a b=c"], "echo \"$GREETING\"");
    assert_eq!(stdout(&output), "a b=c\n");
}

#[tokio::test]
#[ignore = "needs Docker: cargo xtask e2e"]
async fn an_image_that_does_not_exist_is_said_with_a_hint() {
    let project = Project::new("image");
    let mut command = Command::new(env!("CARGO_BIN_EXE_berth"));
    command.args(["run", "--image", "berth-no-such-image:1", "--project", &project.0]);
    let output = command.args(["--", "true"]).output().unwrap();
    assert_eq!(output.status.code(), Some(125));
    assert!(stderr(&output).contains("the image berth-no-such-image:1 could not be pulled"));
    assert!(stderr(&output).contains("hint: "), "{}", stderr(&output));
    assert_eq!(project.objects().await, (0, 0));
}

#[tokio::test]
#[ignore = "needs Docker: cargo xtask e2e"]
async fn a_job_that_takes_too_long_exits_with_124_and_leaves_no_container() {
    // The time counts from before the script begins, and what that takes is the engine's matter.
    for limit in ["2s", "15s", "60s"] {
        let project = Project::new("timeout");
        let output = project.run(&["--timeout", limit], "echo started; sleep 600");
        if stdout(&output) == "started\n" {
            assert_eq!(output.status.code(), Some(124), "{}", stderr(&output));
            assert_eq!(project.objects().await, (0, 0));
            return;
        }
    }
    panic!("the script never came to begin");
}

#[tokio::test]
#[ignore = "needs Docker: cargo xtask e2e"]
async fn an_interrupt_exits_with_130_and_leaves_no_container() {
    for (name, more, script) in [
        ("stop", &[][..], "echo started; sleep 60"),
        ("deaf", &["--stop-grace", "1s"], "trap '' TERM; echo started; sleep 60; sleep 60"),
    ] {
        let project = Project::new(name);
        let child = project.start(more, script);
        interrupt(&child);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
        assert_eq!(project.objects().await, (0, 0));
    }
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn a_second_interrupt_skips_the_grace() {
    let project = Project::new("kill");
    let script = "trap '' TERM; echo started; sleep 60; sleep 60";
    let mut child = project.start(&["--stop-grace", "10m"], script);
    interrupt(&child);
    // Of two that were not heard yet the kernel keeps one.
    let said = BufReader::new(child.stderr.as_mut().unwrap()).lines();
    let mut said = said.map(Result::unwrap);
    assert!(said.any(|line| line.contains("once more to kill it")), "it ended");
    drop(said);
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
}

#[tokio::test]
#[ignore = "needs Docker: cargo xtask e2e"]
async fn a_plan_runs_as_printed_and_makes_the_cache_that_a_run_reuses() {
    let project = Project::new("plan");
    let plan = project
        .command("plan", &["--volume", "/cache"], &["echo done; touch /cache/left"])
        .output()
        .unwrap();
    let printed = Command::new("sh").arg("-ec").arg(stdout(&plan)).output().unwrap();
    assert!(printed.status.success(), "the docker program ran the lines: {}", stderr(&printed));
    assert!(stdout(&printed).ends_with("done\n"), "{}", stdout(&printed));
    let output = project.run(&["--volume", "/cache"], "ls /cache");
    assert_eq!(stdout(&output), "left\n");
    assert!(stderr(&output).contains("reused"), "{}", stderr(&output));
    assert_eq!(project.objects().await, (0, 1));
}

#[tokio::test]
#[ignore = "needs Docker: cargo xtask e2e"]
async fn two_runs_of_one_project_at_once_both_succeed() {
    let project = Project::new("two");
    let one = project.start(&["--volume", "/cache"], "echo started; sleep 1");
    let other = project.start(&["--volume", "/cache"], "echo started; sleep 1");
    for child in [one, other] {
        assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));
    }
    assert_eq!(project.objects().await, (0, 1));
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn a_fresh_cache_can_be_written_to_by_any_user_and_keeps_what_the_image_owns() {
    let project = Project::new("writable");
    let volumes = ["--volume", "/cache", "--volume", "/deep/er/cache", "--volume", "/cache/inside"];
    let script = "touch /cache/$1 /deep/er/cache/$1 /cache/inside/$1 && ls /cache/inside | wc -l";
    for (user, file, count) in
        [("1000", "a", "1\n"), ("0", "b", "2\n"), ("65534:65534", "c", "3\n")]
    {
        let mut command = project.command(
            "run",
            &[&["--user", user][..], &volumes].concat(),
            &["sh", "-c", script, "sh", file],
        );
        let output = command.output().unwrap();
        assert!(output.status.success(), "as {user}: {}", stderr(&output));
        assert_eq!(stdout(&output), count, "as {user}");
    }
    // The folder is in the image, with a mode of its own.
    let output = project.run(&["--volume", "/tmp"], "stat -c %a /tmp");
    assert_eq!(stdout(&output), "1777\n", "{}", stderr(&output));
    let output = project.run(&["--no-cache", "--user", "1000", "--volume", "/t"], "touch /t/x");
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn of_eight_jobs_at_once_on_a_new_cache_each_can_write_to_it() {
    let project = Project::new("at-once");
    let children: Vec<Child> = (0..8)
        .map(|job| {
            let script = format!("touch /cache/{job}");
            let mut command =
                project.command("run", &["--user", "1000", "--volume", "/cache"], &[&script]);
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let outputs: Vec<Output> =
        children.into_iter().map(|child| child.wait_with_output().unwrap()).collect();
    for output in &outputs {
        assert!(output.status.success(), "{}", stderr(output));
    }
    let created = outputs.iter().filter(|output| stderr(output).contains("created")).count();
    assert_eq!(created, 1, "exactly one made the cache");
    let output = project.run(&["--volume", "/cache"], "ls /cache | wc -l");
    assert_eq!(stdout(&output), "8\n");
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn another_configuration_of_the_driver_is_another_cache() {
    let project = Project::new("driver");
    let run = |option: &str, script: &str| {
        let option = format!("o={option}");
        let volume = ["--volume", "/cache"];
        let file_system = ["--volume-opt", "type=tmpfs", "--volume-opt", "device=tmpfs"];
        let more = [&volume[..], &file_system, &["--volume-opt", &option]].concat();
        project.run(&more, script)
    };
    let size = run("size=3m", "df -k /cache | awk 'END{print $2}'");
    let (one, other) = match engine_kind() {
        EngineKind::Docker => {
            assert_eq!(stdout(&size), "3072\n", "the options take effect: {}", stderr(&size));
            ("size=3m", "size=5m")
        }
        // It takes each size for a quota of the file system that its volumes are in.
        EngineKind::Podman => {
            assert_eq!(size.status.code(), Some(125), "{}", stderr(&size));
            assert!(stderr(&size).contains("does not support Project Quota"), "{}", stderr(&size));
            let mode = run("mode=0750", "stat -c %a /cache");
            assert_eq!(stdout(&mode), "750\n", "the options take effect: {}", stderr(&mode));
            ("mode=0750", "mode=0700")
        }
    };
    for (option, state) in [(other, "created"), (one, "reused")] {
        let output = run(option, "true");
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(stderr(&output).contains(state), "{option}: {}", stderr(&output));
    }
    let plain = project.run(&["--volume", "/cache"], "true");
    assert!(stderr(&plain).contains("created"), "{}", stderr(&plain));
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn a_squatted_cache_is_refused_and_not_mounted() {
    let project = Project::new("squatted");
    let explain = |spec: &str| {
        let owner = suite::owner();
        let output = Command::new(env!("CARGO_BIN_EXE_berth"))
            .args([
                "volumes",
                "explain",
                spec,
                "--json",
                "--owner",
                &owner,
                "--project",
                &project.0,
            ])
            .output()
            .unwrap();
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let name: docker_api_trait::VolumeName =
        explain("/cache")["name"].as_str().unwrap().parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let endpoint = Endpoint::resolve(&EndpointSources::from_process(None)).unwrap();
    let engine = BollardDocker::new(endpoint).unwrap();
    let stranger = docker_api_trait::VolumeRequest::new(name.clone());
    runtime.block_on(engine.create_volume(&stranger)).unwrap();
    let output = project.run(&["--volume", "/cache"], "touch /cache/stolen");
    let state = explain("/cache");
    runtime.block_on(engine.remove_volume(&name)).unwrap();
    assert_eq!(output.status.code(), Some(125));
    assert!(stderr(&output).contains("is not ours"), "{}", stderr(&output));
    assert_eq!(state["state"]["is"], "squatted");
}

#[tokio::test]
#[ignore = "needs Docker: cargo xtask e2e"]
async fn no_secret_is_in_what_berth_writes_at_any_level() {
    let project = Project::new("canary");
    let canary = "canary-3f9a";
    let secret = format!("--secret=TOKEN={canary}");
    let mut command = project.command("run", &[&secret, "--volume", "/cache"], &["echo $TOKEN"]);
    let output = command.env("BERTH_LOG", "trace").env("RUST_LOG", "trace").output().unwrap();
    let written = stdout(&output) + &stderr(&output);
    assert!(output.status.success(), "{written}");
    for span in ["job{", "prepare", "step{", "request{"] {
        assert!(
            written.contains(span),
            "the log has spans of jobs, phases and requests: {written}"
        );
    }
    assert!(stdout(&output).contains("[MASKED]"), "{written}");
    assert!(!written.contains(canary), "{written}");
}
