//! Further programs in containers.

use docker_api_trait::{ExecId, ExecRequest};

use crate::conformance::docker_api::prelude::*;

const TERM_ALL: [&str; 3] = ["sh", "-c", "kill -TERM -1"];
const KILL_ALL: [&str; 3] = ["sh", "-c", "kill -KILL -1"];

impl Subject {
    /// Prepares a program; the fake plays `run` for it.
    async fn exec(&self, id: &ContainerId, command: &[&str], run: ScriptedRun) -> ExecId {
        if let Some(fake) = &self.fake {
            fake.script_exec(run);
        }
        self.engine.create_exec(id, &ExecRequest::new(command.iter().copied())).await.unwrap()
    }

    async fn look(&self, exec: &ExecId) -> String {
        seen(self.engine.inspect_exec(exec).await.map(|details| format!("{details:?}")))
    }
}

behaviours! {
    a_program_writes_and_ends_with_its_code(subject)
    sees [
        "ExecDetails { running: false, exit_code: None }", r#""out\n" "err\n" ended"#,
        "ExecDetails { running: false, exit_code: Some(4) }", "running 0",
    ]; {
        let id = subject.started("job", Program::Sleeps).await;
        let run = ScriptedRun::exits(4).prints_stdout("out\n").prints_stderr("err\n");
        let exec = subject.exec(&id, &["sh", "-c", "echo out; echo err >&2; exit 4"], run).await;
        vec![
            subject.look(&exec).await,
            read(subject.engine.start_exec(&exec).await.unwrap()).await,
            subject.look(&exec).await,
            subject.status(&id).await,
        ]
    }

    a_program_needs_a_command_and_a_container_that_runs(subject)
    sees ["conflict", "rejected", "conflict", "not found"]; {
        let id = subject.create(&subject.job("job", Program::Sleeps)).await;
        let nothing: [&str; 0] = [];
        let create = async |command: &[&str]| {
            let request = ExecRequest::new(command.iter().copied());
            done(subject.engine.create_exec(&id, &request).await.map(drop))
        };
        let mut all = vec![create(&["true"]).await];
        subject.engine.start_container(&id).await.unwrap();
        all.push(create(&nothing).await);
        subject.engine.stop_container(&id, GRACE).await.unwrap();
        all.push(create(&["true"]).await);
        subject.engine.remove_container(&id).await.unwrap();
        all.push(create(&["true"]).await);
        all
    }

    a_program_runs_once(subject)
    sees [
        r#""Error: Exec command ID is already running\r\n" "" ended"#,
        r#""Error: Exec command ID has already run\r\n" "" ended"#,
    ]; {
        let id = subject.started("job", Program::Sleeps).await;
        let again = async |exec: &ExecId| {
            let output = read(subject.engine.start_exec(exec).await.unwrap()).await;
            output.replace(exec.as_str(), "ID")
        };
        let script = ["sh", "-c", "echo up; exec sleep 600"];
        let run = ScriptedRun::never_ends().prints_stdout("up\n");
        let sleeping = subject.exec(&id, &script, run).await;
        let mut output = subject.engine.start_exec(&sleeping).await.unwrap();
        // Before it has written, the engine may still be about to run it.
        assert_eq!(output.next().await.unwrap().unwrap().bytes, "up\n");
        let mut all = vec![again(&sleeping).await];
        drop(output);
        let ended = subject.exec(&id, &["true"], ScriptedRun::exits(0)).await;
        read(subject.engine.start_exec(&ended).await.unwrap()).await;
        all.push(again(&ended).await);
        all
    }

    programs_end_with_their_container_and_those_that_never_ran_are_forgotten(subject)
    sees [
        "ExecDetails { running: true, exit_code: None }", r#""" "" ended"#,
        "ExecDetails { running: false, exit_code: Some(137) }", "not found", "not found",
        "engine error 5xx", "not found", "not found",
    ]; {
        let id = subject.started("job", Program::Sleeps).await;
        let script = ["sh", "-c", "echo up; exec sleep 600"];
        let run = ScriptedRun::never_ends().prints_stdout("up\n");
        let sleeping = subject.exec(&id, &script, run).await;
        let mut output = subject.engine.start_exec(&sleeping).await.unwrap();
        // Before it has written, the engine may still be about to run it.
        assert_eq!(output.next().await.unwrap().unwrap().bytes, "up\n");
        let prepared = subject.exec(&id, &["true"], ScriptedRun::never_ends()).await;
        let mut all = vec![subject.look(&sleeping).await];
        subject.engine.stop_container(&id, GRACE).await.unwrap();
        all.push(read(output).await);
        all.push(subject.look(&sleeping).await);
        all.push(subject.look(&prepared).await);
        all.push(done(subject.engine.start_exec(&prepared).await.map(drop)));
        all.push(done(subject.engine.start_exec(&sleeping).await.map(drop)));
        subject.engine.remove_container(&id).await.unwrap();
        all.push(subject.look(&sleeping).await);
        all.push(done(subject.engine.start_exec(&sleeping).await.map(drop)));
        all
    }

    a_signal_to_all_ends_the_container_and_not_its_sender(subject)
    sees [r#""" "" ended"#, "exited 143", "ended", r#""" "" ended"#, "exited 137", "ended"]; {
        let mut all = Seen::new();
        for (hint, command) in [("asked", TERM_ALL), ("killed", KILL_ALL)] {
            let id = subject.started(hint, Program::Sleeps).await;
            let exit = subject.engine.wait_container(&id, WaitCondition::NextExit).await.unwrap();
            let exec = subject.exec(&id, &command, ScriptedRun::exits(0)).await;
            all.push(read(subject.engine.start_exec(&exec).await.unwrap()).await);
            exit.await.unwrap();
            all.push(subject.status(&id).await);
            // With the container its sender may be killed before it has ended by itself.
            all.push(match subject.engine.inspect_exec(&exec).await.unwrap().exit_code {
                Some(0 | 137) => "ended".to_owned(),
                other => format!("{other:?}"),
            });
        }
        all
    }
}
