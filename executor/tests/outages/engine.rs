//! What befalls the engine itself.

use std::{env, fs, sync::Arc, time::Duration};

use docker_api_trait::{
    ApiError, BollardDocker, ContainerApi as _, Endpoint, LogChunk, LogSource, VolumeApi as _,
};
use executor::{
    Cancel, FailureReason, JobOutcome, LogSink, MemorySink,
    error::{CleanupError, PrepareError, RunError, StepError},
    log::{LogEnd, Truncation},
    outcome::{Phase, StepOutcome},
};
use testkit::{Backend, Difference, EngineOptions, Proxy};
use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};
use volume_manager::VolumeError;

use crate::lab::{Lab, cause, engine, job, seconds, step, until};

/// An engine that was started anew tells less of a volume than before.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker: cargo xtask e2e"]
async fn a_cache_is_warm_again_after_its_engine_was_started_anew() {
    let mut engine = engine(EngineOptions::default()).await;
    let lab = Lab::on(&engine, seconds(60));
    lab.warm().await;
    engine.kill().await.unwrap();
    engine.restart().await.unwrap();
    lab.assert_canary().await;
    engine.terminate().await.unwrap();
    engine.restart().await.unwrap();
    lab.assert_canary().await;
    engine.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker: cargo xtask e2e"]
async fn an_engine_that_is_killed_and_stays_away_is_lost_and_swept_later() {
    let mut engine = engine(EngineOptions::default()).await;
    let lab = Lab::on(&engine, seconds(3));
    lab.warm().await;
    let baseline = lab.baseline().await;
    let begin = Instant::now();
    // Longer than it may take until the engine is given up.
    let job = job([step("a", "echo started; sleep 600")]);
    let (result, log) = lab.run_and(&job, async { engine.kill().await.unwrap() }).await;
    let error = cause(&result);
    assert!(
        matches!(error, RunError::Step(StepError::EngineLost { .. })) && error.is_retryable(),
        "{error:?}"
    );
    assert_eq!((result.phase, log.as_str()), (Phase::Script, "started\n"));
    assert!(matches!(result.log, LogEnd::Truncated(_)), "{:?}", result.log);
    assert!(!result.cleanup.failed.is_empty(), "what is left is told of");
    assert!(begin.elapsed() < seconds(240), "{:?}", begin.elapsed());
    engine.restart().await.unwrap();
    lab.sweep().await;
    let differences = baseline.differences(&lab.bare).await.unwrap();
    assert!(differences.is_empty(), "{differences:?}");
    lab.assert_canary().await;
    engine.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker: cargo xtask e2e"]
async fn a_job_whose_engine_is_started_anew_is_interrupted_and_no_script_failure() {
    for gracefully in [false, true] {
        let mut engine = engine(EngineOptions::default()).await;
        let lab = Lab::on(&engine, seconds(60));
        lab.warm().await;
        let baseline = lab.baseline().await;
        let job = job([step("a", "echo started; sleep 60"), step("b", "echo never")]);
        let (result, log) = lab
            .run_and(&job, async {
                if gracefully {
                    engine.terminate().await.unwrap();
                } else {
                    engine.kill().await.unwrap();
                }
                engine.restart().await.unwrap();
            })
            .await;
        let error = cause(&result);
        assert!(
            matches!(error, RunError::Step(StepError::Interrupted { .. })) && error.is_retryable(),
            "gracefully {gracefully}: {error:?}"
        );
        assert_eq!((result.phase, log.as_str()), (Phase::Script, "started\n"));
        assert!(matches!(result.steps[1].outcome, StepOutcome::Skipped));
        assert!(result.cleanup.failed.is_empty(), "{:?}", result.cleanup);
        assert_eq!(baseline.broken(&lab.bare).await.unwrap(), []);
        lab.assert_canary().await;
        engine.stop().await.unwrap();
    }
}

/// How an engine ends that comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Killed,
    InOrder,
}

/// When a step ends whose engine does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StepEnds {
    WhileItIsAway,
    /// When it is back and the step's output comes again.
    Long,
}

/// Waits to be told to go on by a file in the cache, and answers one that says that the engine is back.
const WAIT: &str =
    "until [ -e /cache/go ]; do sleep 0.1; [ ! -e /cache/back ] || echo back; done; echo end";

/// Ends an engine with live-restore under a step and starts it again, while the step goes on and ends
/// with the code.
async fn live_restored(end: End, ends: StepEnds, code: i64) {
    let mut engine = engine(EngineOptions { live_restore: true, ..Default::default() }).await;
    let lab = Lab::on(&engine, seconds(60));
    lab.warm().await;
    let baseline = lab.baseline().await;
    let cache = lab.cache().await;
    let tell = |word: &str| fs::write(cache.join(word), "").unwrap();
    let script = format!("echo started; {WAIT}; : > /cache/ended; exit {code}");
    let job = job([step("a", &script), step("b", "echo next")]);
    let sink = MemorySink::new();
    let (result, log) = lab
        .run_into(&sink, &job, &Cancel::new(), async {
            match end {
                End::Killed => engine.kill().await.unwrap(),
                End::InOrder => engine.terminate().await.unwrap(),
            }
            if ends == StepEnds::WhileItIsAway {
                tell("go");
                until(|| cache.join("ended").exists()).await;
            }
            sleep(seconds(3)).await;
            engine.restart().await.unwrap();
            if ends == StepEnds::Long {
                tell("back");
                until(|| sink.text(LogSource::Stdout).contains("back\n")).await;
                tell("go");
            }
        })
        .await;
    let what = format!("{end:?}, {ends:?}, {code}: {log:?} {:?}", result.outcome);
    if code == 0 {
        assert!(matches!(result.outcome, JobOutcome::Succeeded), "{what}");
        assert!(log.ends_with("next\n"), "{what}");
    } else {
        assert_eq!(result.steps[0].outcome.exit_code(), Some(code), "{what}");
    }
    assert_eq!(result.phase, Phase::Script, "{what}");
    assert!(log.starts_with("started\n"), "{what}");
    let LogEnd::Truncated(Truncation::Engine(_)) = &result.steps[0].log else {
        panic!("{what}: {:?}", result.steps[0].log)
    };
    if ends == StepEnds::Long {
        assert!(log.contains("end\n"), "{what}");
    }
    assert!(result.cleanup.failed.is_empty(), "{:?}", result.cleanup);
    assert_eq!(baseline.broken(&lab.bare).await.unwrap(), []);
    lab.assert_canary().await;
    engine.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker: cargo xtask e2e"]
async fn with_live_restore_a_job_goes_on_when_its_engine_is_killed_and_comes_back() {
    use StepEnds::{Long, WhileItIsAway};
    for (ends, code) in [(WhileItIsAway, 0), (WhileItIsAway, 5), (Long, 0), (Long, 7)] {
        live_restored(End::Killed, ends, code).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker: cargo xtask e2e"]
async fn with_live_restore_a_job_goes_on_when_its_engine_is_stopped_in_order_and_comes_back() {
    use StepEnds::{Long, WhileItIsAway};
    for (ends, code) in [(WhileItIsAway, 0), (Long, 0), (Long, 7)] {
        live_restored(End::InOrder, ends, code).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker: cargo xtask e2e"]
async fn a_full_disk_is_named_and_cleanup_works_on_it() {
    let options = EngineOptions { room: Some(64 << 20), ..Default::default() };
    let engine = engine(options).await;
    let lab = Lab::on(&engine, seconds(5));
    lab.warm().await;
    let baseline = lab.baseline().await;
    // The script's own failure, which it can tell of; cleanup works on a full disk.
    let fill = "echo started; head -c 200000000 /dev/zero > /builds/fill";
    let result = lab.run(&job([step("fill", fill)])).await;
    assert!(
        matches!(result.outcome, JobOutcome::Failed(FailureReason::Script { .. })),
        "{:?}",
        result.outcome
    );
    assert!(result.cleanup.failed.is_empty(), "{:?}", result.cleanup);
    assert_eq!(baseline.broken(&lab.bare).await.unwrap(), []);
    // Full before the jobs: the engine cannot make what they need. One has a warm cache, one has none.
    let fill = "cat /dev/zero > /builds/fill 2>/dev/null || echo started; sleep 250";
    let mut fresh = job([step("a", "echo > /cache/x")]);
    fresh.project = "fresh".to_owned();
    let mut refused = Vec::new();
    let cancel = Cancel::new();
    let others = async {
        refused.push(lab.run(&job([step("a", "true")])).await);
        refused.push(lab.run(&fresh).await);
        cancel.stop();
    };
    let (holder, _) = lab.run_with(&job([step("fill", fill)]), &cancel, others).await;
    assert!(holder.cleanup.failed.is_empty(), "{:?}", holder.cleanup);
    for result in &refused {
        let error = cause(result);
        assert!(matches!(error, RunError::Prepare(PrepareError::DiskFull { .. })), "{error:?}");
        assert!(!error.is_retryable() && error.hint().is_some());
        assert_eq!(result.phase, Phase::Prepare, "{error:?}");
    }
    lab.sweep().await;
    // There is room again. On a full disk the engine makes half a volume, one without labels, and says
    // that it made none: such a cache is not used, and nothing without our labels is ever removed.
    lab.assert_canary().await;
    let again = lab.run(&fresh).await;
    let error = cause(&again);
    let RunError::Prepare(PrepareError::Volumes(VolumeError::Mismatch { volume, found, .. })) =
        error
    else {
        panic!("{error:?}")
    };
    assert_eq!((again.phase, found.as_str(), error.is_retryable()), (Phase::Prepare, "", false));
    let remedy = format!("docker volume rm {volume}");
    assert!(error.hint().is_some_and(|hint| hint.contains(&remedy)), "{:?}", error.hint());
    lab.bare.remove_volume(volume).await.unwrap();
    let again = lab.run(&fresh).await;
    assert!(matches!(again.outcome, JobOutcome::Succeeded), "{:?}", again.outcome);
    lab.sweep().await;
    for left in baseline.differences(&lab.bare).await.unwrap() {
        let Difference::Left { kind: "volume", name } = left else { panic!("{left:?}") };
        let volume = lab.bare.inspect_volume(&name.parse().unwrap()).await.unwrap();
        assert!(volume.labels.is_empty(), "{volume:?}");
    }
    lab.assert_canary().await;
    engine.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker: cargo xtask e2e"]
async fn another_engine_behind_the_socket_is_told_apart_and_left_alone() {
    let one = engine(EngineOptions::default()).await;
    let other = engine(EngineOptions::default()).await;
    let proxy = Proxy::new(Backend::socket(one.socket())).unwrap();
    let docker = BollardDocker::new(Endpoint::Unix(proxy.socket())).unwrap();
    let lab = Lab::by(&one, Arc::new(docker), seconds(3), Some("none"));
    let other_lab = Lab::on(&other, seconds(3));
    lab.warm().await;
    other_lab.warm().await;
    let (on_one, on_other) = (lab.baseline().await, other_lab.baseline().await);
    let swap = async {
        proxy.switch(Backend::socket(other.socket()));
        proxy.cut();
    };
    let (result, log) = lab.run_and(&job([step("a", "echo started; sleep 60")]), swap).await;
    let lost = cause(&result);
    assert!(
        matches!(lost, RunError::Step(StepError::EngineLost { .. })) && lost.is_retryable(),
        "{lost:?}"
    );
    assert_eq!((result.phase, log.as_str()), (Phase::Script, "started\n"));
    let changed =
        |error: &CleanupError| matches!(error, CleanupError::Engine(ApiError::Changed { .. }));
    assert!(
        result.cleanup.failed.iter().any(|failed| changed(&failed.error)),
        "{:?}",
        result.cleanup
    );
    assert_eq!(on_other.differences(&other_lab.bare).await.unwrap(), []);
    other_lab.assert_canary().await;
    // What is left on the first engine waits for it.
    assert!(!on_one.differences(&lab.bare).await.unwrap().is_empty(), "{:?}", result.cleanup);
    lab.sweep().await;
    assert_eq!(on_one.differences(&lab.bare).await.unwrap(), []);
    Lab::on(&one, seconds(3)).assert_canary().await;
    one.stop().await.unwrap();
    other.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker: cargo xtask e2e"]
async fn a_shim_that_is_killed_is_never_a_success() {
    let engine = engine(EngineOptions::default()).await;
    let lab = Lab::on(&engine, seconds(5));
    lab.warm().await;
    let baseline = lab.baseline().await;
    let kill = async {
        let containers = lab.bare.list_containers(&[]).await.unwrap();
        let id = containers[0].id.as_str().to_owned();
        let mut killed = 0;
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).into_owned();
            if line.contains("containerd-shim") && line.contains(&id) {
                let pid = entry.file_name().into_string().unwrap();
                let status = std::process::Command::new("kill").args(["-9", &pid]).status();
                killed += usize::from(status.unwrap().success());
            }
        }
        assert_eq!(killed, 1, "the shim of {id}");
    };
    let (result, _) = lab.run_and(&job([step("a", "echo started; sleep 30")]), kill).await;
    let JobOutcome::Failed(reason) = &result.outcome else { panic!("{:?}", result.outcome) };
    assert_eq!(result.phase, Phase::Script, "{reason:?}");
    match reason {
        // The engine tells of a container that was killed, as a rule.
        FailureReason::Script { exit_code, .. } => assert_eq!(*exit_code, 137),
        FailureReason::System { error } => {
            assert!(reason.is_retryable() && error.is_retryable(), "{error:?}");
        }
        other => panic!("{other:?}"),
    }
    assert!(result.cleanup.failed.is_empty(), "{:?}", result.cleanup);
    assert_eq!(baseline.broken(&lab.bare).await.unwrap(), []);
    lab.assert_canary().await;
    engine.stop().await.unwrap();
}

/// Tells that output comes, and takes all of it or, when it stalls, nothing for ever.
#[derive(Debug)]
struct Telling {
    writing: Arc<Notify>,
    stalls: bool,
}

#[async_trait::async_trait]
impl LogSink for Telling {
    async fn write(&mut self, _chunk: &LogChunk) -> std::io::Result<()> {
        self.writing.notify_one();
        if self.stalls {
            std::future::pending::<()>().await;
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker: cargo xtask e2e"]
async fn a_time_limit_ends_a_job_whose_engine_is_suspended() {
    let engine = engine(EngineOptions::default()).await;
    let lab = Lab::on(&engine, seconds(60));
    lab.warm().await;
    let baseline = lab.baseline().await;
    let mut slow = step("a", "echo started; sleep 600");
    slow.timeout = Some(seconds(10));
    let begin = Instant::now();
    let suspend = async { engine.suspend().unwrap() };
    let (result, _) = lab.run_and(&job([slow]), suspend).await;
    let took = begin.elapsed();
    println!("the job ended after {took:?}");
    assert!(
        matches!(&result.outcome, JobOutcome::Failed(FailureReason::Timeout { .. })),
        "{:?}",
        result.outcome
    );
    // The limit, the grace, and ten seconds more. What comes before the step takes its time.
    assert!(took < seconds(10 + 1 + 10 + 15), "{took:?}");
    assert!(!result.cleanup.failed.is_empty(), "what may be left is named");
    engine.wake().unwrap();
    lab.sweep().await;
    let differences = baseline.differences(&lab.bare).await.unwrap();
    assert!(differences.is_empty(), "{differences:?}");
    engine.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker: cargo xtask e2e"]
async fn a_cancelled_job_is_gone_within_its_grace_and_two_seconds() {
    let engine = engine(EngineOptions::default()).await;
    let lab = Lab::on(&engine, seconds(5));
    // Asked for by their number, the runs have a quiet machine to themselves and the time is what is
    // looked at. In the suite other tests start engines beside them.
    let asked = env::var("BERTH_CANCEL_RUNS").ok().map(|runs| runs.parse().unwrap());
    let (runs, bound) = asked.map_or((10, seconds(60)), |runs| (runs, seconds(2)));
    // As much output as it can write, and it ignores the request to stop.
    let job = job([step("a", "trap '' TERM; yes")]);
    let mut slowest = Duration::ZERO;
    for run in 0..runs {
        let writing = Arc::new(Notify::new());
        let sink = Telling { writing: Arc::clone(&writing), stalls: run % 2 == 0 };
        let cancel = Cancel::new();
        let people = async {
            writing.notified().await;
            // What can hold output on the way is full then.
            sleep(Duration::from_millis(500)).await;
            cancel.stop();
            Instant::now()
        };
        let (result, stopped) =
            tokio::join!(lab.executor.job(&job).sink(sink).cancel(&cancel).run(), people);
        let took = stopped.elapsed();
        let result = result.unwrap();
        assert!(matches!(result.outcome, JobOutcome::Failed(FailureReason::Canceled)));
        assert!(result.cleanup.failed.is_empty(), "{:?}", result.cleanup);
        // The grace is a second.
        assert!(took <= seconds(1) + bound, "run {run}: {took:?}");
        slowest = slowest.max(took);
    }
    assert!(lab.bare.list_containers(&[]).await.unwrap().is_empty());
    println!("{runs} runs, the slowest was gone after {slowest:?} with a grace of 1 s");
    engine.stop().await.unwrap();
}
