//! The texts: what the container's shell runs, and what comes before a script. Pure.

use crate::StepSpec;

/// Looks for bash, and else goes on with the shell that it is itself. The places are GitLab Runner's.
const FIND: &str = r#"for berth_shell in /usr/local/bin/bash /usr/bin/bash /bin/bash; do
if [ -x "$berth_shell" ]; then exec "$berth_shell" -c "$1" "$0" "$2" "$berth_shell"; fi
done
exec sh -c "$1" "$0" "$2" sh"#;

/// Runs the text that reads steps, and ends with it. While a script runs nobody would notice that
/// the client is gone. So what comes in is handed on by a process of its own, which does: at the end of
/// the input it leaves the script a second, and then kills the shell, and with it the container.
///
/// The shell that reads steps is a program of its own, so that a script that kills it, as `$$`, does
/// that before its end could be told.
pub(super) const WATCH: &str = r#"trap : TERM INT HUP
{
trap '' TERM INT HUP
if command -v cat >/dev/null 2>&1; then
cat
else
while IFS= read -r berth_line; do
printf '%s\n' "$berth_line"
done
fi
{ sleep 1; kill -KILL "$$"; } >/dev/null 2>&1 &
} | {
trap : TERM INT HUP
"$2" -c "$1" "$0"
berth_code=$?
[ "$berth_code" -le 128 ] || kill -KILL "$$"
exit "$berth_code"
}"#;

/// Reads steps and runs them. Only what every POSIX shell has is used; `head` is the one program, and
/// where there is none, lines are read one by one.
///
/// The trap keeps the shell alive when its processes are asked to stop; a subshell begins without it.
pub(super) const LOOP: &str = r##"trap : TERM INT HUP
while IFS=' ' read -r berth_mark berth_size; do
[ -n "$berth_size" ] || continue
if command -v head >/dev/null 2>&1; then
berth_script=$(head -c "$berth_size")
else
berth_script=
while IFS= read -r berth_line && [ "$berth_line" != "$berth_mark" ]; do
berth_script="$berth_script$berth_line
"
done
berth_script=${berth_script%?}
fi
case $berth_script in
*"#$berth_mark") ;;
*) exit 125 ;;
esac
berth_script=${berth_script%"#$berth_mark"}
printf '%s+' "$berth_mark"
printf '%s+' "$berth_mark" >&2
(unset berth_mark berth_size berth_line; eval "unset berth_script
$berth_script") </dev/null
berth_code=$?
printf '%s-%s.' "$berth_mark" "$berth_code"
printf '%s-%s.' "$berth_mark" "$berth_code" >&2
done"##;

/// The arguments for `sh` that make it the shell of a container. The word after the first script is
/// its name in `ps` and in its own messages.
pub(crate) fn arguments() -> Vec<String> {
    ["-c", FIND, "berth", WATCH, LOOP].map(ToOwned::to_owned).to_vec()
}

/// What comes before every script of a job: variables that are no part of the container, and the
/// rule that a script ends at the first command that fails.
pub(crate) struct Prelude(String);

impl Prelude {
    /// The prelude for variables, by name and value, that the container's environment does not hold.
    pub(crate) fn new<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut text = String::new();
        for (name, value) in variables {
            text.push_str("export ");
            text.push_str(name);
            text.push('=');
            text.push_str(&quoted(value));
            text.push('\n');
        }
        // Not every shell knows pipefail, and one that does not ends when asked for it.
        text.push_str("set -e\nif (set -o pipefail) 2>/dev/null; then set -o pipefail; fi\n");
        Self(text)
    }

    /// The whole script of a step.
    pub(crate) fn with(&self, script: &str) -> String {
        format!("{}{script}", self.0)
    }
}

/// The script that a step is to a shell: its own, or the line that runs its program.
pub(crate) fn script_of(step: &StepSpec) -> String {
    match (step.command.as_script(), step.command.as_program()) {
        (Some(script), _) => script.to_owned(),
        (None, words) => {
            words.unwrap_or_default().iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
        }
    }
}

/// `text` as one word of a shell, whatever is in it.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Whether a name can be that of a shell's variable.
pub(crate) fn is_shell_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Command;

    #[test]
    fn a_word_is_one_word_whatever_is_in_it() {
        for text in ["", "a b", "it's", "$HOME `x` \\", "a\nb", "*"] {
            assert_eq!(shlex::split(&quoted(text)).unwrap(), [text]);
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
        let script = Prelude::new([("TOKEN", "a'b")]).with("make");
        assert!(script.starts_with("export TOKEN='a'\\''b'\nset -e\n"), "{script}");
        assert!(script.ends_with("\nmake"), "{script}");
    }

    #[test]
    fn a_shells_names_are_letters_digits_and_underscores() {
        for (name, expected) in
            [("A_1", true), ("_", true), ("1A", false), ("A-B", false), ("", false)]
        {
            assert_eq!(is_shell_name(name), expected, "{name:?}");
        }
    }
}
