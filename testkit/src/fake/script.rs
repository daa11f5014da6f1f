//! What a container of the fake does when it is started.

use std::time::Duration;

use bytes::Bytes;
use docker_api_trait::LogChunk;

/// A run to play when a container is started.
///
/// Nothing is executed: the run writes its output, lasts as long as it says on tokio's clock, which
/// a test may pause, and ends with its exit code.
///
/// ```
/// use std::time::Duration;
/// use testkit::ScriptedRun;
///
/// let compile = ScriptedRun::exits(1)
///     .prints_stdout("Compiling berth\n")
///     .pausing(Duration::from_secs(20))
///     .prints_stderr("error: expected `;`\n")
///     .writing("/cache/registry/index");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct ScriptedRun {
    exit_code: i64,
    output: Vec<TimedChunk>,
    /// How long after the start the next piece of output is written.
    offset: Duration,
    /// How long the run lasts; `None` is for ever.
    lasting: Option<Duration>,
    ignores_stop: bool,
    oom_killed: bool,
    kills_shell: bool,
    writes: Vec<(String, Bytes)>,
}

/// A piece of output and when it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TimedChunk {
    /// How long after the start.
    pub(super) offset: Duration,
    pub(super) chunk: LogChunk,
}

impl ScriptedRun {
    /// A run that ends at once with this exit code, without a word.
    pub fn exits(exit_code: i64) -> Self {
        Self {
            exit_code,
            output: Vec::new(),
            offset: Duration::ZERO,
            lasting: Some(Duration::ZERO),
            ignores_stop: false,
            oom_killed: false,
            kills_shell: false,
            writes: Vec::new(),
        }
    }

    /// A run that goes on until it is stopped or killed.
    pub fn never_ends() -> Self {
        Self { lasting: None, ..Self::exits(0) }
    }

    /// Then writes `bytes` to standard output, as one piece.
    pub fn prints_stdout(self, bytes: impl Into<Bytes>) -> Self {
        self.prints(LogChunk::stdout(bytes))
    }

    /// Then writes `bytes` to standard error, as one piece.
    pub fn prints_stderr(self, bytes: impl Into<Bytes>) -> Self {
        self.prints(LogChunk::stderr(bytes))
    }

    fn prints(mut self, chunk: LogChunk) -> Self {
        self.output.push(TimedChunk { offset: self.offset, chunk });
        self
    }

    /// Then does nothing for `pause`. The run lasts at least as long as its pauses.
    pub fn pausing(mut self, pause: Duration) -> Self {
        self.offset = self.offset.saturating_add(pause);
        self
    }

    /// Lasts `duration` from its start, or as long as its pauses where they are longer.
    pub fn lasting(mut self, duration: Duration) -> Self {
        self.lasting = Some(duration);
        self
    }

    /// Takes no notice of a stop, so that the engine kills it when the grace is over.
    pub fn ignoring_stop(mut self) -> Self {
        self.ignores_stop = true;
        self
    }

    /// Ends because the kernel kills it for lack of memory: exit code 137, and an inspection of the
    /// container says so from then on. A shell that plays it as a step lives on.
    pub fn oom_killed(mut self) -> Self {
        self.exit_code = 137;
        self.oom_killed = true;
        self
    }

    /// As a step of a shell: its end is that of the shell too, and so of the container, with the
    /// step's exit code and without a mark.
    pub fn kills_shell(mut self) -> Self {
        self.kills_shell = true;
        self
    }

    /// Writes the file `path`, an absolute path in the container, empty, at its start.
    ///
    /// When a volume is mounted there, [`FakeDocker::volume_files`](crate::FakeDocker::volume_files)
    /// has it from then on. A mount that may only be read refuses: nothing is written, the run says
    /// so on standard error as a shell does, and goes on. Any other file is the container's own and
    /// is forgotten.
    pub fn writing(self, path: impl Into<String>) -> Self {
        self.writing_bytes(path, Bytes::new())
    }

    /// Writes the file `path`, as [`writing`](Self::writing) does, with something in it.
    pub fn writing_bytes(mut self, path: impl Into<String>, content: impl Into<Bytes>) -> Self {
        self.writes.push((path.into(), content.into()));
        self
    }

    /// The same run, which says first that `paths` could not be written.
    pub(super) fn refused_to_write(mut self, paths: &[String]) -> Self {
        let complaints = paths.iter().map(|path| TimedChunk {
            offset: Duration::ZERO,
            chunk: LogChunk::stderr(format!("sh: can't create {path}: Read-only file system\n")),
        });
        self.output.splice(0..0, complaints);
        self
    }

    pub(super) fn exit_code(&self) -> i64 {
        self.exit_code
    }

    pub(super) fn output(&self) -> &[TimedChunk] {
        &self.output
    }

    /// How long the run lasts when it is left alone; `None` is for ever.
    pub(super) fn duration(&self) -> Option<Duration> {
        self.lasting.map(|lasting| lasting.max(self.offset))
    }

    pub(super) fn ignores_stop(&self) -> bool {
        self.ignores_stop
    }

    pub(super) fn is_oom_killed(&self) -> bool {
        self.oom_killed
    }

    pub(super) fn is_killing_shell(&self) -> bool {
        self.kills_shell
    }

    pub(super) fn writes(&self) -> &[(String, Bytes)] {
        &self.writes
    }
}

/// A run that succeeds at once.
impl Default for ScriptedRun {
    fn default() -> Self {
        Self::exits(0)
    }
}
