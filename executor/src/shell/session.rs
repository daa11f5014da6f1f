//! A shell in a running container, from our side.

use std::{pin::Pin, time::Duration};

use bytes::Bytes;
use docker_api_trait::{
    ApiError, ContainerId, ContainerInput, ExitFuture, ExitStatus, LogChunk, LogSource, LogStream,
    Operation,
};
use futures_util::{FutureExt as _, StreamExt as _, future};
use tokio::time::{Instant, sleep, sleep_until};

use super::{Mark, Scanned, Scanner, scan::Both, script::LAST_CODE};
use crate::log::Pump;

/// After the exit, the engine has this long for each further piece. It flushes for up to 2 s.
const DRAIN: Duration = Duration::from_secs(3);
/// A shell begins a script within this time, or an image's entrypoint does not lead to a shell.
pub(crate) const BEGIN_LIMIT: Duration = Duration::from_mins(2);
/// How much of what comes before a step begins is kept, to tell why it never began.
const FIRST_WORDS: usize = 2048;

/// How a step's run in a shell ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The script ended with this exit code; the shell goes on.
    Code(i64),
    /// The container ended before the script did.
    Container(ExitStatus),
    /// No script began in time: what runs is no shell of ours.
    NotBegun,
    /// Nobody answers any more, or not what was asked; the container may still run.
    Lost(ApiError),
    /// The engine has answered nothing for so long that it need not be asked what befell the container.
    Mute(ApiError),
}

/// A shell in a container, attached to. Dropping it detaches.
pub(crate) struct Session {
    id: ContainerId,
    input: Option<Box<dyn ContainerInput>>,
    output: Option<LogStream>,
    exit: Option<ExitFuture>,
    status: Option<Result<ExitStatus, ApiError>>,
    greeting: Option<Greeting>,
}

/// How a supervisor that was not ready yet says that it is.
#[derive(Debug)]
pub(crate) struct Greeting {
    scanners: Both<Scanner>,
    /// Whether what comes before is the job's: there is an entrypoint of its own.
    is_output: bool,
    /// What came before, while no step was there to note it.
    words: Vec<u8>,
}

impl Greeting {
    /// The greeting of the supervisor in the container `name`.
    pub(crate) fn new(name: &str, is_output: bool) -> Self {
        let mark = Mark::of_container(name);
        let scanners = Both { stdout: Scanner::new(&mark), stderr: Scanner::new(&mark) };
        Self { scanners, is_output, words: Vec::new() }
    }

    fn is_complete(&self) -> bool {
        self.scanners.stdout.has_begun() && self.scanners.stderr.has_begun()
    }
}

/// A step on its way through a container. It outlives an attempt to run it that is dropped.
#[derive(Debug)]
pub(crate) struct Feed {
    frame: Option<Bytes>,
    /// Of a script; what a program writes is its output, all of it.
    scanners: Option<Both<Scanner>>,
    /// Of the question that follows a script whose connection was lost.
    question: Option<Both<Scanner>>,
    code: Option<i64>,
    /// Whether it is its container's end that is waited for.
    to_the_end: bool,
    /// Whether there was a supervisor to send it to.
    was_sent: bool,
    first_words: Vec<u8>,
    /// When a script has to have begun.
    begin_by: Instant,
}

impl Feed {
    /// A text that a supervisor is to evaluate.
    pub(crate) fn text(text: &str, mark: &Mark) -> Self {
        let scanners = Both { stdout: Scanner::new(mark), stderr: Scanner::new(mark) };
        Self {
            frame: Some(mark.frame(text).into()),
            scanners: Some(scanners),
            question: None,
            code: None,
            to_the_end: false,
            was_sent: false,
            first_words: Vec::new(),
            begin_by: Instant::now() + BEGIN_LIMIT,
        }
    }

    /// A program that is its container's own.
    pub(crate) fn program() -> Self {
        Self {
            frame: None,
            scanners: None,
            question: None,
            code: None,
            to_the_end: false,
            was_sent: false,
            first_words: Vec::new(),
            begin_by: Instant::now() + BEGIN_LIMIT,
        }
    }

    pub(crate) fn is_program(&self) -> bool {
        self.scanners.is_none()
    }

    /// Whether the script runs, or has run.
    pub(crate) fn has_begun(&self) -> bool {
        let begun = |both: &Both<Scanner>| both.stdout.has_begun() || both.stderr.has_begun();
        self.scanners.as_ref().is_none_or(begun)
    }

    /// Whether its container can be asked to stop what it does. Before a script runs, that is reading
    /// the script.
    pub(crate) fn may_be_asked_to_stop(&self) -> bool {
        self.has_begun()
    }

    /// From now on its container's end counts, not the script's: the container is being killed.
    pub(crate) fn wait_for_container(&mut self) {
        self.to_the_end = true;
    }

    /// Asks the shell, over a new connection, how the script ended: its mark may have been lost with
    /// the old one. The shell reads that when the script has ended.
    pub(crate) fn ask_again(&mut self, mark: &Mark) {
        if self.scanners.is_some() {
            self.frame = Some(mark.frame(LAST_CODE).into());
            self.question = Some(Both { stdout: Scanner::new(mark), stderr: Scanner::new(mark) });
        }
    }

    fn note_first_words(&mut self, output: &[u8]) {
        let room = FIRST_WORDS.saturating_sub(self.first_words.len());
        self.first_words.extend_from_slice(&output[..output.len().min(room)]);
    }

    /// What was written before the script began.
    pub(crate) fn first_words(&self) -> String {
        String::from_utf8_lossy(&self.first_words).trim().to_owned()
    }

    /// Whether there was a supervisor to send it to.
    pub(crate) fn was_sent(&self) -> bool {
        self.was_sent
    }

    /// Whether its connection was lost once.
    pub(crate) fn was_asked_again(&self) -> bool {
        self.question.is_some()
    }

    /// What was held back of an output, when nothing more comes.
    fn rest(&mut self, source: LogSource) -> Bytes {
        let mut rest = Vec::new();
        if let Some(both) = &mut self.scanners {
            rest.extend_from_slice(&both.of(source).rest());
        }
        if let Some(both) = &mut self.question {
            for found in both.of(source).push(rest.split_off(0).into()) {
                if let Scanned::Output(output) = found {
                    rest.extend_from_slice(&output);
                }
            }
            rest.extend_from_slice(&both.of(source).rest());
        }
        rest.into()
    }

    fn has_ended(&self) -> bool {
        let ended = |both: &Both<Scanner>| both.stdout.has_ended() && both.stderr.has_ended();
        let last = self.question.as_ref().or(self.scanners.as_ref());
        !self.to_the_end && last.is_some_and(ended)
    }
}

impl Session {
    /// A container that was attached to and whose exit is waited for; a shell has an input.
    pub(crate) fn new(
        id: ContainerId,
        input: Option<Box<dyn ContainerInput>>,
        output: LogStream,
        exit: ExitFuture,
    ) -> Self {
        Self { id, input, output: Some(output), exit: Some(exit), status: None, greeting: None }
    }

    /// The session with a supervisor that has to say first that it is ready.
    pub(crate) fn expecting(mut self, greeting: Greeting) -> Self {
        self.greeting = Some(greeting);
        self
    }

    pub(crate) fn id(&self) -> &ContainerId {
        &self.id
    }

    /// Whether there is nothing more to learn of the container's end: it has ended, or nobody can tell
    /// any more whether it has.
    pub(crate) fn knows_end(&self) -> bool {
        self.status.is_some()
    }

    /// Notes what was learnt of the container's end in another way than by waiting for it. What it
    /// wrote until then is still delivered.
    pub(crate) fn learn(&mut self, end: Result<ExitStatus, ApiError>) {
        self.exit = None;
        self.status = Some(end);
    }

    /// Notes an end that was learnt otherwise.
    pub(crate) fn set_ended(&mut self, status: ExitStatus) {
        self.status = Some(Ok(status));
    }

    /// Stops reading: before a container is stopped, killed or removed while nobody takes its
    /// output, as an unread one makes the engine hang.
    pub(crate) fn detach(&mut self) {
        self.output = None;
    }

    /// Feeds the script, unless an earlier call has, and delivers its output until it has ended.
    ///
    /// # Errors
    /// What `until` brings, when that comes first. It is not looked at while a piece is delivered, so
    /// that none is lost, and the call can be made again with the same `feed`.
    pub(crate) async fn run<T>(
        &mut self,
        feed: &mut Feed,
        pump: &mut Pump<'_>,
        until: impl Future<Output = T>,
    ) -> Result<Ended, T> {
        let mut until = std::pin::pin!(until);
        if let Some(ended) = self.await_greeting(feed, pump, until.as_mut()).await? {
            return Ok(ended);
        }
        let Self { input, output, exit, status, greeting, .. } = self;
        // What never was a supervisor gets no script.
        let frame = feed.frame.take().filter(|_| greeting.is_none());
        feed.was_sent |= greeting.is_none();
        let is_output = greeting.as_ref().is_none_or(|greeting| greeting.is_output);
        let write = async {
            match (frame, input) {
                // What goes wrong here, the output or the exit tells with more words.
                (Some(frame), Some(input)) => drop(input.write(frame).await),
                _ => future::pending().await,
            }
        };
        let mut write = std::pin::pin!(write.fuse());
        loop {
            if feed.has_ended()
                && let Some(code) = feed.code
            {
                return Ok(Ended::Code(code));
            }
            let deadline = status.as_ref().map(|_| Instant::now() + DRAIN);
            let Some(stream) = output else {
                return Self::finish_without_output(exit, status, feed, pump, until).await;
            };
            let idle = pump.idle_at();
            tokio::select! {
                biased;
                interrupted = &mut until => return Err(interrupted),
                () = &mut write => {}
                piece = stream.next() => match piece {
                    Some(Ok(chunk)) => take(feed, pump, chunk, is_output).await,
                    Some(Err(error)) => {
                        // With the attachment a shell's input is gone: its end tells nothing now.
                        pump.broken(&error);
                        *output = None;
                        if !feed.is_program() && status.is_none() {
                            return Ok(Ended::Lost(error));
                        }
                    }
                    // The end of the output is not an exit.
                    None => *output = None,
                },
                ended = wait(exit), if status.is_none() => *status = Some(ended),
                () = sleep_until(feed.begin_by), if !feed.has_begun() && status.is_none() => {
                    return Ok(Ended::NotBegun);
                }
                () = sleep_until(idle.unwrap_or_else(Instant::now)), if idle.is_some() => {
                    pump.idle().await;
                }
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                    pump.broken_off("its end did not come with that of the container");
                    *output = None;
                }
            }
        }
    }

    /// Waits until the supervisor is ready, or never will be, when there is no step yet. What comes
    /// before its greeting is only noted for the error of a step.
    pub(crate) async fn ready(&mut self) {
        let Self { output, exit, status, greeting, .. } = self;
        let Some(expected) = greeting else { return };
        while !expected.is_complete() && status.is_none() {
            let Some(stream) = output else { return };
            let piece = tokio::select! {
                biased;
                piece = stream.next() => piece,
                ended = wait(exit) => {
                    *status = Some(ended);
                    continue;
                }
            };
            let Some(Ok(chunk)) = piece else {
                *output = None;
                return;
            };
            for found in expected.scanners.of(chunk.source).push(chunk.bytes) {
                if let Scanned::Output(output) = found {
                    let room = FIRST_WORDS.saturating_sub(expected.words.len());
                    expected.words.extend_from_slice(&output[..output.len().min(room)]);
                }
            }
        }
        if expected.is_complete() {
            *greeting = None;
        }
    }

    /// Waits until the supervisor is ready, or never will be. An engine may deliver the two outputs in
    /// any order, so that each has to say it.
    async fn await_greeting<T>(
        &mut self,
        feed: &mut Feed,
        pump: &mut Pump<'_>,
        mut until: Pin<&mut impl Future<Output = T>>,
    ) -> Result<Option<Ended>, T> {
        let Self { output, exit, status, greeting, .. } = self;
        let Some(expected) = greeting else { return Ok(None) };
        feed.note_first_words(&std::mem::take(&mut expected.words));
        while !expected.is_complete() && status.is_none() {
            let Some(stream) = output else { return Ok(None) };
            let piece = tokio::select! {
                biased;
                interrupted = &mut until => return Err(interrupted),
                piece = stream.next() => piece,
                ended = wait(exit) => {
                    *status = Some(ended);
                    continue;
                }
                () = sleep_until(feed.begin_by) => return Ok(None),
            };
            match piece {
                Some(Ok(chunk)) => {
                    for found in expected.scanners.of(chunk.source).push(chunk.bytes) {
                        if let Scanned::Output(output) = found {
                            feed.note_first_words(&output);
                            if expected.is_output {
                                pump.deliver(chunk.source, output).await;
                            }
                        }
                    }
                }
                Some(Err(error)) => {
                    pump.broken(&error);
                    *output = None;
                    return Ok(Some(Ended::Lost(error)));
                }
                None => *output = None,
            }
        }
        if expected.is_complete() {
            *greeting = None;
        }
        Ok(None)
    }

    /// Waits for the end of a run whose output has ended, and delivers what was held back of the output.
    async fn finish_without_output<T>(
        exit: &mut Option<ExitFuture>,
        status: &mut Option<Result<ExitStatus, ApiError>>,
        feed: &mut Feed,
        pump: &mut Pump<'_>,
        mut until: Pin<&mut impl Future<Output = T>>,
    ) -> Result<Ended, T> {
        let output_ended = Instant::now();
        let ended = tokio::select! {
            biased;
            interrupted = &mut until => return Err(interrupted),
            ended = Self::without_output(exit, status) => ended,
            // A shell holds its outputs open as long as it lives; only a program may close its.
            () = sleep(DRAIN), if feed.scanners.is_some() => {
                return Ok(Ended::Lost(ApiError::Lost {
                    operation: Operation::AttachContainer,
                    source: "the output ended before the container did".into(),
                }));
            }
        };
        if output_ended.elapsed() >= DRAIN && matches!(ended, Ended::Container(_)) {
            pump.broken_off("it ended before the container did");
        }
        // What looked like the beginning of a mark was output.
        for source in [LogSource::Stdout, LogSource::Stderr] {
            pump.deliver(source, feed.rest(source)).await;
        }
        Ok(ended)
    }

    /// The end of a container whose output has ended: the exit follows within moments, unless the
    /// engine is gone.
    async fn without_output(
        exit: &mut Option<ExitFuture>,
        status: &mut Option<Result<ExitStatus, ApiError>>,
    ) -> Ended {
        if status.is_none() {
            *status = Some(wait(exit).await);
        }
        match status {
            Some(Ok(status)) => Ended::Container(status.clone()),
            Some(Err(_)) => match status.take() {
                Some(Err(error)) => Ended::Lost(error),
                _ => unreachable!("it was an error a moment ago"),
            },
            None => unreachable!("it was waited for"),
        }
    }
}

/// Waits for the exit, once; after that for ever.
async fn wait(exit: &mut Option<ExitFuture>) -> Result<ExitStatus, ApiError> {
    match exit {
        Some(future) => {
            let ended = future.await;
            *exit = None;
            ended
        }
        None => future::pending().await,
    }
}

/// Delivers a piece of output without its marks; where `is_output` is not set, it only notes what it is.
async fn take(feed: &mut Feed, pump: &mut Pump<'_>, chunk: LogChunk, is_output: bool) {
    let LogChunk { source, bytes, .. } = chunk;
    let Some(scanners) = &mut feed.scanners else {
        return pump.deliver(source, bytes).await;
    };
    let began_before = scanners.stdout.has_begun() || scanners.stderr.has_begun();
    let mut scanned = scanners.of(source).push(bytes);
    if let Some(question) = &mut feed.question {
        let question = question.of(source);
        scanned = scanned
            .into_iter()
            .flat_map(|found| match found {
                Scanned::Output(output) => question.push(output),
                other => vec![other],
            })
            .collect();
    }
    // The marks first: a delivery may be dropped half-way.
    for found in &scanned {
        match found {
            Scanned::Ended(code) => feed.code = Some(*code),
            Scanned::Output(output) if !began_before => feed.note_first_words(output),
            Scanned::Output(_) | Scanned::Begun => {}
        }
    }
    for found in scanned {
        if let Scanned::Output(output) = found
            && is_output
        {
            pump.deliver(source, output).await;
        }
    }
}

#[cfg(test)]
mod tests;
