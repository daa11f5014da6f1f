//! What a run does with signals, while an engine keeps it waiting.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs::{self, File},
    io::{ErrorKind, Read as _},
    os::unix::net::UnixListener,
    process::{Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

/// As [`signalled_in_turn`], without a word in between.
fn signalled(prelude: &str, options: &[&str], signals: &[Signal]) -> (Option<i32>, String) {
    let signals: Vec<_> = signals.iter().map(|signal| (*signal, "")).collect();
    signalled_in_turn(prelude, options, &signals)
}

/// Starts a run from a shell that has done `prelude`, sends it the signals when it waits for its engine,
/// each when it has said what belongs to the one before, and returns its exit code and what it said.
fn signalled_in_turn(
    prelude: &str,
    options: &[&str],
    signals: &[(Signal, &str)],
) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("engine.sock");
    let engine = UnixListener::bind(&socket).unwrap();
    // Whatever the suite itself was told to ignore.
    let mut command = Command::new("env");
    command.args(["--default-signal=HUP,INT,QUIT", "sh"]);
    command.args(["-c", &format!("{prelude}\nexec \"$@\""), "sh"]);
    command.args([env!("CARGO_BIN_EXE_berth"), "run", "--project", "signals"]).args(options);
    command.args(["--image", "busybox", "--", "true"]);
    command.env("DOCKER_HOST", format!("unix://{}", socket.display()));
    command.env("BERTH_STATE_DIR", folder.path().join("state"));
    let said = folder.path().join("said");
    command.stdout(Stdio::null()).stderr(File::create(&said).unwrap());
    let mut run = command.spawn().unwrap();
    // It has asked something, so that it listens.
    engine.set_nonblocking(true).unwrap();
    let mut asked = loop {
        match engine.accept() {
            Ok((asked, _)) => break asked,
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
        assert!(run.try_wait().unwrap().is_none(), "it ended");
        std::thread::park_timeout(Duration::from_millis(10));
    };
    asked.read_exact(&mut [0]).unwrap();
    for (signal, words) in signals {
        kill_process(Pid::from_child(&run), *signal).unwrap();
        while !fs::read_to_string(&said).unwrap().contains(words) {
            assert!(run.try_wait().unwrap().is_none(), "it ended");
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }
    let status = run.wait().unwrap();
    (status.code(), fs::read_to_string(&said).unwrap())
}

#[test]
fn the_second_signal_kills_whichever_it_is() {
    let (code, said) = signalled("", &[], &[Signal::HUP, Signal::QUIT, Signal::TERM]);
    let expected = "berth: asked the job to stop; once more to kill it\nberth: killing the job\n\
                    berth: the job was stopped\n";
    assert_eq!((code, &*said), (Some(130), expected));
}

#[test]
fn of_five_signals_those_after_the_second_change_nothing() {
    let asked = "berth: asked the job to stop; once more to kill it\n";
    let expected = format!("{asked}berth: killing the job\nberth: the job was stopped\n");
    for signals in [
        // Of one kind the kernel keeps only one that was not heard: the first is waited for.
        [
            (Signal::INT, asked),
            (Signal::INT, ""),
            (Signal::INT, ""),
            (Signal::INT, ""),
            (Signal::INT, ""),
        ],
        [
            (Signal::TERM, ""),
            (Signal::INT, ""),
            (Signal::HUP, ""),
            (Signal::QUIT, ""),
            (Signal::INT, ""),
        ],
    ] {
        let (code, said) = signalled_in_turn("", &[], &signals);
        assert_eq!((code, &*said), (Some(130), &*expected), "{signals:?}");
    }
}

#[test]
fn a_signal_that_is_ignored_where_it_was_started_stays_so() {
    let (code, said) =
        signalled("trap '' HUP QUIT", &[], &[Signal::HUP, Signal::QUIT, Signal::INT]);
    let expected =
        "berth: asked the job to stop; once more to kill it\nberth: the job was stopped\n";
    assert_eq!((code, &*said), (Some(130), expected));
}

#[test]
fn who_wants_it_quiet_hears_how_it_ended_alone() {
    let (code, said) = signalled("", &["--quiet"], &[Signal::INT, Signal::TERM]);
    assert_eq!((code, &*said), (Some(130), "berth: the job was stopped\n"));
}
