//! Containers over time: runs, exits and output.

use crate::conformance::docker_api::prelude::*;

behaviours! {
    a_container_is_created_then_running_then_exited(subject)
    sees ["created 0", "running 0", "ok", "running 0", "ok", "exited 143"]; {
        let id = subject.create(&subject.job("job", Program::Sleeps)).await;
        let mut all = vec![subject.status(&id).await];
        subject.engine.start_container(&id).await.unwrap();
        all.push(subject.status(&id).await);
        all.push(done(subject.engine.start_container(&id).await));
        all.push(subject.status(&id).await);
        all.push(done(subject.engine.stop_container(&id, GRACE).await));
        all.push(subject.status(&id).await);
        all
    }

    a_waiter_registered_before_the_start_sees_the_exit_code(subject)
    sees ["exit 3", "exit 3", "exited 3"]; {
        let id = subject.create(&subject.job("job", Program::Exits3)).await;
        let exit = subject.engine.wait_container(&id, WaitCondition::NextExit).await.unwrap();
        subject.engine.start_container(&id).await.unwrap();
        let code = seen(exit.await.map(|status| format!("exit {}", status.code)));
        vec![code, subject.exit(&id, WaitCondition::NotRunning).await, subject.status(&id).await]
    }

    a_created_container_counts_as_not_running_with_code_0(subject)
    sees ["exit 0"]; {
        let id = subject.create(&subject.job("job", Program::Exits3)).await;
        vec![subject.exit(&id, WaitCondition::NotRunning).await]
    }

    the_next_exit_of_an_exited_container_comes_only_when_it_runs_again(subject)
    sees ["nothing", "exit 3"]; {
        let id = subject.exited("job", Program::Exits3).await;
        let mut exit = subject.engine.wait_container(&id, WaitCondition::NextExit).await.unwrap();
        let early = timeout(NEVER, &mut exit).await;
        subject.engine.start_container(&id).await.unwrap();
        let code = seen(exit.await.map(|status| format!("exit {}", status.code)));
        vec![if early.is_ok() { "something" } else { "nothing" }.to_owned(), code]
    }

    waiters_of_a_removed_container_get_137_or_the_last_code(subject)
    sees ["exit 0", "exit 3", "exit 137"]; {
        let created = subject.create(&subject.job("created", Program::Exits3)).await;
        let exited = subject.exited("exited", Program::Exits3).await;
        let running = subject.started("running", Program::Sleeps).await;
        let mut all = Seen::new();
        for id in [created, exited, running] {
            let exit = subject.engine.wait_container(&id, WaitCondition::NextExit).await.unwrap();
            subject.engine.remove_container(&id).await.unwrap();
            all.push(seen(exit.await.map(|status| format!("exit {}", status.code))));
        }
        all
    }

    stopping_what_does_not_run_is_fine(subject)
    sees ["ok", "created 0", "ok", "exited 3"]; {
        let created = subject.create(&subject.job("created", Program::Exits3)).await;
        let exited = subject.exited("exited", Program::Exits3).await;
        let mut all = Seen::new();
        for id in [created, exited] {
            all.push(done(subject.engine.stop_container(&id, GRACE).await));
            all.push(subject.status(&id).await);
        }
        all
    }

    who_ignores_the_stop_is_killed_after_the_grace(subject)
    sees ["ok", "exited 137"]; {
        let id = subject.create(&subject.job("job", Program::SleepsThroughStop)).await;
        let mut output = subject.engine.attach_container(&id).await.unwrap();
        subject.engine.start_container(&id).await.unwrap();
        // The program is deaf from here on.
        output.next().await.unwrap().unwrap();
        drop(output);
        let stopped = subject.engine.stop_container(&id, Duration::from_millis(500)).await;
        vec![done(stopped), subject.status(&id).await]
    }

    who_attaches_before_the_start_reads_both_outputs_apart(subject)
    sees [r#""out\n" "err\n" ended"#]; {
        let id = subject.create(&subject.job("job", Program::PrintsToBoth)).await;
        let output = subject.engine.attach_container(&id).await.unwrap();
        subject.engine.start_container(&id).await.unwrap();
        vec![read(output).await]
    }

    who_attaches_to_an_exited_container_reads_its_next_run(subject)
    sees [r#""" "" open"#, r#""out\n" "err\n" ended"#]; {
        let id = subject.exited("job", Program::PrintsToBoth).await;
        let early = subject.engine.attach_container(&id).await.unwrap();
        let late = subject.engine.attach_container(&id).await.unwrap();
        let nothing = read_open(early).await;
        subject.engine.start_container(&id).await.unwrap();
        vec![nothing, read(late).await]
    }

    a_removal_ends_the_output_of_a_container_that_runs_and_of_no_other(subject)
    sees [r#""" "" open"#, r#""" "" ended"#]; {
        let created = subject.create(&subject.job("created", Program::Exits3)).await;
        let running = subject.started("running", Program::Sleeps).await;
        let removed = async |id: &ContainerId| {
            let output = subject.engine.attach_container(id).await.unwrap();
            subject.engine.remove_container(id).await.unwrap();
            output
        };
        vec![read_open(removed(&created).await).await, read(removed(&running).await).await]
    }

    a_signal_ends_what_runs_and_finds_nobody_else(subject)
    sees ["conflict", "ok", "exited 143", "conflict", "ok", "exited 137", "not found"]; {
        let created = subject.create(&subject.job("created", Program::Sleeps)).await;
        let mut all = vec![done(subject.engine.kill_container(&created, Signal::Term).await)];
        for (hint, signal) in [("asked", Signal::Term), ("killed", Signal::Kill)] {
            let id = subject.started(hint, Program::Sleeps).await;
            let exit = subject.engine.wait_container(&id, WaitCondition::NextExit).await.unwrap();
            all.push(done(subject.engine.kill_container(&id, signal).await));
            exit.await.unwrap();
            all.push(subject.status(&id).await);
            if signal == Signal::Term {
                all.push(done(subject.engine.kill_container(&id, signal).await));
            }
        }
        subject.engine.remove_container(&created).await.unwrap();
        all.push(done(subject.engine.kill_container(&created, Signal::Kill).await));
        all
    }

    a_container_has_the_times_of_its_last_run(subject)
    sees ["started false, finished false", "started true, finished false", "started true, finished true"]; {
        let id = subject.create(&subject.job("job", Program::Sleeps)).await;
        let mut all = Seen::new();
        for call in ["none", "start", "stop"] {
            match call {
                "start" => subject.engine.start_container(&id).await.unwrap(),
                "stop" => subject.engine.stop_container(&id, GRACE).await.unwrap(),
                _ => {}
            }
            let details = subject.engine.inspect_container(&id).await.unwrap();
            let there = |time: &str| time.starts_with("20") && time.ends_with('Z');
            let (started, finished) = (there(&details.started_at), there(&details.finished_at));
            assert_eq!(details.image, subject.engine.inspect_image(&subject.image).await.unwrap().id);
            assert_eq!((details.health, details.error.as_str()), (None, ""));
            all.push(format!("started {started}, finished {finished}"));
        }
        all
    }
}
