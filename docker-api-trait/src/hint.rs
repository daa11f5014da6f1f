//! What every error of every crate says besides its text: the remedy, and whether a retry may help.

use std::{borrow::Cow, error::Error};

use crate::{ApiError, InvalidId};

/// An error that knows its remedy.
///
/// All public errors of the crates implement it, so that a caller can show any of them in one way:
///
/// ```
/// use docker_api_trait::{ApiError, Hint, Operation};
///
/// fn explain(error: &dyn Hint) -> String {
///     match error.hint() {
///         Some(hint) => format!("{error}\nhint: {hint}"),
///         None => error.to_string(),
///     }
/// }
/// let full = "write /x: no space left on device";
/// let error = ApiError::from_status(Operation::CreateVolume, 500, full);
/// assert!(explain(&error).contains("hint: "));
/// ```
///
/// # Contract
/// - A hint names settings, environment variables and commands, never the flags of a program that embeds
///   the crates.
/// - `is_retryable` is about the same call with the same arguments and configuration.
pub trait Hint: Error {
    /// Returns what a person can do about the error, if that is known.
    fn hint(&self) -> Option<Cow<'_, str>>;

    /// Returns whether the same call may succeed later without a change to its arguments or to the
    /// configuration.
    fn is_retryable(&self) -> bool;
}

impl Hint for ApiError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        Self::hint(self).map(Cow::Borrowed)
    }

    fn is_retryable(&self) -> bool {
        self.is_transient()
    }
}

impl Hint for InvalidId {
    fn hint(&self) -> Option<Cow<'_, str>> {
        // The rule that it breaks is in its text.
        None
    }

    fn is_retryable(&self) -> bool {
        false
    }
}

#[cfg(feature = "bollard")]
impl Hint for crate::EndpointError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        Self::hint(self).map(Cow::Borrowed)
    }

    fn is_retryable(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ConnectFailure, Operation};

    #[test]
    fn every_error_is_explained_by_one_trait() {
        let source = "no such file".into();
        let failure = ConnectFailure::Absent;
        let absent = ApiError::Unreachable { endpoint: "e".to_owned(), failure, source };
        let rejected = ApiError::from_status(Operation::Version, 400, "no");
        let errors: [(&dyn Hint, bool, bool); 2] =
            [(&absent, true, true), (&rejected, false, false)];
        for (error, has_hint, is_retryable) in errors {
            assert_eq!((error.hint().is_some(), error.is_retryable()), (has_hint, is_retryable));
        }
    }

    #[test]
    fn hints_name_no_flags() {
        let failures = [
            ConnectFailure::Absent,
            ConnectFailure::Refused,
            ConnectFailure::PermissionDenied,
            ConnectFailure::Tls,
            ConnectFailure::TooManyFiles,
            ConnectFailure::Other,
        ];
        for failure in failures {
            let source = "x".into();
            let error = ApiError::Unreachable { endpoint: "e".to_owned(), failure, source };
            let hint = Hint::hint(&error).unwrap().into_owned();
            assert!(!hint.contains("--"), "{hint}");
        }
    }
}
