//! What a run does with signals, while an engine keeps it waiting.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs::{self, File},
    io::{ErrorKind, Read as _},
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::time::Instant;

/// A run that waits for its engine, and listens.
struct Waiting {
    run: Child,
    said: PathBuf,
    _folder: TempDir,
    _engine: UnixListener,
    _asked: UnixStream,
}

impl Waiting {
    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.run), signal).unwrap();
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.said).unwrap()
    }

    /// Returns its exit code and what it said.
    fn end(mut self) -> (Option<i32>, String) {
        let status = self.run.wait().unwrap();
        (status.code(), self.said())
    }
}

/// Starts a run from a shell that has done `prelude`, sends it the signals when it waits for its engine,
/// and returns its exit code and what it said. The signals, each another one, come all at once: after
/// the first alone it would end in seconds.
fn signalled(prelude: &str, options: &[&str], signals: &[Signal]) -> (Option<i32>, String) {
    let waiting = waiting(prelude, options);
    for signal in [&[Signal::STOP], signals, &[Signal::CONT]].concat() {
        waiting.signal(signal);
    }
    waiting.end()
}

fn waiting(prelude: &str, options: &[&str]) -> Waiting {
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
    Waiting { run, said, _folder: folder, _engine: engine, _asked: asked }
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
    let signals = [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT, Signal::INT];
    let (code, said) = signalled("", &[], &signals);
    assert_eq!((code, &*said), (Some(130), &*expected));

    // Of one kind the kernel keeps only one that was not heard: the first is waited for. Five seconds
    // after it the run ends without a second one: who was away so long has shown nothing.
    for last in [false, false, true] {
        let waiting = waiting("", &[]);
        let begin = Instant::now();
        waiting.signal(Signal::INT);
        while !waiting.said().contains(asked) {
            assert!(begin.elapsed() < Duration::from_mins(1), "{}", waiting.said());
            std::thread::park_timeout(Duration::from_millis(10));
        }
        for _ in 0..4 {
            waiting.signal(Signal::INT);
        }
        let (code, said) = waiting.end();
        if last || said == expected || begin.elapsed() < Duration::from_secs(3) {
            assert_eq!((code, &*said), (Some(130), &*expected));
            return;
        }
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

#[test]
fn every_signal_that_ends_a_program_stops_the_job() {
    let signals = [
        Signal::USR1,
        Signal::USR2,
        Signal::ALARM,
        Signal::VTALARM,
        Signal::PROF,
        Signal::IO,
        Signal::POWER,
        Signal::STKFLT,
        Signal::XCPU,
    ];
    for signal in signals {
        // The second one spares the time that a first one alone takes.
        let (code, said) = signalled("", &[], &[signal, Signal::TERM]);
        assert_eq!(code, Some(130), "{signal:?}: {said}");
        assert!(said.ends_with("berth: the job was stopped\n"), "{signal:?}: {said}");
    }
}

#[test]
fn a_signal_about_the_size_of_a_file_stops_nothing() {
    let waiting = waiting("", &[]);
    waiting.signal(Signal::XFSZ);
    waiting.signal(Signal::TERM);
    waiting.signal(Signal::INT);
    let (code, said) = waiting.end();
    assert_eq!(code, Some(130), "{said}");
    assert_eq!(said.matches("asked the job to stop").count(), 1, "{said}");
}
