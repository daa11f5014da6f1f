//! Let go of, or killed, at every await point: what is cleaned up by itself, and what a sweep finds.

use std::task::Poll;

use crate::case::{Case, Scenario};

/// Polls so often; whether it has ended by then.
async fn ends_within<T>(polls: usize, future: impl Future<Output = T>) -> bool {
    let mut future = std::pin::pin!(future);
    let mut polled = 0;
    std::future::poll_fn(|context| {
        if polled == polls {
            return Poll::Ready(false);
        }
        polled += 1;
        future.as_mut().poll(context).map(|_| true)
    })
    .await
}

async fn dropped_everywhere(scenario: Scenario) -> usize {
    for polls in 0.. {
        let case = Case::new(scenario).await;
        case.engine.take_turns();
        let dropped = case.run_and_drop_after(polls).await;
        case.assert_invariants(&format!("{scenario:?} dropped after {polls} polls")).await;
        if !dropped {
            return polls;
        }
    }
    unreachable!("a job ends")
}

#[tokio::test(start_paused = true)]
async fn a_job_that_dies_at_any_await_point_is_swept_whole() {
    for scenario in Scenario::ALL {
        let points = dropped_everywhere(scenario).await;
        assert!(points >= 30, "{scenario:?}: {points}");
    }
}

/// After how many polls a job that dies leaves the most.
async fn fullest(scenario: Scenario) -> usize {
    let mut counts = Vec::new();
    for polls in 0.. {
        let case = Case::new(scenario).await;
        case.engine.take_turns();
        if !case.run_and_drop_after(polls).await {
            break;
        }
        counts.push(objects(&case));
    }
    (0..counts.len()).max_by_key(|polls| counts[*polls]).unwrap()
}

fn objects(case: &Case) -> usize {
    let engine = &case.engine;
    engine.containers().len() + engine.networks().len() + engine.volume_names().len()
}

#[tokio::test(start_paused = true)]
async fn a_sweep_that_dies_at_any_await_point_is_finished_by_the_next() {
    for scenario in Scenario::ALL {
        let fullest = fullest(scenario).await;
        let mut part_way = 0;
        for polls in 0.. {
            let case = Case::new(scenario).await;
            case.engine.take_turns();
            assert!(case.run_and_drop_after(fullest).await);
            let before = objects(&case);
            let sweep = case.sweep();
            let ended = ends_within(polls, sweep.run()).await;
            let after = objects(&case);
            // The cache is there to stay.
            assert!(before > after || !ended, "{scenario:?}");
            part_way += usize::from(!ended && after < before && after > 1);
            case.assert_invariants(&format!("{scenario:?}, swept for {polls} polls")).await;
            if ended {
                assert!(polls >= 8 && part_way >= 2, "{scenario:?}: {polls}, {part_way}");
                break;
            }
        }
    }
}

/// Lets go of a run after each of its requests begins or has had its effect, and some turns of the
/// runtime later.
async fn let_go_of_everywhere(scenario: Scenario, turns: usize) -> usize {
    for moment in 0.. {
        let case = Case::new(scenario).await;
        case.engine.take_turns();
        let let_go = case.run_and_let_go_at(moment, turns).await;
        let what = format!("{scenario:?} let go of at {moment} and {turns} turns");
        case.assert_untouched(&what).await;
        if !let_go {
            return moment;
        }
    }
    unreachable!("a job ends")
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_let_go_of_at_any_moment_is_cleaned_up_by_itself() {
    for scenario in Scenario::ALL {
        for turns in 0..4 {
            let moments = let_go_of_everywhere(scenario, turns).await;
            assert!(moments >= 36, "{scenario:?}: {moments}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_let_go_of_at_any_time_is_cleaned_up_by_itself() {
    for scenario in Scenario::ALL {
        for tenths in 0.. {
            let case = Case::new(scenario).await;
            let time = std::time::Duration::from_millis(100 * tenths);
            let let_go = case.run_and_let_go_after(time).await;
            case.assert_untouched(&format!("{scenario:?} let go of after {time:?}")).await;
            if !let_go {
                assert!(tenths >= 10, "{scenario:?}: {tenths}");
                break;
            }
        }
    }
}
