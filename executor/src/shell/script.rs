//! What is sent to a supervisor so that it runs something. Pure.

use crate::job::StepSpec;

/// The variables that a step's shell has and its container's environment does not.
#[derive(Debug)]
pub(crate) struct StepVariables {
    /// The text that sets them.
    text: String,
    /// Whether the script's first line may close the descriptor that the script comes from.
    closes_descriptor: bool,
}

/// What closes that descriptor, so that no command of the script inherits it. In braces, as a trace of
/// it must not show.
const CLOSE_DESCRIPTOR: &str = "{ exec 9<&-; } 2>/dev/null; ";

impl StepVariables {
    /// Secrets, by name and value, and variables that only `env` can pass on, as `NAME=value`.
    pub(crate) fn new<'a>(
        secrets: impl IntoIterator<Item = (&'a str, &'a str)>,
        others: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let mut text = String::new();
        for (name, value) in secrets {
            // A variable that a shell does not let change would end it, but for `command`.
            text.push_str("command export ");
            text.push_str(name);
            text.push('=');
            text.push_str(&quote(value));
            text.push('\n');
        }
        text.push_str("set --");
        let mut closes_descriptor = true;
        for other in others {
            text.push(' ');
            text.push_str(&quote(other));
            closes_descriptor &= !shows_first_line(other);
        }
        text.push('\n');
        Self { text, closes_descriptor }
    }

    /// The text for a step: its script is run by a shell of its own.
    pub(crate) fn step(&self, script: &str) -> String {
        let close = if self.closes_descriptor { CLOSE_DESCRIPTOR } else { "" };
        format!("{}berth_script={}", self.text, quote(&format!("{close}{script}")))
    }
}

/// Whether a variable, `NAME=value`, would make a shell show or change what is before the first line.
fn shows_first_line(variable: &str) -> bool {
    variable.starts_with("BASH_FUNC_exec%%=")
        || variable.starts_with("BASH_ENV=")
        || variable.strip_prefix("SHELLOPTS=").is_some_and(|options| options.contains("verbose"))
}

/// What the names of the supervisor's own variables begin with.
pub(crate) const OWN_PREFIX: &str = "berth_";

/// The text for a short script of Berth's own. The supervisor runs it itself, so that no variable of
/// the job or the image changes what it does. It ends at the first command that fails.
pub(crate) fn internal(script: &str) -> String {
    format!("(\nexec >&3 2>&4 3>&- 4>&- </dev/null\nset -e\n{script}\n)\nreturn")
}

/// The text that asks with which code the step before has ended.
pub(crate) const LAST_CODE: &str = r#"return "$berth_code""#;

/// The script that a step is to a shell: its own, or the line that runs its program.
pub(crate) fn script_of(step: &StepSpec) -> String {
    match (step.command.as_script(), step.command.as_program()) {
        (Some(script), _) => script.to_owned(),
        (None, words) => quote_words(words.unwrap_or_default()),
    }
}

/// `text` as one word of a shell, whatever is in it.
pub(crate) fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The words as one line of a shell.
pub(crate) fn quote_words(words: &[String]) -> String {
    words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ")
}

/// Whether a name can be that of a shell's variable.
pub(crate) fn is_shell_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Whether a variable is kept from the supervisor, and set for the shells of steps alone: one by which
/// a shell would change its own behaviour, and one that a shell does not pass on to its children.
///
/// With `SHELLOPTS=noexec` a shell runs nothing at all; without a `PATH` the engine finds no shell.
pub(crate) fn is_for_steps_only(name: &str, value: &str) -> bool {
    matches!(name, "SHELLOPTS" | "BASHOPTS" | "BASH_VERSION" | "BASH" | "BASH_ENV" | "ENV")
        || matches!(name, "IFS" | "SHLVL")
        || name.starts_with(OWN_PREFIX)
        || (name == "PATH" && value.trim_matches(':').is_empty())
        // `env` would take it for an option.
        || (!is_shell_name(name) && !name.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Command;

    #[test]
    fn quoting_makes_one_word_of_any_text() {
        for text in ["", "a b", "it's", "$HOME `x` \\", "a\nb", "*"] {
            assert_eq!(shlex::split(&quote(text)).unwrap(), [text]);
        }
    }

    #[test]
    fn a_program_becomes_a_line() {
        let words = ["echo", "it's"].map(ToOwned::to_owned);
        let step = StepSpec::new("a", Command::program(words).unwrap());
        assert_eq!(script_of(&step), r"'echo' 'it'\''s'");
    }

    #[test]
    fn variables_come_before_the_script() {
        let variables = StepVariables::new([("TOKEN", "a'b")], ["BASH_FUNC_x%%=() { :; }"]);
        let text = variables.step("echo 'it'");
        let expected = "command export TOKEN='a'\\''b'\nset -- 'BASH_FUNC_x%%=() { :; }'\n\
                        berth_script='{ exec 9<&-; } 2>/dev/null; echo '\\''it'\\'''";
        assert_eq!(text, expected);
        for other in ["SHELLOPTS=verbose", "BASH_FUNC_exec%%=() { :; }", "BASH_ENV=/env"] {
            assert!(StepVariables::new([], [other]).step("a").ends_with("berth_script='a'"));
        }
    }

    #[test]
    fn shell_names_are_letters_digits_and_underscores() {
        for (name, expected) in
            [("A_1", true), ("_", true), ("1A", false), ("A-B", false), ("", false)]
        {
            assert_eq!(is_shell_name(name), expected, "{name:?}");
        }
    }

    #[test]
    fn variables_that_change_a_shell_are_for_steps_only() {
        for (name, value, expected) in [
            ("SHELLOPTS", "xtrace", true),
            ("BASH_FUNC_exec%%", "() { :; }", true),
            ("a.b", "c", true),
            ("berth_mark", "c", true),
            ("-u", "c", false),
            ("PATH", "", true),
            ("PATH", "/bin", false),
            ("BASH_ENV", "/etc/profile", true),
            ("TMOUT", "2", false),
        ] {
            assert_eq!(is_for_steps_only(name, value), expected, "{name}={value}");
        }
    }
}
