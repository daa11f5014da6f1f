//! An engine that is unreachable for a time.

use std::sync::Arc;

use docker_api_trait::{
    ApiError, ConnectFailure, ContainerApi as _, DockerApi, Operation, SystemApi as _,
    VolumeApi as _,
};
use executor::{
    Cancel, RetryPolicy, SteadyDocker,
    error::{PrepareError, RunError},
    outcome::Phase,
};
use testkit::{Fault, FaultKind, ScriptedRun, Site};
use tokio::time::{Instant, sleep};

use super::{faulty, request, steady};
use crate::common::{
    assert_clean, assert_succeeded, engine, error, executor, job, program, run_on, seconds, step,
};

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
