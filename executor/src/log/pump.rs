//! From the engine to the sink: secrets are masked, a limit is kept, and one piece is held at a time.

use std::time::Duration;

use bytes::Bytes;
use docker_api_trait::{ApiError, LogChunk, LogSource};
use tokio::time::{Instant, sleep};

use super::{LogEnd, LogLimit, LogSink, MaskStream, Masker, Truncation};
use crate::run::interrupt::Interrupt;

/// What is held back because it may be the beginning of a secret is given out when nothing has come
/// for so long.
const IDLE: Duration = Duration::from_millis(80);
/// The same for text that is probably the beginning of a secret, and no prompt: so many bytes and more.
const LONG_IDLE: Duration = Duration::from_secs(2);
const PROBABLE_SECRET: usize = 8;
/// How long a sink has for a piece once its step is being stopped: its container must not wait for a
/// reader then.
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
        let idle = if self.mask.held() < PROBABLE_SECRET { IDLE } else { LONG_IDLE };
        self.mask.holds().then(|| self.last + idle)
    }
}

/// The way of a step's output into a sink.
#[derive(Debug)]
pub(crate) struct Pump<'a> {
    sink: &'a mut dyn LogSink,
    limit: &'a mut LogLimit,
    stdout: Lane,
    stderr: Lane,
    interrupt: &'a Interrupt<'a>,
    refused: bool,
    truncation: Option<Truncation>,
}

impl<'a> Pump<'a> {
    /// For a step that `interrupt` stops: once it does, a sink that does not take a piece promptly
    /// gets no more.
    pub(crate) fn new(
        sink: &'a mut dyn LogSink,
        limit: &'a mut LogLimit,
        masker: &Masker,
        interrupt: &'a Interrupt<'a>,
    ) -> Self {
        Self {
            sink,
            limit,
            stdout: Lane::new(masker),
            stderr: Lane::new(masker),
            interrupt,
            refused: false,
            truncation: None,
        }
    }

    /// The step begins.
    pub(crate) async fn begin(&mut self, step: &str) {
        let given = give(self.interrupt, self.sink.begin(step)).await;
        self.note(given);
    }

    /// Hands on a piece of output. A sink that failed gets no more, but pieces are taken on: an
    /// unread output would block the container.
    pub(crate) async fn deliver(&mut self, source: LogSource, bytes: Bytes) {
        let lane = self.lane(source);
        lane.last = Instant::now();
        let bytes = lane.mask.push(&bytes);
        self.write(source, bytes).await;
    }

    /// The output broke off.
    pub(crate) fn broken(&mut self, error: &ApiError) {
        self.truncate(Truncation::Engine(error.to_string()));
    }

    /// The output ended well before its container did, or did not end with it: its connection may
    /// have been lost in a way that nothing else tells.
    pub(crate) fn broken_off(&mut self, how: &str) {
        self.truncate(Truncation::Engine(how.to_owned()));
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
        }
        for source in [LogSource::Stdout, LogSource::Stderr] {
            let bytes = self.lane(source).mask.finish();
            self.write(source, bytes).await;
        }
        if !self.refused {
            let given = give(self.interrupt, self.sink.end(step)).await;
            self.note(given);
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
        if self.refused || bytes.is_empty() {
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
        let given = give(self.interrupt, self.sink.write(&chunk)).await;
        self.note(given);
    }

    /// What became of a call of the sink. One that failed, or stalled, gets no more. A limit that is
    /// reached lets nothing pass anyway.
    fn note(&mut self, given: Result<(), Truncation>) {
        if let Err(why) = given {
            self.refused = true;
            self.truncate(why);
        }
    }

    /// The first reason counts.
    fn truncate(&mut self, why: Truncation) {
        self.truncation.get_or_insert(why);
    }
}

/// Waits for a call of a sink; when its step is interrupted, not for long any more.
async fn give(
    interrupt: &Interrupt<'_>,
    call: impl Future<Output = std::io::Result<()>>,
) -> Result<(), Truncation> {
    tokio::select! {
        biased;
        done = call => done.map_err(|error| Truncation::Sink(error.to_string())),
        () = async {
            interrupt.occurs().await;
            sleep(HURRY).await;
        } => Err(Truncation::Interrupted),
    }
}
