//! The lines that an engine keeps of a run's output. Pure.

use docker_api_trait::{LogChunk, LogSource};
use tokio::time::Instant;

/// A line of a log and when it was complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LogEntry {
    pub(super) at: Instant,
    pub(super) line: LogChunk,
}

/// Splits the output of a run into the entries of its log: whole lines of each output.
#[derive(Debug, Default)]
pub(super) struct Lines {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Lines {
    /// Adds a chunk of output and returns the lines that it completes.
    pub(super) fn push(&mut self, at: Instant, chunk: &LogChunk) -> Vec<LogEntry> {
        let unfinished = self.unfinished(chunk.source);
        unfinished.extend_from_slice(&chunk.bytes);
        let whole = unfinished.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let lines: Vec<u8> = unfinished.drain(..whole).collect();
        let lines = lines.split_inclusive(|byte| *byte == b'\n');
        lines.map(|line| entry(at, chunk.source, line)).collect()
    }

    /// Returns the unfinished lines at the end of the run.
    pub(super) fn finish(mut self, at: Instant) -> Vec<LogEntry> {
        let mut entries = Vec::new();
        for source in [LogSource::Stdout, LogSource::Stderr] {
            let rest = std::mem::take(self.unfinished(source));
            if !rest.is_empty() {
                entries.push(entry(at, source, &rest));
            }
        }
        entries
    }

    fn unfinished(&mut self, source: LogSource) -> &mut Vec<u8> {
        match source {
            LogSource::Stdout => &mut self.stdout,
            LogSource::Stderr => &mut self.stderr,
        }
    }
}

fn entry(at: Instant, source: LogSource, line: &[u8]) -> LogEntry {
    LogEntry { at, line: LogChunk { source, bytes: line.to_vec().into() } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_entry_is_a_whole_line_of_one_output() {
        let at = Instant::now();
        let mut lines = Lines::default();
        let mut push = |chunk: LogChunk| -> Vec<_> {
            lines.push(at, &chunk).into_iter().map(|entry| entry.line).collect()
        };
        assert_eq!(push(LogChunk::stdout("a\nb")), [LogChunk::stdout("a\n")]);
        assert_eq!(push(LogChunk::stderr("e\n")), [LogChunk::stderr("e\n")]);
        let both = [LogChunk::stdout("bc\n"), LogChunk::stdout("\n")];
        assert_eq!(push(LogChunk::stdout("c\n\nd")), both);
        assert_eq!(lines.finish(at), [LogEntry { at, line: LogChunk::stdout("d") }]);
    }
}
