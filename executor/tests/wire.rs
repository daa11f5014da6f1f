//! What goes wrong on the wire, through the real adapter and a steady handle, against an engine that
//! is only a socket. The clock is paused: what a limit is waited for passes at once.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{os::unix::fs::PermissionsExt as _, sync::Arc, time::Duration};

use bytes::Bytes;
use docker_api_trait::{
    ApiError, ArchiveApi as _, BollardDocker, ConnectFailure, ContainerApi as _, ContainerId,
    ContainerRequest, DockerApi, Endpoint, ExecApi as _, ExecId, ExecRequest, ImageApi as _,
    ImageReference, LogOptions, NetworkApi as _, NetworkId, NetworkRequest, Operation, PullRequest,
    Signal, SystemApi as _, VolumeApi as _, VolumeName, VolumeRequest, WaitCondition,
};
use executor::{RetryPolicy, SteadyDocker};
use futures_util::{StreamExt as _, future::BoxFuture, stream};
use rustix::thread::CapabilitySet;
use testkit::{Backend, Garbage, Proxy, Reply, Requests, Rule, Side, WireFault};
use tokio::time::{Instant, timeout};

const VERSION: &str = r#"{"Version":"20.10.24","ApiVersion":"1.41","Os":"linux","Arch":"amd64"}"#;
/// Of an error's words at most so much is kept.
const LONGEST: usize = 64 << 10;

fn proxy() -> Proxy {
    Proxy::new(Backend::always(Reply::json(200, VERSION))).unwrap()
}

fn bare(proxy: &Proxy) -> BollardDocker {
    BollardDocker::new(Endpoint::Unix(proxy.socket())).unwrap()
}

fn steady(proxy: &Proxy) -> SteadyDocker {
    let engine: Arc<dyn DockerApi> = Arc::new(bare(proxy));
    SteadyDocker::new(engine, RetryPolicy::default())
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_takes_a_request_and_never_answers_is_given_up_in_time() {
    for fault in [WireFault::Stall, WireFault::StallBody(0), WireFault::StallBody(40)] {
        let proxy = proxy();
        proxy.inject(Rule::after(Requests::any(), fault.clone()));
        let error = steady(&proxy).version().await.unwrap_err();
        let limit = Duration::from_secs(30);
        assert!(
            matches!(&error, ApiError::TimedOut { operation: Operation::Version, limit: l } if *l == limit),
            "{fault:?}: {error:?}"
        );
        assert!(error.is_transient() && error.effect_unknown());
    }
}

/// A call, without what it comes to.
type Tried = fn(&BollardDocker) -> BoxFuture<'_, Result<(), ApiError>>;

macro_rules! tried {
    ($method:ident($($argument:expr),*)) => {
        |docker| Box::pin(async move { docker.$method($($argument),*).await.map(drop) })
    };
}

fn container() -> ContainerId {
    ContainerId::new("0123456789abcdef".repeat(4)).unwrap()
}

fn network() -> NetworkId {
    NetworkId::new("0123456789abcdef".repeat(4)).unwrap()
}

fn exec() -> ExecId {
    ExecId::new("0123456789abcdef".repeat(4)).unwrap()
}

fn volume() -> VolumeName {
    "berth-t1-x".parse().unwrap()
}

fn image() -> ImageReference {
    "busybox".parse().unwrap()
}

fn container_request() -> ContainerRequest {
    ContainerRequest::new("berth-test".parse().unwrap(), image())
}

fn network_request() -> NetworkRequest {
    NetworkRequest::new("berth-test".parse().unwrap())
}

const GRACE: Duration = Duration::from_secs(7);

/// Every call but the up- and downloads of archives: its operation, how long it may take in seconds, and
/// whether its reply is a body that is waited for.
const CALLS: [(Operation, u64, bool, Tried); 33] = [
    (Operation::Version, 30, true, tried!(version())),
    (Operation::Info, 30, true, tried!(info())),
    (Operation::DiskUsage, 300, true, tried!(disk_usage())),
    (Operation::InspectImage, 10, true, tried!(inspect_image(&image()))),
    (Operation::PullImage, 300, true, tried!(pull_image(&PullRequest::new(image())))),
    (Operation::ImportImage, 300, true, tried!(import_image(&image(), Bytes::from_static(b"x")))),
    (Operation::ListImages, 30, true, tried!(list_images(&[]))),
    (Operation::RemoveImage, 60, true, tried!(remove_image(&image()))),
    (Operation::CreateVolume, 30, true, tried!(create_volume(&VolumeRequest::new(volume())))),
    (Operation::InspectVolume, 10, true, tried!(inspect_volume(&volume()))),
    (Operation::ListVolumes, 30, true, tried!(list_volumes(&[]))),
    (Operation::RemoveVolume, 30, false, tried!(remove_volume(&volume()))),
    (Operation::CreateNetwork, 60, true, tried!(create_network(&network_request()))),
    (Operation::InspectNetwork, 10, true, tried!(inspect_network(&network()))),
    (Operation::ListNetworks, 30, true, tried!(list_networks(&[]))),
    (Operation::RemoveNetwork, 60, false, tried!(remove_network(&network()))),
    (Operation::CreateContainer, 60, true, tried!(create_container(&container_request()))),
    (Operation::InspectContainer, 10, true, tried!(inspect_container(&container()))),
    (Operation::ListContainers, 30, true, tried!(list_containers(&[]))),
    (Operation::ListContainers, 30, true, tried!(list_containers_using(&volume()))),
    (
        Operation::ContainerLogs,
        30,
        false,
        tried!(container_logs(&container(), &LogOptions::default())),
    ),
    (Operation::AttachContainer, 30, false, tried!(attach_container(&container()))),
    (Operation::AttachContainer, 30, false, tried!(attach_container_with_input(&container()))),
    (
        Operation::WaitContainer,
        30,
        false,
        tried!(wait_container(&container(), WaitCondition::NextExit)),
    ),
    (Operation::StartContainer, 120, false, tried!(start_container(&container()))),
    (Operation::StopContainer, 60 + 7, false, tried!(stop_container(&container(), GRACE))),
    (Operation::KillContainer, 30, false, tried!(kill_container(&container(), Signal::Kill))),
    (Operation::RemoveContainer, 60, false, tried!(remove_container(&container()))),
    (Operation::RemoveContainer, 60, false, tried!(remove_container_alone(&container()))),
    (Operation::InspectPath, 10, false, tried!(inspect_path(&container(), "/cache"))),
    (
        Operation::CreateExec,
        30,
        true,
        tried!(create_exec(&container(), &ExecRequest::new(["true"]))),
    ),
    (Operation::StartExec, 30, false, tried!(start_exec(&exec()))),
    (Operation::InspectExec, 10, true, tried!(inspect_exec(&exec()))),
];

async fn assert_limit(
    docker: &BollardDocker,
    (operation, seconds, _, call): (Operation, u64, bool, Tried),
    what: &str,
) {
    let begin = Instant::now();
    let error = call(docker).await.unwrap_err();
    let ApiError::TimedOut { operation: told, limit } = &error else {
        panic!("{operation:?} {what}: {error:?}")
    };
    assert_eq!((*told, *limit), (operation, Duration::from_secs(seconds)), "{what}");
    let took = begin.elapsed();
    // The timer counts in milliseconds.
    assert!(took >= *limit && took < *limit + Duration::from_millis(50), "{operation:?}: {took:?}");
    assert!(error.is_transient() && error.effect_unknown(), "{operation:?} {what}");
}

#[tokio::test(start_paused = true)]
async fn every_class_of_call_has_a_limit_that_covers_its_body() {
    let faults = [WireFault::Stall, WireFault::StallBody(0), WireFault::StallBody(1)];
    for fault in faults {
        let stalls = proxy();
        stalls.inject(Rule::after(Requests::any(), fault.clone()));
        let what = format!("{fault:?}");
        for call in CALLS {
            if call.2 || matches!(fault, WireFault::Stall) {
                assert_limit(&bare(&stalls), call, &what).await;
            }
        }
        // Its own request comes after a look at what engine it is.
        let stalls = proxy();
        stalls.inject(Rule::after(Requests::any().from(1), fault));
        let call = (Operation::PruneVolumes, 300, true, tried!(prune_volumes(&[])) as Tried);
        assert_limit(&bare(&stalls), call, &what).await;
    }
}

#[tokio::test]
async fn a_reply_that_comes_byte_by_byte_is_the_same_reply() {
    let proxy = proxy();
    proxy.inject(Rule::after(Requests::any(), WireFault::Trickle(Duration::from_millis(1))));
    assert_eq!(steady(&proxy).version().await.unwrap().version, "20.10.24");
    assert_eq!(proxy.requests().len(), 1, "nothing was asked twice");
}

#[tokio::test(start_paused = true)]
async fn what_is_lost_before_or_after_it_arrives_is_asked_again() {
    for rule in [
        Rule::before(Requests::any().first(2), WireFault::Drop),
        Rule::after(Requests::any().first(2), WireFault::Drop),
        Rule::after(Requests::any().first(2), WireFault::CutBody(10)),
        Rule::after(Requests::any().first(2), WireFault::Reply(Reply::error(503, "busy"))),
        Rule::before(Requests::any().first(2), WireFault::Reply(Reply::error(500, "ill"))),
    ] {
        let proxy = proxy();
        proxy.inject(rule.clone());
        let version = steady(&proxy).version().await;
        assert_eq!(version.unwrap().version, "20.10.24", "{rule:?}");
    }
}

#[tokio::test]
async fn an_error_of_a_hundred_megabytes_is_cut_and_its_status_kept() {
    let long = "x".repeat(4 << 20);
    // Without a length nobody knows before how long it is.
    let body = format!("{{\"message\":\"{long}\"}}");
    let chunked = format!(
        "HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    let replies = [
        ("100 MiB", Garbage::HugeError.reply()),
        ("4 MiB", Reply::error(500, &long)),
        ("4 MiB in chunks", Reply::raw(chunked.into_bytes())),
    ];
    for (what, reply) in replies {
        let proxy = Proxy::new(Backend::always(reply)).unwrap();
        let error = bare(&proxy).version().await.unwrap_err();
        let ApiError::Engine { operation: Operation::Version, status: 500, message } = &error
        else {
            panic!("{what}: {error:?}")
        };
        assert!(message.len() <= LONGEST, "{what}: {}", message.len());
        assert!(error.is_transient() && error.effect_unknown(), "{what}");
    }
}

/// What a reply that is none is taken for.
#[derive(Debug, PartialEq, Eq)]
enum Taken {
    Lost,
    Protocol,
    Status(u16),
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_is_no_http_is_an_error_that_may_pass_and_never_a_version() {
    use Taken::{Lost, Protocol, Status};
    for garbage in Garbage::ALL {
        let (expected, may_pass) = match garbage {
            // A good reply without a version in it.
            Garbage::Informational | Garbage::DuplicateHeaders | Garbage::LengthTooShort => {
                (Protocol, true)
            }
            Garbage::NotJson => (Protocol, true),
            Garbage::HugeError => (Status(500), true),
            // Whoever sends one is no engine, and will not become one.
            Garbage::Redirect => (Status(301), false),
            _ => (Lost, true),
        };
        let proxy = proxy();
        proxy.inject(Rule::after(Requests::any(), WireFault::Reply(garbage.reply())));
        let error = bare(&proxy).version().await.unwrap_err();
        let taken = match &error {
            ApiError::Lost { operation: Operation::Version, .. } => Lost,
            ApiError::Protocol { operation: Operation::Version, .. } => Protocol,
            ApiError::Engine { operation: Operation::Version, status, .. } => Status(*status),
            other => panic!("{garbage:?}: {other:?}"),
        };
        assert_eq!((taken, error.is_transient()), (expected, may_pass), "{garbage:?}: {error:?}");
    }
}

#[tokio::test]
async fn a_socket_that_is_gone_or_refuses_is_told_apart_at_once() {
    let proxy = proxy();
    let docker = steady(&proxy);
    for (closed, expected) in [
        (testkit::Closed::Absent, ConnectFailure::Absent),
        (testkit::Closed::Refusing, ConnectFailure::Refused),
    ] {
        proxy.close(closed).await.unwrap();
        let error = docker.version().await.unwrap_err();
        assert!(
            matches!(&error, ApiError::Unreachable { failure, .. } if *failure == expected),
            "{error:?}"
        );
        assert!(error.is_transient() && error.hint().is_some());
        proxy.open().unwrap();
    }
}

#[test]
fn a_socket_that_lets_nobody_in_is_told_apart_at_once() {
    // Root is let in everywhere unless it gives that up, which a thread can do for itself.
    let thread = std::thread::spawn(|| {
        let mut sets = rustix::thread::capabilities(None).unwrap();
        sets.effective.remove(CapabilitySet::DAC_OVERRIDE);
        rustix::thread::set_capabilities(None, sets).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let proxy = proxy();
            std::fs::set_permissions(proxy.socket(), std::fs::Permissions::from_mode(0o000))
                .unwrap();
            let error = steady(&proxy).version().await.unwrap_err();
            let ApiError::Unreachable { failure, endpoint, .. } = &error else {
                panic!("{error:?}")
            };
            assert_eq!(*failure, ConnectFailure::PermissionDenied);
            assert!(endpoint.contains(proxy.socket().to_str().unwrap()), "{endpoint}");
            assert!(!error.is_transient() && error.hint().is_some());
            assert!(proxy.requests().is_empty());
        });
    });
    thread.join().unwrap();
}

#[tokio::test]
async fn an_engine_that_is_away_for_a_moment_is_waited_for() {
    let proxy = proxy();
    let docker = steady(&proxy);
    docker.version().await.unwrap();
    proxy.close(testkit::Closed::Absent).await.unwrap();
    proxy.cut();
    let back = async {
        while docker.outages() == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        proxy.open().unwrap();
    };
    let both = async { tokio::join!(docker.version(), back) };
    let (version, ()) = timeout(Duration::from_mins(1), both).await.expect("the outage is seen");
    version.unwrap();
    assert_eq!(docker.outages(), 1);
}

#[tokio::test(start_paused = true)]
async fn files_that_stop_coming_or_going_are_given_up_in_time() {
    let id = ContainerId::new("0123456789ab".repeat(6)[..64].to_owned()).unwrap();
    // More than any buffer between here and there.
    let pieces = || {
        let piece = Bytes::from(vec![0; 64 << 10]);
        stream::iter(std::iter::repeat_n(piece, 64)).map(Ok).boxed()
    };
    // It takes no more pieces, or it takes all and does not answer.
    for side in Side::BOTH {
        let proxy = proxy();
        let requests = Requests::to("PUT", "/containers/*/archive");
        proxy.inject(Rule { requests, side, fault: WireFault::Stall });
        let error = bare(&proxy).upload_archive_stream(&id, "/", pieces()).await.unwrap_err();
        let is_late =
            matches!(error, ApiError::TimedOut { operation: Operation::UploadArchive, .. });
        assert!(is_late && error.is_transient() && error.effect_unknown(), "{error:?}");
    }
    let archive = format!("HTTP/1.1 200 OK\r\nContent-Length: 4096\r\n\r\n{}", "x".repeat(4096));
    let proxy = Proxy::new(Backend::always(Reply::raw(archive.into_bytes()))).unwrap();
    proxy.inject(Rule::after(Requests::any(), WireFault::StallBody(100)));
    let mut archive = bare(&proxy).download_archive(&id, "/x").await.unwrap();
    let mut last = None;
    while let Some(piece) = archive.next().await {
        last = Some(piece);
    }
    let error = last.unwrap().unwrap_err();
    let is_late = matches!(error, ApiError::TimedOut { operation: Operation::DownloadArchive, .. });
    assert!(is_late && error.is_transient(), "{error:?}");
}

#[tokio::test]
async fn an_error_without_an_end_is_not_read_to_it() {
    let chunk = format!("{:x}\r\n{}\r\n", 1 << 20, "x".repeat(1 << 20));
    let head = "HTTP/1.1 409 Conflict\r\nTransfer-Encoding: chunked\r\n\r\n";
    let reply = format!("{head}{}", chunk.repeat(3));
    let proxy = Proxy::new(Backend::always(Reply::raw(reply.into_bytes()))).unwrap();
    // What would end the body never comes.
    proxy.inject(Rule::after(Requests::any(), WireFault::StallBody(5 << 19)));
    let error = bare(&proxy).version().await.unwrap_err();
    assert!(
        matches!(&error, ApiError::Conflict { message, .. } if message.len() < 100),
        "{error:?}"
    );
    assert!(!error.is_transient());
}
