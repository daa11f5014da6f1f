//! Sees what arrives: whether it is what was written, and when it came.

use std::{
    fmt, io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use docker_api_trait::{LogChunk, LogSource};
use executor::LogSink;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::text::hex;

/// Checks the output of a job. Clones share what they have seen.
///
/// Comparing costs next to nothing beside reading; hashing, 0.7 s a GB, is left out where time is
/// taken.
#[derive(Debug, Clone)]
pub(super) struct Witness(Arc<Mutex<Seen>>);

#[derive(Debug)]
struct Seen {
    stdout: Lane,
    stderr: Lane,
    begun: Option<Instant>,
    ended: Option<Instant>,
}

/// One stream.
struct Lane {
    /// What comes again and again.
    expected: Arc<[u8]>,
    /// Where in it the next piece is to begin.
    at: usize,
    count: u64,
    is_equal: bool,
    hash: Option<Sha256>,
}

impl Witness {
    /// For streams that repeat `expected`; with their hashes, or without.
    pub(super) fn new(expected: &Arc<[u8]>, hashes: bool) -> Self {
        let lane = || Lane::new(Arc::clone(expected), hashes);
        let (stdout, stderr) = (lane(), lane());
        Self(Arc::new(Mutex::new(Seen { stdout, stderr, begun: None, ended: None })))
    }

    /// From the first piece to the end of the step; `None` when one of them did not come.
    pub(super) fn time(&self) -> Option<Duration> {
        let seen = self.lock();
        Some(seen.ended? - seen.begun?)
    }

    /// How many bytes came on a stream, if all are those that were to come.
    pub(super) fn equal(&self, source: LogSource) -> Option<u64> {
        let mut seen = self.lock();
        let lane = seen.lane(source);
        lane.is_equal.then_some(lane.count)
    }

    /// The hash of a stream, if it was asked for. It begins anew then.
    pub(super) fn hash(&self, source: LogSource) -> Option<String> {
        self.lock().lane(source).hash.replace(Sha256::new()).map(hex)
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        // What was seen is whole after any panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn lane(&mut self, source: LogSource) -> &mut Lane {
        match source {
            LogSource::Stdout => &mut self.stdout,
            LogSource::Stderr => &mut self.stderr,
        }
    }
}

impl Lane {
    fn new(expected: Arc<[u8]>, hashes: bool) -> Self {
        let hash = hashes.then(Sha256::new);
        Self { expected, at: 0, count: 0, is_equal: true, hash }
    }

    fn take(&mut self, mut piece: &[u8]) {
        self.count += piece.len() as u64;
        if let Some(hash) = &mut self.hash {
            hash.update(piece);
        }
        while !piece.is_empty() {
            let expected = &self.expected[self.at..];
            let length = expected.len().min(piece.len());
            self.is_equal &= expected[..length] == piece[..length];
            piece = &piece[length..];
            self.at = (self.at + length) % self.expected.len();
        }
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Lane").field("count", &self.count).finish_non_exhaustive()
    }
}

#[async_trait]
impl LogSink for Witness {
    async fn write(&mut self, chunk: &LogChunk) -> io::Result<()> {
        let mut seen = self.lock();
        seen.begun.get_or_insert_with(Instant::now);
        seen.lane(chunk.source).take(&chunk.bytes);
        Ok(())
    }

    async fn end(&mut self, _step: &str) -> io::Result<()> {
        self.lock().ended = Some(Instant::now());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(pieces: &[&str]) -> Lane {
        let mut lane = Lane::new(b"abc".as_slice().into(), true);
        for piece in pieces {
            lane.take(piece.as_bytes());
        }
        lane
    }

    #[test]
    fn what_repeats_is_equal_however_it_is_cut() {
        for pieces in [&["abcabcab"][..], &["a", "bcab", "", "cab"]] {
            let lane = lane(pieces);
            assert!(lane.is_equal && lane.count == 8 && lane.at == 2);
            assert_eq!(lane.hash.map(hex), Some(hex(Sha256::new_with_prefix("abcabcab"))));
        }
    }

    #[test]
    fn one_other_or_missing_byte_is_seen() {
        for pieces in [&["abcabx"][..], &["abc", "bc"], &["abca", "abc"]] {
            assert!(!lane(pieces).is_equal, "{pieces:?}");
        }
    }
}
