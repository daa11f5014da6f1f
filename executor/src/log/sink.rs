//! Where a job's output goes, and how it ends.

use std::{
    fmt::Debug,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use docker_api_trait::{LogChunk, LogSource};

/// Takes a job's output.
///
/// # Contract
/// - Pieces come in the order in which the engine sent them; one at a time.
/// - While a write is pending, nothing more is read from the engine, so that no output piles up in
///   memory; the container then waits with its output. A job that is stopped meanwhile drops the
///   write.
/// - After a call has failed, none follows, in whichever step, also stage by stage; each log's end says
///   so, and the job goes on.
#[async_trait]
pub trait LogSink: Debug + Send {
    /// Takes a piece of output.
    async fn write(&mut self, chunk: &LogChunk) -> io::Result<()>;

    /// A step begins: the pieces that follow are its output. Does nothing unless the sink wants to
    /// know; a failure is one of a write.
    async fn begin(&mut self, step: &str) -> io::Result<()> {
        let _ = step;
        Ok(())
    }

    /// The step that began last has ended; all of its output that will ever come has come. Does
    /// nothing unless the sink wants to know; a failure is one of a write.
    async fn end(&mut self, step: &str) -> io::Result<()> {
        let _ = step;
        Ok(())
    }
}

/// Delegates, so that a sink of any kind can be chosen when the program runs.
#[async_trait]
impl<T: LogSink + ?Sized> LogSink for Box<T> {
    async fn write(&mut self, chunk: &LogChunk) -> io::Result<()> {
        (**self).write(chunk).await
    }

    async fn begin(&mut self, step: &str) -> io::Result<()> {
        (**self).begin(step).await
    }

    async fn end(&mut self, step: &str) -> io::Result<()> {
        (**self).end(step).await
    }
}

/// Delegates, so that a sink can be lent.
#[async_trait]
impl<T: LogSink + ?Sized> LogSink for &mut T {
    async fn write(&mut self, chunk: &LogChunk) -> io::Result<()> {
        (**self).write(chunk).await
    }

    async fn begin(&mut self, step: &str) -> io::Result<()> {
        (**self).begin(step).await
    }

    async fn end(&mut self, step: &str) -> io::Result<()> {
        (**self).end(step).await
    }
}

/// How a job's log ended. What was delivered is always a beginning of what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogEnd {
    /// Everything that the container wrote was delivered.
    Complete,
    /// Something may be missing at the end.
    Truncated(Truncation),
}

/// Why something may be missing at the end of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Truncation {
    /// The job never came so far that it wrote something.
    NotStarted,
    /// The job was stopped.
    Interrupted,
    /// The sink did not take it.
    Sink(String),
    /// The engine broke it off.
    Engine(String),
    /// It is as long as it may be.
    Limit,
    /// The sink or the observer panicked.
    Panicked(String),
    /// Why not is known only in the words of an earlier process.
    Earlier(String),
}

impl Truncation {
    /// The reason in a few words.
    pub fn reason(&self) -> String {
        match self {
            Self::NotStarted => "the script did not start".to_owned(),
            Self::Interrupted => "the job was stopped".to_owned(),
            Self::Sink(reason) => format!("the output could not be written: {reason}"),
            Self::Engine(reason) => format!("the engine broke it off: {reason}"),
            Self::Limit => "it is as long as it may be".to_owned(),
            Self::Panicked(message) => format!("the sink or the observer panicked: {message}"),
            Self::Earlier(reason) => reason.clone(),
        }
    }
}

/// Takes output and forgets it.
#[derive(Debug, Clone, Copy, Default)]
pub struct NullSink;

#[async_trait]
impl LogSink for NullSink {
    async fn write(&mut self, _chunk: &LogChunk) -> io::Result<()> {
        Ok(())
    }
}

/// Keeps output in memory, without bound: for tests. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct MemorySink {
    chunks: Arc<Mutex<Vec<LogChunk>>>,
}

impl MemorySink {
    /// An empty sink.
    pub fn new() -> Self {
        Self::default()
    }

    /// All that was written to `source`, as text.
    pub fn text(&self, source: LogSource) -> String {
        let bytes: Vec<u8> = self
            .lock()
            .iter()
            .filter(|chunk| chunk.source == source)
            .flat_map(|chunk| chunk.bytes.iter().copied())
            .collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The pieces, as they came.
    pub fn chunks(&self) -> Vec<LogChunk> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<LogChunk>> {
        // A list of pieces is whole after any panic.
        self.chunks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl LogSink for MemorySink {
    async fn write(&mut self, chunk: &LogChunk) -> io::Result<()> {
        self.lock().push(chunk.clone());
        Ok(())
    }
}
