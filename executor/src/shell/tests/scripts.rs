//! How a supervisor runs scripts.

use super::{Shell, in_each};

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
