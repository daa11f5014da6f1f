//! The adapter against a socket that answers what the test says: what is sent, what is counted,
//! and what becomes of replies that are odd, late or cut short.

#![cfg(feature = "bollard")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use docker_api_trait::{
    ApiError, BollardDocker, Capabilities, ConnectFailure, ContainerApi, ContainerId,
    ContainerRequest, Endpoint, ImageApi as _, LabelFilter, Mount, MountSource, Operation,
    PullRequest, SystemApi, VolumeApi, VolumeName, WaitCondition,
};
use futures_util::StreamExt as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{UnixListener, UnixStream},
    sync::Notify,
    time::{sleep, timeout},
};

/// A socket that gives every request the same pieces, with a pause between them, and then closes.
struct Answering {
    folder: tempfile::TempDir,
    seen: Arc<Mutex<Vec<String>>>,
}

const PAUSE: Duration = Duration::from_millis(150);
/// For what must come: only a failure waits so long.
const LONG: Duration = Duration::from_mins(1);

impl Answering {
    fn with(pieces: &'static [&'static [u8]]) -> Self {
        Self::holding(pieces, None)
    }

    /// Where there is a `hold`, it is that, once told of, and no pause that each further piece waits for.
    fn holding(pieces: &'static [&'static [u8]], hold: Option<Arc<Notify>>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("socket")).unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let requests = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(answer(connection, pieces, hold.clone(), Arc::clone(&requests)));
            }
        });
        Self { folder, seen }
    }

    fn engine(&self) -> BollardDocker {
        BollardDocker::new(Endpoint::Unix(self.folder.path().join("socket"))).unwrap()
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

async fn answer(
    mut connection: UnixStream,
    pieces: &'static [&'static [u8]],
    hold: Option<Arc<Notify>>,
    requests: Arc<Mutex<Vec<String>>>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match connection.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    requests.lock().unwrap().push(head.lines().next().unwrap_or_default().to_owned());
    for (index, piece) in pieces.iter().enumerate() {
        match &hold {
            Some(hold) if index > 0 => hold.notified().await,
            None if index > 0 => sleep(PAUSE).await,
            _ => {}
        }
        if connection.write_all(piece).await.is_err() {
            return;
        }
    }
    sleep(PAUSE).await;
}

fn container() -> ContainerId {
    ContainerId::new("0".repeat(64)).unwrap()
}

fn volume() -> VolumeName {
    VolumeName::new("cache").unwrap()
}

#[tokio::test]
async fn each_request_is_counted_where_it_leaves() {
    let socket = Answering::with(&[b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"]);
    let engine = socket.engine();
    for _ in 0..3 {
        engine.remove_volume(&volume()).await.unwrap();
    }
    let other = engine.with_own_count();
    other.start_container(&container()).await.unwrap();
    assert_eq!((engine.requests_sent(), other.requests_sent()), (3, 1));
    assert_eq!(socket.seen().len(), 4);
    assert!(socket.seen()[0].starts_with("DELETE /volumes/cache"), "{:?}", socket.seen());
}

#[tokio::test]
async fn a_wait_is_registered_when_the_head_has_come_and_ends_with_the_body() {
    let pieces: &[&[u8]] =
        &[b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", b"{\"StatusCode\":3}"];
    let hold = Arc::new(Notify::new());
    let socket = Answering::holding(pieces, Some(Arc::clone(&hold)));
    let engine = socket.engine();
    let id = container();
    let exit = timeout(LONG, engine.wait_container(&id, WaitCondition::NextExit));
    let exit = exit.await.expect("the wait returns before the body comes").unwrap();
    hold.notify_one();
    assert_eq!(exit.await.unwrap().code, 3);
    assert!(socket.seen()[0].contains("condition=next-exit"), "{:?}", socket.seen());
}

#[tokio::test]
async fn a_wait_that_ends_without_an_answer_is_lost_not_a_success() {
    let socket = Answering::with(&[b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"]);
    let exit = socket.engine().wait_container(&container(), WaitCondition::NextExit).await.unwrap();
    let error = exit.await.unwrap_err();
    assert!(matches!(error, ApiError::Lost { .. }), "{error:?}");
    assert!(error.effect_unknown());
}

#[tokio::test]
async fn a_pull_that_breaks_off_or_says_that_it_failed_is_never_a_success() {
    const BEGUN: &[u8] =
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"status\":\"Pulling\"}\r\n";
    const FAILED: &[u8] =
        b"{\"errorDetail\":{\"message\":\"toomanyrequests\"},\"error\":\"toomanyrequests\"}\r\n";
    const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let request = PullRequest::new("busybox".parse().unwrap());
    let last = async |pieces| {
        let socket = Answering::with(pieces);
        let pull = socket.engine().pull_image(&request).await.unwrap();
        let progress: Vec<_> = pull.collect().await;
        progress.into_iter().next_back().unwrap().unwrap_err()
    };
    let error = last(&[BEGUN, FAILED]).await;
    assert!(
        matches!(&error, ApiError::Reported { operation: Operation::PullImage, .. }),
        "{error:?}"
    );
    // Half a document, and half a chunk.
    let error = last(&[BEGUN, b"{\"status\":\"Down"]).await;
    assert!(matches!(error, ApiError::Protocol { .. } | ApiError::Lost { .. }), "{error:?}");
    assert!(error.is_transient());
    let error = last(&[CHUNKED, b"30\r\n{\"status\":\"Pulling\"}\r\n"]).await;
    assert!(matches!(error, ApiError::Lost { .. }), "{error:?}");
}

#[tokio::test]
async fn output_that_is_cut_short_is_an_error_after_what_came_whole() {
    let socket = Answering::with(&[
        b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n",
        b"\x01\x00\x00\x00\x00\x00\x00\x02ab\x02\x00\x00\x00\x00\x00\x00\x09cut",
    ]);
    let pieces: Vec<_> =
        socket.engine().attach_container(&container()).await.unwrap().collect().await;
    assert_eq!(pieces[0].as_ref().unwrap().bytes, "ab");
    assert!(matches!(pieces.last(), Some(Err(ApiError::Protocol { .. }))), "{pieces:?}");
}

#[tokio::test]
async fn a_status_becomes_the_case_that_a_caller_would_branch_on() {
    for (head, expected) in [
        (&b"HTTP/1.1 404 X\r\nConnection: close\r\n\r\n{\"message\":\"gone\"}"[..], "NotFound"),
        (b"HTTP/1.1 409 X\r\nConnection: close\r\n\r\n{\"message\":\"busy\"}", "Conflict"),
        (b"HTTP/1.1 400 X\r\nConnection: close\r\n\r\n{\"message\":\"odd\"}", "Rejected"),
        (b"HTTP/1.1 500 X\r\nConnection: close\r\n\r\nplain words", "Engine"),
        (b"HTTP/1.1 200 X\r\nConnection: close\r\n\r\nnot json", "Protocol"),
        (b"", "Lost"),
    ] {
        let pieces: &'static [&'static [u8]] = Box::leak(Box::new([head]));
        let error = Answering::with(pieces).engine().inspect_volume(&volume()).await.unwrap_err();
        assert!(format!("{error:?}").starts_with(expected), "{expected}: {error:?}");
    }
}

/// Engine 20.10, once it was started anew, knows no more than the name of a volume that it is asked to
/// make and has, and tells all of it when it is asked for the volume.
#[tokio::test]
async fn a_volume_that_is_told_of_by_half_is_asked_for() {
    let socket = Answering::with(&[
        b"HTTP/1.1 201 Created\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 86\r\n\r\n",
        b"{\"Name\":\"v1\",\"Driver\":\"local\",\"Labels\":null,\"Mountpoint\":\"\",",
        b"\"Options\":null,\"Scope\":\"\"}",
    ]);
    let name: VolumeName = "v1".parse().unwrap();
    let request = docker_api_trait::VolumeRequest::new(name);
    let _ = socket.engine().create_volume(&request).await;
    let seen = socket.seen();
    assert!(seen[0].starts_with("POST /volumes/create"), "{seen:?}");
    assert!(seen[1].starts_with("GET /volumes/v1"), "{seen:?}");
}

#[tokio::test]
async fn a_failed_connection_says_why_and_had_no_effect() {
    let folder = tempfile::tempdir().unwrap();
    let file: PathBuf = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    for (path, expected) in
        [(folder.path().join("absent"), ConnectFailure::Absent), (file, ConnectFailure::Refused)]
    {
        let error = BollardDocker::new(Endpoint::Unix(path)).unwrap().version().await.unwrap_err();
        assert!(!error.effect_unknown() && error.hint().is_some());
        let ApiError::Unreachable { failure, .. } = error else { panic!("{error:?}") };
        assert_eq!(failure, expected);
    }
}

#[tokio::test]
async fn a_bind_string_that_would_be_misread_is_never_sent() {
    let socket = Answering::with(&[b""]);
    let engine = socket.engine();
    let mut request = ContainerRequest::new("job".parse().unwrap(), "image".parse().unwrap());
    let path = "/a:/etc".to_owned();
    request.mounts =
        vec![Mount::new("/c", MountSource::Host { path, propagation: None, create: true })];
    let error = engine.create_container(&request).await.unwrap_err();
    assert!(matches!(&error, ApiError::Rejected { message, .. } if message.contains("/a:/etc")));
    assert_eq!(engine.requests_sent(), 0);
}

#[tokio::test]
async fn a_list_of_podmans_is_read_whole_whatever_its_containers_states() {
    let socket = Answering::with(&[b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n[\
        {\"Id\":\"1111111111111111111111111111111111111111111111111111111111111111\",\"State\":\"stopped\",\"Labels\":{\"a\":\"b\",\"c\":\"d\"},\"Mounts\":null},\
        {\"Id\":\"2222222222222222222222222222222222222222222222222222222222222222\",\"State\":\"asleep\",\"Labels\":{\"a\":\"b\"},\"Names\":null},\
        {\"Id\":[]}]"]);
    let engine = socket.engine();
    let filters = [LabelFilter::equals("a", "b"), LabelFilter::present("c")];
    assert_eq!(engine.list_containers(&[]).await.unwrap().len(), 2);
    // Also where the engine lists what passes any of several filters.
    assert_eq!(engine.list_containers(&filters).await.unwrap().len(), 1);
    let asked = "filters=%7B%22label%22%3A%5B%22a%3Db%22%2C%22c%22%5D%7D";
    assert!(socket.seen()[1].contains(asked), "{:?}", socket.seen());
}

#[tokio::test]
async fn a_destination_that_podman_would_read_as_options_is_never_sent_there() {
    const PODMAN: &[u8] = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"ApiVersion\":\"1.41\",\"Components\":[{\"Name\":\"Podman Engine\",\"Version\":\"4.3.1\"}]}";
    let socket = Answering::with(&[PODMAN]);
    let mut request = ContainerRequest::new("job".parse().unwrap(), "image".parse().unwrap());
    request.mounts.push(Mount::new(
        "/c,src=/etc",
        MountSource::Host { path: "/tmp".to_owned(), propagation: None, create: false },
    ));
    let error = socket.engine().create_container(&request).await.unwrap_err();
    assert!(matches!(error, ApiError::Rejected { .. }), "{error:?}");
    assert_eq!(socket.seen().len(), 1, "{:?}", socket.seen());
    assert!(socket.seen()[0].starts_with("GET /version"), "{:?}", socket.seen());
}

#[tokio::test]
async fn whose_engine_it_is_any_reply_of_podmans_tells() {
    const OTHER: &[u8] = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
    const PODMAN: &[u8] = b"HTTP/1.1 404 Not Found\r\nLibpod-API-Version: 4.3.1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    for (reply, product) in [(OTHER, Capabilities::DOCKER), (PODMAN, Capabilities::PODMAN)] {
        let socket = Answering::with(Box::leak(Box::new([reply])));
        let engine = socket.engine();
        assert_eq!(engine.capabilities(), Capabilities::DOCKER, "nothing is known yet");
        let _ = engine.with_own_count().remove_volume(&volume()).await;
        assert_eq!(engine.capabilities(), product);
        assert_eq!(socket.seen().len(), 1);
    }
}
