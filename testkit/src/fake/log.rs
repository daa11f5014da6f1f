//! Reading the log that an engine keeps of a container.

use std::time::SystemTime;

use docker_api_trait::{
    ApiError, ContainerId, LogChunk, LogDriver, LogOptions, LogStream, Operation,
};
use futures_util::{StreamExt as _, stream};
use tokio::{sync::watch, time::Instant};

use super::{life::Life, log_line::LogEntry, state::State, stream::changed_before};

/// A reader of a container's log.
struct Reader {
    life: watch::Receiver<Life>,
    /// How many entries were read or skipped.
    position: usize,
    /// Only the entries that are there now are read.
    last: Option<usize>,
    options: LogOptions,
    /// One moment on both clocks.
    now: (Instant, SystemTime),
}

impl Reader {
    /// A moment by the engine's clock.
    fn time(&self, at: Instant) -> SystemTime {
        let (now, time) = self.now;
        match at.checked_duration_since(now) {
            Some(later) => time + later,
            None => time - (now - at),
        }
    }

    fn chunk(&self, entry: LogEntry) -> LogChunk {
        if !self.options.timestamps {
            return entry.line;
        }
        let time = humantime::format_rfc3339_nanos(self.time(entry.at));
        let mut bytes = format!("{time} ").into_bytes();
        bytes.extend_from_slice(&entry.line.bytes);
        LogChunk { source: entry.line.source, bytes: bytes.into() }
    }

    /// Returns the next entry; waits for it if the log is followed.
    async fn next(&mut self) -> Option<LogChunk> {
        loop {
            let now = Instant::now();
            let (entries, wake, is_running) = {
                let life = self.life.borrow_and_update();
                let (entries, wake) = life.log(now);
                (entries, wake, life.is_running(now))
            };
            let end = self.last.unwrap_or(entries.len());
            let unread = entries.into_iter().take(end).skip(self.position);
            for entry in unread {
                self.position += 1;
                if self.options.since.is_none_or(|since| self.time(entry.at) >= since) {
                    return Some(self.chunk(entry));
                }
            }
            if self.last.is_some() || !is_running {
                return None;
            }
            changed_before(&mut self.life, wake).await.ok()?;
        }
    }
}

/// Opens the log of a container.
///
/// Measured on Engine 20.10: a log is followed only while the container runs, and its end is that of the
/// run that was running.
pub(super) fn open(
    state: &mut State,
    id: &ContainerId,
    options: &LogOptions,
) -> Result<LogStream, ApiError> {
    let operation = Operation::ContainerLogs;
    let container = state.container(operation, id)?;
    if container.request.log_driver == Some(LogDriver::None) {
        let message = "configured logging driver does not support reading".to_owned();
        return Err(ApiError::Engine { operation, status: 501, message });
    }
    let life = container.life.subscribe();
    let now = Instant::now();
    let (written, follows) = {
        let life = life.borrow();
        (life.log(now).0.len(), options.follow && life.is_running(now))
    };
    let tail = options.tail.map(|lines| usize::try_from(lines).unwrap_or(usize::MAX));
    let reader = Reader {
        life,
        position: tail.map_or(0, |lines| written.saturating_sub(lines)),
        last: (!follows).then_some(written),
        options: *options,
        now: (now, state.time(now)),
    };
    let chunks = stream::unfold(reader, |mut reader| async move {
        let chunk = reader.next().await?;
        Some((Ok(chunk), reader))
    });
    Ok(chunks.boxed())
}
