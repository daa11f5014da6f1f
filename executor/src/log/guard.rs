//! A sink that failed gets no more, in whichever step that was.

use std::io;

use async_trait::async_trait;
use docker_api_trait::LogChunk;

use super::LogSink;

/// What a sink is refused with that did not take a piece in time.
const STALLED: &str = "it took too long";

/// Hands on to a sink until a call of it fails, or is dropped before it has ended. From then on every
/// call is refused, with the same words.
#[derive(Debug)]
pub(crate) struct Guard<'a> {
    sink: &'a mut dyn LogSink,
    refusal: Option<String>,
}

impl<'a> Guard<'a> {
    pub(crate) fn new(sink: &'a mut dyn LogSink) -> Self {
        Self { sink, refusal: None }
    }

    /// The sink, if it is fit for a call; what becomes of the call has to be noted.
    fn sink(&mut self) -> io::Result<&mut dyn LogSink> {
        if let Some(words) = &self.refusal {
            return Err(io::Error::other(words.clone()));
        }
        self.refusal = Some(STALLED.to_owned());
        Ok(self.sink)
    }

    fn note(&mut self, done: io::Result<()>) -> io::Result<()> {
        self.refusal = done.as_ref().err().map(ToString::to_string);
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
