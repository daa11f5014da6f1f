//! What others do on the same engine: names that are taken, things that vanish, volumes that are
//! squatted.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use docker_api_trait::{ContainerApi as _, ContainerRequest, Operation, Volume};
use executor::{
    FailureReason, JobOutcome, JobResult,
    error::{PrepareError, RunError, StepError},
    outcome::Phase,
    sweep::{Kept, Leftover, Verdict},
};
use futures_util::{StreamExt as _, stream};
use testkit::{Call, Fault, FaultKind, Side, Site, VolumeRoot};
use tokio::time::sleep;
use volume_manager::{VolumeError, VolumeState};

use crate::{
    case::{Case, LOG, Scenario, calls},
    common::{error, seconds},
};

/// What happens at the first call of an operation, on one side of it.
fn at_first(case: &Case, operation: Operation, side: Side, act: impl Fn() + Send + Sync + 'static) {
    case.faulty.on_call(move |call, at| {
        if call.operation == operation && call.nth == 0 && at == side {
            act();
        }
        Box::pin(std::future::ready(()))
    });
}

#[tokio::test(start_paused = true)]
async fn a_name_that_a_stranger_has_fails_the_job_and_leaves_the_stranger() {
    let case = Case::new(Scenario::Programs).await;
    let engine = case.engine.clone();
    // The names are random: the stranger has to look over our shoulder.
    let stranger = engine.clone();
    case.faulty.on_call(move |call, side| {
        let stranger = stranger.clone();
        Box::pin(async move {
            if call.operation == Operation::CreateContainer && call.nth == 0 && side == Side::Before
            {
                let volumes = stranger.volumes();
                let ours = |one: &&Volume| one.labels["dev.berth.kind"] == "temporary";
                let run = &volumes.iter().find(ours).unwrap().labels["dev.berth.run"];
                let name = format!("berth-b1-app-{run}").parse().unwrap();
                let request = ContainerRequest::new(name, "busybox".parse().unwrap());
                stranger.create_container(&request).await.unwrap();
            }
        })
    });
    let (result, _) = case.run_beside_others().await;
    let error = error(&result, Phase::Prepare, true);
    assert!(matches!(error, RunError::Prepare(PrepareError::NameTaken { .. })), "{error:?}");
    let left = engine.containers();
    assert_eq!(left.len(), 1);
    assert!(left[0].labels.is_empty(), "the stranger's");
    engine.vanish_container(&left[0].id);
    case.assert_invariants("a taken name").await;
}

#[tokio::test(start_paused = true)]
async fn a_cache_that_vanishes_before_the_container_is_made_is_a_labelled_new_one() {
    let case = Case::new(Scenario::Happy).await;
    let engine = case.engine.clone();
    at_first(&case, Operation::CreateContainer, Side::Before, move || {
        for name in engine.volume_names() {
            engine.vanish_volume(&name.parse().unwrap());
        }
    });
    let (result, log) = case.run_beside_others().await;
    assert!(matches!(result.outcome, JobOutcome::Succeeded), "{:?}", result.outcome);
    case.assert_result("vanished volumes", &result, &log);
    let states: Vec<_> = result.volumes.states().into_iter().flatten().collect();
    assert!(states.contains(&VolumeState::Recreated), "{states:?}");
    let volumes = case.engine.volumes();
    assert_eq!(volumes.len(), 1, "{volumes:?}");
    assert!(volumes.iter().all(|volume| volume.labels.contains_key("dev.berth.schema")));
    assert!(case.engine.containers().is_empty() && case.engine.networks().is_empty());
}

/// Makes a volume another one under its name.
type Squat = fn(&mut Volume);

#[tokio::test(start_paused = true)]
async fn a_squatted_cache_is_never_mounted_and_left_as_it_is() {
    let squats: [(&str, Squat); 6] = [
        ("no labels", |volume| volume.labels.clear()),
        ("another owner", |volume| {
            volume.labels.insert("dev.berth.owner".to_owned(), "thief".to_owned());
        }),
        ("a bind of the host", |volume| {
            for (key, value) in [("type", "none"), ("o", "bind"), ("device", "/etc")] {
                volume.options.insert(key.to_owned(), value.to_owned());
            }
        }),
        ("another driver", |volume| "nfs".clone_into(&mut volume.driver)),
        ("another trust", |volume| {
            volume.labels.insert("dev.berth.trust".to_owned(), "trusted?".to_owned());
        }),
        ("another scope", |volume| "global".clone_into(&mut volume.scope)),
    ];
    let moments = [Operation::CreateVolume, Operation::CreateContainer];
    for ((what, squat), moment) in
        squats.into_iter().flat_map(|one| moments.map(|moment| (one, moment)))
    {
        let case = Case::new(Scenario::Programs).await;
        let caches = case.engine.volumes();
        let mut squatted = caches[0].clone();
        squat(&mut squatted);
        let (engine, stranger) = (case.engine.clone(), squatted.clone());
        let before = engine.calls().len();
        at_first(&case, moment, Side::Before, move || {
            engine.vanish_volume(&stranger.name.parse().unwrap());
            engine.insert_volume(stranger.clone());
        });
        let (result, _) = case.run_beside_others().await;
        let JobOutcome::Failed(reason) = &result.outcome else { panic!("{what}: {result:?}") };
        let FailureReason::System { error } = reason else { panic!("{what}: {reason:?}") };
        let refused = matches!(
            **error,
            RunError::Prepare(PrepareError::Volumes(VolumeError::Mismatch { .. }))
        );
        assert!(refused && !reason.is_retryable(), "{what}: {error:?}");
        assert_eq!(result.phase, Phase::Prepare, "{what}");
        assert!(!case.engine.calls()[before..].contains(&Operation::StartContainer), "{what}");
        assert!(case.engine.containers().is_empty(), "{what}");
        assert!(case.engine.volumes().contains(&squatted), "{what}");
        let root = case.engine.volume_root(&squatted.name).unwrap();
        assert_eq!(root, VolumeRoot::default(), "{what}: it is left as it is");
    }
}

#[tokio::test(start_paused = true)]
async fn a_container_that_others_remove_at_any_request_is_never_a_success() {
    let mut failures = 0;
    for scenario in Scenario::ALL {
        for call in calls(scenario).await {
            for side in Side::BOTH {
                let case = Case::new(scenario).await;
                let engine = case.engine.clone();
                case.faulty.on_call(move |at, of| {
                    if (at.number, of) == (call.number, side) {
                        for container in engine.containers() {
                            engine.vanish_container(&container.id);
                        }
                    }
                    Box::pin(std::future::ready(()))
                });
                let (result, log) = case.run().await;
                let what = format!("{scenario:?} {side:?} {call:?}");
                case.assert_result(&what, &result, &log);
                case.assert_invariants(&what).await;
                // After the one that filled the cache.
                let codes = &case.engine.exit_codes()[1..];
                failures +=
                    usize::from(assert_vanished(&what, scenario, (call, side), &result, codes));
            }
        }
    }
    assert!(failures >= 50, "{failures}");
}

/// Checks how a job ended whose containers were taken away at `place`, against what its steps have
/// ended with on the engine. Whether it failed with that.
fn assert_vanished(
    what: &str,
    scenario: Scenario,
    (call, side): (Call, Side),
    result: &JobResult,
    codes: &[i64],
) -> bool {
    if codes.len() == scenario.steps() {
        let as_usual = match &result.outcome {
            JobOutcome::Succeeded => scenario != Scenario::Failing,
            JobOutcome::Failed(FailureReason::Script { exit_code: 3, .. }) => {
                scenario == Scenario::Failing
            }
            _ => false,
        };
        assert!(as_usual && result.phase == Phase::Script, "{what}: {:?}", result.outcome);
        return false;
    }
    let in_shells = scenario.shells() > 0;
    let started = in_shells
        && match call.operation {
            Operation::StartContainer => call.nth > 1 || (call.nth == 1 && side == Side::After),
            Operation::InspectContainer | Operation::InspectImage => true,
            _ => false,
        };
    let error = error(result, result.phase, true);
    assert!(
        matches!(
            error,
            RunError::Prepare(PrepareError::ContainerVanished { .. })
                | RunError::Step(StepError::ContainerVanished { .. })
        ),
        "{what}: {error:?}"
    );
    // While it is made ready, which for a program of its own is at its step.
    let in_prepare = result.phase == Phase::Prepare
        && !started
        && !matches!(call.operation, Operation::StartContainer);
    let expected = if in_shells && !started { Phase::Start } else { Phase::Script };
    assert!(in_prepare || result.phase == expected, "{what}: {:?}", result.outcome);
    true
}

#[tokio::test(start_paused = true)]
async fn a_network_that_others_prune_at_any_request_is_named_and_the_job_may_be_run_again() {
    let mut failures = BTreeMap::new();
    let mut successes = 0;
    for scenario in [Scenario::Happy, Scenario::ServedPrograms] {
        for call in calls(scenario).await {
            for side in Side::BOTH {
                let case = Case::new(scenario).await;
                let engine = case.engine.clone();
                let pruned = Arc::new(AtomicUsize::new(0));
                let count = Arc::clone(&pruned);
                case.faulty.on_call(move |at, of| {
                    if (at.number, of) == (call.number, side) {
                        count.fetch_add(engine.vanish_unused_networks(), Ordering::Relaxed);
                    }
                    Box::pin(std::future::ready(()))
                });
                let (result, log) = case.run().await;
                let what = format!("{scenario:?} {side:?} {call:?}");
                case.assert_result(&what, &result, &log);
                assert!(result.cleanup.failed.is_empty(), "{what}: {:?}", result.cleanup);
                case.assert_untouched(&what).await;
                case.assert_invariants(&what).await;
                if matches!(result.outcome, JobOutcome::Succeeded) {
                    // Whatever was pruned was not needed any more.
                    assert_eq!(log, LOG.repeat(scenario.steps()), "{what}");
                    successes += 1;
                    continue;
                }
                assert_eq!(pruned.load(Ordering::Relaxed), 1, "{what}: {:?}", result.outcome);
                let error = error(&result, result.phase, true);
                let RunError::Prepare(PrepareError::NetworkVanished { network }) = error else {
                    panic!("{what}: {error:?}")
                };
                assert!(network.starts_with("berth-"), "{what}: {network}");
                assert!(error.is_retryable() && error.hint().is_some(), "{what}");
                // Programs are started with their steps.
                let phase = if scenario.shells() > 0 { Phase::Start } else { Phase::Script };
                assert_eq!(result.phase, phase, "{what}");
                *failures.entry(scenario.shells()).or_insert(0) += 1;
            }
        }
    }
    // From the network's creation on, until somebody is in it.
    assert!(failures.values().all(|count| *count >= 15) && failures.len() == 2, "{failures:?}");
    assert!(successes >= 30, "{successes}");
}

#[tokio::test(start_paused = true)]
async fn an_image_that_others_remove_before_the_container_is_made_is_pulled_again() {
    let case = Case::new(Scenario::Programs).await;
    let engine = case.engine.clone();
    at_first(&case, Operation::CreateContainer, Side::Before, move || {
        engine.vanish_image("busybox");
    });
    let engine = case.engine.clone().with_registry_image("busybox");
    let (result, _) = case.run().await;
    assert!(matches!(result.outcome, JobOutcome::Succeeded), "{:?}", result.outcome);
    assert!(engine.calls().contains(&Operation::PullImage));
    case.assert_invariants("a vanished image").await;
}

#[tokio::test(start_paused = true)]
async fn two_jobs_of_one_owner_at_once_leave_each_other_alone() {
    let case = Case::new(Scenario::Happy).await;
    let (mut sweeps, mut most) = (0, 0);
    let jobs = async { tokio::join!(case.run_beside_others(), case.run_beside_others()) };
    let sweeping = async {
        loop {
            let report = case.sweep().run().await.unwrap();
            assert!(report.is_complete() && report.removed.is_empty(), "{report:?}");
            let lives = |one: &Leftover| one.verdict == Verdict::Keep(Kept::Lives);
            assert!(report.kept.iter().all(lives), "{report:?}");
            (sweeps, most) = (sweeps + 1, report.kept.len().max(most));
            sleep(seconds(1)).await;
        }
    };
    let (one, other) = tokio::select! {
        jobs = jobs => jobs,
        () = sweeping => unreachable!("it has no end"),
    };
    for (result, log) in [one, other] {
        assert!(matches!(result.outcome, JobOutcome::Succeeded), "{:?}", result.outcome);
        assert!(result.cleanup.failed.is_empty(), "{:?}", result.cleanup);
        assert_eq!(log, LOG.repeat(Scenario::Happy.steps()));
    }
    // Of each job three containers, a network and a temporary volume were there to be taken.
    assert!(sweeps >= 20 && most == 10, "{sweeps} sweeps saw {most}");
    case.assert_invariants("two at once").await;
}

#[tokio::test(start_paused = true)]
async fn a_hundred_jobs_at_once_on_one_handle_queue_and_succeed() {
    let case = Case::new(Scenario::Programs).await;
    let jobs: Vec<_> = (0..100).map(|_| case.run_beside_others()).collect();
    let mut ended = stream::iter(jobs).buffer_unordered(100);
    while let Some((result, _)) = ended.next().await {
        assert!(matches!(result.outcome, JobOutcome::Succeeded), "{:?}", result.outcome);
    }
    drop(ended);
    case.assert_invariants("a hundred").await;
}

#[test]
fn a_runtime_that_is_shut_down_in_the_middle_leaves_only_what_a_sweep_finds() {
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
    };
    for operation in
        [Operation::CreateContainer, Operation::StartContainer, Operation::RemoveContainer]
    {
        let first = runtime();
        let case = first.block_on(async {
            let case = Case::new(Scenario::Programs).await;
            case.faulty.inject(Fault::after(Site::EveryOf(operation), FaultKind::Hang));
            let run = tokio::time::timeout(std::time::Duration::from_millis(50), case.run());
            assert!(run.await.is_err(), "{operation:?} hangs");
            case
        });
        first.shutdown_background();
        let second = runtime();
        second.block_on(case.assert_invariants(&format!("shut down at {operation:?}")));
    }
}
