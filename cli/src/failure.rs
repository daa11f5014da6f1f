//! Errors as a person sees them: one line, then a hint. And the exit codes.

use std::{error::Error, io::Write as _};

/// We could not do what was asked for; the script's own exit code is not known.
pub(crate) const OUR_FAILURE: u8 = 125;
/// The job took longer than it may.
pub(crate) const TIMED_OUT: u8 = 124;
/// The job was stopped by a signal.
pub(crate) const INTERRUPTED: u8 = 130;

/// What went wrong, and what to do about it.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    hint: Option<String>,
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: Some(hint.into()) }
    }

    /// An error with its causes, each said once.
    pub(crate) fn from_error(error: &(dyn Error + 'static), hint: Option<String>) -> Self {
        Self { message: executor::describe(error), hint }
    }

    pub(crate) fn show(&self) {
        say(&format!("berth: error: {}", self.message.replace(['\n', '\r'], " ")));
        if let Some(hint) = &self.hint {
            say(&format!("hint: {hint}"));
        }
    }
}

/// A line on standard error. When nobody reads it any more, there is nobody left to tell.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
