//! Retries and outages, on the fake engine.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{
    fmt, io,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use common::{
    assert_clean, assert_succeeded, engine, error, executor, job, program, run_into, run_on,
    seconds, step, words,
};
use docker_api_trait::{
    ApiError, ConnectFailure, ContainerApi as _, ContainerName, ContainerRequest, DockerApi,
    LogChunk, NetworkApi as _, NetworkRequest, Operation, Signal, SystemApi as _, VolumeApi as _,
};
use executor::{
    Cancel, EngineEvent, EngineObserver, Event, Executor, ExecutorConfig, JobEvent, JobOutcome,
    LogSink, Observer, RetryPolicy, SteadyDocker,
    error::{PrepareError, RunError},
    log::{LogEnd, Truncation},
    outcome::Phase,
};
use testkit::{FakeDocker, Fault, FaultKind, FaultyDocker, ScriptedRun, Side, Site};
use tokio::time::{Instant, sleep};
use volume_manager::DockerVolumeManager;

#[derive(Debug, Clone, Default)]
struct Events(Arc<Mutex<Vec<String>>>);

impl EngineObserver for Events {
    fn engine_event(&self, event: &EngineEvent<'_>) {
        let word = match event {
            EngineEvent::Retried { .. } => "retried",
            EngineEvent::Lost { .. } => "lost",
            EngineEvent::Back { .. } => "back",
            EngineEvent::Gone { .. } => "gone",
            EngineEvent::Changed { .. } => "changed",
            _ => "other",
        };
        self.0.lock().unwrap().push(word.to_owned());
    }
}

impl fmt::Display for Events {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.lock().unwrap().join(" "))
    }
}

fn steady(engine: &FakeDocker) -> (SteadyDocker, Events) {
    let events = Events::default();
    let engine: Arc<dyn DockerApi> = Arc::new(engine.clone());
    let observer = Arc::new(events.clone());
    (SteadyDocker::with_observer(engine, RetryPolicy::default(), observer), events)
}

fn status(operation: Operation, status: u16) -> impl Fn() -> ApiError + Send + Sync + 'static {
    move || ApiError::from_status(operation, status, "of the test")
}

fn request(run: &str) -> ContainerRequest {
    let name: ContainerName = "berth-test".parse().unwrap();
    let mut request = ContainerRequest::new(name, "busybox".parse().unwrap());
    request.labels.insert("dev.berth.run".to_owned(), run.to_owned());
    request
}

#[tokio::test(start_paused = true)]
async fn what_an_engine_fails_at_is_tried_again_and_told_of() {
    for code in [429, 500, 502, 503, 504] {
        let engine = engine();
        for _ in 0..3 {
            engine.refuse_once(Operation::Version, status(Operation::Version, code));
        }
        let (docker, events) = steady(&engine);
        docker.version().await.unwrap();
        assert_eq!(events.to_string(), "retried retried retried");
        assert_eq!(docker.outages(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn what_fails_four_times_is_an_error_of_the_engines() {
    let engine = engine();
    engine.refuse(Operation::Version, status(Operation::Version, 503));
    let (docker, _) = steady(&engine);
    let error = docker.version().await.unwrap_err();
    assert!(matches!(error, ApiError::Engine { status: 503, .. }), "{error:?}");
    assert!(error.is_transient());
    assert_eq!(engine.calls().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn what_an_engine_refuses_is_not_tried_again() {
    for code in [400, 403, 404, 409] {
        let engine = engine();
        engine.refuse(Operation::Version, status(Operation::Version, code));
        let error = steady(&engine).0.version().await.unwrap_err();
        assert!(!error.is_transient(), "{error:?}");
        assert_eq!(engine.calls().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_container_whose_creation_got_no_reply_is_found_and_not_made_twice() {
    let engine = engine();
    let (docker, _) = steady(&engine);
    docker.version().await.unwrap();
    engine.lose_reply_once(Operation::CreateContainer);
    let made = docker.create_container(&request("1")).await.unwrap();
    assert_eq!(engine.containers().len(), 1);
    assert_eq!(engine.containers()[0].id, made.id);
}

#[tokio::test(start_paused = true)]
async fn a_container_whose_creation_was_answered_with_a_failure_is_looked_up_before_the_next_try() {
    let engine = engine();
    let (docker, _) = steady(&engine);
    let failure = status(Operation::CreateContainer, 500);
    engine.refuse_once(Operation::CreateContainer, failure);
    docker.create_container(&request("1")).await.unwrap();
    let calls = engine.calls();
    assert_eq!(
        calls,
        [Operation::CreateContainer, Operation::ListContainers, Operation::CreateContainer]
    );
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_somebody_elses_stays_taken() {
    let engine = engine();
    let (docker, _) = steady(&engine);
    docker.create_container(&request("theirs")).await.unwrap();
    let error = docker.create_container(&request("ours")).await.unwrap_err();
    assert!(matches!(error, ApiError::Conflict { .. }), "{error:?}");
    // Nor is it taken for ours after a try of which nothing is known.
    engine.refuse_once(Operation::CreateContainer, status(Operation::CreateContainer, 500));
    let error = docker.create_container(&request("ours")).await.unwrap_err();
    assert!(matches!(error, ApiError::Conflict { .. }), "{error:?}");
    assert_eq!(engine.containers()[0].labels["dev.berth.run"], "theirs");
}

#[tokio::test(start_paused = true)]
async fn a_network_whose_creation_got_no_reply_is_found_and_not_made_twice() {
    let engine = engine();
    let (docker, _) = steady(&engine);
    docker.version().await.unwrap();
    engine.lose_reply_once(Operation::CreateNetwork);
    let mut request = NetworkRequest::new("berth-test".parse().unwrap());
    request.labels.insert("dev.berth.run".to_owned(), "1".to_owned());
    let id = docker.create_network(&request).await.unwrap();
    let networks: Vec<_> = engine.networks().into_iter().map(|network| network.id).collect();
    assert_eq!(networks, [id]);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_got_no_reply_starts_nothing_twice() {
    let engine = engine();
    engine.script(ScriptedRun::exits(0).lasting(seconds(60)));
    let (docker, _) = steady(&engine);
    docker.version().await.unwrap();
    let id = docker.create_container(&request("1")).await.unwrap().id;
    engine.lose_reply_once(Operation::StartContainer);
    docker.start_container(&id).await.unwrap();
    let starts = engine.calls().into_iter().filter(|call| *call == Operation::StartContainer);
    assert_eq!(starts.count(), 1);
}

/// An end of before is not that of a start which was refused or lost on the way.
#[tokio::test(start_paused = true)]
async fn a_container_that_has_run_is_started_again_whatever_befalls_the_request() {
    for kind in [FaultKind::Status(503), FaultKind::Status(500), FaultKind::Lost] {
        for side in Side::BOTH {
            let (engine, faulty, docker, _) = faulty();
            docker.version().await.unwrap();
            engine.script(ScriptedRun::exits(0).lasting(seconds(1)));
            let id = docker.create_container(&request("1")).await.unwrap().id;
            docker.start_container(&id).await.unwrap();
            sleep(seconds(2)).await;
            let first = docker.inspect_container(&id).await.unwrap();
            faulty.inject(Fault { site: Site::NthOf(Operation::StartContainer, 1), side, kind });
            docker.start_container(&id).await.unwrap();
            sleep(seconds(2)).await;
            let second = docker.inspect_container(&id).await.unwrap();
            assert_ne!(first.started_at, second.started_at, "{kind:?} {side:?}");
            let starts = faulty.passed().into_iter().filter(|(call, side)| {
                call.operation == Operation::StartContainer && *side == Side::Before
            });
            assert!(starts.count() <= 3);
        }
    }
}

/// Copying into its volumes may take an engine longer than anybody waits for a reply.
#[tokio::test(start_paused = true)]
async fn a_container_that_is_still_being_made_is_waited_for_and_else_stays_unknown() {
    for shows_after in [Some(seconds(3)), None] {
        let (engine, faulty, docker, _) = faulty();
        docker.version().await.unwrap();
        faulty.inject(Fault::before(Site::NthOf(Operation::CreateContainer, 0), FaultKind::Lost));
        faulty.inject(Fault::before(
            Site::NthOf(Operation::CreateContainer, 1),
            FaultKind::Status(409),
        ));
        let shows = async {
            let Some(after) = shows_after else { return };
            sleep(after).await;
            engine.create_container(&request("1")).await.unwrap();
        };
        let wanted = request("1");
        let (made, ()) = tokio::join!(docker.create_container(&wanted), shows);
        if shows_after.is_some() {
            assert_eq!(made.unwrap().id, engine.containers()[0].id);
        } else {
            let error = made.unwrap_err();
            assert!(matches!(error, ApiError::Lost { .. }), "{error:?}");
            assert!(error.effect_unknown() && error.is_transient());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_program_is_asked_to_stop_once_and_killed_for_sure() {
    for (signal, asked) in [(Signal::Term, 1), (Signal::Kill, 2)] {
        let (engine, faulty, docker, _) = faulty();
        engine.script(ScriptedRun::never_ends());
        docker.version().await.unwrap();
        let id = docker.create_container(&request("1")).await.unwrap().id;
        docker.start_container(&id).await.unwrap();
        faulty.inject(Fault::before(Site::NthOf(Operation::KillContainer, 0), FaultKind::Lost));
        let killed = docker.kill_container(&id, signal).await;
        assert_eq!(killed.is_ok(), signal == Signal::Kill, "{killed:?}");
        let calls = faulty.calls().into_iter();
        let kills = calls.filter(|call| call.operation == Operation::KillContainer);
        assert_eq!(kills.count(), asked);
    }
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_never_answered_is_an_error_at_once() {
    let engine = engine();
    engine.unreachable();
    let (docker, events) = steady(&engine);
    let begin = Instant::now();
    let error = docker.version().await.unwrap_err();
    let refused = ConnectFailure::Refused;
    assert!(matches!(error, ApiError::Unreachable { failure, .. } if failure == refused));
    assert!(begin.elapsed() < seconds(1));
    assert_eq!(events.to_string(), "retried");
}

/// An engine that can go away, behind a steady handle.
fn faulty() -> (FakeDocker, FaultyDocker, SteadyDocker, Events) {
    let engine = engine();
    let faulty = FaultyDocker::new(Arc::new(engine.clone()));
    let events = Events::default();
    let observer = Arc::new(events.clone());
    let policy = RetryPolicy::default();
    let docker = SteadyDocker::with_observer(Arc::new(faulty.clone()), policy, observer);
    (engine, faulty, docker, events)
}

fn away_from(call: usize) -> Fault {
    Fault::before(Site::From(call), FaultKind::Unreachable)
}

#[tokio::test(start_paused = true)]
async fn all_callers_wait_for_an_engine_that_is_away_and_one_asks() {
    let (_, faulty, docker, events) = faulty();
    docker.info().await.unwrap();
    faulty.inject(away_from(1));
    let back = async {
        sleep(seconds(50)).await;
        faulty.heal();
    };
    let calls = futures_util::future::join_all((0..20).map(|_| docker.list_volumes(&[])));
    let (replies, ()) = tokio::join!(calls, back);
    assert!(replies.iter().all(Result::is_ok), "{replies:?}");
    assert_eq!(docker.outages(), 1);
    let of = |word: &str| events.0.lock().unwrap().iter().filter(|event| *event == word).count();
    assert_eq!((of("lost"), of("back"), of("gone")), (1, 1, 0));
    // 20 requests twice, and the looks of one: at most five a second.
    let sent = faulty.calls().len();
    assert!(sent < 40 + 5 * 50, "{sent}");
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_stays_away_is_given_up_for_all_and_found_again_later() {
    let (_, faulty, docker, events) = faulty();
    docker.info().await.unwrap();
    faulty.inject(away_from(1));
    let begin = Instant::now();
    let (one, other) = tokio::join!(docker.version(), docker.list_volumes(&[]));
    assert!(matches!(one, Err(ApiError::Gone { operation: Operation::Version, .. })), "{one:?}");
    assert!(matches!(other, Err(ApiError::Gone { .. })), "{other:?}");
    assert!(begin.elapsed() <= seconds(60), "{:?}", begin.elapsed());
    // Nobody waits a second time.
    let begin = Instant::now();
    let again = docker.version().await.unwrap_err();
    assert!(matches!(again, ApiError::Gone { .. }) && again.is_transient(), "{again:?}");
    assert!(begin.elapsed() < seconds(1));
    faulty.heal();
    docker.version().await.unwrap();
    assert!(events.to_string().ends_with("gone retried back"), "{events}");
}

#[tokio::test(start_paused = true)]
async fn another_engine_at_the_address_is_asked_for_nothing() {
    let engine = engine();
    let (docker, events) = steady(&engine);
    docker.info().await.unwrap();
    let id = docker.create_container(&request("1")).await.unwrap().id;
    engine.vanish_container(&id);
    engine.set_identity("another");
    let error = docker.remove_container(&id).await.unwrap_err();
    assert!(matches!(&error, ApiError::Changed { found, .. } if found == "another"), "{error:?}");
    let sent = engine.calls().len();
    let name = "berth-t1-x".parse().unwrap();
    assert!(matches!(docker.remove_volume(&name).await, Err(ApiError::Changed { .. })));
    assert_eq!(engine.calls().len(), sent);
    assert_eq!(events.to_string(), "changed");
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_leaves_the_looking_to_another() {
    let (_, faulty, docker, _) = faulty();
    docker.version().await.unwrap();
    faulty.inject(away_from(1));
    let first = tokio::time::timeout(seconds(5), docker.version());
    let back = async {
        sleep(seconds(20)).await;
        faulty.heal();
    };
    let (first, second, ()) = tokio::join!(first, docker.version(), back);
    assert!(first.is_err());
    second.unwrap();
}

#[tokio::test(start_paused = true)]
async fn requests_beyond_the_limit_queue() {
    let engine = engine();
    let inner: Arc<dyn DockerApi> = Arc::new(engine.clone());
    let docker = SteadyDocker::new(inner, RetryPolicy::default().with_in_flight(2));
    engine.hold(Operation::ListVolumes);
    let held = || tokio::time::timeout(seconds(10), docker.list_volumes(&[]));
    let third = async {
        sleep(seconds(1)).await;
        let begin = Instant::now();
        docker.version().await.unwrap();
        begin.elapsed()
    };
    let (_, _, waited) = tokio::join!(held(), held(), third);
    assert_eq!(waited, seconds(9));
}

#[tokio::test(start_paused = true)]
async fn a_job_survives_an_outage_of_nearly_a_minute_at_every_request() {
    for k in 1.. {
        let (engine, faulty, docker, _) = faulty();
        docker.info().await.unwrap();
        faulty.inject(away_from(k));
        let back = async {
            sleep(seconds(58)).await;
            faulty.heal();
        };
        let job = job([step("a")]);
        let (result, ()) = tokio::join!(run_on(Arc::new(docker), &job), back);
        assert_succeeded(&result);
        assert_clean(&engine, &result);
        if faulty.met() == 0 {
            assert!(k >= 8, "{k}");
            return;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_engine_stays_away_names_the_phase_and_may_be_run_again() {
    let (_, faulty, docker, _) = faulty();
    faulty.inject(away_from(2));
    let begin = Instant::now();
    let result = run_on(Arc::new(docker), &job([program("a")])).await;
    let error = error(&result, Phase::Prepare, true);
    let RunError::Prepare(PrepareError::Engine(ApiError::Gone { operation, after, .. })) = error
    else {
        panic!("{error:?}")
    };
    assert_eq!((*operation, *after), (Operation::CreateContainer, seconds(60)));
    assert!(begin.elapsed() < seconds(70), "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_future_is_dropped_is_cleaned_up_all_the_same() {
    let engine = engine();
    engine.script(ScriptedRun::exits(0).lasting(seconds(600)));
    let executor = executor(&engine);
    let job = job([step("a")]);
    let cancel = Cancel::new();
    let run = executor.job(&job).cancel(&cancel).run();
    assert!(tokio::time::timeout(seconds(5), run).await.is_err());
    assert_eq!(engine.containers().len(), 1);
    let begin = Instant::now();
    executor.idle().await;
    assert!(begin.elapsed() <= seconds(5), "{:?}", begin.elapsed());
    assert!(engine.containers().is_empty());
    assert!(!cancel.is_stopped(), "the handle of others is not touched");
}

/// Panics when a step begins.
#[derive(Debug)]
struct Panicking;

impl Observer for Panicking {
    fn event(&self, event: &Event<'_>) {
        assert!(!matches!(event.kind, JobEvent::StepStarted { .. }), "the observer's own fault");
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_callers_own_code_fails_the_job_and_cleans_it_up() {
    let engine = engine();
    let executor = executor(&engine).with_observer(Arc::new(Panicking));
    let job = job([step("a")]);
    let result = executor.job(&job).run().await.unwrap();
    let error = error(&result, Phase::Script, false);
    assert!(matches!(error, RunError::Panicked { .. }), "{error:?}");
    assert_eq!(words(&result), [("a", "failed")]);
    assert_clean(&engine, &result);
}

/// Panics where it is told to.
#[derive(Debug)]
struct PanickingSink(&'static str);

#[async_trait]
impl LogSink for PanickingSink {
    async fn write(&mut self, _chunk: &LogChunk) -> io::Result<()> {
        assert_ne!(self.0, "write", "the sink's own fault");
        Ok(())
    }

    async fn begin(&mut self, _step: &str) -> io::Result<()> {
        assert_ne!(self.0, "begin", "the sink's own fault");
        Ok(())
    }

    async fn end(&mut self, _step: &str) -> io::Result<()> {
        assert_ne!(self.0, "end", "the sink's own fault");
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_callers_sink_fails_the_job_and_cleans_it_up() {
    for place in ["begin", "write", "end"] {
        let engine = engine();
        engine.script(ScriptedRun::exits(0).prints_stdout("out\n").lasting(seconds(1)));
        let result = run_into(&engine, &job([step("a"), step("b")]), PanickingSink(place)).await;
        let error = error(&result, Phase::Script, false);
        let RunError::Panicked { message } = error else { panic!("{place}: {error:?}") };
        assert!(message.contains("the sink's own fault"), "{place}: {message}");
        assert!(error.hint().is_some(), "{place}");
        assert_eq!(words(&result), [("a", "failed"), ("b", "skipped")], "{place}");
        let LogEnd::Truncated(Truncation::Panicked(message)) = &result.log else {
            panic!("{place}: {:?}", result.log)
        };
        assert!(message.contains("the sink's own fault"), "{place}: {message}");
        assert_clean(&engine, &result);
        assert!(engine.scripts().len() <= 1, "{place}: no step follows");
    }
}

/// Runs a job with a cache, one request of which the engine fails at; returns whether it succeeded, and
/// its requests.
async fn succeeds(
    fails: Operation,
    executor: impl Fn(Arc<dyn DockerApi>, ExecutorConfig) -> Executor,
) -> (bool, u64) {
    let engine = engine();
    let mut job = job([step("a")]);
    job.volumes = vec!["/cache".to_owned()];
    engine.refuse_once(fails, status(fails, 500));
    let executor = executor(Arc::new(engine), ExecutorConfig::new("ci")).without_instance();
    let result = executor.job(&job).run().await.unwrap();
    (matches!(result.outcome, JobOutcome::Succeeded), result.api_requests)
}

fn volumes_on(docker: &Arc<dyn DockerApi>) -> Arc<DockerVolumeManager> {
    Arc::new(DockerVolumeManager::new(Arc::clone(docker)))
}

#[tokio::test(start_paused = true)]
async fn an_executor_repeats_requests_by_default() {
    let by_default = |docker, config| {
        let volumes = volumes_on(&docker);
        Executor::new(docker, volumes, config)
    };
    let as_is = |docker, config| {
        let volumes = volumes_on(&docker);
        Executor::with_engine_as_is(docker, volumes, config)
    };
    assert!(succeeds(Operation::Version, by_default).await.0);
    assert!(!succeeds(Operation::Version, as_is).await.0);
    // The volume manager has the engine that it was given.
    assert!(!succeeds(Operation::CreateVolume, by_default).await.0);
    assert!(succeeds(Operation::CreateVolume, Executor::for_engine).await.0);
    // Pruning is no part of a job: nothing fails, and the default costs no request.
    let untroubled = Operation::PruneVolumes;
    let (succeeded, requests) = succeeds(untroubled, as_is).await;
    assert!(succeeded);
    assert_eq!(succeeds(untroubled, by_default).await, (true, requests));
    assert_eq!(succeeds(untroubled, Executor::for_engine).await, (true, requests));
}

#[tokio::test(start_paused = true)]
async fn a_steady_engine_keeps_its_own_policy() {
    let impatient = |docker, config| {
        let docker = SteadyDocker::new(docker, RetryPolicy::default().with_retries(0));
        Executor::for_engine(Arc::new(docker), config)
    };
    assert!(!succeeds(Operation::Version, impatient).await.0);
}
