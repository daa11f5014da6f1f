//! The supervisor's text and our side of the protocol against real shells of this machine: `dash`,
//! `bash` and busybox's. They must be installed; no engine is needed.

mod environment;
mod protocol;
mod scripts;

use std::{
    io::{Read, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
};

use bytes::Bytes;

use super::{Mark, Scanned, Scanner, StepVariables, supervisor};

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
