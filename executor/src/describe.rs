//! An error in words.

use std::error::Error;

/// An error and its causes on one line; a cause that only repeats what was said is left out.
pub fn describe(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(current) = cause {
        let words = current.to_string();
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = current.source();
    }
    text.replace(['\n', '\r'], " ")
}
