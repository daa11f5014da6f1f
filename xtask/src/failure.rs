//! Failures that a person can act on: what is printed as `error:` and as `hint:`.

use std::{error::Error, fmt};

use docker_api_trait::{ApiError, EndpointError};

/// A fact and its remedy.
#[derive(Debug)]
struct Hinted {
    fact: String,
    hint: String,
}

impl fmt::Display for Hinted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.fact)
    }
}

impl Error for Hinted {}

/// An error that says in `hint` what to do about it.
pub(crate) fn failure(fact: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
    Hinted { fact: fact.into(), hint: hint.into() }.into()
}

/// The remedy of the outermost cause that knows one.
pub(crate) fn hint(error: &anyhow::Error) -> Option<String> {
    error.chain().find_map(|cause| {
        if let Some(hinted) = cause.downcast_ref::<Hinted>() {
            return Some(hinted.hint.clone());
        }
        let known = match (cause.downcast_ref::<ApiError>(), cause.downcast_ref::<EndpointError>())
        {
            (Some(error), _) => error.hint(),
            (_, Some(error)) => error.hint(),
            _ => None,
        };
        known.map(str::to_owned)
    })
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;
    use docker_api_trait::ConnectFailure;

    use super::*;

    #[test]
    fn the_hint_is_found_below_added_context() {
        let result: anyhow::Result<()> = Err(failure("no image", "pull one"));
        let error = result.context("the step `e2e`").unwrap_err();
        assert_eq!(format!("{error:#}"), "the step `e2e`: no image");
        assert_eq!(hint(&error).as_deref(), Some("pull one"));
    }

    #[test]
    fn the_engine_api_has_hints_of_its_own() {
        let error = anyhow::Error::from(ApiError::Unreachable {
            endpoint: "unix:///x.sock".to_owned(),
            failure: ConnectFailure::Absent,
            source: "no such file".into(),
        });
        assert!(hint(&error).is_some());
        assert_eq!(hint(&anyhow::anyhow!("plain")), None);
    }
}
