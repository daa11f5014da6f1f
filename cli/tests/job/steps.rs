//! Steps: what a script meets in its container, and what its end is called.

use crate::{
    engine_kind::{EngineKind, engine_kind},
    images::Made,
    project::{Project, Running, docker, image, stderr, stdout, text},
};

/// The code and outputs of a script.
fn run(project: &Project, script: &str) -> (Option<i32>, String, String) {
    let output = project.script(&["--quiet"], script).output().unwrap();
    (output.status.code(), stdout(&output), stderr(&output))
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn helper_and_build_steps_share_volumes_and_run_in_order() {
    let project = Project::new("helper");
    let helper = Made::changed(
        &format!("berth-helper-{}", std::process::id()),
        "echo tool >/tool",
        "ENV H=h",
    );
    let keys = format!(
        "helper_image = {:?}\nvolumes = [\"/shared\"]\nafter_script = \"cat /shared/log\"
        [[steps]]\nname = \"get\"\ncontainer = \"helper\"
        script = [\"cat /tool >/shared/log\", \"echo $H >>/shared/log\", \"A=1\", \"cd /tmp\", \"echo kept >/own\"]
        [[steps]]\nname = \"build\"
        script = 'echo \"build ${{H-none}} ${{A-none}} $PWD\" >>/shared/log; test ! -e /tool; touch /own-too'
        [[steps]]\nname = \"put\"\ncontainer = \"helper\"\nscript = 'cat /own >>/shared/log; test ! -e /own-too'
        [[steps]]\nname = \"argv\"\ncommand = [\"sh\", \"-c\", \"test -e /own-too && echo argv >>/shared/log\"]\n",
        helper.0
    );
    let (output, report) = project.report(&mut project.job(&["--quiet"], &keys));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stdout(&output), "tool\nh\nbuild none none /\nkept\nargv\n");
    let names: Vec<&str> =
        report["steps"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["get", "build", "put", "argv", "after_script"]);
    assert_eq!(report["steps"][0]["container"], "helper");
    assert_eq!(report["cleanup"]["removed"].as_array().unwrap().len(), 2, "{report}");
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn bash_runs_a_script_where_there_is_one_and_sh_elsewhere() {
    let project = Project::new("bash");
    assert_eq!(run(&project, "echo ${BASH_VERSION:-none}").1, "none\n");
    let debian =
        std::env::var("BERTH_E2E_DEBIAN_IMAGE").unwrap_or_else(|_| "berth-debian:local".to_owned());
    let script = "a=(x y); [[ ${a[1]} == y ]] && echo ${BASH_VERSION:+bash}; false | true; echo on";
    let mut command = project.berth(&["--quiet", "--image", &debian, "--", script]);
    let output = command.output().unwrap();
    assert_eq!(stdout(&output), "bash\n", "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(1), "a pipeline fails with any of its programs");
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn neither_script_nor_secrets_show_on_the_engine_while_a_job_runs() {
    let project = Project::new("secrets");
    let script = "tr '\\0' '\\n' </proc/1/environ | grep -c hush; \
        for p in 1 $$ $PPID; do tr '\\0' '\\n' </proc/$p/cmdline; done | grep -c 'hush\\|s1gn'; \
        echo \"$TOKEN\" | wc -c; cat $FILE | wc -c; : s1gn; echo ready; sleep 600";
    let file = project.path("secret");
    std::fs::write(&file, "hush-file").unwrap();
    let secret_file = format!("FILE={}", text(&file));
    let more = ["--quiet", "--secret", "TOKEN=hush-token", "--secret-file", &secret_file];
    let script = format!("set +e; {script}");
    let running = Running::start(&mut project.script(&more, &script), "0\n0\n11\n9\nready\n");
    let containers = project.containers();
    assert_eq!(containers.len(), 1);
    let id = containers[0].as_str();
    let seen = [
        docker(&["inspect", id]),
        docker(&["ps", "--no-trunc", "--filter", &format!("id={id}")]),
        docker(&["top", id, "-o", "pid,args"]),
        docker(&["volume", "ls", "--format", "{{.Name}} {{.Labels}}"]),
    ]
    .concat();
    for hidden in ["hush", "s1gn"] {
        assert!(!seen.contains(hidden), "{hidden} shows");
    }
    assert!(seen.contains("dev.berth.run"), "it was the right container");
    // The engine keeps no second copy of the log.
    assert!(seen.contains("\"Type\": \"none\""), "the log driver");
    running.signal(rustix::process::Signal::TERM);
    assert_eq!(running.end().status.code(), Some(130));
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn a_script_of_5_mb_runs() {
    let project = Project::new("long");
    let script = format!("{}echo done", ": line\n".repeat(5 << 20 >> 3));
    let keys = format!("[[steps]]\nname = \"long\"\nscript = '''\n{script}'''\n");
    let output = project.job(&["--quiet"], &keys).output().unwrap();
    assert_eq!(stdout(&output), "done\n", "{}", stderr(&output));
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn a_script_is_what_its_author_wrote() {
    let project = Project::new("script");
    for (script, code, output) in [
        ("cat; read -r x || echo none", 0, "none\n"),
        (
            "echo 'it'\\''s' \"a  b\" '$HOME' \\\\ \"`echo c`\"\n\n echo 'ä\n*'",
            0,
            "it's a  b $HOME \\ c\nä\n*\n",
        ),
        ("cat <<'END'\n$x `y`\n\tEND\nEND\necho on", 0, "$x `y`\n\tEND\non\n"),
        ("exit 42; echo on", 42, ""),
        ("echo a; false; echo on", 1, "a\n"),
        ("set +e; false; echo on", 0, "on\n"),
        ("false | true; echo on", 1, ""),
        ("trap 'echo bye' EXIT; exit 7", 7, "bye\n"),
        ("exec echo replaced; echo on", 0, "replaced\n"),
        ("if", 2, ""),
        ("echo >/f; /f", 126, ""),
        ("no-such-program", 127, ""),
        ("sh -c 'kill -9 $$'; echo on", 137, ""),
        ("sh -c 'kill -TERM $$'", 143, ""),
        ("sleep 100 & echo on", 0, "on\n"),
        ("(sleep 100; echo late) & exit 3", 3, ""),
    ] {
        let ran = run(&project, script);
        assert_eq!((ran.0, ran.1.as_str()), (Some(code), output), "{script}: {}", ran.2);
    }
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn the_end_of_a_script_is_said_in_words() {
    let project = Project::new("words");
    for (script, cause) in [
        ("exit 3", "exited"),
        ("echo >/f; /f", "not_executable"),
        ("no-such-program", "not_found"),
        ("sh -c 'kill -SEGV $$'", "signal"),
        // The shell itself: the container ends with it.
        ("kill -9 $$", "signal"),
    ] {
        let (output, report) = project.report(&mut project.script(&[], script));
        assert_eq!(report["failure_reason"], "script_failure", "{script}: {report}");
        assert_eq!(report["exit_cause"], cause, "{script}: {report}");
        assert!(stderr(&output).contains("the script failed with exit code"), "{script}");
    }
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn lack_of_memory_is_called_so() {
    let project = Project::new("memory");
    let config = project.path("config.toml");
    let text_of = "[[runners]]\nname = \"r\"\nexecutor = \"docker\"\n[runners.docker]\nmemory = \"16m\"\nmemory_swap = \"16m\"\n";
    std::fs::write(&config, text_of).unwrap();
    let more = ["--config", text(&config)];
    for script in
        ["dd if=/dev/zero of=/dev/null bs=64M count=1; echo on", "x=a; while :; do x=$x$x; done"]
    {
        let (output, report) = project.report(&mut project.script(&more, script));
        assert_eq!(output.status.code(), Some(137), "{script}: {}", stderr(&output));
        assert_eq!(report["exit_cause"], "out_of_memory", "{script}: {report}");
        assert!(stderr(&output).contains("lack of memory"), "{}", stderr(&output));
    }
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn an_image_without_a_shell_runs_programs_and_says_that_it_runs_no_script() {
    let project = Project::new("shell-less");
    let image = Made::without_shell(&format!("berth-shell-less-{}", std::process::id()));
    let keys = "[[steps]]\nname = \"one\"\ncommand = [\"/busybox\", \"echo\", \"$HOME  x\"]
        [[steps]]\nname = \"two\"\ncommand = [\"/busybox\", \"sh\", \"-c\", \"exit 3\"]\nallow_failure = true
        [[steps]]\nname = \"three\"\ncommand = [\"/busybox\", \"false\"]\n";
    let (output, report) = project.report(&mut project.job_of(&image.0, &["--quiet"], keys));
    assert_eq!(stdout(&output), "$HOME  x\n", "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(report["steps"][1]["exit_code"], 3, "{report}");
    let keys = "[[steps]]\nname = \"one\"\nscript = \"true\"\n";
    let output = project.job_of(&image.0, &[], keys).output().unwrap();
    assert_eq!(output.status.code(), Some(125));
    assert!(stderr(&output).contains("has no shell"), "{}", stderr(&output));
    let keys = "[[steps]]\nname = \"one\"\ncommand = [\"/no-such-program\"]\n";
    let (output, report) = project.report(&mut project.job_of(&image.0, &[], keys));
    // Podman's first process of a container finds the program missing, and ends with 1.
    let code = match engine_kind() {
        EngineKind::Docker => 127,
        EngineKind::Podman => 1,
    };
    assert_eq!(report["exit_code"], code, "{report}");
    assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn a_container_that_somebody_removes_is_a_failure_that_says_so() {
    let project = Project::new("removed");
    let mut command = project.script(&["--after-script", "echo after"], "echo ready; sleep 60");
    let running = Running::start(&mut command, "ready\n");
    docker(&["rm", "--force", &project.containers()[0]]);
    let output = running.end();
    assert_eq!(output.status.code(), Some(125));
    assert!(stderr(&output).contains("was removed by another program"), "{}", stderr(&output));
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn a_file_variable_can_be_read_by_whoever_the_image_runs_as() {
    let project = Project::new("file");
    let file = project.path("key");
    std::fs::write(&file, "line 1\nline 2\n").unwrap();
    let secret = format!("KEY={}", text(&file));
    for user in ["0", "1234", "65534:65534"] {
        let more = ["--quiet", "--user", user, "--secret-file", &secret];
        let script = "wc -c <\"$KEY\"; stat -c %a \"$KEY\"; cat \"$KEY\"";
        let output = project.script(&more, script).output().unwrap();
        assert_eq!(stdout(&output), "14\n444\n[MASKED]\n", "as {user}: {}", stderr(&output));
    }
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn the_after_script_runs_after_a_failure_and_in_a_killed_shells_container() {
    let project = Project::new("after");
    for (script, code) in [("touch /left; exit 3", 3), ("touch /left; kill -9 $$", 137)] {
        let more = ["--quiet", "--after-script", "ls /left; exit 9"];
        let output = project.script(&more, script).output().unwrap();
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(code), "/left\n"));
    }
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn later_steps_run_as_their_when_says() {
    let project = Project::new("when");
    let keys = "[[steps]]\nname = \"may\"\nscript = \"exit 4\"\nallow_failure = true
        [[steps]]\nname = \"fails\"\nscript = \"echo fails; exit 5\"
        [[steps]]\nname = \"not\"\nscript = \"echo not\"
        [[steps]]\nname = \"failure\"\nscript = \"echo failure\"\nwhen = \"failure\"
        [[steps]]\nname = \"always\"\nscript = \"echo always\"\nwhen = \"always\"\n";
    let output = project.job(&["--quiet"], keys).output().unwrap();
    assert_eq!(stdout(&output), "fails\nfailure\nalways\n", "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(5));
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn what_runs_in_the_background_does_not_hold_up_the_next_step() {
    let project = Project::new("background");
    // The program may not have come to replace the shell that was forked for it.
    let keys = "timeout = \"10m\"\n[[steps]]\nname = \"one\"\nscript = \"sleep 1000 & echo one\"
        [[steps]]\nname = \"two\"\nscript = \"until ps | grep -q '[s]leep 1000'; do sleep 0.1; done; \
        ps | grep -c '[s]leep 1000'; echo two\"\n";
    let begin = tokio::time::Instant::now();
    let output = project.job(&["--quiet"], keys).output().unwrap();
    assert_eq!(stdout(&output), "one\n1\ntwo\n", "{}", stderr(&output));
    assert!(begin.elapsed().as_secs() < 300);
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn a_user_that_the_image_does_not_have_is_refused_once_and_for_all() {
    let project = Project::new("user");
    for (user, words) in [("nobody-such", "nobody-such"), ("99999999999", "in range")] {
        let keys = format!(
            "image = {{ name = {:?}, user = {user:?} }}\n[[steps]]\nname = \"a\"\nscript = [\"true\"]\n",
            image()
        );
        let (output, report) = project.report(&mut project.job_file(&[], &keys));
        assert_eq!(output.status.code(), Some(125), "{}", stderr(&output));
        // Podman notices when somebody attaches.
        let phase = match engine_kind() {
            EngineKind::Docker => "start",
            EngineKind::Podman => "prepare",
        };
        assert_eq!(report["phase"], phase, "{report}");
        assert_eq!(report["retryable"], false, "{report}");
        let said = stderr(&output);
        assert!(said.contains("hint: `/etc/passwd`"), "{said}");
        assert!(said.contains(words) && !said.contains("again in"), "{said}");
        project.assert_nothing_left();
    }
}
