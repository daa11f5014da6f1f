//! Frames, marks, and how a supervisor ends.

use std::{
    io::{Read as _, Write as _},
    time::Duration,
};

use tokio::time::Instant;

use super::{Shell, in_each};
use crate::shell::{Mark, StepVariables};

#[test]
fn a_script_that_kills_its_parent_ends_the_container() {
    in_each(|mut shell, name| {
        let frame = Mark::draw().frame(&StepVariables::new([], []).step("kill -9 $PPID; sleep 2"));
        shell.input.as_mut().unwrap().write_all(frame.as_bytes()).unwrap();
        // In a container, its end is that of all processes in it. Here, the others wait for the input.
        let ended = shell.child.wait().unwrap();
        assert_eq!(ended.code(), None, "{name}: killed");
        shell.input = None;
        let mut output = String::new();
        shell.stdout.read_to_string(&mut output).unwrap();
        assert!(!output.contains('-'), "{name}: {output}");
    });
}

#[test]
fn a_text_without_its_beginning_is_not_run() {
    let mut shell = Shell::start_with("dash", |_, links| {
        let program = links.join("head");
        let eater = "#!/bin/sh\ndd bs=1 count=40 >/dev/null 2>&1\nexit 1\n";
        std::fs::write(&program, eater).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&program, mode).unwrap();
    });
    let frame = Mark::draw().frame("(\n:\n)\necho ran >&3");
    shell.input.as_mut().unwrap().write_all(frame.as_bytes()).unwrap();
    shell.input = None;
    let mut output = String::new();
    shell.stdout.read_to_string(&mut output).unwrap();
    assert_eq!(output, "");
}

#[test]
fn late_writers_in_the_background_are_heard() {
    let mut shell = Shell::start("bash");
    for _ in 0..20 {
        let script = "exec > >(while read -r line; do echo \"<$line>\"; done); echo 1; echo 2";
        assert_eq!(shell.run(script).text().1, "<1>\n<2>\n");
    }
}

#[test]
fn marks_are_written_to_an_output_that_does_not_block() {
    in_each(|mut shell, name| {
        // A program may leave the container's output so that a full pipe is an error.
        let script = "python3 -c 'import fcntl, os
for one in 1, 2:
    fcntl.fcntl(one, fcntl.F_SETFL, fcntl.fcntl(one, fcntl.F_GETFL) | os.O_NONBLOCK)
try:
    while True: os.write(1, bytes(4096))
except BlockingIOError: pass'";
        let ran = shell.run(script);
        assert_eq!(ran.code, 0, "{name}: {:?}", String::from_utf8_lossy(&ran.stderr));
        assert!(ran.stdout.len() >= 4096 && ran.stdout.iter().all(|byte| *byte == 0), "{name}");
    });
}

#[test]
fn a_request_to_stop_ends_what_runs_and_leaves_the_shell() {
    in_each(|mut shell, name| {
        // The script asks for it itself, as if from outside.
        let pid = shell.child.id();
        let script = format!("sleep 30 & own=$!; kill -TERM {pid}; kill -TERM $own; wait $own");
        assert_eq!(shell.run(&script).code, 143, "{name}");
        let script = "trap 'echo asked; exit 4' TERM; sh -c 'kill -TERM $PPID'; sleep 1";
        assert_eq!(shell.run(script).text().1, "asked\n", "{name}");
        assert_eq!(shell.run("sh -c 'kill -TERM $PPID'; sleep 5").code, 143, "{name}");
        assert_eq!(shell.run("echo after").text().1, "after\n", "{name}");
        assert_eq!(shell.end(), Some(0), "{name}");
    });
}

#[test]
fn a_script_that_does_not_arrive_whole_is_not_run() {
    in_each(|mut shell, name| {
        let mark = Mark::draw();
        let frame = mark.frame("echo ran");
        let cut = frame.find("ran").unwrap();
        shell.input.as_mut().unwrap().write_all(&frame.as_bytes()[..cut]).unwrap();
        shell.input = None;
        let mut output = String::new();
        shell.stdout.read_to_string(&mut output).unwrap();
        assert_eq!((output.as_str(), shell.end()), ("", Some(125)), "{name}");
    });
}

#[test]
fn a_script_does_not_outlive_its_client() {
    in_each(|mut shell, name| {
        let frame = Mark::draw().frame("echo runs; exec sleep 300");
        shell.input.as_mut().unwrap().write_all(frame.as_bytes()).unwrap();
        let mut first = [0];
        shell.stdout.read_exact(&mut first).unwrap();
        let begin = Instant::now();
        assert_eq!(shell.end(), None, "{name}: it was killed");
        assert!(begin.elapsed() < Duration::from_mins(1), "{name}: {:?}", begin.elapsed());
    });
}
