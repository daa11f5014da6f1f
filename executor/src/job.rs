//! What a job is, as its author describes it.

use std::{fmt, time::Duration};

use docker_api_trait::ImageReference;
use volume_manager::{ContainerPath, Trust, VolumeSpec};

use crate::JobError;

/// A job: one command in one container.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct JobSpec {
    /// The job's name or number, in its author's terms; only written into labels.
    pub id: String,
    /// The project that it belongs to; its caches are the project's.
    pub project: String,
    /// How far its code is to be believed; trusted and untrusted jobs have different caches.
    pub trust: Trust,
    /// Tells apart several sets of caches of one project; empty as a rule.
    pub key: String,
    /// The image of its container.
    pub image: ImageReference,
    /// What is run.
    pub command: Command,
    /// Environment variables; of several with one name the last counts.
    pub variables: Vec<Variable>,
    /// Volumes that it asks for.
    pub volumes: Vec<VolumeSpec>,
    /// The folder that the command starts in; `None` is the image's own.
    pub working_directory: Option<ContainerPath>,
    /// Who runs the command: a name or number, with a group after a colon if any; `None` is the
    /// image's own.
    pub user: Option<String>,
    /// How long it may take, from the connection to the command's end; `None` is without limit.
    pub timeout: Option<Duration>,
}

impl JobSpec {
    /// A trusted job without variables, volumes or time limit.
    pub fn new(project: impl Into<String>, image: ImageReference, command: Command) -> Self {
        Self {
            id: String::new(),
            project: project.into(),
            trust: Trust::Trusted,
            key: String::new(),
            image,
            command,
            variables: Vec::new(),
            volumes: Vec::new(),
            working_directory: None,
            user: None,
            timeout: None,
        }
    }
}

/// What a job runs. The image's own entrypoint is not used: it is often a program of the image's
/// that would take a script for its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command(Vec<String>);

impl Command {
    /// A script for the image's `sh`; the job's exit code is the shell's.
    ///
    /// # Errors
    /// [`JobError::EmptyScript`] when it is empty or white space; [`JobError::NulInCommand`].
    pub fn script(script: impl Into<String>) -> Result<Self, JobError> {
        let script = script.into();
        if script.trim().is_empty() {
            return Err(JobError::EmptyScript);
        }
        Self::program(["sh".to_owned(), "-c".to_owned(), script])
    }

    /// A program and its arguments, run without a shell.
    ///
    /// # Errors
    /// [`JobError::EmptyScript`] when there is no program; [`JobError::NulInCommand`].
    pub fn program(words: impl IntoIterator<Item = String>) -> Result<Self, JobError> {
        let words: Vec<String> = words.into_iter().collect();
        if words.first().is_none_or(String::is_empty) {
            return Err(JobError::EmptyScript);
        }
        if words.iter().any(|word| word.contains('\0')) {
            return Err(JobError::NulInCommand);
        }
        Ok(Self(words))
    }

    /// The program and its arguments.
    pub fn words(&self) -> &[String] {
        &self.0
    }
}

/// An environment variable. Its value does not show in debug output.
#[derive(Clone, PartialEq, Eq)]
pub struct Variable {
    name: String,
    value: String,
}

impl Variable {
    /// A variable by name and value.
    ///
    /// # Errors
    /// [`JobError::Variable`] when the name is empty, has `=`, white space or control characters
    /// in it, or the value has NUL in it.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Result<Self, JobError> {
        let (name, value) = (name.into(), value.into());
        let problem = if name.is_empty() {
            Some("its name is empty")
        } else if name.contains(|c: char| c == '=' || c.is_whitespace() || c.is_control()) {
            Some("its name has `=`, white space or a control character in it")
        } else if value.contains('\0') {
            Some("its value has NUL in it")
        } else {
            None
        };
        match problem {
            Some(problem) => Err(JobError::Variable { name, problem }),
            None => Ok(Self { name, value }),
        }
    }

    /// Reads `NAME=value`.
    ///
    /// # Errors
    /// [`JobError::Variable`], as for [`Variable::new`], or when there is no `=`. The value is not
    /// part of the error: it may be a secret.
    pub fn parse(text: &str) -> Result<Self, JobError> {
        match text.split_once('=') {
            Some((name, value)) => Self::new(name, value),
            None => Err(JobError::Variable {
                name: text.to_owned(),
                problem: if text.is_empty() { "it is empty" } else { "it has no `=`" },
            }),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its value.
    pub fn value(&self) -> &str {
        &self.value
    }
}

impl fmt::Debug for Variable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Variable({}=…)", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_needs_words() {
        for script in ["", " ", "\n\t"] {
            assert!(matches!(Command::script(script), Err(JobError::EmptyScript)), "{script:?}");
        }
        assert!(matches!(Command::program([]), Err(JobError::EmptyScript)));
        assert!(matches!(Command::program([String::new()]), Err(JobError::EmptyScript)));
        assert!(matches!(Command::script("a\0b"), Err(JobError::NulInCommand)));
    }

    #[test]
    fn a_script_goes_to_the_shell_whole() {
        let command = Command::script("echo 'a b'").unwrap();
        assert_eq!(command.words(), ["sh", "-c", "echo 'a b'"]);
    }

    #[test]
    fn a_variable_is_name_and_value() {
        let variable = Variable::parse("A=b=c").unwrap();
        assert_eq!((variable.name(), variable.value()), ("A", "b=c"));
        assert_eq!(Variable::parse("A=").unwrap().value(), "");
        for malformed in ["", "A", "=b", "A B=c", "A\n=c", "A=\0"] {
            assert!(
                matches!(Variable::parse(malformed), Err(JobError::Variable { .. })),
                "{malformed:?}"
            );
        }
    }

    #[test]
    fn a_variables_value_does_not_show() {
        assert!(!format!("{:?}", Variable::parse("TOKEN=s3cret").unwrap()).contains("s3cret"));
    }
}
