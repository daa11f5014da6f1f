//! Programs that are run in a container beside its first one.

/// A program to run in a running container.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExecRequest {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Environment variables, `NAME=value`, beside those of the container.
    pub environment: Vec<String>,
    /// Who runs it; `None` is whoever runs the container.
    pub user: Option<String>,
    /// The folder that it starts in; `None` is the container's.
    pub working_directory: Option<String>,
}

impl ExecRequest {
    /// A program and its arguments, run as the container is.
    pub fn new(command: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            command: command.into_iter().map(Into::into).collect(),
            environment: Vec::new(),
            user: None,
            working_directory: None,
        }
    }
}

/// A program in a container, looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExecDetails {
    /// Whether it runs.
    pub running: bool,
    /// Its exit code; `None` until it has ended.
    pub exit_code: Option<i64>,
}

impl ExecDetails {
    /// A program that has ended with this code.
    pub fn ended(exit_code: i64) -> Self {
        Self { running: false, exit_code: Some(exit_code) }
    }
}
