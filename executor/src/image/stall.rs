//! A pull that says nothing new for too long.

use std::time::Duration;

use futures_util::{Stream, StreamExt as _, stream};
use tokio::time::{Instant, timeout_at};

/// How long a pull may say nothing new, unless configured otherwise.
pub(crate) const STALL_LIMIT: Duration = Duration::from_mins(1);

/// Why a watched stream of messages ended early.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum WatchError<E> {
    /// No new message came in time. An engine that repeats its last one is as silent as one that
    /// says nothing.
    #[error("nothing new came for {} s", .after.as_secs())]
    Stalled {
        /// How long was waited.
        after: Duration,
    },
    /// The stream's own error.
    #[error(transparent)]
    Source(#[from] E),
}

/// The stream, which ends with [`WatchError::Stalled`] when for `limit` no message comes that
/// differs from the one before. Messages that repeat are handed on. The time counts from the first
/// poll; the time that the consumer takes for a message counts too, so a message that waits there
/// when it comes back is taken before the limit is looked at.
///
/// It ends after its first error. The watched stream is then dropped with it, not before.
pub(crate) fn watch_stalls<T, E>(
    messages: impl Stream<Item = Result<T, E>> + Unpin,
    limit: Duration,
) -> impl Stream<Item = Result<T, WatchError<E>>>
where
    T: Clone + PartialEq,
{
    struct Watch<S, T> {
        messages: S,
        last: Option<T>,
        deadline: Option<Instant>,
        ended: bool,
    }
    let watch = Watch { messages, last: None, deadline: None, ended: false };
    stream::unfold(watch, move |mut watch| async move {
        if watch.ended {
            return None;
        }
        let deadline = *watch.deadline.get_or_insert_with(|| Instant::now() + limit);
        let item = match timeout_at(deadline, watch.messages.next()).await {
            Err(_) => Err(WatchError::Stalled { after: limit }),
            Ok(None) => return None,
            Ok(Some(Err(error))) => Err(WatchError::Source(error)),
            Ok(Some(Ok(message))) => {
                if watch.last.as_ref() != Some(&message) {
                    watch.deadline = Some(Instant::now() + limit);
                    watch.last = Some(message.clone());
                }
                Ok(message)
            }
        };
        watch.ended = item.is_err();
        Some((item, watch))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_mins(1);

    /// Messages with the seconds before each, and then silence.
    fn messages(
        script: &'static [(u64, Result<&'static str, &'static str>)],
    ) -> impl Stream<Item = Result<&'static str, String>> + Unpin {
        let spoken = stream::iter(script).then(|(seconds, message)| async move {
            tokio::time::sleep(Duration::from_secs(*seconds)).await;
            message.map_err(str::to_owned)
        });
        Box::pin(spoken.chain(stream::pending()))
    }

    /// What came, and after how many seconds it was over.
    async fn watched(
        script: &'static [(u64, Result<&'static str, &'static str>)],
    ) -> (Vec<Result<&'static str, WatchError<String>>>, u64) {
        let began = Instant::now();
        let all = watch_stalls(messages(script), LIMIT).collect().await;
        (all, began.elapsed().as_secs())
    }

    fn stalled<T>() -> Result<T, WatchError<String>> {
        Err(WatchError::Stalled { after: LIMIT })
    }

    #[tokio::test(start_paused = true)]
    async fn silence_from_the_beginning_is_a_stall() {
        assert_eq!(watched(&[]).await, (vec![stalled()], 60));
    }

    #[tokio::test(start_paused = true)]
    async fn each_new_message_gives_the_whole_time_again() {
        let (all, seconds) = watched(&[(59, Ok("a")), (59, Ok("b")), (59, Ok("a"))]).await;
        assert_eq!(all, [Ok("a"), Ok("b"), Ok("a"), stalled()]);
        assert_eq!(seconds, 3 * 59 + 60);
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_that_repeats_is_handed_on_and_does_not_count() {
        let (all, seconds) = watched(&[(10, Ok("a")), (30, Ok("a")), (29, Ok("a"))]).await;
        assert_eq!(all, [Ok("a"), Ok("a"), Ok("a"), stalled()]);
        assert_eq!(seconds, 70);
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_of_the_stream_ends_it() {
        let (all, seconds) = watched(&[(1, Err("gone")), (1, Ok("a"))]).await;
        assert_eq!((all, seconds), (vec![Err(WatchError::Source("gone".to_owned()))], 1));
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_in_time_is_an_end() {
        let source = stream::iter([Ok::<_, String>("a")]);
        let all: Vec<_> = watch_stalls(source, LIMIT).collect().await;
        assert_eq!(all, [Ok("a")]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_consumer_is_not_a_stall() {
        let mut watch = Box::pin(watch_stalls(stream::iter([Ok::<_, String>(1), Ok(2)]), LIMIT));
        assert_eq!(watch.next().await, Some(Ok(1)));
        tokio::time::sleep(2 * LIMIT).await;
        assert_eq!(watch.next().await, Some(Ok(2)));
        assert_eq!(watch.next().await, None);
    }
}
