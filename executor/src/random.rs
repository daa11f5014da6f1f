//! Random names: what nobody can guess, and nobody else has.

use std::fmt::Write as _;

/// 32 hexadecimal digits, drawn by the operating system.
///
/// # Panics
/// When the operating system has no random numbers to give, without which no two runs could be told
/// apart.
pub(crate) fn draw() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system gives random numbers");
    digits(bytes)
}

/// These bytes in hexadecimal digits.
pub(crate) fn digits(bytes: [u8; 16]) -> String {
    bytes.iter().fold(String::with_capacity(32), |mut digits, byte| {
        // Writing to a string cannot fail.
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}
