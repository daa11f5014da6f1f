//! What `FaultyDocker` promises: where a fault meets a call, what is seen of it, and what it leaves.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use docker_api_trait::{
    ApiError, ArchiveApi as _, Attachment, ContainerApi as _, ContainerId, ContainerRequest,
    ExecApi as _, ExecRequest, ImageApi as _, Input, LogOptions, NetworkApi as _, NetworkRequest,
    Operation, PullRequest, Signal, SystemApi as _, VolumeApi as _, VolumeName, VolumeRequest,
    WaitCondition,
};
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use testkit::{FakeDocker, Fault, FaultKind, FaultyDocker, ScriptedRun, Side, Site};
use tokio::time::{Instant, timeout};

const HOUR: Duration = Duration::from_hours(1);

fn volume(name: &str) -> VolumeRequest {
    VolumeRequest::new(VolumeName::new(name).unwrap())
}

fn job() -> ContainerRequest {
    ContainerRequest::new("job".parse().unwrap(), "busybox".parse().unwrap())
}

fn engine() -> (FakeDocker, FaultyDocker) {
    let fake = FakeDocker::new().with_image("busybox");
    (fake.clone(), FaultyDocker::new(Arc::new(fake)))
}

/// Every operation that there is, each at least once; what comes of a call is not looked at.
async fn every_operation(docker: &FaultyDocker) {
    let image = "busybox".parse().unwrap();
    let name = VolumeName::new("cache").unwrap();
    let _ = docker.version().await;
    let _ = docker.info().await;
    let _ = docker.disk_usage().await;
    let _ = docker.inspect_image(&image).await;
    let _ = docker.pull_image(&PullRequest::new(image.clone())).await;
    let _ = docker.import_image(&"made".parse().unwrap(), Bytes::new()).await;
    let _ = docker.list_images(&[]).await;
    let _ = docker.remove_image(&"made".parse().unwrap()).await;
    let _ = docker.create_volume(&volume("cache")).await;
    let _ = docker.inspect_volume(&name).await;
    let _ = docker.list_volumes(&[]).await;
    let network = docker.create_network(&NetworkRequest::new("net".parse().unwrap())).await;
    let network = network.unwrap_or_else(|_| "0".repeat(64).parse().unwrap());
    let _ = docker.inspect_network(&network).await;
    let _ = docker.list_networks(&[]).await;
    let _ = docker.remove_network(&network).await;
    let id = docker.create_container(&job()).await;
    let id = id.map_or_else(|_| "0".repeat(64).parse().unwrap(), |created| created.id);
    let _ = docker.inspect_container(&id).await;
    let _ = docker.list_containers(&[]).await;
    let _ = docker.list_containers_using(&name).await;
    let _ = docker.container_logs(&id, &LogOptions::default()).await;
    let _ = docker.attach_container(&id).await;
    let _ = docker.attach_container_with_input(&id).await;
    let _ = docker.wait_container(&id, WaitCondition::NextExit).await;
    let _ = docker.start_container(&id).await;
    let exec = docker.create_exec(&id, &ExecRequest::new(["true"])).await;
    let exec = exec.unwrap_or_else(|_| "0".repeat(64).parse().unwrap());
    let _ = docker.start_exec(&exec).await;
    let _ = docker.inspect_exec(&exec).await;
    let _ = docker.upload_archive(&id, "/", Bytes::new()).await;
    let _ = docker.upload_archive_stream(&id, "/", futures_util::stream::empty().boxed()).await;
    let _ = docker.inspect_path(&id, "/").await;
    let _ = docker.download_archive(&id, "/").await;
    let _ = docker.kill_container(&id, Signal::Kill).await;
    let _ = docker.stop_container(&id, Duration::ZERO).await;
    let _ = docker.remove_container(&id).await;
    let _ = docker.remove_container_alone(&id).await;
    let _ = docker.remove_volume(&name).await;
    let _ = docker.prune_volumes(&[]).await;
}

#[tokio::test(start_paused = true)]
async fn every_operation_passes_both_sides_under_its_own_name() {
    let (fake, docker) = engine();
    every_operation(&docker).await;
    let calls = docker.calls();
    assert_eq!(calls.iter().map(|call| call.operation).collect::<Vec<_>>(), fake.calls());
    let operations: std::collections::HashSet<_> =
        calls.iter().map(|call| call.operation).collect();
    assert_eq!((calls.len(), operations.len()), (37, 33));
    let both: Vec<_> = calls.iter().flat_map(|call| Side::BOTH.map(|side| (*call, side))).collect();
    assert_eq!(docker.passed(), both);
    assert_eq!(docker.met(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_fault_before_the_effect_keeps_every_call_from_the_engine() {
    let calm = engine().1;
    every_operation(&calm).await;
    for call in calm.calls() {
        let (fake, docker) = engine();
        docker.inject(Fault::before(Site::Nth(call.number), FaultKind::Lost));
        every_operation(&docker).await;
        // Numbers after it stay: a call that fails is a call.
        assert_eq!(docker.calls(), calm.calls());
        assert_eq!(fake.calls().len(), calm.calls().len() - 1, "{call:?}");
        assert_eq!(docker.met(), 1);
        assert!(!docker.passed().contains(&(call, Side::After)));
    }
}

#[tokio::test]
async fn a_lost_reply_has_had_its_effect_and_a_lost_request_has_not() {
    for (side, expected) in [(Side::Before, vec![]), (Side::After, vec!["cache".to_owned()])] {
        let (fake, docker) = engine();
        let site = Site::NthOf(Operation::CreateVolume, 0);
        docker.inject(Fault { site, side, kind: FaultKind::Lost });
        let error = docker.create_volume(&volume("cache")).await.unwrap_err();
        assert!(matches!(error, ApiError::Lost { operation: Operation::CreateVolume, .. }));
        assert_eq!(fake.volume_names(), expected);
        docker.create_volume(&volume("cache")).await.unwrap();
    }
}

#[tokio::test]
async fn each_kind_of_error_is_the_variant_that_a_real_one_would_be() {
    let (_, docker) = engine();
    let mut seen = Vec::new();
    for kind in [
        FaultKind::Status(400),
        FaultKind::Status(404),
        FaultKind::Status(409),
        FaultKind::Status(429),
        FaultKind::Status(503),
        FaultKind::Lost,
        FaultKind::Unreachable,
        FaultKind::TimedOut,
        FaultKind::Garbage,
        FaultKind::Cut(3),
        FaultKind::CutInput(3),
    ] {
        docker.heal();
        docker.inject(Fault::after(Site::EveryOf(Operation::Version), kind));
        seen.push(match docker.version().await.unwrap_err() {
            ApiError::Rejected { .. } => "rejected",
            ApiError::NotFound { .. } => "not found",
            ApiError::Conflict { .. } => "conflict",
            ApiError::Engine { status: 429, .. } => "429",
            ApiError::Engine { status: 503, .. } => "503",
            ApiError::Lost { .. } => "lost",
            ApiError::Unreachable { .. } => "unreachable",
            ApiError::TimedOut { .. } => "timed out",
            ApiError::Protocol { .. } => "protocol",
            other => panic!("{other:?}"),
        });
    }
    let expected = [
        "rejected",
        "not found",
        "conflict",
        "429",
        "503",
        "lost",
        "unreachable",
        "timed out",
        "protocol",
        "lost",
        "lost",
    ];
    assert_eq!(seen, expected);
}

#[tokio::test(start_paused = true)]
async fn what_hangs_never_comes_to_anything_and_a_delay_does() {
    for side in Side::BOTH {
        for kind in [FaultKind::Hang, FaultKind::Stall(1), FaultKind::StallInput(1)] {
            let (fake, docker) = engine();
            docker.inject(Fault { site: Site::Nth(0), side, kind });
            timeout(HOUR, docker.create_volume(&volume("cache"))).await.unwrap_err();
            assert_eq!(fake.volumes().len(), usize::from(side == Side::After), "{kind:?}");
        }
        let (_, docker) = engine();
        docker.inject(Fault { site: Site::Nth(0), side, kind: FaultKind::Delay(HOUR) });
        let begun = Instant::now();
        docker.version().await.unwrap();
        assert_eq!(begun.elapsed(), HOUR);
    }
}

#[tokio::test]
async fn a_hook_is_told_of_both_sides_and_may_hold_a_call_there() {
    let (fake, docker) = engine();
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let hold = Arc::clone(&gate);
    docker.on_call(move |call, side| {
        told.send((call.number, call.operation, side)).unwrap();
        let hold = Arc::clone(&hold);
        async move { hold.acquire().await.unwrap().forget() }.boxed()
    });
    let caller = docker.clone();
    let call = tokio::spawn(async move { caller.create_volume(&volume("cache")).await });
    let mut expected_volumes = 0;
    for side in Side::BOTH {
        assert_eq!(heard.recv().await.unwrap(), (0, Operation::CreateVolume, side));
        assert_eq!(fake.volumes().len(), expected_volumes);
        expected_volumes = 1;
        gate.add_permits(1);
    }
    call.await.unwrap().unwrap();
}

async fn attached(fault: FaultKind) -> (FakeDocker, FaultyDocker, ContainerId, Attachment) {
    let (fake, docker) = engine();
    docker.inject(Fault::after(Site::EveryOf(Operation::AttachContainer), fault));
    let mut request = job();
    request.entrypoint = vec!["sh".to_owned()];
    request.arguments = ["-c", "find", "berth", "loop"].map(ToOwned::to_owned).to_vec();
    request.input = Input::Once;
    fake.script(ScriptedRun::exits(0).prints_stdout("out"));
    let id = docker.create_container(&request).await.unwrap().id;
    let attachment = docker.attach_container_with_input(&id).await.unwrap();
    docker.start_container(&id).await.unwrap();
    (fake, docker, id, attachment)
}

/// A step for a shell of the fake.
const STEP: &str = "m1 4\nmake\nm1\n";

#[tokio::test(start_paused = true)]
async fn an_input_that_is_cut_takes_so_many_bytes_and_then_both_ends_are_lost() {
    let (fake, _, _, mut attachment) = attached(FaultKind::CutInput(STEP.len() + 2)).await;
    attachment.input.write(STEP.into()).await.unwrap();
    let error = attachment.input.write("m2 4\n".into()).await.unwrap_err();
    assert!(matches!(error, ApiError::Lost { operation: Operation::AttachContainer, .. }));
    let error = attachment.input.close().await.unwrap_err();
    assert!(matches!(error, ApiError::Lost { .. }));
    assert_eq!(fake.scripts(), ["make"]);
    let mut output = attachment.output;
    let last = loop {
        match timeout(HOUR, output.next()).await.expect("the output breaks as well").unwrap() {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(last, ApiError::Lost { operation: Operation::AttachContainer, .. }));
    assert!(output.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn an_input_that_stalls_never_takes_the_byte_beyond() {
    let (fake, _, _, mut attachment) = attached(FaultKind::StallInput(STEP.len())).await;
    attachment.input.write(STEP.into()).await.unwrap();
    timeout(HOUR, attachment.input.write("m".into())).await.unwrap_err();
    timeout(HOUR, attachment.input.close()).await.unwrap_err();
    assert_eq!(fake.scripts(), ["make"]);
    // The output is not touched.
    attachment.output.next().await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_whole_input_within_its_bytes_is_passed_on_and_closed() {
    let (fake, docker, id, mut attachment) = attached(FaultKind::CutInput(1000)).await;
    attachment.input.write(STEP.into()).await.unwrap();
    attachment.input.close().await.unwrap();
    let output: Vec<_> = attachment.output.try_collect().await.unwrap();
    let text: Vec<u8> = output.iter().flat_map(|chunk| chunk.bytes.to_vec()).collect();
    assert!(String::from_utf8(text).unwrap().contains("out"));
    assert_eq!(fake.scripts(), ["make"]);
    let exit = docker.wait_container(&id, WaitCondition::NotRunning).await.unwrap();
    assert_eq!(exit.await.unwrap().code, 0);
}

async fn output_with(kind: FaultKind) -> Vec<Result<Bytes, ApiError>> {
    let (fake, docker) = engine();
    docker.inject(Fault::after(Site::EveryOf(Operation::AttachContainer), kind));
    fake.script(ScriptedRun::exits(0).prints_stdout("1").prints_stderr("2").prints_stdout("3"));
    let id = docker.create_container(&job()).await.unwrap().id;
    let mut stream = docker.attach_container(&id).await.unwrap();
    docker.start_container(&id).await.unwrap();
    let mut pieces = Vec::new();
    while let Ok(Some(piece)) = timeout(HOUR, stream.next()).await {
        pieces.push(piece.map(|chunk| chunk.bytes));
    }
    pieces
}

#[tokio::test(start_paused = true)]
async fn a_stream_breaks_ends_or_stalls_after_so_many_pieces() {
    for pieces in 0..3 {
        let cut = output_with(FaultKind::Cut(pieces)).await;
        assert!(matches!(cut[..], [.., Err(ApiError::Lost { .. })]) && cut.len() == pieces + 1);
        let ended = output_with(FaultKind::End(pieces)).await;
        assert!(ended.iter().all(Result::is_ok) && ended.len() == pieces);
        let stalled = output_with(FaultKind::Stall(pieces)).await;
        assert!(stalled.iter().all(Result::is_ok) && stalled.len() == pieces);
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_is_registered_and_then_breaks_or_stalls() {
    let (_, docker) = engine();
    let id = docker.create_container(&job()).await.unwrap().id;
    let every = Site::EveryOf(Operation::WaitContainer);
    docker.inject(Fault::after(every, FaultKind::Cut(0)));
    let exit = docker.wait_container(&id, WaitCondition::NextExit).await.unwrap();
    let error = exit.await.unwrap_err();
    assert!(matches!(error, ApiError::Lost { operation: Operation::WaitContainer, .. }));
    docker.heal();
    docker.inject(Fault::after(every, FaultKind::Stall(0)));
    let exit = docker.wait_container(&id, WaitCondition::NextExit).await.unwrap();
    docker.start_container(&id).await.unwrap();
    timeout(HOUR, exit).await.unwrap_err();
}

#[tokio::test]
async fn of_two_faults_at_one_side_the_first_counts_and_healing_takes_all_away() {
    let (_, docker) = engine();
    let site = Site::FirstOf(Operation::Version, 2);
    docker.inject(Fault::before(site, FaultKind::Status(503)));
    docker.inject(Fault::before(site, FaultKind::Lost));
    let error = docker.version().await.unwrap_err();
    assert!(matches!(error, ApiError::Engine { status: 503, .. }) && error.is_transient());
    docker.heal();
    docker.version().await.unwrap();
    assert_eq!(docker.met(), 1);
}

#[tokio::test]
async fn requests_that_were_sent_are_those_of_the_engine_behind() {
    let (fake, docker) = engine();
    docker.version().await.unwrap();
    assert_eq!((docker.requests_sent(), docker.outages()), (fake.requests_sent(), fake.outages()));
}
