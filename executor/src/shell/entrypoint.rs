//! The words of a container's program: an entrypoint of the job's own, then the shell. Pure.

use super::{script::quote_words, supervisor};

/// Names under which shells are called.
const SHELLS: [&str; 7] = ["sh", "bash", "dash", "ash", "ksh", "mksh", "zsh"];
/// Init processes, which run the words after their options.
const INITS: [&str; 4] = ["tini", "dumb-init", "catatonit", "docker-init"];

/// The program of a container that reads steps, for a container of this name.
pub(crate) fn program(entrypoint: &[String], name: &str) -> Vec<String> {
    shell_line(entrypoint, &supervisor::arguments(name))
}

/// An entrypoint with a shell that has these arguments, as `-ec SCRIPT`.
///
/// An entrypoint gets the shell as its last arguments, and has to run them. Two kinds do not run their
/// arguments, but are common: a shell that takes its script from one word, as `["/bin/sh", "-c"]`, gets
/// all as one word; and one with nothing but options, as `["/bin/bash"]`, is the shell itself.
pub(crate) fn shell_line(entrypoint: &[String], arguments: &[String]) -> Vec<String> {
    let mut words = entrypoint.to_vec();
    match Kind::of(entrypoint) {
        Kind::Program => {
            words.push("sh".to_owned());
            words.extend_from_slice(arguments);
        }
        Kind::ShellOfOneWord => words.push(format!("exec sh {}", quote_words(arguments))),
        Kind::Shell => words.extend_from_slice(arguments),
    }
    words
}

/// An entrypoint as Docker reads it: a single empty word stands for none.
pub(crate) fn normalized(entrypoint: &[String]) -> &[String] {
    match entrypoint {
        [only] if only.is_empty() => &[],
        words => words,
    }
}

/// What an entrypoint does with the arguments after it.
enum Kind {
    /// It runs them, or so it has to.
    Program,
    /// It is a shell that runs the next word as a script.
    ShellOfOneWord,
    /// It is a shell without a script.
    Shell,
}

impl Kind {
    /// Reads an entrypoint from its first word: a shell's name elsewhere is data.
    fn of(entrypoint: &[String]) -> Self {
        let mut words = entrypoint.iter().map(String::as_str).peekable();
        while let Some(word) = words.next() {
            match word.rsplit('/').next().unwrap_or_default() {
                "env" => while words.next_if(|word| word.contains('=')).is_some() {},
                "busybox" => {}
                name if INITS.contains(&name) => {
                    while words.next_if(|word| word.starts_with('-')).is_some() {}
                }
                name if SHELLS.contains(&name) => return Self::of_options(words),
                _ => break,
            }
        }
        Self::Program
    }

    /// What a shell with these arguments does with further ones.
    fn of_options<'a>(mut words: impl Iterator<Item = &'a str>) -> Self {
        while let Some(word) = words.next() {
            let Some(options) = word.strip_prefix(['-', '+']) else {
                // A script of the entrypoint's own.
                return Self::Program;
            };
            if options.starts_with('-') {
                continue;
            }
            let takes_word = options.ends_with(['o', 'O']);
            if takes_word && words.next().is_none() {
                return Self::Program;
            }
            if options.contains('c') {
                return if words.next().is_none() { Self::ShellOfOneWord } else { Self::Program };
            }
        }
        Self::Shell
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    fn line(entrypoint: &[&str]) -> String {
        let entrypoint = words(entrypoint);
        shell_line(normalized(&entrypoint), &words(&["-ec", "it's"])).join(" | ")
    }

    #[test]
    fn an_entrypoint_gets_the_shell_in_the_way_it_takes_it() {
        for (entrypoint, expected) in [
            (&[][..], "sh | -ec | it's"),
            (&[""], "sh | -ec | it's"),
            (&["/bin/sh", "-c"], r"/bin/sh | -c | exec sh '-ec' 'it'\''s'"),
            (&["bash", "-lc"], r"bash | -lc | exec sh '-ec' 'it'\''s'"),
            (&["tini", "--", "sh", "-c"], r"tini | -- | sh | -c | exec sh '-ec' 'it'\''s'"),
            (&["busybox", "sh", "-c"], r"busybox | sh | -c | exec sh '-ec' 'it'\''s'"),
            (&["/bin/bash"], "/bin/bash | -ec | it's"),
            (&["/bin/bash", "-l"], "/bin/bash | -l | -ec | it's"),
            (&["busybox"], "busybox | sh | -ec | it's"),
            (&["/usr/bin/env", "A=1"], "/usr/bin/env | A=1 | sh | -ec | it's"),
            (&["sh", "-c", "exec \"$@\"", "x"], "sh | -c | exec \"$@\" | x | sh | -ec | it's"),
            (&["sh", "-c", "exec \"$@\"", "sh"], "sh | -c | exec \"$@\" | sh | sh | -ec | it's"),
            (
                &["bash", "-c", "exec \"$@\"", "bash"],
                "bash | -c | exec \"$@\" | bash | sh | -ec | it's",
            ),
            (
                &["/usr/bin/env", "SHELL=/bin/bash"],
                "/usr/bin/env | SHELL=/bin/bash | sh | -ec | it's",
            ),
            (&["env", "A=1", "bash", "-c"], r"env | A=1 | bash | -c | exec sh '-ec' 'it'\''s'"),
            (&["bash", "-o", "pipefail"], "bash | -o | pipefail | -ec | it's"),
            (
                &["bash", "-eo", "pipefail", "-c"],
                r"bash | -eo | pipefail | -c | exec sh '-ec' 'it'\''s'",
            ),
            (
                &["tini", "--", "/entry", "--shell", "/bin/bash"],
                "tini | -- | /entry | --shell | /bin/bash | sh | -ec | it's",
            ),
            (&["/bin/sh", "/entry.sh"], "/bin/sh | /entry.sh | sh | -ec | it's"),
            (&["python", "-c"], "python | -c | sh | -ec | it's"),
            (&["/entrypoint.sh"], "/entrypoint.sh | sh | -ec | it's"),
        ] {
            assert_eq!(line(entrypoint), expected, "{entrypoint:?}");
        }
    }

    #[test]
    fn one_word_holds_the_whole_supervisor() {
        let program = program(&words(&["sh", "-c"]), "job");
        let inner = shlex::split(&program[2]).unwrap();
        assert_eq!(inner[..2], ["exec", "sh"]);
        assert_eq!(inner[2..], supervisor::arguments("job"));
    }
}
