//! The digest behind names and labels.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// The first 32 hexadecimal digits of SHA-256 over length-prefixed fields.
pub fn fingerprint<'a>(fields: impl IntoIterator<Item = &'a str>) -> String {
    let mut hash = Sha256::new();
    for field in fields {
        hash.update((field.len() as u64).to_be_bytes());
        hash.update(field.as_bytes());
    }
    hash.finalize().iter().take(16).fold(String::new(), |mut digits, byte| {
        // Writing to a string cannot fail.
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}
