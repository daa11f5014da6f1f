//! A sink that failed gets no more, in whichever step that was.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use docker_api_trait::LogChunk;

use super::LogSink;

/// What a sink is refused with that did not take a piece in time.
const STALLED: &str = "it took too long";

/// Why a job's sink is not called any more. It lives as long as the job, because each step has a guard
/// of its own.
#[derive(Debug, Clone, Default)]
pub(crate) struct Refusal(Arc<Mutex<Option<String>>>);

impl Refusal {
    fn words(&self) -> MutexGuard<'_, Option<String>> {
        // A text is complete after any panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hands on to a sink until a call of it fails, or is dropped before it has ended. From then on every
/// call is refused, with the same words.
#[derive(Debug)]
pub(crate) struct Guard<'a> {
    sink: &'a mut dyn LogSink,
    refusal: Refusal,
}

impl<'a> Guard<'a> {
    pub(crate) fn new(sink: &'a mut dyn LogSink, refusal: &Refusal) -> Self {
        Self { sink, refusal: refusal.clone() }
    }

    /// The sink, if it is fit for a call; what becomes of the call has to be noted.
    fn sink(&mut self) -> io::Result<&mut dyn LogSink> {
        let mut refusal = self.refusal.words();
        if let Some(words) = &*refusal {
            return Err(io::Error::other(words.clone()));
        }
        *refusal = Some(STALLED.to_owned());
        drop(refusal);
        Ok(self.sink)
    }

    fn note(&mut self, done: io::Result<()>) -> io::Result<()> {
        *self.refusal.words() = done.as_ref().err().map(ToString::to_string);
        done
    }
}

#[async_trait]
impl LogSink for Guard<'_> {
    async fn write(&mut self, chunk: &LogChunk) -> io::Result<()> {
        let done = self.sink()?.write(chunk).await;
        self.note(done)
    }

    async fn begin(&mut self, step: &str) -> io::Result<()> {
        let done = self.sink()?.begin(step).await;
        self.note(done)
    }

    async fn end(&mut self, step: &str) -> io::Result<()> {
        let done = self.sink()?.end(step).await;
        self.note(done)
    }
}
