//! The program where it may have few files open.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod helpers;

use std::{
    os::unix::net::UnixListener,
    process::{Command, Output},
};

use helpers::{Project, docker_says, stderr, stdout, variable};

const WORDS: &str = "raise the limit of open files";

/// Runs `command` with so many files at the most.
fn limited(files: usize, command: &Command) -> Output {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit -n {files} && exec \"$@\""), "sh"]);
    shell.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell.output().unwrap()
}

#[test]
fn without_a_file_for_a_connection_the_limit_is_named_and_not_the_engine() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("engine.sock");
    // A socket at which nobody listens any more.
    drop(UnixListener::bind(&socket).unwrap());
    let mut command = Command::new(env!("CARGO_BIN_EXE_berth"));
    command.args(["run", "--project", "few", "--image", "busybox", "--", "true"]);
    command.env("DOCKER_HOST", format!("unix://{}", socket.display()));
    command.env("BERTH_STATE_DIR", folder.path().join("state"));
    let mut refused = 0;
    let mut named = 0;
    for files in 6..40 {
        let output = limited(files, &command);
        let errors = stderr(&output);
        if errors.contains("the engine is not running") {
            refused += 1;
        } else if errors.contains(WORDS) {
            named += 1;
        } else {
            // The program itself could not begin, or be loaded.
            assert_eq!((refused, named), (0, 0), "{files}: {errors}");
            continue;
        }
        assert_eq!(output.status.code(), Some(125), "{files}: {errors}");
    }
    assert!(refused > 0 && named > 0, "{refused} and {named}");
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn a_job_with_few_files_works_or_says_why_not_and_leaves_nothing() {
    let mut project = Project::new("few");
    project.owner = format!("{}-{}", project.owner, project.name);
    let state = project.folder().join("state").to_str().unwrap().to_owned();
    project.set("BERTH_STATE_DIR", &state);
    let (image, service) = (variable("BERTH_E2E_IMAGE"), variable("BERTH_E2E_REDIS_IMAGE"));
    let job = format!(
        "image = {image:?}\nvolumes = [\"/cache\"]\nbuild = {{ folder = \"/builds\", strategy = \"clone\" }}\n\
         [[services]]\nimage = {service:?}\n\
         [[steps]]\nname = \"work\"\nscript = \"echo done\""
    );
    let mut failed = 0;
    for files in [12, 14, 16, 18, 20, 24, 32, 64] {
        let output = limited(files, &project.command(&job, None, &[]));
        let errors = stderr(&output);
        match output.status.code() {
            Some(0) => assert_eq!(stdout(&output), "done\n", "{files}: {errors}"),
            Some(125) if files < 64 => {
                failed += 1;
                assert!(
                    errors.contains(WORDS) || errors.contains("open files"),
                    "{files}: {errors}"
                );
            }
            other => panic!("{files}: {other:?}: {errors}"),
        }
        let mut sweep = Command::new(env!("CARGO_BIN_EXE_berth"));
        sweep.args(["sweep", "--owner", &project.owner]).env("BERTH_STATE_DIR", &state);
        let swept = sweep.output().unwrap();
        assert!(swept.status.success(), "{files}: {}", stderr(&swept));
        for kind in ["container", "network"] {
            assert_eq!(project.objects(kind), [""; 0], "{files}: {kind}");
        }
        // The cache.
        assert!(project.objects("volume").len() <= 1, "{files}");
    }
    println!("{failed} of 7 limits were too low");
    docker_says(&["volume", "rm", &project.objects("volume")[0]]);
    project.assert_nothing_left();
}
