//! The end of what a service wrote, for when it fails.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use docker_api_trait::LogStream;
use futures_util::StreamExt as _;
use tokio::task::AbortHandle;

/// How much is kept, in bytes: as much as GitLab Runner shows.
const KEPT: usize = 64 * 1024;

/// Reads a service's output for as long as it lives, since an unread one would block the service, and
/// keeps the end. Dropping it detaches.
pub(crate) struct ServiceLog {
    tail: Arc<Mutex<VecDeque<u8>>>,
    reader: AbortHandle,
}

impl ServiceLog {
    /// Begins to read, on a task of its own.
    pub(crate) fn read(mut output: LogStream) -> Self {
        let tail = Arc::new(Mutex::new(VecDeque::new()));
        let kept = Arc::clone(&tail);
        let reader = tokio::spawn(async move {
            while let Some(Ok(chunk)) = output.next().await {
                keep(&mut lock(&kept), &chunk.bytes);
            }
        });
        Self { tail, reader: reader.abort_handle() }
    }

    /// What is kept, as text.
    pub(crate) fn text(&self) -> String {
        let tail = lock(&self.tail);
        let (one, other) = tail.as_slices();
        String::from_utf8_lossy(&[one, other].concat()).into_owned()
    }
}

fn lock(tail: &Mutex<VecDeque<u8>>) -> MutexGuard<'_, VecDeque<u8>> {
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
}
