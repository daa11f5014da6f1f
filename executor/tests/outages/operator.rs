//! What somebody else does on the same engine, by hand or by a program that tidies up.

use std::{
    env,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use docker_api_trait::{BollardDocker, ContainerApi as _, Operation, VolumeApi as _};
use executor::{
    Cancel, Command, FailureReason, JobOutcome, JobSpec, ServiceSpec, StepSpec,
    error::{PrepareError, RunError},
    outcome::Phase,
};
use testkit::{EngineOptions, FaultyDocker, Side, suite};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    time::{Instant, sleep},
};
use volume_manager::VolumeKind;

use crate::lab::{Lab, cause, engine, job, seconds, step};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker: cargo xtask e2e"]
async fn pruning_in_a_loop_fails_no_job() {
    let engine = engine(EngineOptions::default()).await;
    let lab = Lab::on(&engine, seconds(5));
    let stop = Arc::new(AtomicBool::new(false));
    let pruner = {
        let (docker, stop) = (engine.docker(), Arc::clone(&stop));
        tokio::spawn(async move {
            let mut pruned = 0;
            while !stop.load(Ordering::Relaxed) {
                // Of Engine 20.10 this takes named volumes too.
                pruned += docker.prune_volumes(&[]).await.unwrap().len();
                sleep(Duration::from_millis(10)).await;
            }
            pruned
        })
    };
    let jobs = env::var("BERTH_PRUNE_JOBS").ok().map_or(40, |jobs| jobs.parse().unwrap());
    for _ in 0..jobs {
        let result = lab.run(&job([step("a", "echo > /cache/x; test -d /builds")])).await;
        assert!(matches!(result.outcome, JobOutcome::Succeeded), "{:?}", result.outcome);
        assert!(result.cleanup.failed.is_empty(), "{:?}", result.cleanup);
    }
    stop.store(true, Ordering::Relaxed);
    assert!(pruner.await.unwrap() > 0, "the pruning took nothing");
    assert!(lab.bare.list_containers(&[]).await.unwrap().is_empty());
    engine.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker: cargo xtask e2e"]
async fn a_volume_whose_folder_somebody_deleted_is_named_and_comes_back_when_it_is_removed() {
    let engine = engine(EngineOptions::default()).await;
    let lab = Lab::on(&engine, seconds(5));
    lab.warm().await;
    let volume = lab.bare.list_volumes(&[]).await.unwrap().remove(0);
    std::fs::remove_dir_all(&volume.mountpoint).unwrap();
    // The engine makes no new folder by itself: later jobs see the same.
    for attempt in 0..2 {
        let result = lab.run(&job([step("a", "true")])).await;
        let error = cause(&result);
        let RunError::Prepare(PrepareError::VolumeLost {
            volume: name,
            kind: VolumeKind::Cache,
            ..
        }) = error
        else {
            panic!("{attempt}: {error:?}")
        };
        assert_eq!(*name, volume.name);
        assert!(!error.is_retryable());
        let remedy = format!("berth volumes rm {name}");
        assert!(error.hint().is_some_and(|hint| hint.contains(&remedy)), "{:?}", error.hint());
        assert_eq!(result.phase, Phase::Start);
        assert!(result.cleanup.failed.is_empty(), "{:?}", result.cleanup);
        assert!(lab.bare.list_containers(&[]).await.unwrap().is_empty());
        let volumes = lab.bare.list_volumes(&[]).await.unwrap();
        assert_eq!(volumes.len(), 1, "it stays, and nothing else does: {volumes:?}");
    }
    // What the remedy does.
    lab.bare.remove_volume(&volume.name.parse().unwrap()).await.unwrap();
    lab.warm().await;
    lab.assert_canary().await;
    engine.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker: cargo xtask e2e"]
async fn a_cache_whose_folder_somebody_deleted_is_made_anew_where_that_is_wanted() {
    let engine = engine(EngineOptions::default()).await;
    let lab = Lab::on(&engine, seconds(5)).rebuilding_caches();
    lab.warm().await;
    let volume = lab.bare.list_volumes(&[]).await.unwrap().remove(0);
    std::fs::remove_dir_all(&volume.mountpoint).unwrap();
    let result = lab.run(&job([step("a", "test -z \"$(ls /cache)\"; echo > /cache/new")])).await;
    assert!(matches!(result.outcome, JobOutcome::Succeeded), "{:?}", result.outcome);
    assert!(result.cleanup.failed.is_empty(), "{:?}", result.cleanup);
    assert!(lab.bare.list_containers(&[]).await.unwrap().is_empty());
    let found = lab.bare.list_volumes(&[]).await.unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].name, volume.name);
    assert_ne!(found[0].labels["dev.berth.run"], volume.labels["dev.berth.run"]);
    let result = lab.run(&job([step("a", "test -e /cache/new")])).await;
    assert!(matches!(result.outcome, JobOutcome::Succeeded), "{:?}", result.outcome);
    engine.stop().await.unwrap();
}

/// Asks an engine for what no job ever wants of it; the reply's status and body.
async fn post(socket: &Path, target: &str, body: &str) -> (String, String) {
    let mut stream = UnixStream::connect(socket).await.unwrap();
    let request = format!(
        "POST {target} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    (head.split_whitespace().nth(1).unwrap().to_owned(), body.to_owned())
}

/// A job with a service, and so with a network of its own.
fn served(step: StepSpec) -> JobSpec {
    let mut job = job([step]);
    let mut service = ServiceSpec::new(suite::image());
    service.command = ["sleep", "600"].map(str::to_owned).to_vec();
    job.services.push(service);
    job
}

/// Prunes an engine's networks as `docker network prune` does, and says how many of ours went.
async fn prune_networks(socket: &Path) -> usize {
    let (status, body) = post(socket, "/networks/prune", "").await;
    assert_eq!(status, "200", "{body}");
    body.matches("berth-").count()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker: cargo xtask e2e"]
async fn a_network_that_is_pruned_before_a_container_is_in_it_is_named() {
    let engine = engine(EngineOptions::default()).await;
    let (shell, program) = (step("a", "echo in"), {
        StepSpec::new("a", Command::program(["echo".to_owned(), "in".to_owned()]).unwrap())
    });
    let (create_network, start) = (Operation::CreateNetwork, Operation::StartContainer);
    let cases = [
        (&shell, create_network, Side::After, Some(Phase::Start)),
        (&shell, Operation::CreateContainer, Side::After, Some(Phase::Start)),
        (&program, create_network, Side::After, Some(Phase::Script)),
        // The container is in it, and holds it.
        (&shell, start, Side::After, None),
        (&program, start, Side::After, None),
    ];
    Lab::on(&engine, seconds(5)).warm().await;
    for (step, operation, side, phase) in cases {
        let faulty = FaultyDocker::new(Arc::new(engine.docker()));
        let (socket, pruned) = (engine.socket(), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&pruned);
        faulty.on_call(move |call, at| {
            let (socket, count) = (socket.clone(), Arc::clone(&count));
            Box::pin(async move {
                if (call.operation, call.nth, at) == (operation, 0, side) {
                    count.fetch_add(prune_networks(&socket).await, Ordering::Relaxed);
                }
            })
        });
        let lab = Lab::by(&engine, Arc::new(faulty), seconds(5), None);
        let baseline = lab.baseline().await;
        let result = lab.run(&served(step.clone())).await;
        let what = format!("{operation:?} {side:?}: {:?}", result.outcome);
        if let Some(phase) = phase {
            assert_eq!(pruned.load(Ordering::Relaxed), 1, "{what}");
            let error = cause(&result);
            assert!(
                matches!(error, RunError::Prepare(PrepareError::NetworkVanished { .. })),
                "{what}"
            );
            assert!(error.is_retryable() && error.hint().is_some(), "{what}");
            assert_eq!(result.phase, phase, "{what}");
        } else {
            assert_eq!(pruned.load(Ordering::Relaxed), 0, "{what}");
            assert!(matches!(result.outcome, JobOutcome::Succeeded), "{what}");
        }
        assert!(result.cleanup.failed.is_empty(), "{what}: {:?}", result.cleanup);
        assert_eq!(baseline.broken(&lab.bare).await.unwrap(), [], "{what}");
        Lab::on(&engine, seconds(5)).assert_canary().await;
    }
    engine.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker: cargo xtask e2e"]
async fn pruning_networks_in_a_loop_ends_jobs_with_their_network_named_or_not_at_all() {
    let engine = engine(EngineOptions::default()).await;
    let lab = Lab::by(&engine, Arc::new(engine.docker()), seconds(5), None);
    lab.warm().await;
    let baseline = lab.baseline().await;
    let stop = Arc::new(AtomicBool::new(false));
    let pruning = {
        let (socket, stop) = (engine.socket(), Arc::clone(&stop));
        tokio::spawn(async move {
            let mut pruned = 0;
            while !stop.load(Ordering::Relaxed) {
                pruned += prune_networks(&socket).await;
                sleep(Duration::from_millis(500)).await;
            }
            pruned
        })
    };
    let (mut vanished, mut succeeded) = (0, 0);
    // At least so many; more until one is hit.
    while succeeded + vanished < 10 || (vanished == 0 && succeeded < 100) {
        let result = lab.run(&served(step("a", "echo in"))).await;
        assert!(result.cleanup.failed.is_empty(), "{:?}", result.cleanup);
        if matches!(result.outcome, JobOutcome::Succeeded) {
            succeeded += 1;
            continue;
        }
        let error = cause(&result);
        assert!(
            matches!(error, RunError::Prepare(PrepareError::NetworkVanished { .. })),
            "{error:?}"
        );
        assert_eq!((result.phase, error.is_retryable()), (Phase::Start, true));
        vanished += 1;
    }
    stop.store(true, Ordering::Relaxed);
    let pruned = pruning.await.unwrap();
    println!(
        "{succeeded} jobs succeeded, of {vanished} the network vanished, {pruned} were pruned"
    );
    assert!(pruned >= vanished && vanished > 0, "{pruned} were pruned");
    assert_eq!(baseline.broken(&lab.bare).await.unwrap(), []);
    // Nothing has to be mended before the next one.
    let result = lab.run(&served(step("a", "echo in"))).await;
    assert!(matches!(result.outcome, JobOutcome::Succeeded), "{:?}", result.outcome);
    lab.assert_canary().await;
    engine.stop().await.unwrap();
}

/// The only container of an engine.
async fn only_container(docker: &BollardDocker) -> String {
    let containers = docker.list_containers(&[]).await.unwrap();
    assert_eq!(containers.len(), 1, "{containers:?}");
    containers[0].id.to_string()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker: cargo xtask e2e"]
async fn a_job_whose_container_somebody_has_paused_can_be_cancelled() {
    let engine = engine(EngineOptions::default()).await;
    let lab = Lab::on(&engine, seconds(5));
    lab.warm().await;
    let baseline = lab.baseline().await;
    let cancel = Cancel::new();
    let mut stopped = None;
    let pause = async {
        let id = only_container(&lab.bare).await;
        let pause = format!("/containers/{id}/pause");
        assert_eq!(post(&engine.socket(), &pause, "").await.0, "204");
        cancel.stop();
        stopped = Some(Instant::now());
    };
    let job = job([step("a", "echo started; sleep 600")]);
    let (result, log) = lab.run_with(&job, &cancel, pause).await;
    let took = stopped.unwrap().elapsed();
    let JobOutcome::Failed(reason) = &result.outcome else { panic!("{:?}", result.outcome) };
    assert!(matches!(reason, FailureReason::Canceled) && !reason.is_retryable(), "{reason:?}");
    assert_eq!((result.phase, log.as_str()), (Phase::Script, "started\n"));
    assert!(result.cleanup.failed.is_empty(), "{:?}", result.cleanup);
    // The grace is a second, and the engine has its own limits for what does not obey.
    assert!(took < seconds(120), "{took:?}");
    println!("gone after {took:?} with a grace of 1 s");
    assert_eq!(baseline.broken(&lab.bare).await.unwrap(), []);
    lab.assert_canary().await;
    engine.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker: cargo xtask e2e"]
async fn a_container_that_somebody_has_restarted_always_ends_with_its_job() {
    let engine = engine(EngineOptions::default()).await;
    let lab = Lab::on(&engine, seconds(5));
    lab.warm().await;
    let baseline = lab.baseline().await;
    let go = lab.cache().await.join("go");
    // What is started anew waits again.
    let wait = "until rm /cache/go 2> /dev/null; do sleep 0.1; done";
    let script = |code: i64| format!("echo started; {wait}; exit {code}");
    let program = |code| {
        let words = ["sh".to_owned(), "-c".to_owned(), script(code)];
        StepSpec::new("a", Command::program(words).unwrap())
    };
    for (kind, step, code) in [
        ("shell", step("a", &script(0)), 0),
        ("shell", step("a", &script(3)), 3),
        ("program", program(0), 0),
        ("program", program(3), 3),
    ] {
        let update = async {
            let id = only_container(&lab.bare).await;
            let body = r#"{"RestartPolicy":{"Name":"always"}}"#;
            let update = format!("/containers/{id}/update");
            assert_eq!(post(&engine.socket(), &update, body).await.0, "200");
            std::fs::write(&go, "").unwrap();
        };
        let (result, log) = lab.run_and(&job([step]), update).await;
        let what = format!("{kind}, {code}: {log:?} {:?}", result.outcome);
        match &result.outcome {
            JobOutcome::Succeeded => assert_eq!(code, 0, "{what}"),
            JobOutcome::Failed(FailureReason::Script { exit_code, .. }) => {
                assert_eq!(*exit_code, code, "{what}");
            }
            other => panic!("{what}: {other:?}"),
        }
        assert_eq!(result.phase, Phase::Script, "{what}");
        assert!(log.starts_with("started\n"), "{what}");
        assert!(result.cleanup.failed.is_empty(), "{what}: {:?}", result.cleanup);
        assert_eq!(baseline.broken(&lab.bare).await.unwrap(), [], "{what}");
    }
    lab.assert_canary().await;
    engine.stop().await.unwrap();
}
