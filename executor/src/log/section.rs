//! Sections: the output of each step between marks that GitLab's log view folds up.

use std::{
    fmt, io,
    time::{SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use docker_api_trait::{LogChunk, LogSource};

use super::LogSink;

/// Puts GitLab's section markers round the output of each step, on standard output, and hands on
/// everything else as it is. A terminal does not show them.
///
/// A section's name is the step's, in the characters that GitLab allows: small letters, digits, `_`,
/// `.` and `-`; others become `_`. A marker begins a line, and ends the one that the output left
/// open, since a terminal would wipe it out with the marker. The output can hold markers of its own;
/// nothing tells them apart.
///
/// Times are those of the clock it is given. The format is
/// [GitLab's](https://docs.gitlab.com/ci/jobs/job_logs/#custom-collapsible-sections).
pub struct SectionSink<S> {
    inner: S,
    clock: Box<dyn Fn() -> SystemTime + Send>,
    collapsed: bool,
    /// Whether standard output's last line has no end yet.
    open_stdout: bool,
    /// Whether standard error's has none: both are shown as one.
    open_stderr: bool,
}

impl<S> SectionSink<S> {
    /// Round the steps that go to `inner`, at the times of `clock`: [`SystemTime::now`], as a rule.
    pub fn new(inner: S, clock: impl Fn() -> SystemTime + Send + 'static) -> Self {
        Self {
            inner,
            clock: Box::new(clock),
            collapsed: false,
            open_stdout: false,
            open_stderr: false,
        }
    }

    /// Shows the sections folded up at first.
    pub fn collapsed(mut self) -> Self {
        self.collapsed = true;
        self
    }

    fn marker(&self, kind: &str, step: &str, options: &str) -> LogChunk {
        // A clock before 1970 is wrong in any case.
        let time = (self.clock)().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let line_end = if self.open_stdout || self.open_stderr { "\n" } else { "" };
        let name = name(step);
        LogChunk::stdout(format!("{line_end}\x1b[0Ksection_{kind}:{time}:{name}{options}\r\x1b[0K"))
    }
}

fn name(step: &str) -> String {
    let name = step.chars().map(|letter| match letter.to_ascii_lowercase() {
        letter @ ('a'..='z' | '0'..='9' | '_' | '.' | '-') => letter,
        _ => '_',
    });
    name.collect()
}

#[async_trait]
impl<S: LogSink> LogSink for SectionSink<S> {
    async fn write(&mut self, chunk: &LogChunk) -> io::Result<()> {
        // Of two outputs that are shown as one, either may have left a line open.
        if let Some(last) = chunk.bytes.last() {
            let open = match chunk.source {
                LogSource::Stdout => &mut self.open_stdout,
                LogSource::Stderr => &mut self.open_stderr,
            };
            *open = *last != b'\n';
        }
        self.inner.write(chunk).await
    }

    async fn begin(&mut self, step: &str) -> io::Result<()> {
        let options = if self.collapsed { "[collapsed=true]" } else { "" };
        let marker = self.marker("start", step, options);
        (self.open_stdout, self.open_stderr) = (false, false);
        self.inner.write(&marker).await?;
        self.inner.begin(step).await
    }

    async fn end(&mut self, step: &str) -> io::Result<()> {
        self.inner.end(step).await?;
        let marker = self.marker("end", step, "");
        (self.open_stdout, self.open_stderr) = (false, false);
        self.inner.write(&marker).await
    }
}

impl<S: fmt::Debug> fmt::Debug for SectionSink<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SectionSink").field("inner", &self.inner).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::log::MemorySink;

    fn sink(memory: &MemorySink) -> SectionSink<MemorySink> {
        SectionSink::new(memory.clone(), || UNIX_EPOCH + Duration::from_millis(1_560_896_352_900))
    }

    #[tokio::test]
    async fn a_step_is_between_its_markers() {
        let memory = MemorySink::new();
        let mut sink = sink(&memory);
        sink.begin("build").await.unwrap();
        sink.write(&LogChunk::stdout("one\ntwo\n")).await.unwrap();
        sink.end("build").await.unwrap();
        assert_eq!(
            memory.text(LogSource::Stdout),
            "\x1b[0Ksection_start:1560896352:build\r\x1b[0Kone\ntwo\n\
             \x1b[0Ksection_end:1560896352:build\r\x1b[0K"
        );
    }

    #[tokio::test]
    async fn a_section_can_be_folded_up_at_first() {
        let memory = MemorySink::new();
        let mut sink = sink(&memory).collapsed();
        sink.begin("build").await.unwrap();
        sink.end("build").await.unwrap();
        assert_eq!(
            memory.text(LogSource::Stdout),
            "\x1b[0Ksection_start:1560896352:build[collapsed=true]\r\x1b[0K\
             \x1b[0Ksection_end:1560896352:build\r\x1b[0K"
        );
    }

    #[tokio::test]
    async fn a_marker_begins_a_line() {
        let memory = MemorySink::new();
        let mut sink = sink(&memory);
        sink.begin("build").await.unwrap();
        sink.write(&LogChunk::stdout("no end\n")).await.unwrap();
        sink.write(&LogChunk::stderr("$ ")).await.unwrap();
        sink.write(&LogChunk::stdout("")).await.unwrap();
        sink.end("build").await.unwrap();
        sink.begin("test").await.unwrap();
        assert_eq!(
            memory.text(LogSource::Stdout),
            "\x1b[0Ksection_start:1560896352:build\r\x1b[0Kno end\n\
             \n\x1b[0Ksection_end:1560896352:build\r\x1b[0K\
             \x1b[0Ksection_start:1560896352:test\r\x1b[0K"
        );
        assert_eq!(memory.text(LogSource::Stderr), "$ ");
    }

    #[test]
    fn a_name_has_no_other_characters_than_gitlab_allows() {
        assert_eq!(name("after_script-2.0"), "after_script-2.0");
        assert_eq!(name("Run Tests: é\r\x1b[0K[collapsed]"), "run_tests______0k_collapsed_");
    }
}
