//! Texts that must not be shown.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::log::Masker;

/// A text that does not show in debug output.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("…")
    }
}

/// Returns a name that is shown, without the secrets that are written out in it.
pub(crate) fn mask_name(name: &str, secrets: &[Secret]) -> String {
    let secrets = secrets.iter().map(|secret| secret.0.as_str());
    let found: Vec<_> = secrets.filter(|secret| name.contains(secret)).collect();
    match Masker::new(&found) {
        Ok(masker) if !found.is_empty() => masker.text(name),
        // There is no text to mask, or too much of it: then the job is refused before anything is shown.
        _ => name.to_owned(),
    }
}
