//! Errors as a person sees them: one line, then a hint. And the exit codes.

use std::{borrow::Cow, error::Error, io};

use docker_api_trait::Hint;

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

    /// An error of the libraries with its causes and its own hint.
    pub(crate) fn explain(error: &(dyn Hint + 'static)) -> Self {
        Self::from_error(error, error.hint().map(Cow::into_owned))
    }

    /// Standard output does not take what we have to say.
    pub(crate) fn unwritable(error: &io::Error) -> Self {
        Self::from_error(error, Some("standard output cannot be written to".into()))
    }

    pub(crate) fn show(&self) {
        say(&format!("berth: error: {}", self.message.replace(['\n', '\r'], " ")));
        if let Some(hint) = &self.hint {
            // The library names its settings, a person has options.
            say(&format!("hint: {}", name_flags(hint)));
        }
    }
}

/// The settings of the libraries that have a flag here.
const FLAGS: &[(&str, &str)] = &[
    ("allow_host_paths", "--allow-host-paths"),
    ("allow_host_options", "--allow-host-options"),
    ("allow_engine_socket", "--allow-engine-socket"),
    ("strict_config", "--strict-config"),
    ("the setting `rebuild_caches`", "`--rebuild-caches`"),
    ("`secret_file`", "`--secret-file`"),
    ("`owner`", "--owner"),
    ("BERTH_STATE_DIR", "--state-dir or BERTH_STATE_DIR"),
    ("DOCKER_HOST", "--host or DOCKER_HOST"),
];

/// Returns a hint of a library with the flags of this program in place of the settings.
fn name_flags(hint: &str) -> String {
    FLAGS.iter().fold(hint.to_owned(), |hint, (setting, flag)| hint.replace(setting, flag))
}

#[cfg(test)]
mod tests {
    use super::name_flags;

    #[test]
    fn hints_name_the_flags_of_the_program() {
        let hint = name_flags("start the engine, or name the right one with DOCKER_HOST");
        assert_eq!(hint, "start the engine, or name the right one with --host or DOCKER_HOST");
        assert_eq!(name_flags("set DOCKER_CONTEXT"), "set DOCKER_CONTEXT");
    }
}
