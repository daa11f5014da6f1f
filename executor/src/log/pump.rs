//! From the engine to the sink: secrets are masked, a limit is kept, and one piece is held at a time.

use std::time::Duration;

use bytes::Bytes;
use docker_api_trait::{ApiError, LogChunk, LogSource};
use tokio::time::{Instant, timeout};

use super::{LogEnd, LogLimit, LogSink, MaskStream, Masker, Truncation};

/// What is held back because it may be the beginning of a secret is given out when nothing has come
/// for so long.
const IDLE: Duration = Duration::from_millis(80);
/// How long a sink has for a piece once its job is being stopped.
const HURRY: Duration = Duration::from_millis(500);

/// One of the two outputs.
#[derive(Debug)]
struct Lane {
    mask: MaskStream,
    /// When the last piece came.
    last: Instant,
}

impl Lane {
    fn new(masker: &Masker) -> Self {
        Self { mask: masker.stream(), last: Instant::now() }
    }

    /// When what it holds back is to be given out.
    fn idle_at(&self) -> Option<Instant> {
        self.mask.holds().then(|| self.last + IDLE)
    }
}

/// The way of a step's output into a sink.
#[derive(Debug)]
pub(crate) struct Pump<'a> {
    sink: &'a mut dyn LogSink,
    limit: &'a mut LogLimit,
    stdout: Lane,
    stderr: Lane,
    hurried: bool,
    truncation: Option<Truncation>,
}

impl<'a> Pump<'a> {
    pub(crate) fn new(sink: &'a mut dyn LogSink, limit: &'a mut LogLimit, masker: &Masker) -> Self {
        Self {
            sink,
            limit,
            stdout: Lane::new(masker),
            stderr: Lane::new(masker),
            hurried: false,
            truncation: None,
        }
    }

    /// From now on a sink that does not take a piece promptly gets no more: the job is being
    /// stopped, and its container must not wait for a reader.
    pub(crate) fn hurry(&mut self) {
        self.hurried = true;
    }

    /// Hands on a piece of output. A sink that failed gets no more, but pieces are taken on: an
    /// unread output would block the container.
    pub(crate) async fn deliver(&mut self, source: LogSource, bytes: Bytes) {
        let lane = self.lane(source);
        lane.last = Instant::now();
        let bytes = lane.mask.push(&bytes);
        self.write(source, bytes).await;
    }

    /// The sink failed: it gets no more.
    pub(crate) fn refuse(&mut self, error: &std::io::Error) {
        self.truncate(Truncation::Sink(error.to_string()));
    }

    /// The output broke off.
    pub(crate) fn broken(&mut self, error: &ApiError) {
        self.truncate(Truncation::Engine(error.to_string()));
    }

    /// When [`idle`](Self::idle) is to be called, if nothing comes before; `None` when nothing is
    /// held back.
    pub(crate) fn idle_at(&self) -> Option<Instant> {
        [self.stdout.idle_at(), self.stderr.idle_at()].into_iter().flatten().min()
    }

    /// Hands on what was held back for long enough.
    pub(crate) async fn idle(&mut self) {
        let now = Instant::now();
        for source in [LogSource::Stdout, LogSource::Stderr] {
            let lane = self.lane(source);
            if lane.idle_at().is_some_and(|at| at <= now) {
                let bytes = lane.mask.idle();
                self.write(source, bytes).await;
            }
        }
    }

    /// The end of the step's output; tells whether all of it was delivered.
    pub(crate) async fn finish(mut self, interrupted: bool, step: &str) -> LogEnd {
        if interrupted {
            self.truncate(Truncation::Interrupted);
            self.hurry();
        }
        for source in [LogSource::Stdout, LogSource::Stderr] {
            let bytes = self.lane(source).mask.finish();
            self.write(source, bytes).await;
        }
        if !self.is_refused() {
            let end = self.sink.end(step);
            let ended =
                if self.hurried { timeout(HURRY, end).await.unwrap_or(Ok(())) } else { end.await };
            if let Err(error) = ended {
                self.refuse(&error);
            }
        }
        self.truncation.map_or(LogEnd::Complete, LogEnd::Truncated)
    }

    fn lane(&mut self, source: LogSource) -> &mut Lane {
        match source {
            LogSource::Stdout => &mut self.stdout,
            LogSource::Stderr => &mut self.stderr,
        }
    }

    async fn write(&mut self, source: LogSource, bytes: Bytes) {
        if self.is_refused() || bytes.is_empty() {
            return;
        }
        let (bytes, reached) = self.limit.take(bytes);
        if reached {
            self.truncate(Truncation::Limit);
        }
        if bytes.is_empty() {
            return;
        }
        let chunk = LogChunk { source, bytes };
        let write = self.sink.write(&chunk);
        let written = if self.hurried {
            match timeout(HURRY, write).await {
                Ok(written) => written,
                Err(_) => return self.truncate(Truncation::Interrupted),
            }
        } else {
            write.await
        };
        if let Err(error) = written {
            self.refuse(&error);
        }
    }

    /// Whether the sink gets no more. A limit that is reached lets nothing pass anyway.
    fn is_refused(&self) -> bool {
        matches!(self.truncation, Some(Truncation::Sink(_) | Truncation::Interrupted))
    }

    /// The first reason counts.
    fn truncate(&mut self, why: Truncation) {
        self.truncation.get_or_insert(why);
    }
}
