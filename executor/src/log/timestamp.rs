//! The time before each line.

use std::{fmt, io, time::SystemTime};

use async_trait::async_trait;
use bytes::{BufMut as _, Bytes, BytesMut};
use docker_api_trait::{LogChunk, LogSource};

use super::LogSink;

/// A piece that grows beyond this is handed on in parts: a piece of empty lines becomes 29 times as
/// long.
const PART: usize = 64 << 10;

/// Puts the time, in UTC and to the microsecond, before each line of each output, and hands on
/// everything else as it is: `2026-11-25T12:00:00.000000Z make: done`.
///
/// The time is the one at which the line's first byte came, whatever the pieces; lines are not held
/// back, however long. A step's output begins a line.
///
/// To have the time after a section's marker and not before it, wrap this round a
/// [`SectionSink`](crate::log::SectionSink), not the other way round.
pub struct TimestampSink<S> {
    inner: S,
    clock: Box<dyn Fn() -> SystemTime + Send>,
    /// Whether the next byte of each output is in a line that began before.
    stdout_in_line: bool,
    stderr_in_line: bool,
}

impl<S> TimestampSink<S> {
    /// Before the lines that go to `inner`, the times of `clock`: [`SystemTime::now`], as a rule.
    pub fn new(inner: S, clock: impl Fn() -> SystemTime + Send + 'static) -> Self {
        Self { inner, clock: Box::new(clock), stdout_in_line: false, stderr_in_line: false }
    }
}

#[async_trait]
impl<S: LogSink> LogSink for TimestampSink<S> {
    async fn write(&mut self, chunk: &LogChunk) -> io::Result<()> {
        let in_line = match chunk.source {
            LogSource::Stdout => &mut self.stdout_in_line,
            LogSource::Stderr => &mut self.stderr_in_line,
        };
        let Some(last) = chunk.bytes.last() else {
            return self.inner.write(chunk).await;
        };
        let continues = *in_line;
        *in_line = *last != b'\n';
        let mut lines = chunk.bytes.split_inclusive(|byte| *byte == b'\n');
        let rest = if continues { lines.next().map_or(0, <[u8]>::len) } else { 0 };
        if rest == chunk.bytes.len() {
            return self.inner.write(chunk).await;
        }

        // One look at the clock: they came together.
        let time = humantime::format_rfc3339_micros((self.clock)()).to_string();
        let mut part = BytesMut::from(&chunk.bytes[..rest]);
        for line in chunk.bytes[rest..].split_inclusive(|byte| *byte == b'\n') {
            part.extend_from_slice(time.as_bytes());
            part.put_u8(b' ');
            part.extend_from_slice(line);
            if part.len() >= PART {
                self.hand_on(chunk.source, part.split().freeze()).await?;
            }
        }
        if part.is_empty() { Ok(()) } else { self.hand_on(chunk.source, part.freeze()).await }
    }

    async fn begin(&mut self, step: &str) -> io::Result<()> {
        self.stdout_in_line = false;
        self.stderr_in_line = false;
        self.inner.begin(step).await
    }

    async fn end(&mut self, step: &str) -> io::Result<()> {
        self.inner.end(step).await
    }
}

impl<S: LogSink> TimestampSink<S> {
    async fn hand_on(&mut self, source: LogSource, bytes: Bytes) -> io::Result<()> {
        self.inner.write(&LogChunk { source, bytes }).await
    }
}

impl<S: fmt::Debug> fmt::Debug for TimestampSink<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TimestampSink").field("inner", &self.inner).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::log::{MemorySink, SectionSink};

    const TIME: &str = "2018-02-14T00:28:07.133000Z ";

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(1_518_568_087_133)
    }

    fn sink(memory: &MemorySink) -> TimestampSink<MemorySink> {
        TimestampSink::new(memory.clone(), now)
    }

    #[tokio::test]
    async fn each_line_begins_with_the_time_wherever_it_is_cut() {
        let text = "one\n\ntwo\r\nthree";
        let expected = format!("{TIME}one\n{TIME}\n{TIME}two\r\n{TIME}three");
        for first in 0..=text.len() {
            for second in first..=text.len() {
                let memory = MemorySink::new();
                let mut sink = sink(&memory);
                for piece in [&text[..first], &text[first..second], &text[second..]] {
                    sink.write(&LogChunk::stdout(piece)).await.unwrap();
                }
                assert_eq!(memory.text(LogSource::Stdout), expected, "cut at {first}, {second}");
            }
        }
    }

    #[tokio::test]
    async fn the_outputs_have_lines_of_their_own() {
        let memory = MemorySink::new();
        let mut sink = sink(&memory);
        sink.write(&LogChunk::stdout("half ")).await.unwrap();
        sink.write(&LogChunk::stderr("error\n")).await.unwrap();
        sink.write(&LogChunk::stdout("a line\n")).await.unwrap();
        assert_eq!(memory.text(LogSource::Stdout), format!("{TIME}half a line\n"));
        assert_eq!(memory.text(LogSource::Stderr), format!("{TIME}error\n"));
    }

    #[tokio::test]
    async fn the_rest_of_a_line_is_handed_on_without_a_copy() {
        let memory = MemorySink::new();
        let mut sink = sink(&memory);
        let rest = LogChunk::stdout(vec![b'x'; 1 << 20]);
        sink.write(&LogChunk::stdout("begin ")).await.unwrap();
        sink.write(&rest).await.unwrap();
        let written = memory.chunks();
        assert_eq!(written.last().map(|chunk| chunk.bytes.as_ptr()), Some(rest.bytes.as_ptr()));
    }

    #[tokio::test]
    async fn a_piece_of_empty_lines_is_handed_on_in_parts() {
        let memory = MemorySink::new();
        let mut sink = sink(&memory);
        sink.write(&LogChunk::stderr(vec![b'\n'; 32 << 10])).await.unwrap();
        let written = memory.chunks();
        assert!(written.iter().all(|chunk| chunk.bytes.len() < PART + 64));
        assert_eq!(memory.text(LogSource::Stderr), format!("{TIME}\n").repeat(32 << 10));
    }

    #[tokio::test]
    async fn the_time_comes_after_a_section_s_marker() {
        let memory = MemorySink::new();
        let mut sink = TimestampSink::new(SectionSink::new(memory.clone(), now), now);
        sink.begin("build").await.unwrap();
        sink.write(&LogChunk::stdout("no end")).await.unwrap();
        sink.end("build").await.unwrap();
        sink.begin("test").await.unwrap();
        sink.write(&LogChunk::stdout("more")).await.unwrap();
        assert_eq!(
            memory.text(LogSource::Stdout),
            format!(
                "\x1b[0Ksection_start:1518568087:build\r\x1b[0K{TIME}no end\n\
                 \x1b[0Ksection_end:1518568087:build\r\x1b[0K\
                 \x1b[0Ksection_start:1518568087:test\r\x1b[0K{TIME}more"
            )
        );
    }
}
