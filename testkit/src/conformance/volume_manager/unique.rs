//! Names that are used once.

use std::time::{SystemTime, UNIX_EPOCH};

/// A project that no other case, and no other run of the suite, has.
pub(super) fn unique(case: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos());
    format!("{case}-{}-{now}", std::process::id())
}
