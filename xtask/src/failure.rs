//! Failures that a person can act on: what is printed as `error:` and as `hint:`.

use std::{error::Error, fmt};

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
pub fn failure(fact: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
    Hinted { fact: fact.into(), hint: hint.into() }.into()
}

/// The remedy of the outermost cause that has one.
pub fn hint(error: &anyhow::Error) -> Option<String> {
    error.chain().find_map(|cause| Some(cause.downcast_ref::<Hinted>()?.hint.clone()))
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn hint_is_found_below_added_context() {
        let result: anyhow::Result<()> = Err(failure("no image", "pull one"));
        let error = result.context("the step `e2e`").unwrap_err();
        assert_eq!(format!("{error:#}"), "the step `e2e`: no image");
        assert_eq!(hint(&error).as_deref(), Some("pull one"));
        assert_eq!(hint(&anyhow::anyhow!("plain")), None);
    }
}
