//! What to do about a request that failed. Pure.

use crate::{ApiError, ConnectFailure, Operation, RefusalCause};

/// What sending a request a second time does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// Nothing more than sending it once: a look, a removal, what is idempotent by name.
    Harmless,
    /// A second thing, or a second run. Whether the first had its effect can be looked up.
    AfterLook,
    /// It is not known: a stream was taken over, or removed what others need.
    Harmful,
}

pub(super) fn repeat(operation: Operation) -> Repeat {
    match operation {
        Operation::CreateContainer | Operation::CreateNetwork | Operation::StartContainer => {
            Repeat::AfterLook
        }
        // What is attached to an input can close it for all; a program is run twice; a pull has
        // retries of its own; pruning takes what others have stopped using meanwhile.
        Operation::AttachContainer
        | Operation::StartExec
        | Operation::PullImage
        | Operation::PruneVolumes
        | Operation::UploadArchive => Repeat::Harmful,
        // A program that is prepared twice and run once is run once.
        _ => Repeat::Harmless,
    }
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// The error is the caller's.
    GiveUp,
    /// The same again, after a pause.
    Again,
    /// The same again, when the engine answers.
    WhenBack,
    /// A look whether it had its effect, when the engine answers, and perhaps the same again.
    Look,
}

/// What to do about an error of a request that has `repeat`.
pub(super) fn next(repeat: Repeat, error: &ApiError) -> Next {
    match error {
        // Nothing was sent.
        ApiError::Unreachable {
            failure: ConnectFailure::Absent | ConnectFailure::Refused | ConnectFailure::Other,
            ..
        } => Next::WhenBack,
        // Neither was this; the engine is where it was, and a file is closed sooner or later.
        ApiError::Unreachable { failure: ConnectFailure::TooManyFiles, .. } => Next::Again,
        ApiError::Lost { .. } => match repeat {
            Repeat::Harmless => Next::WhenBack,
            Repeat::AfterLook => Next::Look,
            Repeat::Harmful => Next::GiveUp,
        },
        error if error.is_disk_full() => Next::GiveUp,
        // It refuses the same request again.
        error if RefusalCause::of(error).is_some_and(|cause| !cause.is_retryable()) => Next::GiveUp,
        // Refused before anything was done.
        ApiError::Engine { status: 429 | 503, .. } => match repeat {
            Repeat::Harmless | Repeat::Harmful => Next::Again,
            Repeat::AfterLook => Next::Look,
        },
        ApiError::Engine { status: 500 | 502 | 504, .. } | ApiError::Protocol { .. } => {
            match repeat {
                Repeat::Harmless => Next::Again,
                Repeat::AfterLook => Next::Look,
                Repeat::Harmful => Next::GiveUp,
            }
        }
        _ => Next::GiveUp,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const OPERATION: Operation = Operation::Version;

    fn unreachable(failure: ConnectFailure) -> ApiError {
        ApiError::Unreachable { endpoint: "e".to_owned(), failure, source: "s".into() }
    }

    fn status(status: u16) -> ApiError {
        ApiError::from_status(OPERATION, status, "words")
    }

    fn lost() -> ApiError {
        ApiError::Lost { operation: OPERATION, source: "s".into() }
    }

    #[test]
    fn what_was_never_sent_is_sent_again_whatever_it_is() {
        for repeat in [Repeat::Harmless, Repeat::AfterLook, Repeat::Harmful] {
            for failure in [ConnectFailure::Absent, ConnectFailure::Refused, ConnectFailure::Other]
            {
                assert_eq!(next(repeat, &unreachable(failure)), Next::WhenBack);
            }
            assert_eq!(next(repeat, &unreachable(ConnectFailure::TooManyFiles)), Next::Again);
            for failure in [ConnectFailure::PermissionDenied, ConnectFailure::Tls] {
                assert_eq!(next(repeat, &unreachable(failure)), Next::GiveUp);
            }
        }
    }

    #[test]
    fn what_may_have_had_its_effect_is_repeated_only_where_that_is_harmless() {
        let protocol = ApiError::Protocol { operation: OPERATION, detail: "nonsense".to_owned() };
        for error in [status(500), status(502), status(504), protocol] {
            assert_eq!(next(Repeat::Harmless, &error), Next::Again);
            assert_eq!(next(Repeat::AfterLook, &error), Next::Look);
            assert_eq!(next(Repeat::Harmful, &error), Next::GiveUp);
        }
        assert_eq!(next(Repeat::Harmless, &lost()), Next::WhenBack);
        assert_eq!(next(Repeat::AfterLook, &lost()), Next::Look);
        assert_eq!(next(Repeat::Harmful, &lost()), Next::GiveUp);
    }

    #[test]
    fn what_the_engine_refused_or_took_too_long_for_is_the_callers() {
        let timed_out = ApiError::TimedOut { operation: OPERATION, limit: Duration::ZERO };
        let full = ApiError::from_status(OPERATION, 500, "write x: no space left on device");
        for error in [status(400), status(403), status(404), status(409), timed_out, full] {
            for repeat in [Repeat::Harmless, Repeat::AfterLook, Repeat::Harmful] {
                assert_eq!(next(repeat, &error), Next::GiveUp, "{error:?}");
            }
        }
    }

    #[test]
    fn an_engine_that_asks_for_patience_gets_it() {
        for code in [429, 503] {
            assert_eq!(next(Repeat::Harmless, &status(code)), Next::Again);
            assert_eq!(next(Repeat::Harmful, &status(code)), Next::Again);
            assert_eq!(next(Repeat::AfterLook, &status(code)), Next::Look);
        }
    }
}
