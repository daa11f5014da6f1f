//! Time: limits, being asked to stop, being killed, and a client that vanishes.

use std::{process::Output, time::Duration};

use rustix::process::Signal;
use serde_json::Value;
use tokio::time::Instant;

use crate::project::{Project, Running, docker, image, pause, stderr, stdout, within};

/// A script that cannot be asked to stop.
const DEAF: &str = "trap '' TERM; echo ready; while :; do sleep 60; done";

/// Limits of a step, in seconds. Each counts from before its script begins, and how long the machine
/// takes for that is not what a test is about: the next one is for a script that did not come to begin.
const OF_STEP: [u64; 3] = [1, 8, 30];
/// The same of a whole job, which the engine has more to do for. Podman takes seconds to say which engine
/// it is.
const OF_JOB: [u64; 3] = [3, 15, 60];

/// How a job went whose script came to begin before a limit ended it.
struct Limited {
    project: Project,
    limit: u64,
    ran: Output,
    report: Value,
    took: Duration,
}

/// Runs a job, from keys with a limit, under the first of these limits that lets it write `first`.
#[track_caller]
fn limited(test: &str, limits: [u64; 3], first: &str, keys: impl Fn(&str) -> String) -> Limited {
    for limit in limits {
        let project = Project::new(test);
        let keys = keys(&format!("\"{limit}s\""));
        let begin = Instant::now();
        let (ran, report) = project.report(&mut project.job(&["--quiet"], &keys));
        if stdout(&ran).starts_with(first) {
            return Limited { project, limit, ran, report, took: begin.elapsed() };
        }
        project.sweep();
    }
    panic!("{test}: within {limits:?} seconds it did not come to write {first:?}");
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn a_limit_ends_what_it_is_for_and_leaves_nothing() {
    let sleep = "script = \"echo ready; sleep 600\"";
    let then = "[[steps]]\nname = \"b\"\nscript = \"echo b\"\nwhen = \"always\"";
    let after = "after_script = \"echo after\"";
    let of_step = |limit: &str| {
        format!("{after}\n[[steps]]\nname = \"a\"\ntimeout = {limit}\n{sleep}\n{then}")
    };
    let of_script = |limit: &str| {
        format!("{after}\nscript_timeout = {limit}\n[[steps]]\nname = \"a\"\n{sleep}\n{then}")
    };
    let of_job =
        |limit: &str| format!("{after}\ntimeout = {limit}\n[[steps]]\nname = \"a\"\n{sleep}");
    let run = |test, limits, keys: &dyn Fn(&str) -> String| limited(test, limits, "ready\n", keys);
    for (name, met, output) in [
        ("step", run("limit-step", OF_STEP, &of_step), "ready\nb\nafter\n"),
        ("script", run("limit-script", OF_STEP, &of_script), "ready\nafter\n"),
        ("job", run("limit-job", OF_JOB, &of_job), "ready\n"),
    ] {
        let Limited { project, limit, ran, report, took } = met;
        assert_eq!(ran.status.code(), Some(124), "{name}: {}", stderr(&ran));
        assert_eq!(stdout(&ran), output, "{name}");
        assert_eq!(report["failure_reason"], "job_execution_timeout", "{name}");
        let words = match name {
            "job" => "the job took longer".to_owned(),
            _ => format!("{limit}s"),
        };
        assert!(stderr(&ran).contains(&words), "{name}: {}", stderr(&ran));
        assert!(took < Duration::from_mins(5), "{name}: {took:?}");
        project.assert_nothing_left();
    }
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn an_after_script_that_takes_too_long_changes_nothing() {
    let keys = |limit: &str| {
        format!(
            "after_script = \"echo after; sleep 600\"\nafter_script_timeout = {limit}
            [[steps]]\nname = \"a\"\nscript = \"echo a\"\n"
        )
    };
    let Limited { project, ran, report, took, .. } =
        limited("limit-after", OF_STEP, "a\nafter\n", keys);
    assert_eq!(ran.status.code(), Some(0), "{}", stderr(&ran));
    assert_eq!(stdout(&ran), "a\nafter\n");
    assert_eq!(report["steps"][1]["failure_reason"], "job_execution_timeout", "{report}");
    assert!(took < Duration::from_mins(5), "{took:?}");
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn an_interrupt_is_seen_by_the_script_and_the_after_script_runs() {
    let project = Project::new("interrupt");
    let script = "trap 'echo asked; sleep 0.5; echo tidied; exit 1' TERM\n\
                  echo ready; sleep 60 & wait";
    let more = ["--stop-grace", "5m", "--after-script", "echo after"];
    let running = Running::start(&mut project.script(&more, script), "ready\n");
    running.signal(Signal::TERM);
    let output = running.end();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert_eq!(stdout(&output), "asked\ntidied\nafter\n", "{}", stderr(&output));
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn a_program_in_the_foreground_is_asked_too_and_whoever_it_runs_as() {
    for user in ["0", "1234"] {
        let project = Project::new("foreground");
        let more = ["--user", user, "--stop-grace", "5m", "--after-script", "echo after"];
        // The shell of the script ends at once; what it called has something to do yet.
        let script =
            "sh -c \"trap 'sleep 1; echo asked; exit' TERM; echo ready; sleep 60\"; echo on";
        let running = Running::start(&mut project.script(&more, script), "ready\n");
        let begin = Instant::now();
        running.signal(Signal::TERM);
        let output = running.end();
        assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
        assert_eq!(stdout(&output), "asked\nafter\n", "{}", stderr(&output));
        assert!(begin.elapsed() < Duration::from_mins(1), "the grace was not used up");
        project.assert_nothing_left();
    }
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn a_second_interrupt_kills_at_once() {
    let project = Project::new("twice");
    let more = ["--stop-grace", "10m", "--after-script", "echo after"];
    let mut running = Running::start(&mut project.script(&more, DEAF), "ready\n");
    running.signal(Signal::TERM);
    // Of two that were not heard yet the kernel keeps one.
    running.hear("once more to kill it");
    // A container that gets no grace would be gone by then.
    pause(Duration::from_millis(500));
    assert_eq!(project.containers().len(), 1, "the grace is given");
    let begin = Instant::now();
    running.signal(Signal::TERM);
    let output = running.end();
    assert!(begin.elapsed() < Duration::from_mins(1), "the grace was not used up");
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(130), ""));
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn a_deaf_script_is_gone_soon_after_its_grace_also_when_nobody_reads_the_log() {
    let flood = "trap '' TERM; echo ready; yes";
    for (name, script) in [("deaf", DEAF), ("flood", flood)] {
        let project = Project::new(name);
        let more = ["--stop-grace", "2s"];
        let running = Running::start(&mut project.script(&more, script), "ready\n");
        // Until every pipe on the way is full.
        pause(Duration::from_millis(500));
        running.signal(Signal::TERM);
        // Of its own accord it never ends.
        within(Duration::from_mins(1), || project.containers().is_empty());
        let output = running.end();
        assert_eq!(output.status.code(), Some(130), "{name}: {}", stderr(&output));
        project.assert_nothing_left();
    }
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn a_job_whose_log_nobody_reads_ends_with_its_time() {
    let started = OF_JOB.into_iter().find_map(|limit| {
        let project = Project::new("unread");
        let limit = format!("{limit}s");
        let more = ["--timeout", &limit, "--stop-grace", "1s"];
        let mut command = project.script(&more, "echo ready; yes");
        if let Ok(running) = Running::try_start(&mut command, "ready\n") {
            return Some((project, running));
        }
        project.sweep();
        None
    });
    let (project, running) = started.unwrap();
    within(Duration::from_secs(90), || project.containers().is_empty());
    assert_eq!(running.end().status.code(), Some(124));
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn a_container_ends_by_itself_when_its_client_was_killed() {
    for (name, script) in [
        ("vanished", "echo ready; sleep 300"),
        ("vanished-deaf", DEAF),
        ("vanished-flood", "trap '' TERM; echo ready; yes"),
    ] {
        let project = Project::new(name);
        let running = Running::start(&mut project.script(&[], script), "ready\n");
        let containers = project.containers();
        running.signal(Signal::KILL);
        running.end();
        within(Duration::from_mins(1), || {
            let state = docker(&["inspect", "--format", "{{.State.Status}}", &containers[0]]);
            state == "exited\n"
        });
        // What is left of it is for a sweep, which goes by labels.
        docker(&["rm", "--force", "--volumes", &containers[0]]);
        project.assert_nothing_left();
    }
}

/// Neither the script's own lines nor ours are read, and both have filled what is between.
#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn outputs_that_nobody_reads_keep_no_signal_and_no_limit_from_the_job() {
    for (name, more, code) in [("signal", &[][..], 130), ("limit", &["--timeout", "3s"], 124)] {
        let project = Project::new(&format!("unread-{name}"));
        let (reader, writer) = std::io::pipe().unwrap();
        let mut command = project.script(more, "while :; do echo 0123456789; done >&2");
        command.stdout(writer.try_clone().unwrap()).stderr(writer);
        let begin = Instant::now();
        let mut berth = command.spawn().unwrap();
        // Its copies of the writing end would never be full otherwise.
        drop(command);
        let pid = rustix::process::Pid::from_child(&berth);
        if name == "signal" {
            within(Duration::from_mins(2), || !project.containers().is_empty());
            pause(Duration::from_secs(2));
            rustix::process::kill_process(pid, Signal::TERM).unwrap();
        }
        let mut status = None;
        within(Duration::from_mins(2), || {
            status = berth.try_wait().unwrap();
            status.is_some()
        });
        assert_eq!(status.unwrap().code(), Some(code), "{name}");
        assert!(begin.elapsed() < Duration::from_mins(5), "{:?}", begin.elapsed());
        drop(reader);
        project.assert_nothing_left();
    }
}

/// A container of somebody else's in the job's network: the engine does not remove that, and the rest
/// goes all the same.
#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn a_strangers_container_in_the_jobs_network_holds_nothing_else_up() {
    let project = Project::new("guest");
    let image = image();
    let keys = format!(
        "[[services]]\nimage = \"{image}\"\ncommand = [\"sleep\", \"600\"]\n\
         [[steps]]\nname = \"a\"\nscript = \"echo ready; until [ -e /tmp/go ]; do sleep 0.1; done\"\n"
    );
    let running = Running::start(&mut project.job(&["--quiet"], &keys), "ready\n");
    let filter = format!("label=dev.berth.project={}", project.name);
    let network = docker(&["network", "ls", "--quiet", "--filter", &filter]);
    let guest = docker(&["run", "--detach", "--network", network.trim(), &image, "sleep", "600"]);
    let begin = Instant::now();
    // Podman does not list by two labels: the kind is looked at here.
    let kind = "{{index .Config.Labels \"dev.berth.kind\"}}";
    let mut builds = project.containers();
    builds.retain(|container| docker(&["inspect", "--format", kind, container]).trim() == "build");
    docker(&["exec", "--user", "0", &builds[0], "touch", "/tmp/go"]);
    let output = running.end();
    let (took, code) = (begin.elapsed(), output.status.code());
    docker(&["rm", "--force", guest.trim()]);
    docker(&["network", "rm", network.trim()]);
    assert_eq!(code, Some(0), "{}", stderr(&output));
    assert!(took < Duration::from_secs(90), "{took:?}");
    assert!(stderr(&output).contains("the network"), "{}", stderr(&output));
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn a_signal_in_the_after_script_is_heard_and_ends_in_130() {
    let keys = "after_script = \"echo after; sleep 3; echo over\"\n\
                [[steps]]\nname = \"a\"\nscript = \"echo a\"";
    let project = Project::new("after-script-signal");
    let mut running = Running::start(&mut project.job(&[], keys), "a\nafter\n");
    running.signal(Signal::INT);
    running.hear("berth: waiting for the after-script to end; once more to kill it\n");
    let ended = running.end();
    assert_eq!(ended.status.code(), Some(130), "{}", stderr(&ended));
    assert_eq!(stdout(&ended), "over\n");
    let said = stderr(&ended);
    assert!(said.ends_with("interrupted by a signal; the job itself had succeeded\n"), "{said}");
    project.assert_nothing_left();
}
