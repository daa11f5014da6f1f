//! Labels as a condition.

use std::fmt;

/// A label that an object must carry to be listed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LabelFilter {
    /// The label's key.
    pub key: String,
    /// The value that it must have; `None` when any will do.
    pub value: Option<String>,
}

impl LabelFilter {
    /// The label `key`, with any value.
    pub fn present(key: impl Into<String>) -> Self {
        Self { key: key.into(), value: None }
    }

    /// The label `key`, with exactly `value`.
    pub fn equals(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self { key: key.into(), value: Some(value.into()) }
    }

    /// Whether an object with these labels is listed.
    pub fn matches(&self, labels: &std::collections::BTreeMap<String, String>) -> bool {
        match (labels.get(&self.key), &self.value) {
            (Some(found), Some(expected)) => found == expected,
            (Some(_), None) => true,
            (None, _) => false,
        }
    }
}

/// The form that the engine's `label` filter has: `key` or `key=value`.
impl fmt::Display for LabelFilter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(formatter, "{}={value}", self.key),
            None => formatter.write_str(&self.key),
        }
    }
}
