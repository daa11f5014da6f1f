//! Errors as a person sees them: one line, then a hint. And the exit codes.

use std::{error::Error, io};

use volume_manager::SpecError;

use crate::teller::say;

/// We could not do what was asked for; the script's own exit code is not known.
pub(crate) const OUR_FAILURE: u8 = 125;
/// A spec cannot be read; only of `berth spec`.
pub(crate) const INVALID: u8 = 2;
/// A volume is not there, or stays; only of `berth volumes`.
pub(crate) const NOT_DONE: u8 = 1;
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

    /// A spec that cannot be read.
    pub(crate) fn from_spec(error: &SpecError) -> Self {
        Self::from_error(error, Some(error.hint().to_owned()))
    }

    /// Standard output does not take what we have to say.
    pub(crate) fn unwritable(error: &io::Error) -> Self {
        Self::from_error(error, Some("standard output cannot be written to".into()))
    }

    pub(crate) fn show(&self) {
        say(&format!("berth: error: {}", self.message.replace(['\n', '\r'], " ")));
        if let Some(hint) = &self.hint {
            // The library names its settings, a person has options.
            let hint = hint
                .replace("allow_host_paths", "--allow-host-paths")
                .replace("allow_host_options", "--allow-host-options")
                .replace("allow_engine_socket", "--allow-engine-socket");
            say(&format!("hint: {hint}"));
        }
    }
}
