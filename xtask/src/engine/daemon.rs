//! A `dockerd` of our own: starting it without an init system, and stopping it: `engine down`.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};

use super::client::Client;
use crate::{failure::failure, process};

const FOLDER: &str = "/run/berth-engine";
const LOG: &str = "/run/berth-engine/dockerd.log";
const PID_FILE: &str = "/run/berth-engine/dockerd.pid";
const LOG_LINES_SHOWN: usize = 20;
const START_LIMIT: Duration = Duration::from_mins(1);
const STOP_LIMIT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(250);

/// Files by which the daemon and its containerd find out that they run already, each with the
/// program that it speaks of. The number in a file that outlived its process may be another
/// process's by now; the daemon then refuses to start, or waits for a containerd that is not there.
const CLAIMS: [(&str, &str); 2] = [
    ("/var/run/docker.pid", "dockerd"),
    ("/var/run/docker/containerd/containerd.pid", "containerd"),
];

/// How the wait for a daemon ended.
enum Start {
    Answered,
    Died(ExitStatus),
    TookTooLong,
}

/// Starts a daemon that outlives us, and waits until it answers.
pub(super) fn start(client: &Client) -> Result<()> {
    fs::create_dir_all(FOLDER).with_context(|| format!("could not create {FOLDER}"))?;
    File::create(LOG).with_context(|| format!("could not write {LOG}"))?;
    let fact = match try_start(client)? {
        Start::Answered => return Ok(()),
        Start::TookTooLong => took_too_long(),
        Start::Died(status) => {
            // Its containerd sometimes needs longer than the daemon waits: "timeout waiting for
            // containerd to start". The second start then finds it warm.
            println!("dockerd ended ({status}); starting it once more");
            match try_start(client)? {
                Start::Answered => return Ok(()),
                Start::TookTooLong => took_too_long(),
                Start::Died(status) => {
                    format!("dockerd ended twice, the second time with {status}")
                }
            }
        }
    };
    let log = fs::read_to_string(LOG).unwrap_or_default();
    Err(failure(
        format!("{fact}; its last words:\n{}", last_lines(&log)),
        format!("the whole log is {LOG}"),
    ))
}

/// Waits for a daemon that an init system has started.
pub(super) fn wait_for_service(client: &Client) -> Result<()> {
    match wait_for_answer(client, None)? {
        Start::Answered => Ok(()),
        Start::Died(_) | Start::TookTooLong => {
            Err(failure(took_too_long(), "look at `journalctl --unit docker`"))
        }
    }
}

fn took_too_long() -> String {
    format!("dockerd does not answer after {} s", START_LIMIT.as_secs())
}

fn try_start(client: &Client) -> Result<Start> {
    for (file, program) in CLAIMS {
        if read_pid(file).is_some_and(|pid| !runs(pid, program)) {
            remove_file(file)?;
        }
    }
    let log = OpenOptions::new()
        .append(true)
        .open(LOG)
        .with_context(|| format!("could not open {LOG}"))?;
    let errors = log.try_clone().with_context(|| format!("could not open {LOG}"))?;
    // A session of its own: the terminal's interrupt and hang-up are not meant for the daemon.
    let mut command = Command::new("setsid");
    command.arg(process::find("dockerd").unwrap_or_else(|| "dockerd".into()));
    command.current_dir("/").stdin(Stdio::null()).stdout(log).stderr(errors);
    println!("$ {}  (log: {LOG})", process::command_line(&command));
    let spawned = command.spawn();
    let mut child = process::checked(&command, spawned)?;
    fs::write(PID_FILE, format!("{}\n", child.id()))
        .with_context(|| format!("could not write {PID_FILE}"))?;
    let start = wait_for_answer(client, Some(&mut child))?;
    if !matches!(start, Start::Answered) {
        if let Some(pid) = to_pid(child.id()) {
            // It may end by itself in this moment; either way the loop below sees its end.
            let _ = kill_process(pid, Signal::TERM);
            let deadline = Instant::now() + STOP_LIMIT;
            while matches!(child.try_wait(), Ok(None)) && Instant::now() < deadline {
                sleep(POLL);
            }
        }
        remove_file(PID_FILE)?;
    }
    Ok(start)
}

fn wait_for_answer(client: &Client, mut child: Option<&mut Child>) -> Result<Start> {
    let deadline = Instant::now() + START_LIMIT;
    loop {
        if client.version().is_ok() {
            return Ok(Start::Answered);
        }
        if let Some(child) = &mut child
            && let Some(status) = child.try_wait().context("could not wait for dockerd")?
        {
            return Ok(Start::Died(status));
        }
        if Instant::now() >= deadline {
            return Ok(Start::TookTooLong);
        }
        sleep(POLL);
    }
}

/// Stops the daemon that [`start`] started, and no other.
pub(crate) fn down() -> Result<()> {
    let Some(pid) = read_pid(PID_FILE) else {
        println!("no engine of ours runs; any other is left alone");
        return Ok(());
    };
    if !runs(pid, "dockerd") {
        println!("the engine that we started has ended already; any other is left alone");
        return remove_file(PID_FILE);
    }
    kill_process(pid, Signal::TERM).map_err(|error| {
        failure(
            format!("could not stop dockerd, process {}: {error}", pid.as_raw_nonzero()),
            "run the command as the user who started it",
        )
    })?;
    let deadline = Instant::now() + STOP_LIMIT;
    while runs(pid, "dockerd") {
        if Instant::now() >= deadline {
            return Err(failure(
                format!(
                    "dockerd, process {}, has not ended after {} s",
                    pid.as_raw_nonzero(),
                    STOP_LIMIT.as_secs()
                ),
                format!("its log is {LOG}"),
            ));
        }
        sleep(POLL);
    }
    println!("the engine that we started has ended");
    remove_file(PID_FILE)
}

pub(super) fn read_pid(file: &str) -> Option<Pid> {
    to_pid(fs::read_to_string(file).ok()?.trim().parse().ok()?)
}

fn to_pid(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}

fn remove_file(file: &str) -> Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("could not remove {file}"))
        }
        _ => Ok(()),
    }
}

/// Whether the process runs and is that program.
pub(super) fn runs(pid: Pid, program: &str) -> bool {
    let stat = Path::new("/proc").join(pid.as_raw_nonzero().to_string()).join("stat");
    fs::read_to_string(stat).is_ok_and(|stat| stat_says(&stat, program))
}

/// Reads `PID (NAME) STATE …`. A zombie has ended: where process 1 reaps nothing, it stays one.
fn stat_says(stat: &str, program: &str) -> bool {
    let name_and_state = stat.split_once('(').and_then(|(_, rest)| rest.rsplit_once(") "));
    name_and_state.is_some_and(|(name, state)| name == program && !state.starts_with(['Z', 'X']))
}

pub(super) fn last_lines(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_told_by_its_name_and_a_zombie_has_ended() {
        assert!(stat_says("2871 (dockerd) S 1 2871 2871 0 -1", "dockerd"));
        assert!(!stat_says("2871 (dockerd) Z 1 2871 2871 0 -1", "dockerd"));
        assert!(!stat_says("2871 (sh) S 1 2871 2871 0 -1", "dockerd"));
        assert!(stat_says("7 (odd) name) R 1", "odd) name"));
        assert!(!stat_says("", "dockerd"));
    }

    #[test]
    fn only_the_end_of_a_long_log_is_shown() {
        let log: String = (1..=50).fold(String::new(), |log, line| format!("{log}line {line}\n"));
        let shown = last_lines(&log);
        assert!(shown.starts_with("line 31\n") && shown.ends_with("line 50"), "{shown}");
        assert_eq!(last_lines("one\n"), "one");
    }

    #[test]
    fn our_own_process_runs_under_its_own_name_only() {
        let own = rustix::process::getpid();
        assert!(!runs(own, "dockerd"));
    }
}
