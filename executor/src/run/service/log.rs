//! The end of what a service wrote, for when it fails.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use docker_api_trait::{LogChunk, LogSource, LogStream};
use futures_util::StreamExt as _;
use tokio::{task::JoinHandle, time::timeout};

use crate::log::{MaskStream, Masker};

/// How much is kept, in bytes: as much as GitLab Runner shows.
const KEPT: usize = 64 * 1024;
/// The last of an output comes this long after the news of its end, at most.
const LATE: Duration = Duration::from_secs(1);

/// Reads a service's output for as long as it lives, since an unread one would block the service, and
/// keeps the end, without the job's secrets. Dropping it detaches.
pub(crate) struct ServiceLog {
    tail: Arc<Mutex<Tail>>,
    reader: JoinHandle<()>,
}

impl ServiceLog {
    /// Begins to read, on a task of its own.
    pub(crate) fn read(mut output: LogStream, masker: &Masker) -> Self {
        let tail = Arc::new(Mutex::new(Tail::new(masker)));
        let kept = Arc::clone(&tail);
        let reader = tokio::spawn(async move {
            while let Some(Ok(chunk)) = output.next().await {
                lock(&kept).take(&chunk);
            }
        });
        Self { tail, reader }
    }

    /// Waits for the end of what a service wrote that has ended.
    pub(crate) async fn ended(&mut self) {
        if !self.reader.is_finished() && timeout(LATE, &mut self.reader).await.is_err() {
            tracing::debug!("the output of a service does not end with it");
        }
    }

    /// What is kept, as text.
    pub(crate) fn text(&self) -> String {
        lock(&self.tail).text()
    }
}

/// The end of both outputs, mixed as they came; each is masked from its beginning on, so that no cut
/// bares a part of a secret.
struct Tail {
    kept: VecDeque<u8>,
    stdout: MaskStream,
    stderr: MaskStream,
}

impl Tail {
    fn new(masker: &Masker) -> Self {
        Self { kept: VecDeque::new(), stdout: masker.stream(), stderr: masker.stream() }
    }

    fn take(&mut self, chunk: &LogChunk) {
        let stream = match chunk.source {
            LogSource::Stdout => &mut self.stdout,
            LogSource::Stderr => &mut self.stderr,
        };
        let masked = stream.push(&chunk.bytes);
        keep(&mut self.kept, &masked);
    }

    fn text(&mut self) -> String {
        for held in [self.stdout.idle(), self.stderr.idle()] {
            keep(&mut self.kept, &held);
        }
        let (one, other) = self.kept.as_slices();
        String::from_utf8_lossy(&[one, other].concat()).into_owned()
    }
}

fn lock(tail: &Mutex<Tail>) -> MutexGuard<'_, Tail> {
    // Bytes are whole after any panic.
    tail.lock().unwrap_or_else(PoisonError::into_inner)
}

fn keep(tail: &mut VecDeque<u8>, bytes: &[u8]) {
    let bytes = &bytes[bytes.len().saturating_sub(KEPT)..];
    let surplus = (tail.len() + bytes.len()).saturating_sub(KEPT);
    tail.drain(..surplus);
    tail.extend(bytes);
}

impl Drop for ServiceLog {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl fmt::Debug for ServiceLog {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ServiceLog").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_kept_however_it_comes() {
        let mut tail = VecDeque::new();
        for _ in 0..3 {
            keep(&mut tail, &vec![b'a'; 40_000]);
        }
        keep(&mut tail, b"end");
        assert_eq!(tail.len(), KEPT);
        keep(&mut tail, &vec![b'b'; 100_000]);
        assert_eq!(tail, vec![b'b'; KEPT]);
    }

    #[test]
    fn a_secret_that_comes_in_pieces_of_two_outputs_is_masked() {
        let mut tail = Tail::new(&Masker::new(["s3cret"]).unwrap());
        for (source, bytes) in [
            (LogSource::Stdout, &b"one s3c"[..]),
            (LogSource::Stderr, b"two s3cret"),
            (LogSource::Stdout, b"ret end s3"),
        ] {
            tail.take(&LogChunk { source, bytes: bytes.into() });
        }
        assert_eq!(tail.text(), "one two [MASKED][MASKED] end s3");
    }
}
