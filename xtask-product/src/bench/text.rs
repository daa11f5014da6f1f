//! The output of the log benchmark: known in advance, so that what arrives can be compared by its
//! hash, and written by the container as fast as it can. Pure.

use std::{fmt::Write as _, sync::Arc};

use docker_api_trait::LogSource;
use sha2::{Digest as _, Sha256};

/// The text is this long; the output repeats it.
const LENGTH: usize = 4096;
/// How many bytes a line has, its end included.
const LINE: usize = 64;
/// The container doubles the text so many times, and writes what it then has: to 8 MiB.
const DOUBLINGS: u32 = 11;
/// What that is in MiB.
const BLOCK: u64 = (LENGTH as u64) << DOUBLINGS >> 20;
/// How many secrets the masked variant has.
const SECRETS: usize = 100;

/// An output of so many MiB on both streams together: two thirds on stdout, the rest on stderr.
pub(super) struct Text {
    repeated: String,
    secrets: Vec<String>,
    megabytes: u64,
}

impl Text {
    pub(super) fn new(megabytes: u64) -> Self {
        let mut letters = Letters(0x2545_f491_4f6c_dd1d);
        let secrets: Vec<_> = (0..SECRETS).map(|_| letters.word(24)).collect();
        let mut text = String::with_capacity(LENGTH);
        while text.len() < LENGTH {
            text.push_str(&letters.word(LINE - 1));
            text.push('\n');
        }
        // One secret stands in it, so that masking has something to do every 4 KiB.
        text.replace_range(10..10 + secrets[0].len(), &secrets[0]);
        Self { repeated: text, secrets, megabytes }
    }

    /// What a job can have as masked variables. One of them is in the text.
    pub(super) fn secrets(&self) -> &[String] {
        &self.secrets
    }

    /// All of it, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.megabytes << 20
    }

    /// How much of it goes to a stream, in MiB.
    pub(super) fn share(&self, source: LogSource) -> u64 {
        let stdout = self.megabytes * 2 / 3;
        match source {
            LogSource::Stdout => stdout,
            LogSource::Stderr => self.megabytes - stdout,
        }
    }

    /// The script that writes it, on both streams at once.
    pub(super) fn script(&self) -> String {
        let stdout = write(self.share(LogSource::Stdout));
        let stderr = write(self.share(LogSource::Stderr));
        // In memory: the container's own files may be slow.
        format!(
            "b=/dev/shm/block\nprintf '%s' '{}' >$b\ni=0\nwhile [ $i -lt {DOUBLINGS} ]\ndo cat $b \
             $b >$b.2; mv $b.2 $b; i=$((i + 1))\ndone\n({stdout}) &\n({stderr}) >&2\nwait\n",
            self.repeated
        )
    }

    /// What is to arrive of a stream, again and again, with secrets masked or not.
    pub(super) fn expected(&self, masked: bool) -> Arc<[u8]> {
        let mut text = self.repeated.clone();
        if masked {
            for secret in &self.secrets {
                text = text.replace(secret, "[MASKED]");
            }
        }
        // A MiB of what was written: longer pieces are compared and hashed faster.
        text.repeat((1 << 20) / LENGTH).into_bytes().into()
    }

    /// The SHA-256 of what is to arrive of a stream.
    pub(super) fn sha256(&self, source: LogSource, masked: bool) -> String {
        let expected = self.expected(masked);
        let mut hash = Sha256::new();
        for _ in 0..self.share(source) {
            hash.update(&expected);
        }
        hex(hash)
    }
}

/// A hash in hexadecimal digits.
pub(super) fn hex(hash: Sha256) -> String {
    hash.finalize().iter().fold(String::with_capacity(64), |mut digits, byte| {
        // Writing to a string cannot fail.
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

/// The commands that write so many MiB of the block.
fn write(megabytes: u64) -> String {
    let (whole, rest) = (megabytes / BLOCK, megabytes % BLOCK);
    format!(
        "i=0; while [ $i -lt {whole} ]; do cat $b; i=$((i + 1)); done; head -c {} $b",
        rest << 20
    )
}

/// Letters and digits that look random and are always the same (xorshift).
struct Letters(u64);

impl Letters {
    fn word(&mut self, length: usize) -> String {
        const ALL: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
        let mut next = || {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            char::from(ALL[(self.0 >> 59) as usize])
        };
        (0..length).map(|_| next()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_lines_and_holds_one_secret() {
        let text = Text::new(1);
        assert_eq!(text.repeated.len(), LENGTH);
        assert!(text.repeated.split_inclusive('\n').all(|line| line.len() == LINE));
        assert_eq!(text.repeated.matches(&text.secrets()[0]).count(), 1);
        assert!(text.secrets()[1..].iter().all(|secret| !text.repeated.contains(secret)));
    }

    #[test]
    fn both_shares_are_the_whole() {
        for megabytes in [1, 3, 64, 1000, 1024] {
            let text = Text::new(megabytes);
            let shares = [LogSource::Stdout, LogSource::Stderr].map(|source| text.share(source));
            assert_eq!(shares[0] + shares[1], megabytes);
            assert_eq!(text.bytes(), megabytes * 1024 * 1024);
        }
    }

    #[test]
    fn the_expected_hash_is_that_of_the_repeated_text() {
        let text = Text::new(3);
        let whole = text.repeated.repeat((2 << 20) / LENGTH);
        let expected = hex(Sha256::new_with_prefix(&whole));
        assert_eq!(text.sha256(LogSource::Stdout, false), expected);
        let masked = whole.replace(&text.secrets()[0], "[MASKED]");
        assert_ne!(masked, whole);
        let expected = hex(Sha256::new_with_prefix(&masked));
        assert_eq!(text.sha256(LogSource::Stdout, true), expected);
    }

    #[test]
    fn blocks_and_the_rest_make_the_share() {
        assert_eq!(BLOCK, 8);
        assert!(write(19).contains("-lt 2 ") && write(19).ends_with("head -c 3145728 $b"));
    }
}
