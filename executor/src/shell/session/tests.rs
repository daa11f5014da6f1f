//! What a session makes of outputs that the engine in memory does not write.

use std::{convert::Infallible, future::pending};

use async_trait::async_trait;
use docker_api_trait::{LogChunk, Operation};
use futures_util::{FutureExt as _, stream};
use tokio::{sync::mpsc, time::timeout};

use super::*;
use crate::{
    cancel::Cancel,
    log::{LogLimit, MemorySink},
    run::interrupt::Interrupt,
};

const MARK: [u8; 16] = [0xab; 16];
const NEXT_MARK: [u8; 16] = [0xcd; 16];

/// An input that only keeps what it is given.
#[derive(Debug)]
struct Input(mpsc::UnboundedSender<Bytes>);

#[async_trait]
impl ContainerInput for Input {
    async fn write(&mut self, bytes: Bytes) -> Result<(), ApiError> {
        self.0.send(bytes).map_err(|_| lost())
    }

    async fn close(&mut self) -> Result<(), ApiError> {
        Ok(())
    }
}

fn lost() -> ApiError {
    ApiError::Lost { operation: Operation::WaitContainer, source: "the engine is gone".into() }
}

/// What comes after the last piece of output.
enum Then {
    End,
    Break,
    Silence,
}

/// A session whose outputs are these pieces; when it ends is up to `exit`.
fn session(
    pieces: Vec<LogChunk>,
    then: &Then,
    exit: ExitFuture,
) -> (Session, mpsc::UnboundedReceiver<Bytes>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let pieces = stream::iter(pieces).map(Ok);
    let output = match then {
        Then::End => pieces.boxed(),
        Then::Break => pieces.chain(stream::iter([Err(lost())])).boxed(),
        Then::Silence => pieces.chain(stream::pending()).boxed(),
    };
    let id = ContainerId::new("0123456789ab".repeat(6)[..64].to_owned()).unwrap();
    (Session::new(id, Some(Box::new(Input(sender))), output, exit), receiver)
}

fn out(text: String) -> LogChunk {
    LogChunk::stdout(text)
}

fn err(text: String) -> LogChunk {
    LogChunk::stderr(text)
}

fn mark(bytes: [u8; 16]) -> (Mark, String) {
    let mark = Mark::from_bytes(bytes);
    let text = mark.as_str().to_owned();
    (mark, text)
}

async fn run(session: &mut Session, mark: &Mark) -> (Ended, String) {
    let mut sink = MemorySink::new();
    let (words, cancel) = (sink.clone(), Cancel::new());
    let (mut limit, interrupt) = (LogLimit::new(None), Interrupt::by_kill(&cancel));
    let masker = crate::log::Masker::new(Vec::<Vec<u8>>::new()).unwrap();
    let mut pump = Pump::new(&mut sink, &mut limit, &masker, &interrupt);
    let mut feed = Feed::text("make", mark);
    let Ok(ended) = session.run(&mut feed, &mut pump, pending::<Infallible>()).await;
    let _ = pump.finish(false, "a").await;
    (ended, words.text(LogSource::Stdout) + &words.text(LogSource::Stderr))
}

#[tokio::test(start_paused = true)]
async fn what_runs_on_in_the_background_writes_into_the_next_steps_log() {
    let ((one, first), (two, second)) = (mark(MARK), mark(NEXT_MARK));
    let pieces = vec![
        out(format!("{first}+one")),
        err(format!("{first}+")),
        out(format!("{first}-0. late ")),
        err(format!("{first}-0.")),
        out("between ".to_owned()),
        err(format!("{second}+")),
        out(format!("{second}+two{second}-7.")),
        err(format!("{second}-7.")),
    ];
    let (mut session, mut input) = session(pieces, &Then::Silence, pending().boxed());
    let (ended, text) = run(&mut session, &one).await;
    assert!(matches!(ended, Ended::Code(0)), "{ended:?}");
    assert_eq!(text, "one late ");
    let (ended, text) = run(&mut session, &two).await;
    assert!(matches!(ended, Ended::Code(7)), "{ended:?}");
    assert_eq!(text, "between two");
    for expected in [&first, &second] {
        assert!(String::from_utf8_lossy(&input.recv().await.unwrap()).starts_with(expected));
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_of_the_output_is_no_exit() {
    let (one, first) = mark(MARK);
    let pieces = vec![out(format!("{first}+half a lin"))];
    let exit = async {
        sleep_until(Instant::now() + Duration::from_secs(9)).await;
        Ok(ExitStatus::new(5))
    };
    let (mut session, _input) = session(pieces, &Then::End, exit.boxed());
    let begin = Instant::now();
    let (ended, text) = run(&mut session, &one).await;
    // A shell that lives has its outputs open: it is the connection that has ended.
    assert!(matches!(&ended, Ended::Lost(_)), "{ended:?}");
    assert_eq!((text.as_str(), begin.elapsed()), ("half a lin", DRAIN));
    assert!(!session.knows_end());
}

#[tokio::test(start_paused = true)]
async fn an_exit_soon_after_the_end_of_the_output_counts() {
    let (one, first) = mark(MARK);
    let pieces = vec![out(format!("{first}+half a lin"))];
    let exit = async {
        sleep_until(Instant::now() + Duration::from_secs(2)).await;
        Ok(ExitStatus::new(5))
    };
    let (mut session, _input) = session(pieces, &Then::End, exit.boxed());
    let (ended, text) = run(&mut session, &one).await;
    assert!(matches!(&ended, Ended::Container(status) if status.code == 5), "{ended:?}");
    assert_eq!(text, "half a lin");
    assert!(session.knows_end());
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_broke_off_is_no_exit_and_the_output_is_read_for_a_moment() {
    let (one, first) = mark(MARK);
    let (mut session, _input) =
        session(vec![out(format!("{first}+on"))], &Then::Silence, async { Err(lost()) }.boxed());
    let (ended, text) = run(&mut session, &one).await;
    assert!(matches!(ended, Ended::Lost(ApiError::Lost { .. })), "{ended:?}");
    assert_eq!(text, "on");
    assert!(!session.knows_end());
}

#[tokio::test(start_paused = true)]
async fn a_beginning_of_a_mark_that_nothing_follows_is_output() {
    let (one, first) = mark(MARK);
    let cut = &first[..20];
    let exit = async { Ok(ExitStatus::new(137)) }.boxed();
    let (mut session, _input) =
        session(vec![out(format!("{first}+on")), out(cut.to_owned())], &Then::End, exit);
    let (ended, text) = run(&mut session, &one).await;
    assert!(matches!(ended, Ended::Container(_)), "{ended:?}");
    assert_eq!(text, format!("on{cut}"));
}

#[tokio::test(start_paused = true)]
async fn an_output_that_breaks_off_takes_the_input_with_it_and_is_lost() {
    let (one, first) = mark(MARK);
    let pieces = vec![out(format!("{first}+half a lin"))];
    let (mut session, _input) = session(pieces, &Then::Break, pending().boxed());
    let (ended, text) = run(&mut session, &one).await;
    assert!(matches!(ended, Ended::Lost(ApiError::Lost { .. })), "{ended:?}");
    assert_eq!(text, "half a lin");
}

#[tokio::test(start_paused = true)]
async fn a_step_that_says_nothing_is_waited_for_and_one_that_never_begins_is_not() {
    let (one, first) = mark(MARK);
    let begun = vec![out(format!("{first}+"))];
    let (mut session, _input) = self::session(begun, &Then::Silence, pending().boxed());
    let waited = timeout(Duration::from_hours(24), run(&mut session, &one)).await;
    assert!(waited.is_err());
    let (mut session, _input) = self::session(Vec::new(), &Then::Silence, pending().boxed());
    let (ended, _) = run(&mut session, &one).await;
    assert!(matches!(ended, Ended::NotBegun), "{ended:?}");
}

/// A session that expects a greeting.
fn unready(pieces: Vec<LogChunk>, is_output: bool) -> (Session, mpsc::UnboundedReceiver<Bytes>) {
    let (session, input) = session(pieces, &Then::Silence, pending().boxed());
    (session.expecting(Greeting::new("job", is_output)), input)
}

#[tokio::test(start_paused = true)]
async fn a_script_is_sent_once_both_outputs_have_the_greeting() {
    let (one, first) = mark(MARK);
    for (is_output, expected) in [(true, "bannerwarningout"), (false, "out")] {
        let pieces = vec![
            out("bannerjo".to_owned()),
            out("b+".to_owned()),
            err("warningjob+".to_owned()),
            out(format!("{first}+out{first}-0.")),
            err(format!("{first}+{first}-0.")),
        ];
        let (mut session, mut input) = unready(pieces, is_output);
        let (ended, text) = run(&mut session, &one).await;
        assert!(matches!(ended, Ended::Code(0)), "{ended:?}");
        let sorted = |text: &str| {
            let mut letters: Vec<_> = text.chars().collect();
            letters.sort_unstable();
            letters
        };
        assert_eq!(sorted(&text), sorted(expected));
        assert!(String::from_utf8_lossy(&input.recv().await.unwrap()).starts_with(&first));
        assert!(session.greeting.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn no_script_is_sent_to_what_is_no_supervisor() {
    let (one, _) = mark(MARK);
    for pieces in [vec![], vec![out("job+".to_owned())], vec![out("hello".to_owned())]] {
        let (mut session, mut input) = unready(pieces, false);
        let begin = Instant::now();
        let (ended, text) = run(&mut session, &one).await;
        assert!(matches!(ended, Ended::NotBegun), "{ended:?}");
        assert_eq!((text.as_str(), begin.elapsed()), ("", BEGIN_LIMIT));
        drop(session);
        assert!(input.recv().await.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn a_container_that_ends_before_its_greeting_is_no_supervisor() {
    let (one, _) = mark(MARK);
    let exit = async { Ok(ExitStatus::new(3)) }.boxed();
    let (session, mut input) = session(vec![err("no such file".to_owned())], &Then::End, exit);
    let mut session = session.expecting(Greeting::new("job", false));
    let (ended, _) = run(&mut session, &one).await;
    assert!(matches!(&ended, Ended::Container(status) if status.code == 3), "{ended:?}");
    assert!(session.greeting.is_some());
    drop(session);
    assert!(input.recv().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_greeting_is_awaited_before_there_is_a_step() {
    let (one, first) = mark(MARK);
    let pieces = vec![
        err("warning".to_owned()),
        out("job+".to_owned()),
        err("job+".to_owned()),
        out(format!("{first}+out{first}-0.")),
        err(format!("{first}+{first}-0.")),
    ];
    let (mut session, _input) = unready(pieces, false);
    session.ready().await;
    assert!(session.greeting.is_none());
    let (ended, text) = run(&mut session, &one).await;
    assert!(matches!(ended, Ended::Code(0)), "{ended:?}");
    assert_eq!(text, "out");
}
