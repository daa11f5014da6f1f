//! A step: a script, or a program with its arguments.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use super::time;
use crate::job::JobError;

/// The longest script, in bytes: the shell reads it into memory whole.
const LONGEST_SCRIPT: usize = 16 * 1024 * 1024;

/// One step of a job. Steps run in their order, each in a shell of its own in the same container:
/// files stay, variables and the current folder do not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WrittenStep", into = "WrittenStep")]
#[non_exhaustive]
pub struct StepSpec {
    /// Its name, for logs and reports. Unique in its job.
    pub name: String,
    /// What it runs.
    pub command: Command,
    /// In which container.
    pub container: ContainerKind,
    /// After which outcome of the steps before it.
    pub when: StepWhen,
    /// How long it may take; `None` is as long as the job.
    pub timeout: Option<Duration>,
    /// Whether its failure leaves the job's outcome as it is.
    pub allow_failure: bool,
}

impl StepSpec {
    /// A step in the build container that runs while all goes well.
    pub fn new(name: impl Into<String>, command: Command) -> Self {
        Self {
            name: name.into(),
            command,
            container: ContainerKind::default(),
            when: StepWhen::default(),
            timeout: None,
            allow_failure: false,
        }
    }

    /// The step in the helper container.
    pub fn in_helper(mut self) -> Self {
        self.container = ContainerKind::Helper;
        self
    }

    /// The step, run after this outcome of the steps before it.
    pub fn with_when(mut self, when: StepWhen) -> Self {
        self.when = when;
        self
    }

    /// The step, stopped after this time.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The step, whose failure leaves the job's outcome as it is.
    pub fn allowed_to_fail(mut self) -> Self {
        self.allow_failure = true;
        self
    }
}

/// The container that a step runs in.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ContainerKind {
    /// That of the job's image.
    #[default]
    Build,
    /// That of the helper image, with the same volumes: for what comes before and after the build.
    Helper,
}

impl ContainerKind {
    /// One word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Build => "build",
            Self::Helper => "helper",
        }
    }
}

/// After which outcome of the steps before it a step runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum StepWhen {
    /// While all went well.
    #[default]
    Success,
    /// After a failure.
    Failure,
    /// After both.
    Always,
}

/// What a step runs. Its text does not show in debug output: it may have secrets in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Command(Kind);

#[derive(Clone, PartialEq, Eq)]
enum Kind {
    Script(String),
    Program(Vec<String>),
}

impl Command {
    /// A script for the image's shell: bash where there is one, sh otherwise. It ends at the first
    /// command that fails, as in every CI system. An empty one costs nothing: it is not run.
    ///
    /// # Errors
    /// [`JobError::NulInCommand`]; [`JobError::LongScript`].
    pub fn script(script: impl Into<String>) -> Result<Self, JobError> {
        let script = script.into();
        if script.contains('\0') {
            return Err(JobError::NulInCommand);
        }
        if script.len() > LONGEST_SCRIPT {
            return Err(JobError::LongScript { bytes: script.len(), limit: LONGEST_SCRIPT });
        }
        Ok(Self(Kind::Script(script)))
    }

    /// A program and its arguments. Where all steps of a container are programs, each gets a
    /// container of its own and no shell is needed; else the shell runs it.
    ///
    /// # Errors
    /// [`JobError::EmptyProgram`] when there is no program; [`JobError::NulInCommand`].
    pub fn program<W: Into<String>>(words: impl IntoIterator<Item = W>) -> Result<Self, JobError> {
        let words: Vec<String> = words.into_iter().map(Into::into).collect();
        if words.first().is_none_or(String::is_empty) {
            return Err(JobError::EmptyProgram);
        }
        if words.iter().any(|word| word.contains('\0')) {
            return Err(JobError::NulInCommand);
        }
        Ok(Self(Kind::Program(words)))
    }

    /// The script, if it is one.
    pub fn as_script(&self) -> Option<&str> {
        match &self.0 {
            Kind::Script(script) => Some(script),
            Kind::Program(_) => None,
        }
    }

    /// The program and its arguments, if it is one.
    pub fn as_program(&self) -> Option<&[String]> {
        match &self.0 {
            Kind::Script(_) => None,
            Kind::Program(words) => Some(words),
        }
    }

    /// Whether there is nothing to run: a script of white space.
    pub fn is_empty(&self) -> bool {
        self.as_script().is_some_and(|script| script.trim().is_empty())
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Script(script) => write!(formatter, "Script({} bytes)", script.len()),
            Kind::Program(words) => write!(formatter, "Program({} words)", words.len()),
        }
    }
}

/// A step as it stands in a file: `script`, text or lines, or `command`, words.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenStep {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    script: Option<Script>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    command: Option<Vec<String>>,
    #[serde(default)]
    container: ContainerKind,
    #[serde(default)]
    when: StepWhen,
    #[serde(default, with = "time::optional", skip_serializing_if = "Option::is_none")]
    timeout: Option<Duration>,
    #[serde(default)]
    allow_failure: bool,
}

/// A script in a file: a text, or lines that become one text.
#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a script: a text, or a list of lines")]
pub(super) enum Script {
    Text(String),
    Lines(Vec<String>),
}

impl Script {
    pub(super) fn text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Lines(lines) => lines.join("\n"),
        }
    }
}

impl TryFrom<WrittenStep> for StepSpec {
    type Error = JobError;

    fn try_from(written: WrittenStep) -> Result<Self, JobError> {
        let command = match (written.script, written.command) {
            // A file of Windows has such line ends, which are part of the text in JSON.
            (Some(script), None) => Command::script(script.text().replace("\r\n", "\n"))?,
            (None, Some(words)) => Command::program(words)?,
            _ => return Err(JobError::StepCommand { step: written.name }),
        };
        Ok(Self {
            name: written.name,
            command,
            container: written.container,
            when: written.when,
            timeout: written.timeout,
            allow_failure: written.allow_failure,
        })
    }
}

impl From<StepSpec> for WrittenStep {
    fn from(step: StepSpec) -> Self {
        let (script, command) = match step.command.0 {
            Kind::Script(script) => (Some(Script::Text(script)), None),
            Kind::Program(words) => (None, Some(words)),
        };
        Self {
            name: step.name,
            script,
            command,
            container: step.container,
            when: step.when,
            timeout: step.timeout,
            allow_failure: step.allow_failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_needs_a_first_word_and_nothing_has_nul_in_it() {
        assert!(matches!(Command::program([""; 0]), Err(JobError::EmptyProgram)));
        assert!(matches!(Command::program([String::new()]), Err(JobError::EmptyProgram)));
        assert!(matches!(Command::script("a\0b"), Err(JobError::NulInCommand)));
        assert!(matches!(Command::program(["a\0".to_owned()]), Err(JobError::NulInCommand)));
    }

    #[test]
    fn a_script_of_5_mb_is_fine_and_one_of_17_is_not() {
        assert!(Command::script("x".repeat(5 << 20)).is_ok());
        let error = Command::script("x".repeat(17 << 20)).unwrap_err();
        assert!(matches!(error, JobError::LongScript { .. }), "{error:?}");
    }

    #[test]
    fn white_space_is_nothing_to_run() {
        for script in ["", " ", "\n\t"] {
            assert!(Command::script(script).unwrap().is_empty(), "{script:?}");
        }
        assert!(!Command::script("true").unwrap().is_empty());
    }

    #[test]
    fn a_step_is_read_from_text_lines_or_words() {
        let read = |text: &str| serde_json::from_str::<StepSpec>(text);
        let step = read(r#"{"name": "a", "script": ["x", "y"], "timeout": "90s"}"#).unwrap();
        assert_eq!(step.command.as_script(), Some("x\ny"));
        assert_eq!(step.timeout, Some(Duration::from_secs(90)));
        let step = read(r#"{"name": "a", "command": ["x", "y"], "when": "always"}"#).unwrap();
        assert_eq!(step.command.as_program().unwrap(), ["x", "y"]);
        for wrong in [
            r#"{"name": "a"}"#,
            r#"{"name": "a", "script": "x", "command": ["y"]}"#,
            r#"{"name": "a", "script": "x", "timout": "1s"}"#,
            r#"{"name": "a", "script": "x", "timeout": "soon"}"#,
            r#"{"name": "a", "script": 3}"#,
            r#"{"name": "a", "script": "\u0000"}"#,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_scripts_text_does_not_show() {
        let step = StepSpec::new("a", Command::script("echo s3cret").unwrap());
        assert!(!format!("{step:?}").contains("s3cret"));
    }
}
