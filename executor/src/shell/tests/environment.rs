//! Isolation of scripts and the supervisor from each other and from the environment.

use super::{Shell, in_each, in_each_with};
use crate::shell::{StepVariables, internal};

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
