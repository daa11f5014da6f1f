//! The configuration's scripts around those of a job.
//!
//! As in GitLab Runner, `pre_get_sources_script` and `post_get_sources_script` run in the helper
//! container, and `pre_build_script` and `post_build_script` in the shell of each build step.

use crate::{
    config::ScriptSettings,
    job::{Command, ContainerKind, JobError, StepSpec},
};

const PRE_GET_SOURCES: &str = "pre_get_sources_script";
const POST_GET_SOURCES: &str = "post_get_sources_script";

/// The job's steps and the configuration's own among them. Fetching the sources is what a job's first
/// steps in the helper container do.
pub(super) fn with_sources_scripts(
    steps: Vec<StepSpec>,
    scripts: &ScriptSettings,
) -> Result<Vec<StepSpec>, JobError> {
    let own = |name: &'static str, script: &str| -> Result<Option<StepSpec>, JobError> {
        if script.trim().is_empty() {
            return Ok(None);
        }
        if steps.iter().any(|step| step.name == name) {
            let problem = "it is that of the configuration's script";
            return Err(JobError::StepName { name: name.to_owned(), problem });
        }
        Ok(Some(StepSpec::new(name, Command::script(script)?).in_helper()))
    };
    let before = own(PRE_GET_SOURCES, &scripts.pre_get_sources_script)?;
    let after = own(POST_GET_SOURCES, &scripts.post_get_sources_script)?;
    let is_source = |step: &&StepSpec| step.container == ContainerKind::Helper;
    let sources = steps.iter().take_while(is_source).count();
    let mut steps = steps;
    let rest = steps.split_off(sources);
    Ok(before.into_iter().chain(steps).chain(after).chain(rest).collect())
}

/// Whether the configuration has scripts for the shells of build steps.
pub(super) fn has_build_scripts(scripts: &ScriptSettings) -> bool {
    !scripts.pre_build_script.trim().is_empty() || !scripts.post_build_script.trim().is_empty()
}

/// Switches tracing off, and notes that as the first positional parameter: a trace of `printf` and `eval`
/// would show all of the script before the step, also the parts that do not run. The redirection hides
/// the trace of these commands themselves.
const TRACE_OFF: &str =
    r#"{ case $- in *x*) set -- berth_trace "$@"; set +x ;; esac; } 2>/dev/null; "#;

/// Switches tracing on again, so that the commands of the script before the step are traced as the step's
/// own are.
const TRACE_ON: &str = "case ${1-} in berth_trace) shift; set -x ;; esac\n";

/// The script of a build step with the configuration's around it, for one shell. The step's own lines
/// keep their numbers: what comes before them is on their first line.
pub(super) fn with_build_scripts(script: String, scripts: &ScriptSettings) -> String {
    let mut script = script;
    if !scripts.pre_build_script.trim().is_empty() {
        // The empty line ends a last line that ends with a backslash. The colon gives a last command that
        // fails in a list the same meaning as among others.
        let before = &scripts.pre_build_script;
        let words = escape(&format!("{TRACE_ON}{before}\n\n{{ :; }} 2>/dev/null\n"));
        script = format!("{TRACE_OFF}eval \"$(printf %b '{words}' || echo exit 127)\"; {script}");
    }
    if !scripts.post_build_script.trim().is_empty() {
        // The empty line ends a last line that ends with a backslash.
        script.push_str("\n\ncase $? in 0) ;; *) exit ;; esac\n");
        script.push_str(&scripts.post_build_script);
    }
    script
}

/// The text for `printf %b`, on one line and in single quotes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    for char in text.chars() {
        match char {
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\\' => escaped.push_str("\\\\"),
            '\'' => escaped.push_str("\\0047"),
            char => escaped.push(char),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::process::Command as Process;

    use super::*;

    fn scripts(before: &str, after: &str) -> ScriptSettings {
        ScriptSettings {
            pre_build_script: before.to_owned(),
            post_build_script: after.to_owned(),
            ..ScriptSettings::default()
        }
    }

    /// What `sh -e` prints on both outputs for the script with these around it, and its exit code.
    fn run(before: &str, script: &str, after: &str) -> (String, Option<i32>) {
        let whole = with_build_scripts(script.to_owned(), &scripts(before, after));
        let output = Process::new("sh").args(["-e", "-c", &whole, "sh"]).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (String::from_utf8(text).unwrap(), output.status.code())
    }

    #[test]
    fn a_step_without_scripts_around_it_is_unchanged() {
        assert_eq!(with_build_scripts("make".to_owned(), &scripts("", " \n")), "make");
        assert!(!has_build_scripts(&scripts(" ", "")));
        assert!(has_build_scripts(&scripts("", "date")));
    }

    #[test]
    fn variables_of_the_script_before_are_the_steps() {
        let before = "export A='it'\\''s \\n \"x\" 50%'\nB=2\nf() {\n  echo f $1\n}";
        let (text, code) = run(before, "printf '%s\\n' \"$A $B\"; f 1", "echo after $B");
        assert_eq!((text.as_str(), code), ("it's \\n \"x\" 50% 2\nf 1\nafter 2\n", Some(0)));
    }

    #[test]
    fn a_failing_script_before_fails_the_step() {
        assert_eq!(run("echo a\nfalse\necho b", "echo c", "echo d"), ("a\n".to_owned(), Some(1)));
        assert_eq!(run("exit 7", "echo c", "echo d"), (String::new(), Some(7)));
        assert_ne!(run("if then", "echo c", "").1, Some(0));
        assert_eq!(run("false && true", "echo c", ""), ("c\n".to_owned(), Some(0)));
    }

    #[test]
    fn a_last_line_of_the_script_before_may_end_with_a_backslash() {
        assert_eq!(run("echo a \\", "echo c", ""), ("a\nc\n".to_owned(), Some(0)));
    }

    /// The shells of this machine among those that images have.
    fn shells() -> Vec<Vec<&'static str>> {
        let all = [vec!["sh"], vec!["dash"], vec!["bash"], vec!["busybox", "sh"]];
        let runs = |words: &Vec<&str>| {
            let output = Process::new(words[0]).args(&words[1..]).args(["-c", "exit 0"]).output();
            output.is_ok_and(|output| output.status.success())
        };
        all.into_iter().filter(runs).collect()
    }

    /// What a shell prints for a step between two scripts, and its exit code.
    fn run_by(shell: &[&str], option: &str, before: &str, script: &str) -> (String, Option<i32>) {
        let whole = with_build_scripts(script.to_owned(), &scripts(before, "echo after"));
        let arguments = ["-e", option, "-c", &whole, "name", "one", "two"];
        let output = Process::new(shell[0]).args(&shell[1..]).args(arguments).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (String::from_utf8(text).unwrap(), output.status.code())
    }

    #[test]
    fn tracing_shows_commands_of_the_script_before_but_not_its_text() {
        let before = "if false; then echo unreached; fi\necho $((40 + 2))\necho error >&2";
        for shell in shells() {
            let (text, code) = run_by(&shell, "-x", before, "echo step $# $1; (exit 3)");
            assert_eq!(code, Some(3), "{shell:?} {text}");
            for hidden in ["unreached", "40 + 2", "printf", "eval", "berth_trace", "set ", "+ :"] {
                assert!(!text.contains(hidden), "{shell:?} {hidden:?} {text}");
            }
            for shown in ["+ false\n", "+ echo 42\n", "\nerror\n", "+ echo step 2 one\n"] {
                assert!(text.contains(shown), "{shell:?} {shown:?} {text}");
            }
        }
    }

    #[test]
    fn a_shell_that_does_not_trace_does_not_begin_to() {
        for shell in shells() {
            let untraced = run_by(&shell, "-f", "echo before $1", "echo step $#");
            assert_eq!(untraced, ("before one\nstep 2\nafter\n".to_owned(), Some(0)), "{shell:?}");
            let (text, code) = run_by(&shell, "-x", "set +x", "echo step $#");
            assert!(text.starts_with("step 2\nafter\n") && !text.contains("echo"), "{text}");
            assert_eq!(code, Some(0));
            let (text, code) = run_by(&shell, "-x", "echo a\nfalse", "echo step $#");
            assert!(text.contains("+ false") && !text.contains("step"), "{text}");
            assert_eq!(code, Some(1));
        }
    }

    #[test]
    fn the_script_after_runs_only_if_the_step_succeeded() {
        for (script, text, code) in [
            ("echo c", "c\nafter\n", 0),
            ("echo c \\", "c\nafter\n", 0),
            ("echo c # comment", "c\nafter\n", 0),
            ("false", "", 1),
            ("false && true", "", 1),
            ("set +e; (exit 5)", "", 5),
            ("exit 0", "", 0),
            ("exit 3", "", 3),
        ] {
            assert_eq!(run("", script, "echo after"), (text.to_owned(), Some(code)), "{script}");
        }
        assert_eq!(run("", "echo c", "false\necho d"), ("c\n".to_owned(), Some(1)));
    }

    #[test]
    fn line_numbers_are_the_steps_own() {
        let (text, _) = run("echo a\n# b\n", "\necho b\n# x\nno_such_program", "");
        assert!(text.starts_with("a\nb\n") && text.contains("4: "), "{text}");
    }
}
