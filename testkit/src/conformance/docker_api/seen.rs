//! Replies in words that are the same on every engine.

use std::time::Duration;

use docker_api_trait::{ApiError, LogSource, LogStream, Volume};
use futures_util::StreamExt as _;
use tokio::time::timeout;

/// For what must not come.
pub(super) const NEVER: Duration = Duration::from_secs(2);
/// For what must come: only a failure waits so long.
pub(super) const LONG: Duration = Duration::from_mins(1);
/// To end by itself, for what does so when it is asked.
pub(super) const GRACE: Duration = LONG;

/// What was seen, in order.
pub(super) type Seen = Vec<String>;

/// A reply in words that are the same on every engine.
pub(super) fn seen<T: Into<String>>(reply: Result<T, ApiError>) -> String {
    match reply {
        Ok(value) => value.into(),
        Err(ApiError::NotFound { .. }) => "not found".to_owned(),
        Err(ApiError::Conflict { .. }) => "conflict".to_owned(),
        Err(ApiError::Rejected { .. }) => "rejected".to_owned(),
        Err(ApiError::Engine { status, .. }) => format!("engine error {}xx", status / 100),
        Err(ApiError::Lost { .. }) => "lost".to_owned(),
        Err(other) => format!("{other:?}"),
    }
}

pub(super) fn done(reply: Result<(), ApiError>) -> String {
    seen(reply.map(|()| "ok"))
}

pub(super) fn note(reply: Result<Volume, ApiError>) -> String {
    seen(reply.map(|volume| format!("{} {:?}", volume.labels["dev.berth.note"], volume.options)))
}

/// All that a stream has: standard output, standard error, and that it came to its end.
pub(super) async fn read(stream: LogStream) -> String {
    read_for(LONG, stream).await
}

/// The same of a stream that stays open.
pub(super) async fn read_open(stream: LogStream) -> String {
    read_for(NEVER, stream).await
}

/// The same; a stream is open when so long nothing comes.
pub(super) async fn read_for(limit: Duration, mut stream: LogStream) -> String {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    loop {
        match timeout(limit, stream.next()).await {
            Ok(Some(Ok(chunk))) => match chunk.source {
                LogSource::Stdout => stdout.extend_from_slice(&chunk.bytes),
                LogSource::Stderr => stderr.extend_from_slice(&chunk.bytes),
            },
            Ok(Some(Err(error))) => return seen(Err::<String, _>(error)),
            end => {
                let end = if end.is_ok() { "ended" } else { "open" };
                let text = |bytes| String::from_utf8(bytes).unwrap();
                return format!("{:?} {:?} {end}", text(stdout), text(stderr));
            }
        }
    }
}
