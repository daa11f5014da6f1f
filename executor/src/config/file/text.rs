//! Small texts: words, lists of words, times.

use std::time::Duration;

use docker_api_trait::ImageReference;

use crate::job::{ImageSpec, JobError, Variable};

/// What is wrong with a text, and what would be accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) problem: String,
    pub(super) expected: &'static str,
}

impl Problem {
    pub(super) fn new(problem: impl Into<String>, expected: &'static str) -> Self {
        Self { problem: problem.into(), expected }
    }
}

/// A name or number without white space and control characters.
pub(super) fn word(text: &str) -> Result<String, Problem> {
    let expected = "a word without white space";
    if text.is_empty() {
        return Err(Problem::new("is empty", expected));
    }
    if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(Problem::new("has white space or a control character in it", expected));
    }
    Ok(text.to_owned())
}

/// A time as Go and people write it: `15m0s`, `1h30m`, `90s`.
pub(super) fn time(text: &str) -> Result<Duration, Problem> {
    let expected = "a time such as \"90s\" or \"1h30m\"";
    humantime::parse_duration(text)
        .map_err(|error| Problem::new(format!("is no time: {error}"), expected))
}

/// A capability of the kernel.
pub(super) fn capability(text: &str) -> Result<String, Problem> {
    let is_legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if text.is_empty() || !text.chars().all(is_legal) {
        let expected = "a capability such as NET_ADMIN, or ALL";
        return Err(Problem::new("is no capability", expected));
    }
    Ok(text.to_owned())
}

/// `0-3,6`: processors or memory nodes.
pub(super) fn cpuset(text: &str) -> Result<String, Problem> {
    let number = |text: &str| text.parse::<u32>().ok().filter(|_| !text.starts_with('+'));
    let is_range = |part: &str| match part.split_once('-') {
        Some((first, last)) => {
            matches!((number(first), number(last)), (Some(first), Some(last)) if first <= last)
        }
        None => number(part).is_some(),
    };
    if text.split(',').all(is_range) {
        return Ok(text.to_owned());
    }
    Err(Problem::new("is no list of numbers", "numbers and ranges such as 0-3,6"))
}

/// The names of a service, which GitLab Runner takes with commas or spaces between them.
pub(super) fn aliases(text: &str) -> Vec<String> {
    let names = text.split(|c: char| c == ',' || c.is_whitespace());
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// `NAME=value`. The error names no value: it may be a secret.
pub(super) fn variable(text: &str) -> Result<Variable, Problem> {
    Variable::parse(text).map_err(|error| {
        let problem = match error {
            JobError::Variable { problem, .. } => problem,
            _ => "is no variable",
        };
        Problem::new(format!("has a malformed variable: {problem}"), "NAME=value")
    })
}

/// An image's name. Variables in it are refused: they are only known with a job.
pub(super) fn image(text: &str) -> Result<ImageSpec, Problem> {
    let expected = "an image such as alpine:3 or registry.example/team/image:1";
    if text.contains('$') {
        return Err(Problem::new("has a variable in it, which is not expanded here", expected));
    }
    let name = ImageReference::new(text)
        .map_err(|error| Problem::new(format!("is no image: {}", error.reason), expected))?;
    Ok(ImageSpec::new(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_go_writes_them() {
        for (text, seconds) in
            [("15m0s", 900), ("1h30m", 5400), ("90s", 90), ("0s", 0), ("1h0m0s", 3600)]
        {
            assert_eq!(time(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "90", "-1s", "soon", "1x"] {
            assert!(time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sets_of_processors_are_numbers_and_ranges() {
        for text in ["0", "0-3", "0,1", "0-3,6,8-9"] {
            assert!(cpuset(text).is_ok(), "{text}");
        }
        for text in ["", "a", "3-1", "0-", ",", "0, 1", "-1", "+1", "1-2-3"] {
            assert!(cpuset(text).is_err(), "{text}");
        }
    }

    #[test]
    fn aliases_have_commas_or_spaces_between_them() {
        assert_eq!(aliases(" db, postgres  pg,"), ["db", "postgres", "pg"]);
        assert!(aliases(" , ").is_empty());
    }
}
