//! The shell's text and our side of the protocol against real shells of this machine: `dash`,
//! `bash` and busybox's. They must be installed; no engine is needed.

use std::{
    io::{Read, Write as _},
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread::{self, JoinHandle},
    time::Duration,
};

use bytes::Bytes;
use tokio::time::Instant;

use super::{Mark, Prelude, Scanned, Scanner, program};

const SHELLS: [&str; 3] = ["dash", "bash", "busybox"];

/// A shell that reads steps, and what it wrote so far.
struct Shell {
    child: Child,
    input: Option<ChildStdin>,
    stdout: ChildStdout,
    stderr: std::process::ChildStderr,
    _links: tempfile::TempDir,
}

/// One step's end.
#[derive(Debug, PartialEq, Eq)]
struct Ran {
    code: i64,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Ran {
    fn text(&self) -> (i64, String, String) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (self.code, text(&self.stdout), text(&self.stderr))
    }
}

impl Shell {
    fn start(name: &str) -> Self {
        Self::start_with(name, |command| command)
    }

    fn start_with(name: &str, change: impl Fn(&mut Command) -> &mut Command) -> Self {
        // Busybox is the program that it is called as.
        let links = tempfile::tempdir().unwrap();
        let program = if name == "busybox" {
            let link = links.path().join("sh");
            let found = ["/bin/busybox", "/usr/bin/busybox"].map(PathBuf::from);
            let found = found.into_iter().find(|path| path.exists()).expect("busybox is there");
            std::os::unix::fs::symlink(found, &link).unwrap();
            link
        } else {
            PathBuf::from(name)
        };
        let mut command = Command::new(&program);
        command.args(["-c", program::WATCH, "berth", program::LOOP]).arg(&program);
        change(&mut command);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
        Self {
            input: child.stdin.take(),
            stdout: child.stdout.take().unwrap(),
            stderr: child.stderr.take().unwrap(),
            child,
            _links: links,
        }
    }

    /// Runs a script as it is; both streams are read at once, as an engine does.
    fn raw(&mut self, script: &str) -> Ran {
        let mark = Mark::draw();
        let frame = mark.frame(script);
        let input = self.input.as_mut().unwrap();
        thread::scope(|scope| {
            // The shell may be gone before all is written; what it answered tells then.
            scope.spawn(move || input.write_all(frame.as_bytes()).and_then(|()| input.flush()));
            let other = scope.spawn(|| step(&mut self.stderr, &mark));
            let (code, stdout) = step(&mut self.stdout, &mark);
            let (code_too, stderr) = other.join().unwrap();
            assert_eq!(code, code_too, "both streams tell the same");
            Ran { code, stdout, stderr }
        })
    }

    /// Runs a script as a step is run.
    fn run(&mut self, script: &str) -> Ran {
        self.raw(&Prelude::new([]).with(script))
    }

    /// Ends its input; its exit code.
    fn end(mut self) -> Option<i32> {
        self.input = None;
        self.child.wait().unwrap().code()
    }
}

/// Reads a stream until the step has ended on it.
fn step(stream: &mut impl Read, mark: &Mark) -> (i64, Vec<u8>) {
    let mut scanner = Scanner::new(mark);
    let (mut output, mut piece) = (Vec::new(), vec![0; 64 * 1024]);
    loop {
        let length = stream.read(&mut piece).unwrap();
        assert!(length > 0, "it ended early: {}", String::from_utf8_lossy(&output));
        for found in scanner.push(Bytes::copy_from_slice(&piece[..length])) {
            match found {
                Scanned::Output(bytes) => output.extend_from_slice(&bytes),
                Scanned::Begun => {}
                Scanned::Ended(code) => return (code, output),
            }
        }
    }
}

/// Runs `test` with each shell, all of them even after a failure.
#[track_caller]
fn in_each(test: impl Fn(Shell, &str) + Copy + Send + 'static) {
    let running: Vec<(&str, JoinHandle<()>)> = SHELLS
        .iter()
        .map(|name| (*name, thread::spawn(move || test(Shell::start(name), name))))
        .collect();
    let failed: Vec<&str> = running
        .into_iter()
        .filter_map(|(name, thread)| thread.join().is_err().then_some(name))
        .collect();
    assert!(failed.is_empty(), "in {failed:?}");
}

#[test]
fn steps_run_one_after_another_and_share_neither_variables_nor_folder() {
    in_each(|mut shell, _| {
        let first = shell.run("A=1; export A; cd /; echo out; echo err >&2; exit 3").text();
        assert_eq!(first, (3, "out\n".into(), "err\n".into()));
        let second = shell.run("echo \"${A-none}\"; test \"$PWD\" != /").text();
        assert_eq!(second, (0, "none\n".into(), String::new()));
        assert_eq!(shell.run("").code, 0);
        assert_eq!(shell.end(), Some(0));
    });
}

#[test]
fn a_script_ends_at_the_first_command_that_fails() {
    in_each(|mut shell, name| {
        for (script, code, output) in [
            ("false; echo on", 1, ""),
            ("(exit 7); echo on", 7, ""),
            ("set +e; false; echo on", 0, "on\n"),
            ("if false; then :; fi; false || echo on", 0, "on\n"),
            ("f() { return 4; }; f; echo on", 4, ""),
            ("no-such-program; echo on", 127, ""),
            ("/etc/passwd; echo on", 126, ""),
            ("exec true; echo on", 0, ""),
            ("exec sh -c 'exit 9'", 9, ""),
            ("trap 'echo bye' EXIT; exit 5", 5, "bye\n"),
            ("trap 'echo bye' EXIT; false", 1, "bye\n"),
            ("sh -c 'kill -9 $$'; echo on", 137, ""),
        ] {
            let ran = shell.run(script).text();
            assert_eq!((ran.0, ran.1.as_str()), (code, output), "{script}: {}", ran.2);
        }
        let open = shell.run("cat <<EOF\nhello");
        assert_eq!((open.code, open.text().1.trim_end()), (0, "hello"), "no mark in a heredoc");
        // Of these three, dash does not know it.
        let code = i64::from(name != "dash");
        assert_eq!(shell.run("false | true").code, code);
        assert_eq!(shell.run("x=$(yes | sed 1q); echo $x").stdout.is_empty(), name != "dash");
    });
}

#[test]
fn a_script_that_is_no_shells_language_fails_and_the_next_one_runs() {
    in_each(|mut shell, _| {
        for script in ["if", "echo 'open", "done", ")", "}; exit 0", "cat <<END\nopen"] {
            let ran = shell.run(script);
            if !script.starts_with("cat") {
                assert_ne!(ran.code, 0, "{script:?}: {:?}", ran.text());
            }
            assert_eq!(shell.run("echo well").text(), (0, "well\n".into(), String::new()));
        }
    });
}

#[test]
fn a_script_that_reads_gets_nothing_and_eats_nothing() {
    in_each(|mut shell, _| {
        assert_eq!(shell.run("cat; read -r x || echo none").text().1, "none\n");
        assert_eq!(shell.run("echo on").text().1, "on\n");
    });
}

#[test]
fn every_byte_but_nul_reaches_the_script_and_comes_back() {
    in_each(|mut shell, name| {
        let every: String = ('\u{1}'..='\u{2ff}').filter(|one| *one != '\'').collect();
        let ran = shell.run(&format!("printf %s '{every}'"));
        assert_eq!(String::from_utf8_lossy(&ran.stdout), every, "{name}");
        let long = "ß\\\"$x`\n\n".repeat(40_000);
        let ran = shell.run(&format!("cat <<'END'\n{long}END\n"));
        assert!(ran.stdout == long.as_bytes(), "{name}: a long here-document");
        let binary = shell.run(r"printf '\377\000\376\n\n'; printf '\201' >&2");
        assert_eq!((binary.stdout, binary.stderr), (b"\xff\0\xfe\n\n".to_vec(), vec![0x81]));
    });
}

#[test]
fn a_script_of_5_mb_runs() {
    in_each(|mut shell, name| {
        let script = format!("{}echo done\n", ": line\n".repeat(5 << 20 >> 3));
        assert_eq!(shell.run(&script).text(), (0, "done\n".into(), String::new()), "{name}");
        assert_eq!(shell.run("echo next").text().1, "next\n");
    });
}

#[test]
fn a_job_in_the_background_outlives_its_step_and_holds_nothing_up() {
    in_each(|mut shell, _| {
        let (code, pid, _) = shell.run("sleep 30 & echo $!; exit 2").text();
        assert_eq!(code, 2);
        assert_eq!(shell.run(&format!("kill {pid}")).code, 0, "it runs on");
    });
}

#[test]
fn the_shells_own_variables_are_not_the_scripts() {
    in_each(|mut shell, _| {
        let ran = shell.run("set | grep -a '^berth_' || echo none").text();
        assert_eq!(ran.1, "none\n");
        let ran = shell.run("tr '\\0' '\\n' </proc/$$/environ | grep -a '^berth' || echo none");
        assert_eq!(ran.text().1, "none\n");
    });
}

#[test]
fn secrets_are_in_no_command_line_and_not_in_the_shells_environment() {
    in_each(|mut shell, _| {
        let script = Prelude::new([("TOKEN", "it's $ecret")]).with(
            "printf '%s\\n' \"$TOKEN\"; tr '\\0' '\\n' </proc/$$/environ | grep -c ecret || true\n\
             tr '\\0' '\\n' </proc/$$/cmdline | grep -c ecret || true",
        );
        assert_eq!(shell.raw(&script).text(), (0, "it's $ecret\n0\n0\n".into(), String::new()));
        assert_eq!(shell.run("echo \"${TOKEN-none}\"").text().1, "none\n");
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
fn a_script_that_kills_its_shell_never_ends_well() {
    in_each(|mut shell, name| {
        let frame = Mark::from_bytes([1; 16]).frame("kill -9 $$");
        shell.input.as_mut().unwrap().write_all(frame.as_bytes()).unwrap();
        let mut output = String::new();
        shell.stdout.read_to_string(&mut output).unwrap();
        assert!(!output.contains('-'), "{name}: {output}");
        assert_eq!(shell.end(), None, "{name}: killed, too");
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

#[test]
fn a_shell_without_programs_reads_scripts_line_by_line() {
    for name in ["/bin/dash", "/bin/bash"] {
        let mut shell = Shell::start_with(name, |command| command.env("PATH", "/nowhere"));
        let script = "printf '%s\\n' 'a  b\\' \"it's\"\n\n  printf '%s' ' c '\n";
        assert_eq!(shell.run(script).text(), (0, "a  b\\\nit's\n c ".into(), String::new()));
        assert_eq!(shell.run("exit 3").code, 3);
    }
}

#[test]
fn bash_is_taken_where_there_is_one() {
    let arguments = program::arguments();
    let mut child = Command::new("dash")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let frame = Mark::from_bytes([1; 16]).frame("echo \"<${BASH_VERSION:+bash}>\"");
    child.stdin.take().unwrap().write_all(frame.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("<bash>"));
}
