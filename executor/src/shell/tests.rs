//! The supervisor's text and our side of the protocol against real shells of this machine: `dash`,
//! `bash` and busybox's. They must be installed; no engine is needed.

use std::{
    io::{Read, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::Duration,
};

use bytes::Bytes;
use tokio::time::Instant;

use super::{Mark, Scanned, Scanner, StepVariables, internal, supervisor};

/// The name of the container.
const NAME: &str = "berth-b1-app-1";
const SHELLS: [&str; 3] = ["dash", "bash", "busybox"];

/// A supervisor that reads steps, and its outputs.
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
        Self::start_with(name, |_, _| {})
    }

    /// A supervisor that is this shell, and runs steps with the same; `change` also gets a directory
    /// that is the first in its `PATH`.
    fn start_with(name: &str, change: impl Fn(&mut Command, &Path)) -> Self {
        let links = tempfile::tempdir().unwrap();
        let sh = links.path().join("sh");
        let places = ["/bin", "/usr/bin"].map(|place| Path::new(place).join(name));
        let found = places.iter().find(|path| path.exists());
        let found = found.unwrap_or_else(|| panic!("{name} is not installed"));
        std::os::unix::fs::symlink(found, &sh).unwrap();
        let mut arguments = supervisor::arguments(NAME);
        if name != "bash" {
            // As in an image without bash.
            let places = "/usr/local/bin/bash /usr/bin/bash /bin/bash";
            assert!(arguments[3].contains(places));
            arguments[3] = arguments[3].replace(places, "/none");
        }
        let mut command = Command::new(&sh);
        let path = std::env::var("PATH").unwrap();
        command.args(arguments).env("PATH", format!("{}:{path}", links.path().display()));
        change(&mut command, links.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut shell = Self {
            input: child.stdin.take(),
            stdout: child.stdout.take().unwrap(),
            stderr: child.stderr.take().unwrap(),
            child,
            _links: links,
        };
        greeting(&mut shell.stdout);
        greeting(&mut shell.stderr);
        shell
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
        self.run_with(&StepVariables::new([], []), script)
    }

    /// The same, with variables.
    fn run_with(&mut self, variables: &StepVariables, script: &str) -> Ran {
        self.raw(&variables.step(script))
    }

    /// Ends its input; its exit code.
    fn end(mut self) -> Option<i32> {
        self.input = None;
        self.child.wait().unwrap().code()
    }
}

/// Reads a stream until the supervisor has said on it that it is ready.
fn greeting(stream: &mut impl Read) {
    let expected = format!("{NAME}+");
    let mut text = String::new();
    while !text.ends_with(&expected) {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap_or_else(|error| panic!("{error}: {text}"));
        text.push(char::from(byte[0]));
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
fn in_each(test: impl Fn(Shell, &str) + Sync) {
    in_each_with(|_, _| {}, test);
}

/// The same with a change to the supervisor.
#[track_caller]
fn in_each_with(change: impl Fn(&mut Command, &Path) + Sync, test: impl Fn(Shell, &str) + Sync) {
    let (change, test) = (&change, &test);
    let failed: Vec<&str> = thread::scope(|scope| {
        let running = SHELLS
            .map(|name| (name, scope.spawn(move || test(Shell::start_with(name, change), name))));
        let failed =
            running.into_iter().filter_map(|(name, thread)| thread.join().is_err().then_some(name));
        failed.collect()
    });
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
fn nothing_of_the_supervisor_is_in_a_scripts_environment() {
    let own = ["mark", "script", "text", "shell", "size", "code", "line", "before"];
    in_each_with(
        move |command, _| {
            command.envs(own.map(|name| (format!("berth_{name}"), "the image's")));
        },
        |mut shell, name| {
            for script in ["set", "tr '\\0' '\\n' </proc/$$/environ"] {
                let ran = shell.run(&format!("{script} | grep -a '^berth_' || echo none"));
                assert_eq!(ran.text(), (0, "none\n".into(), String::new()), "{name}: {script}");
            }
            let given = StepVariables::new([], ["berth_mark=mine"]);
            assert_eq!(shell.run_with(&given, "echo $berth_mark").text().1, "mine\n", "{name}");
        },
    );
}

#[test]
fn a_script_inherits_no_descriptor_and_an_empty_input() {
    in_each(|mut shell, name| {
        let script = "for i in 3 4 5 6 7 8 9; do (eval \": >&$i\") 2>/dev/null && echo $i; done\n\
                      cat; echo input >&0; cat <&9";
        let ran = shell.run(script);
        assert!(ran.code != 0 && ran.stdout.is_empty(), "{name}: {:?}", ran.text());
    });
}

#[test]
fn secrets_reach_the_step_and_no_command_line() {
    in_each(|mut shell, name| {
        let variables = StepVariables::new([("TOKEN", "it's $ecret\n")], []);
        let script = "printf %s \"$TOKEN\"\n\
             for one in /proc/[0-9]*/cmdline; do\n\
             if tr '\\0' '\\n' <\"$one\" 2>/dev/null | grep -a '[$]ecret'; then :; fi\ndone 2>/dev/null\n\
             tr '\\0' '\\n' </proc/$PPID/environ | grep -a ecret || true";
        let ran = shell.run_with(&variables, script).text();
        assert_eq!(ran, (0, "it's $ecret\n".into(), String::new()), "{name}");
        assert_eq!(shell.run("echo \"${TOKEN-none}\"").text().1, "none\n");
    });
}

#[test]
fn tracing_shows_no_secret_and_nothing_of_the_supervisor() {
    for name in ["bash", "dash"] {
        let mut shell = Shell::start_with(name, |command, _| {
            command.env("SHELLOPTS", "xtrace");
        });
        let variables = StepVariables::new([("TOKEN", "it's")], ["SHELLOPTS=xtrace"]);
        let ran = Shell::run_with(&mut shell, &variables, "echo a").text();
        let trace = if name == "bash" { "+ echo a\n" } else { "" };
        assert_eq!(ran, (0, "a\n".into(), trace.into()), "{name}");
    }
}

#[test]
fn a_step_that_dies_by_a_signal_ends_with_its_number() {
    in_each(|mut shell, name| {
        for (script, code) in [
            ("kill $$; echo on", 143),
            ("kill -INT $$; echo on", 130),
            ("kill -HUP $$; echo on", 129),
            ("kill -9 $$; echo on", 137),
            ("TOP=$$; die() { kill -s TERM $TOP; exit 1; }; x=$(die); echo on", 143),
            ("kill -- -$$; echo on", 143),
            ("kill 0; echo on", 143),
            ("exec sh -c 'kill -SEGV $$'", 139),
        ] {
            assert_eq!(
                shell.run(script).text(),
                (code, String::new(), String::new()),
                "{name}: {script}"
            );
        }
        assert_eq!(shell.run("echo on").text().1, "on\n", "{name}");
        assert_eq!(shell.end(), Some(0), "{name}");
    });
}

#[test]
fn messages_name_the_scripts_own_lines() {
    in_each(|mut shell, name| {
        let ran = shell.run(":\n:\nno-such-program").text();
        let expected = match name {
            "dash" => "/dev/fd/9: 3: no-such-program: not found\n",
            "bash" => "/dev/fd/9: line 3: no-such-program: command not found\n",
            _ => "/dev/fd/9: line 3: no-such-program: not found\n",
        };
        assert_eq!(ran, (127, String::new(), expected.into()), "{name}");
    });
}

#[test]
fn a_hostile_environment_does_not_reach_the_supervisor() {
    let bad = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(bad.path(), "set -e; echo sourced; false").unwrap();
    let file = bad.path().display().to_string();
    for (variable, value) in [
        ("BASH_ENV", file.as_str()),
        ("ENV", &file),
        ("SHELLOPTS", "errexit:nounset:noglob:verbose"),
        ("BASHOPTS", "failglob:nocasematch"),
        ("TMOUT", "1"),
        ("PS4", "$(echo traced)"),
        ("IFS", "0123456789/"),
        ("CDPATH", "/"),
        ("POSIXLY_CORRECT", "1"),
        ("LD_PRELOAD", "/no/such/library.so"),
        ("LC_ALL", "xx_YY.UTF-8"),
        ("BASH_FUNC_printf%%", "() { echo evil; }"),
        ("BASH_FUNC_read%%", "() { return 1; }"),
        ("BASH_FUNC_trap%%", "() { exit 3; }"),
        ("BASH_FUNC_command%%", "() { exit 3; }"),
        ("BASH_FUNC_[%%", "() { return 0; }"),
        ("BASH_VERSION", "5.1"),
        ("BASH", "relative"),
        ("BASH_FUNC_kill%%", "() { :; }"),
        ("HOME", "/no/such/home"),
    ] {
        in_each_with(
            move |command, _| {
                command.env(variable, value);
            },
            |mut shell, name| {
                // A time limit of the supervisor's own, as by `TMOUT`, would show after this.
                assert_eq!(shell.raw(&internal("sleep 1.5")).code, 0, "{name} {variable}");
                let own = shell.raw(&internal("echo own; exit 4")).text();
                assert_eq!((own.0, own.1.as_str()), (4, "own\n"), "{name} {variable}");
                let ran = shell.run("exec /bin/echo on");
                if !matches!(variable, "BASH_ENV" | "SHELLOPTS") || name != "bash" {
                    assert_eq!((ran.code, ran.stdout.as_slice()), (0, &b"on\n"[..]), "{variable}");
                }
                assert_eq!(shell.end(), Some(0), "{name} {variable}");
            },
        );
    }
}

#[test]
fn variables_that_no_shell_passes_on_reach_bash() {
    let variables = StepVariables::new([], ["a.b=c d", "BASH_FUNC_f%%=() { echo \"f $1\"; }"]);
    let mut shell = Shell::start("bash");
    let ran = shell.run_with(&variables, "env | grep ^a; f x").text();
    assert_eq!(ran, (0, "a.b=c d\nf x\n".into(), String::new()));
}

#[test]
fn programs_of_the_image_may_be_missing_or_useless() {
    for name in ["dash", "bash"] {
        for missing in ["head", "cat", "setsid", "env", "sleep"] {
            let mut shell = Shell::start_with(name, |_, links| {
                let program = links.join(missing);
                std::fs::write(&program, "#!/bin/sh\necho useless >&2\nexit 1\n").unwrap();
                let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
                std::fs::set_permissions(&program, mode).unwrap();
            });
            if matches!(missing, "setsid" | "env") {
                continue;
            }
            let ran = shell.run("echo a; exit 3").text();
            assert_eq!(ran, (3, "a\n".into(), String::new()), "{name} without {missing}");
        }
    }
}

#[test]
fn separators_of_words_do_not_reach_the_supervisor() {
    in_each(|mut shell, name| {
        let secret = StepVariables::new([("IFS", "xe-")], []);
        assert_eq!(shell.run_with(&secret, "echo on").text().1, "on\n", "{name}");
        assert_eq!(shell.run("echo on").text().1, "on\n", "{name}");
    });
}

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

#[test]
fn a_shell_without_programs_reads_scripts_line_by_line() {
    for name in ["dash", "bash"] {
        let mut shell = Shell::start_with(name, |command, links| {
            command.env("PATH", links);
        });
        let script = "printf '%s\\n' 'a  b\\' \"it's\"\n\n  printf '%s' ' c '\n";
        assert_eq!(shell.run(script).text(), (0, "a  b\\\nit's\n c ".into(), String::new()));
        assert_eq!(shell.run("exit 3").code, 3);
    }
}

#[test]
fn bash_runs_scripts_where_there_is_one() {
    let mut shell = Shell::start("dash");
    assert_eq!(shell.run("echo \"<${BASH_VERSION:+bash}>\"").text().1, "<>\n");
    let mut shell = Shell::start("bash");
    assert_eq!(shell.run("echo \"<${BASH_VERSION:+bash}>\"").text().1, "<bash>\n");
}
