//! The words of a container's program: an entrypoint of the job's own, then the shell. Pure.

use super::{script::quote_words, supervisor};

/// Names under which shells are called.
const SHELLS: [&str; 8] = ["sh", "bash", "dash", "ash", "ksh", "mksh", "zsh", "busybox"];

/// The program of a container that reads steps, for a container of this name.
///
/// An entrypoint gets the shell as its last arguments, and has to run them. Two kinds are no programs
/// that run their arguments, but are common: a shell that takes its script from one word, as
/// `["/bin/sh", "-c"]`, gets all as one word; and one with nothing but options, as `["/bin/bash"]`, is
/// the shell itself.
pub(crate) fn program(entrypoint: &[String], name: &str) -> Vec<String> {
    let supervisor = supervisor::arguments(name);
    let mut words = entrypoint.to_vec();
    match Kind::of(entrypoint) {
        Kind::Program => {
            words.push("sh".to_owned());
            words.extend(supervisor);
        }
        Kind::ShellOfOneWord => words.push(format!("exec sh {}", quote_words(&supervisor))),
        Kind::Shell => words.extend(supervisor),
    }
    words
}

/// The same for a person's `docker` line that runs `arguments` of a shell, as `-ec SCRIPT`.
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
    fn of(entrypoint: &[String]) -> Self {
        let is_shell = |word: &String| {
            let name = word.rsplit('/').next().unwrap_or_default();
            SHELLS.contains(&name)
        };
        let Some(shell) = entrypoint.iter().rposition(is_shell) else { return Self::Program };
        let options = &entrypoint[shell + 1..];
        match options {
            [.., last] if takes_script(last) => Self::ShellOfOneWord,
            _ if entrypoint[shell].ends_with("busybox") => Self::Program,
            _ if options.iter().all(|word| word.starts_with('-') && !takes_script(word)) => {
                Self::Shell
            }
            _ => Self::Program,
        }
    }
}

/// Whether it is an option after which a shell expects its script: `-c`, `-lc`, `-ec`.
fn takes_script(word: &str) -> bool {
    let options = word.strip_prefix('-').filter(|options| !options.starts_with('-'));
    options.is_some_and(|options| {
        options.ends_with('c') && options.chars().all(|option| option.is_ascii_alphabetic())
    })
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
