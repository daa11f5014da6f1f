//! Requests that fail and are repeated.

use docker_api_trait::{
    ApiError, ContainerApi as _, NetworkApi as _, NetworkRequest, Operation, Signal, SystemApi as _,
};
use testkit::{Fault, FaultKind, ScriptedRun, Side, Site};
use tokio::time::sleep;

use super::{faulty, request, status, steady};
use crate::common::{engine, seconds};

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
