//! The secrets of a job.

use std::{fmt, sync::Arc};

use super::{MaskStream, automaton::Automaton};

/// All secrets together, in bytes. It is more than the environment of a process can hold on Linux,
/// and keeps an automaton within 128 MiB.
const LIMIT: usize = 4 << 20;

/// So many secrets may end at one place, as `abc`, `bc` and `c` do. Each of them takes time there.
const NESTED_LIMIT: usize = 64;

/// Masks the secrets of a job in its output.
///
/// Secrets are bytes: they may hold newlines and need not be UTF-8. Each is replaced by `[MASKED]`
/// wherever it is, however the output is cut into pieces. Where several are possible, the one that
/// begins first counts, and of those that begin together the longest. What is only similar to a
/// secret is left alone: the same text in Base64, or with a colour code in it.
///
/// Clones share the secrets. Nothing shows them.
#[derive(Clone)]
pub struct Masker {
    /// Nothing if there are no secrets.
    automaton: Option<Arc<Automaton>>,
}

impl Masker {
    /// A masker without secrets.
    pub(crate) fn none() -> Self {
        Self { automaton: None }
    }

    /// For these secrets, of which empty ones and repetitions are ignored.
    ///
    /// Takes time and memory in proportion to all their bytes: 12 ms and 10 MB for 1,000 secrets of
    /// 36 bytes.
    ///
    /// # Errors
    /// [`MaskError::TooLarge`] for more than 4 MiB of secrets; [`MaskError::Nested`] when more
    /// than 64 are ends of each other.
    pub fn new<I, S>(secrets: I) -> Result<Self, MaskError>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<[u8]>,
    {
        let mut total = 0;
        let mut distinct = Vec::new();
        for secret in secrets {
            let secret = secret.as_ref();
            // Before it is copied; a repetition counts, so that the iterator is bounded as well.
            total += secret.len();
            if total > LIMIT {
                return Err(MaskError::TooLarge { limit: LIMIT });
            }
            if !secret.is_empty() {
                distinct.push(secret.to_vec());
            }
        }
        distinct.sort_unstable();
        distinct.dedup();
        if distinct.is_empty() {
            return Ok(Self { automaton: None });
        }
        let nested = nested(&distinct);
        if nested > NESTED_LIMIT {
            return Err(MaskError::Nested { secrets: nested, limit: NESTED_LIMIT });
        }
        Ok(Self { automaton: Some(Arc::new(Automaton::new(&distinct))) })
    }

    /// The beginning of a stream of output. Each needs its own: standard output and standard error
    /// are cut and mixed as the engine likes.
    pub fn stream(&self) -> MaskStream {
        MaskStream::new(self.automaton.clone())
    }

    /// A whole text, masked.
    pub(crate) fn text(&self, text: &str) -> String {
        let mut stream = self.stream();
        let (begin, end) = (stream.push(&text.as_bytes().to_vec().into()), stream.finish());
        String::from_utf8_lossy(&[begin, end].concat()).into_owned()
    }
}

/// How many secrets can end at one place: the longest chain in which each is an end of the next.
fn nested(secrets: &[Vec<u8>]) -> usize {
    let mut sorted: Vec<&[u8]> = secrets.iter().map(Vec::as_slice).collect();
    sorted.sort_unstable_by(|one, other| one.iter().rev().cmp(other.iter().rev()));
    // Read from the back, an end comes before what it ends, and only such come between.
    let mut chain: Vec<&[u8]> = Vec::new();
    let mut longest = 0;
    for secret in sorted {
        while chain.last().is_some_and(|end| !secret.ends_with(end)) {
            chain.pop();
        }
        chain.push(secret);
        longest = longest.max(chain.len());
    }
    longest
}

impl fmt::Debug for Masker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Masker").finish_non_exhaustive()
    }
}

/// Why secrets cannot be masked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MaskError {
    /// There are too many, or they are too long.
    #[error("the secrets to be masked have more than {limit} bytes in all")]
    TooLarge {
        /// How many bytes they may have together.
        limit: usize,
    },
    /// Too many are ends of each other, as `c`, `bc` and `abc` are.
    #[error("{secrets} of the secrets to be masked are ends of each other, more than {limit}")]
    Nested {
        /// How many.
        secrets: usize,
        /// How many may be.
        limit: usize,
    },
}

impl MaskError {
    /// What a person can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => {
                "mask what would give access, such as keys and tokens, and give large data to the \
                 job as a file"
            }
            Self::Nested { .. } => "leave out the short ones; they are no secrets",
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn too_many_bytes_of_secrets_are_refused() {
        let secret = vec![b'x'; 64 << 10];
        let secrets = |count| std::iter::repeat_n(&secret, count);
        assert!(Masker::new(secrets(64)).is_ok());
        assert_eq!(Masker::new(secrets(65)).unwrap_err(), MaskError::TooLarge { limit: 4 << 20 });
    }

    #[test]
    fn too_many_secrets_that_are_ends_of_each_other_are_refused() {
        let secrets: Vec<_> = (1..=65).map(|length| vec![b'a'; length]).collect();
        let mut stream = Masker::new(&secrets[..64]).unwrap().stream();
        assert_eq!(stream.push(&Bytes::from(vec![b'a'; 129])), "[MASKED][MASKED]");
        assert_eq!(stream.finish(), "[MASKED]");
        assert_eq!(
            Masker::new(&secrets).unwrap_err(),
            MaskError::Nested { secrets: 65, limit: 64 }
        );
        // Ends of one, but not of each other.
        let secrets: Vec<_> = (0..1000).map(|index| format!("{index}")).collect();
        assert!(Masker::new(&secrets).is_ok());
    }

    #[test]
    fn hostile_secrets_are_no_work() {
        // A secret ends at each letter of the other.
        for length in [1 << 16, 4_000_000] {
            let masker = Masker::new([vec![b'a'; 2], vec![b'a'; length]]).unwrap();
            assert_eq!(masker.stream().push(&Bytes::from(vec![b'a'; length])), "[MASKED]");
        }
    }

    #[test]
    fn an_endless_list_of_secrets_is_refused() {
        assert!(Masker::new(std::iter::repeat("secret")).is_err());
    }

    #[test]
    fn empty_secrets_and_repetitions_are_ignored() {
        let mut stream = Masker::new(["", "secret", "", "secret"]).unwrap().stream();
        assert_eq!(stream.push(&Bytes::from_static(b"a secret")), "a [MASKED]");
    }
}
