//! What the end of a step's container means, from what is known of it. Pure.

use std::fmt::Display;

use docker_api_trait::{ApiError, ContainerDetails, ContainerStatus, ExitStatus, ImageReference};

use crate::{
    error::StepError,
    outcome::{ExitCause, FailureReason},
};

/// What a container ends with that its engine stops.
const KILLED: i64 = 137;
/// What a container ends with that obeys.
const TERMINATED: i64 = 143;
/// How the first process of Podman's containers begins its word on a program that it cannot run; it
/// ends with 1 then.
const FIRST_PROCESS: &str = "ERROR (catatonit:";

/// A step whose container is no longer heard.
#[derive(Debug, Clone)]
pub(super) struct Unheard<'a> {
    /// The container's name.
    pub(super) container: &'a str,
    pub(super) image: &'a ImageReference,
    pub(super) progress: Progress,
    /// Whether its connection was lost before, and made again.
    pub(super) was_asked_again: bool,
    /// Whether the engine was away since, and its containers ended with that.
    pub(super) was_away: bool,
    /// Whether containers outlive their engine.
    pub(super) live_restore: bool,
}

/// How far a step has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Progress {
    /// It is a container's own program.
    Program,
    /// The supervisor that runs scripts never said that it is ready; this came instead.
    Unready(String),
    /// Of a step that is fed to a shell nothing was heard; but this came before it.
    Unbegun(String),
    /// The shell has begun it.
    Begun,
}

/// What came of a container whose connection was lost.
#[derive(Debug)]
pub(super) enum AfterLoss {
    /// It has ended by itself, with this code.
    Exited(i64),
    /// This befell it.
    Failed(StepError),
}

impl Unheard<'_> {
    /// What an end means by itself; nothing when the engine has to be asked.
    pub(super) fn at_once(&self, status: &ExitStatus) -> Option<Result<(), FailureReason>> {
        if let Some(detail) = &status.error {
            return Some(Err(container_lost(detail)));
        }
        match &self.progress {
            Progress::Program if status.code == 0 => Some(Ok(())),
            Progress::Unready(words) if !is_the_engines(status.code) => {
                let detail = if lacks_a_shell(status.code, words) {
                    words.clone()
                } else {
                    let code = status.code;
                    let end =
                        format!("its program ended with the exit code {code} and ran no shell");
                    if words.is_empty() { end } else { format!("{end}: {words}") }
                };
                Some(Err(StepError::NoShell { image: self.image.clone(), detail }.into()))
            }
            _ => None,
        }
    }

    /// Whether it may be the engine that ended it, and is about to end itself.
    pub(super) fn may_be_the_engines_doing(
        &self,
        exit_code: i64,
        details: &Result<ContainerDetails, ApiError>,
    ) -> bool {
        let out_of_memory = details.as_ref().is_ok_and(|details| details.oom_killed);
        !self.live_restore && is_the_engines(exit_code) && !out_of_memory
    }

    /// What an end means by what the engine says of the container: of a program it is the end of the
    /// step, of a shell it comes unasked.
    pub(super) fn ended(
        &self,
        exit_code: i64,
        details: Result<ContainerDetails, ApiError>,
    ) -> FailureReason {
        let is_program = self.progress == Progress::Program;
        match details {
            Err(ApiError::NotFound { .. }) => self.vanished().into(),
            // Engines that are asked to end kill their containers first, and tell.
            _ if self.was_away => self.interrupted().into(),
            Err(source @ ApiError::Gone { .. }) => StepError::EngineLost { source }.into(),
            // After a lost connection a shell ends because its input did.
            _ if !is_program && self.was_asked_again => {
                container_lost("its input ended with a lost connection")
            }
            details => match (&self.progress, details) {
                (Progress::Unready(words) | Progress::Unbegun(words), _) => container_lost(
                    format!("it ended with {exit_code} before the step began: {words}"),
                ),
                // Neither running nor ended: another client is removing it.
                (_, Ok(details)) if details.status == ContainerStatus::Other => {
                    self.vanished().into()
                }
                (Progress::Begun, _) if exit_code == 0 => {
                    container_lost("its shell ended before the step did")
                }
                (_, Ok(details)) if details.oom_killed => {
                    FailureReason::Script { exit_code, cause: ExitCause::OutOfMemory }
                }
                _ => FailureReason::Script { exit_code, cause: ExitCause::of(exit_code) },
            },
        }
    }

    /// What a lost connection means by what the engine says of the container. One to an engine on this
    /// machine breaks with the engine alone, also when it is back before anybody could look: whoever
    /// started it keeps its socket.
    pub(super) fn broken(
        &self,
        why: &impl Display,
        details: Result<ContainerDetails, ApiError>,
    ) -> AfterLoss {
        let details = match details {
            Ok(details) => details,
            Err(ApiError::NotFound { .. }) => return AfterLoss::Failed(self.vanished()),
            Err(source) => return AfterLoss::Failed(StepError::EngineLost { source }),
        };
        if details.status != ContainerStatus::Exited {
            let detail = format!("{why}; its state is {}", details.status.as_str());
            return AfterLoss::Failed(StepError::ContainerLost { detail });
        }
        let with_the_engine =
            !self.live_restore && !details.oom_killed && is_the_engines(details.exit_code);
        if self.was_away || with_the_engine {
            AfterLoss::Failed(self.interrupted())
        } else if self.is_supervisor_without_input(details.exit_code) {
            let detail = format!("{why}; its input ended with that");
            AfterLoss::Failed(StepError::ContainerLost { detail })
        } else {
            AfterLoss::Exited(details.exit_code)
        }
    }

    /// Whether this exit code is that of a supervisor whose input ended before it had reported that it is
    /// ready. A program that is no shell would not have ended with 0 because of that.
    fn is_supervisor_without_input(&self, exit_code: i64) -> bool {
        exit_code == 0 && matches!(self.progress, Progress::Unready(_))
    }

    fn interrupted(&self) -> StepError {
        StepError::Interrupted { container: self.container.to_owned() }
    }

    fn vanished(&self) -> StepError {
        StepError::ContainerVanished { container: self.container.to_owned() }
    }
}

fn container_lost(detail: impl Into<String>) -> FailureReason {
    StepError::ContainerLost { detail: detail.into() }.into()
}

/// Whether an engine that ends leaves such a code behind.
fn is_the_engines(exit_code: i64) -> bool {
    matches!(exit_code, KILLED | TERMINATED)
}

/// Whether a container that ended before its shell read anything has none.
fn lacks_a_shell(exit_code: i64, first_words: &str) -> bool {
    matches!(exit_code, 126 | 127) || (exit_code == 1 && first_words.starts_with(FIRST_PROCESS))
}

#[cfg(test)]
mod tests {
    use docker_api_trait::Operation;

    use super::*;
    use crate::error::RunError;

    /// A shell in which the step had begun.
    fn shell(image: &ImageReference) -> Unheard<'_> {
        Unheard {
            container: "c",
            image,
            progress: Progress::Begun,
            was_asked_again: false,
            was_away: false,
            live_restore: false,
        }
    }

    fn image() -> ImageReference {
        "busybox".parse().unwrap()
    }

    fn details(status: ContainerStatus, exit_code: i64, oom_killed: bool) -> ContainerDetails {
        let mut details = ContainerDetails::created("a".repeat(64).parse().unwrap());
        (details.status, details.exit_code, details.oom_killed) = (status, exit_code, oom_killed);
        details
    }

    fn exited(exit_code: i64) -> ContainerDetails {
        details(ContainerStatus::Exited, exit_code, false)
    }

    fn refusal(status: u16) -> ApiError {
        ApiError::from_status(Operation::InspectContainer, status, "no")
    }

    fn gone() -> ApiError {
        let (operation, after) = (Operation::InspectContainer, std::time::Duration::ZERO);
        ApiError::Gone { operation, after, source: Box::new(refusal(500)) }
    }

    /// What a reason is in a word, and its exit code.
    fn word(reason: &FailureReason) -> (&'static str, i64) {
        match reason {
            FailureReason::Script { exit_code, cause } => (cause.as_str(), *exit_code),
            FailureReason::System { error } => match &**error {
                RunError::Step(error) => (error_word(error), 0),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    fn error_word(error: &StepError) -> &'static str {
        match error {
            StepError::Interrupted { .. } => "interrupted",
            StepError::ContainerVanished { .. } => "vanished",
            StepError::ContainerLost { .. } => "lost",
            StepError::EngineLost { .. } => "engine lost",
            StepError::NoShell { .. } => "no shell",
        }
    }

    #[test]
    fn a_shell_that_is_missing_is_told_by_the_code_or_by_what_podmans_first_process_says() {
        let words = "ERROR (catatonit:6): failed to exec pid1: No such file or directory";
        assert!(lacks_a_shell(127, "") && lacks_a_shell(126, "") && lacks_a_shell(1, words));
        assert!(
            !lacks_a_shell(1, "") && !lacks_a_shell(0, words) && !lacks_a_shell(1, "sh: ERROR")
        );
    }

    #[test]
    fn some_ends_speak_for_themselves() {
        let image = image();
        let shell = shell(&image);
        let program = Unheard { progress: Progress::Program, ..shell.clone() };
        let unready = Unheard { progress: Progress::Unready(String::new()), ..shell.clone() };
        assert!(matches!(program.at_once(&ExitStatus::new(0)), Some(Ok(()))));
        assert!(program.at_once(&ExitStatus::new(127)).is_none());
        assert!(shell.at_once(&ExitStatus::new(0)).is_none());
        assert!(shell.at_once(&ExitStatus::new(127)).is_none());
        for code in [0, 1, 126, 127] {
            let reason = unready.at_once(&ExitStatus::new(code)).unwrap().unwrap_err();
            assert_eq!(word(&reason).0, "no shell", "{code}");
        }
        assert!(unready.at_once(&ExitStatus::new(KILLED)).is_none());
        let mut failed = ExitStatus::new(0);
        failed.error = Some("the runtime is gone".to_owned());
        for step in [&shell, &program, &unready] {
            assert_eq!(word(&step.at_once(&failed).unwrap().unwrap_err()).0, "lost");
        }
    }

    #[test]
    fn what_an_end_means_by_what_the_engine_says() {
        use ContainerStatus::{Exited, Other};
        let image = image();
        let shell = shell(&image);
        let program = Unheard { progress: Progress::Program, ..shell.clone() };
        let unbegun = Unheard { progress: Progress::Unbegun(String::new()), ..shell.clone() };
        let again = Unheard { was_asked_again: true, ..shell.clone() };
        let away = Unheard { was_away: true, ..shell.clone() };
        let out_of_memory = || Ok(details(Exited, 137, true));
        let going = || Ok(details(Other, 1, false));
        for (step, exit_code, details, expected) in [
            (&program, 3, Ok(exited(3)), ("exited", 3)),
            (&program, 137, Ok(exited(137)), ("signal", 137)),
            (&program, 137, out_of_memory(), ("out_of_memory", 137)),
            (&program, 3, Err(refusal(500)), ("exited", 3)),
            (&program, 3, going(), ("vanished", 0)),
            (&program, 3, Err(refusal(404)), ("vanished", 0)),
            (&program, 3, Err(gone()), ("engine lost", 0)),
            // `exit 3` in a script ends its shell.
            (&shell, 3, Ok(exited(3)), ("exited", 3)),
            (&shell, 0, Ok(exited(0)), ("lost", 0)),
            (&shell, 137, out_of_memory(), ("out_of_memory", 137)),
            (&unbegun, 3, Ok(exited(3)), ("lost", 0)),
            (&again, 0, Ok(exited(0)), ("lost", 0)),
            (&again, 3, Ok(exited(3)), ("lost", 0)),
            (&away, 137, Ok(exited(137)), ("interrupted", 0)),
            (&away, 3, Err(gone()), ("interrupted", 0)),
            // Of two that are true the first counts.
            (&again, 3, Err(gone()), ("engine lost", 0)),
            (&Unheard { was_away: true, ..again.clone() }, 3, Ok(exited(3)), ("interrupted", 0)),
            (&unbegun, 3, going(), ("lost", 0)),
            (&unbegun, 137, out_of_memory(), ("lost", 0)),
            (&shell, 0, out_of_memory(), ("lost", 0)),
            // The output of a program may be attached to again; the exit code is still the program's.
            (
                &Unheard { was_asked_again: true, ..program.clone() },
                3,
                Ok(exited(3)),
                ("exited", 3),
            ),
            (&away, 137, Err(refusal(404)), ("vanished", 0)),
        ] {
            let told = format!("{step:?} {exit_code} {details:?}");
            assert_eq!(word(&step.ended(exit_code, details)), expected, "{told}");
        }
    }

    #[test]
    fn an_engine_that_is_about_to_end_is_looked_for_only_where_it_may_be_the_reason() {
        let image = image();
        let shell = shell(&image);
        let outliving = Unheard { live_restore: true, ..shell.clone() };
        let out_of_memory = Ok(details(ContainerStatus::Exited, 137, true));
        for exit_code in [KILLED, TERMINATED] {
            assert!(shell.may_be_the_engines_doing(exit_code, &Ok(exited(exit_code))));
            assert!(shell.may_be_the_engines_doing(exit_code, &Err(refusal(500))));
            assert!(!outliving.may_be_the_engines_doing(exit_code, &Ok(exited(exit_code))));
        }
        assert!(!shell.may_be_the_engines_doing(KILLED, &out_of_memory));
        assert!(!shell.may_be_the_engines_doing(1, &Ok(exited(1))));
    }

    #[test]
    fn what_a_lost_connection_means_by_what_the_engine_says() {
        use ContainerStatus::{Exited, Other, Running};
        let image = image();
        let shell = shell(&image);
        let away = Unheard { was_away: true, ..shell.clone() };
        let outliving = Unheard { live_restore: true, ..shell.clone() };
        let unready = Unheard { progress: Progress::Unready(String::new()), ..shell.clone() };
        for (step, details, expected) in [
            (&unready, Ok(exited(0)), Ok("lost")),
            (&unready, Ok(exited(127)), Err(127)),
            (&shell, Ok(exited(3)), Err(3)),
            (&shell, Ok(exited(137)), Ok("interrupted")),
            (&shell, Ok(exited(143)), Ok("interrupted")),
            (&shell, Ok(details(Exited, 137, true)), Err(137)),
            (&outliving, Ok(exited(137)), Err(137)),
            (&away, Ok(exited(3)), Ok("interrupted")),
            (&shell, Ok(details(Running, 0, false)), Ok("lost")),
            (&shell, Ok(details(Other, 0, false)), Ok("lost")),
            (&shell, Err(refusal(404)), Ok("vanished")),
            (&shell, Err(refusal(500)), Ok("engine lost")),
        ] {
            let told = format!("{step:?} {details:?}");
            let found = match step.broken(&"broken", details) {
                AfterLoss::Exited(exit_code) => Err(exit_code),
                AfterLoss::Failed(error) => Ok(error_word(&error)),
            };
            assert_eq!(found, expected, "{told}");
        }
    }
}
