//! What `Proxy` promises: bytes pass as they are, faults meet the requests that rules name, and what
//! is seen of them through the adapter is what a real fault would be.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod backend;
mod body;

use std::{path::Path, sync::Arc, time::Duration};

use docker_api_trait::{
    ApiError, ArchiveApi as _, BollardDocker, ConnectFailure, ContainerApi as _, ContainerId,
    Endpoint, LogSource, Operation, SystemApi as _, VolumeApi as _, VolumeName, VolumeRequest,
    WaitCondition,
};
use futures_util::{FutureExt as _, StreamExt as _};
use testkit::{Backend, Closed, Garbage, Passage, Proxy, Reply, Requests, Rule, Side, WireFault};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{UnixListener, UnixStream},
    time::{Instant, timeout},
};

/// Longer than anything here takes; only what never comes waits so long.
const LONG: Duration = Duration::from_secs(20);
/// For what must not come.
const SHORT: Duration = Duration::from_millis(200);

const VERSION: &str = r#"{"Version":"1","ApiVersion":"1.41","Os":"linux","Arch":"amd64"}"#;
const VOLUME: &str = r#"{"Name":"cache","Driver":"local","Mountpoint":"/v","Scope":"local","Labels":{},"Options":{}}"#;

fn adapter(proxy: &Proxy) -> BollardDocker {
    BollardDocker::new(Endpoint::Unix(proxy.socket())).unwrap()
}

fn container() -> ContainerId {
    "0".repeat(64).parse().unwrap()
}

fn cache() -> VolumeName {
    VolumeName::new("cache").unwrap()
}

fn version_proxy() -> Proxy {
    Proxy::new(Backend::always(Reply::json(200, VERSION))).unwrap()
}

/// An engine of two proxies: the first is a client of the second, which answers as a script.
fn chain(reply: Reply) -> (Proxy, Proxy) {
    let engine = Proxy::new(Backend::always(reply)).unwrap();
    let proxy = Proxy::new(Backend::socket(engine.socket())).unwrap();
    (proxy, engine)
}

/// A backend that takes one connection and does with it as the test says.
struct Raw {
    _folder: tempfile::TempDir,
    listener: UnixListener,
    proxy: Proxy,
}

impl Raw {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("engine.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let proxy = Proxy::new(Backend::socket(socket)).unwrap();
        Self { _folder: folder, listener, proxy }
    }

    async fn client(&self) -> UnixStream {
        UnixStream::connect(self.proxy.socket()).await.unwrap()
    }

    async fn accept(&self) -> UnixStream {
        timeout(LONG, self.listener.accept()).await.unwrap().unwrap().0
    }
}

async fn read(stream: &mut UnixStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    timeout(LONG, stream.read_exact(&mut bytes)).await.unwrap().unwrap();
    bytes
}

/// Everything until the other side ends, in whichever way.
async fn read_all(stream: &mut UnixStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // One that breaks has ended.
    let _ = timeout(LONG, stream.read_to_end(&mut bytes)).await.expect("it ends");
    bytes
}

async fn ask(socket: &Path, request: &[u8]) -> UnixStream {
    let mut client = UnixStream::connect(socket).await.unwrap();
    client.write_all(request).await.unwrap();
    client
}

const GET: &[u8] = b"GET /v1.41/version?x=1 HTTP/1.1\r\nHost:  odd spacing\r\nX-a: b\r\n\r\n";

#[tokio::test]
async fn requests_and_replies_pass_byte_for_byte_on_one_connection() {
    let raw = Raw::new();
    let mut client = raw.client().await;
    let put =
        b"PUT /up HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nT: x\r\n\r\n";
    client.write_all(GET).await.unwrap();
    let mut engine = raw.accept().await;
    for (request, reply) in [
        (GET, &b"HTTP/1.1 200 OK\r\ncontent-length:  4\r\n\r\nbody"[..]),
        (put, b"HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 fine\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
        (b"HEAD /x HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"),
        (b"DELETE /x HTTP/1.1\r\n\r\n", b"HTTP/1.1 204 No Content\r\n\r\n"),
    ] {
        if request != GET {
            client.write_all(request).await.unwrap();
        }
        assert_eq!(read(&mut engine, request.len()).await, request);
        assert!(!raw.proxy.requests().last().unwrap().answered);
        engine.write_all(reply).await.unwrap();
        assert_eq!(read(&mut client, reply.len()).await, reply);
    }
    let requests = raw.proxy.requests();
    assert_eq!(requests.len(), 4);
    assert!(requests.iter().all(|one| one.answered));
    assert_eq!(requests[0].request.head, GET);
    assert_eq!((requests[0].request.path(), requests[0].request.number), ("/version", 0));
    assert_eq!(&requests[1].body[..], b"3;a=b\r\nabc\r\n0\r\nT: x\r\n\r\n");
}

#[tokio::test]
async fn a_hijacked_connection_passes_both_ways_and_each_way_ends_by_itself() {
    for head in [
        &b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"[..],
        b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n",
    ] {
        let raw = Raw::new();
        let mut client = raw.client().await;
        let attach = b"POST /containers/x/attach HTTP/1.1\r\nUpgrade: tcp\r\n\r\n";
        client.write_all(attach).await.unwrap();
        let mut engine = raw.accept().await;
        read(&mut engine, attach.len()).await;
        // Output that comes with the head, and input that looks like a request.
        engine.write_all(&[head, b"early"].concat()).await.unwrap();
        read(&mut client, head.len() + 5).await;
        client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        assert_eq!(read(&mut engine, 18).await, b"GET / HTTP/1.1\r\n\r\n");
        client.shutdown().await.unwrap();
        assert_eq!(read_all(&mut engine).await, b"");
        engine.write_all(b"after the input's end").await.unwrap();
        drop(engine);
        assert_eq!(read_all(&mut client).await, b"after the input's end");
        assert_eq!(raw.proxy.requests().len(), 1);
    }
}

#[tokio::test]
async fn an_engine_that_dies_takes_both_ways_of_an_attachment_with_it() {
    let raw = Raw::new();
    let mut client = raw.client().await;
    client.write_all(b"POST /attach HTTP/1.1\r\n\r\n").await.unwrap();
    let mut engine = raw.accept().await;
    read(&mut engine, 25).await;
    engine.write_all(b"HTTP/1.1 101 UPGRADED\r\n\r\n").await.unwrap();
    read(&mut client, 25).await;
    drop(engine);
    assert_eq!(read_all(&mut client).await, b"");
    client.write_all(b"x").await.unwrap_err();
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_request_at_the_engine() {
    let raw = Raw::new();
    let client = ask(&raw.proxy.socket(), GET).await;
    let mut engine = raw.accept().await;
    read(&mut engine, GET.len()).await;
    drop(client);
    assert_eq!(read_all(&mut engine).await, b"");
    // Also in the middle of a body.
    let client = ask(&raw.proxy.socket(), GET).await;
    let mut engine = raw.accept().await;
    read(&mut engine, GET.len()).await;
    engine.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf").await.unwrap();
    drop(client);
    assert_eq!(read_all(&mut engine).await, b"");
}

#[tokio::test]
async fn an_engine_may_answer_before_it_has_the_body() {
    let raw = Raw::new();
    let head = b"PUT /archive HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n";
    let mut client = ask(&raw.proxy.socket(), head).await;
    let mut engine = raw.accept().await;
    read(&mut engine, head.len()).await;
    let reply = b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}";
    engine.write_all(reply).await.unwrap();
    assert_eq!(read(&mut client, reply.len()).await, reply);
    client.write_all(&vec![b'x'; 1_000_000]).await.unwrap();
    assert_eq!(read_all(&mut client).await, b"");
}

#[tokio::test]
async fn an_engine_that_ends_an_idle_connection_ends_it_for_the_client() {
    let raw = Raw::new();
    let mut client = ask(&raw.proxy.socket(), GET).await;
    let mut engine = raw.accept().await;
    read(&mut engine, GET.len()).await;
    engine.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    read(&mut client, 27).await;
    drop(engine);
    assert_eq!(read_all(&mut client).await, b"");
}

#[tokio::test]
async fn what_is_dropped_before_never_reaches_the_engine_and_after_it_has() {
    for (side, reached) in [(Side::Before, 0), (Side::After, 1)] {
        let (proxy, engine) = chain(Reply::json(201, VOLUME));
        let requests = Requests::to("POST", "/volumes/create").nth(0);
        proxy.inject(Rule { requests, side, fault: WireFault::Drop });
        let docker = adapter(&proxy);
        let error = docker.create_volume(&VolumeRequest::new(cache())).await.unwrap_err();
        assert!(matches!(error, ApiError::Lost { operation: Operation::CreateVolume, .. }));
        assert_eq!((engine.requests().len(), proxy.met()), (reached, 1));
        docker.create_volume(&VolumeRequest::new(cache())).await.unwrap();
        assert_eq!(engine.requests().len(), reached + 1);
    }
}

#[tokio::test]
async fn a_reply_is_replaced_before_or_after_the_effect() {
    for (side, reached) in [(Side::Before, 0), (Side::After, 1)] {
        let (proxy, engine) = chain(Reply::json(201, VOLUME));
        let fault = WireFault::Reply(Reply::error(503, "overloaded"));
        proxy.inject(Rule { requests: Requests::any(), side, fault });
        let error = adapter(&proxy).create_volume(&VolumeRequest::new(cache())).await.unwrap_err();
        assert!(matches!(error, ApiError::Engine { status: 503, .. }) && error.is_transient());
        assert_eq!(engine.requests().len(), reached);
        // The body was taken whole, so that the client is not in its way.
        assert!(proxy.requests()[0].body.starts_with(b"{") && proxy.requests()[0].body.len() > 10);
    }
}

#[tokio::test]
async fn what_stalls_never_answers_and_ends_with_a_cut() {
    for (side, reached) in [(Side::Before, 0), (Side::After, 1)] {
        let (proxy, engine) = chain(Reply::json(200, VERSION));
        proxy.inject(Rule { requests: Requests::any(), side, fault: WireFault::Stall });
        let docker = adapter(&proxy);
        let mut call = Box::pin(docker.version());
        let deadline = Instant::now() + LONG;
        loop {
            timeout(SHORT, &mut call).await.unwrap_err();
            if proxy.met() == 1 || Instant::now() >= deadline {
                break;
            }
        }
        assert_eq!((engine.requests().len(), proxy.met()), (reached, 1));
        proxy.cut();
        let error = timeout(LONG, call).await.unwrap().unwrap_err();
        assert!(matches!(error, ApiError::Lost { .. }));
        proxy.heal();
        docker.version().await.unwrap();
    }
}

#[tokio::test]
async fn a_hook_sees_both_sides_in_order_and_may_end_the_connection_there() {
    for (end_at, reached) in [(Side::Before, 0), (Side::After, 1)] {
        let (proxy, engine) = chain(Reply::json(201, VOLUME));
        let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
        let notes = Arc::clone(&seen);
        proxy.on_request(move |request, side| {
            notes.lock().unwrap().push((request.number, request.path().to_owned(), side));
            let passage = if side == end_at { Passage::Drop } else { Passage::Go };
            async move { passage }.boxed()
        });
        let error = adapter(&proxy).create_volume(&VolumeRequest::new(cache())).await.unwrap_err();
        assert!(matches!(error, ApiError::Lost { .. }));
        assert_eq!(engine.requests().len(), reached);
        let all = Side::BOTH.map(|side| (0, "/volumes/create".to_owned(), side));
        assert_eq!(*seen.lock().unwrap(), all[..=reached]);
    }
}

#[tokio::test]
async fn a_delay_holds_the_request_or_its_reply_and_then_goes_on() {
    for side in Side::BOTH {
        let (proxy, _engine) = chain(Reply::json(200, VERSION));
        proxy.inject(Rule { requests: Requests::any(), side, fault: WireFault::Delay(SHORT) });
        let begun = tokio::time::Instant::now();
        adapter(&proxy).version().await.unwrap();
        assert!(begun.elapsed() >= SHORT);
    }
}

#[tokio::test]
async fn a_scripted_backend_meets_the_same_faults() {
    let proxy = version_proxy();
    let docker = adapter(&proxy);
    for (fault, lost) in [
        (WireFault::Drop, true),
        (WireFault::CutBody(5), true),
        (WireFault::Trickle(Duration::ZERO), false),
        (WireFault::Reply(Reply::error(500, "no")), true),
    ] {
        proxy.inject(Rule::after(Requests::any(), fault));
        let reply = timeout(LONG, docker.version()).await.unwrap();
        assert_eq!(reply.is_err(), lost);
        proxy.heal();
    }
    proxy.inject(Rule::after(Requests::any(), WireFault::StallBody(5)));
    timeout(SHORT, docker.version()).await.unwrap_err();
}

#[tokio::test]
async fn many_clients_at_once_are_numbered_each_once() {
    let (proxy, engine) = chain(Reply::json(200, VERSION));
    let docker = adapter(&proxy);
    let calls = (0..50).map(|_| docker.version());
    let replies = futures_util::future::join_all(calls).await;
    assert!(replies.iter().all(Result::is_ok));
    let mut numbers: Vec<_> = proxy.requests().iter().map(|one| one.request.number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..50).collect::<Vec<_>>());
    assert_eq!(engine.requests().len(), 50);
}
