//! Further programs in containers.

use docker_api_trait::{ExecId, ExecRequest};

use super::*;

const TERM_ALL: [&str; 3] = ["sh", "-c", "kill -TERM -1"];
const KILL_ALL: [&str; 3] = ["sh", "-c", "kill -KILL -1"];

impl Lab {
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
    a_program_writes_and_ends_with_its_code(lab)
    sees [
        "ExecDetails { running: false, exit_code: None }", r#""out\n" "err\n" ended"#,
        "ExecDetails { running: false, exit_code: Some(4) }", "running 0",
    ]; {
        let id = lab.started("job", Program::Sleeps).await;
        let run = ScriptedRun::exits(4).prints_stdout("out\n").prints_stderr("err\n");
        let exec = lab.exec(&id, &["sh", "-c", "echo out; echo err >&2; exit 4"], run).await;
        vec![
            lab.look(&exec).await,
            read(lab.engine.start_exec(&exec).await.unwrap()).await,
            lab.look(&exec).await,
            lab.status(&id).await,
        ]
    }

    a_program_needs_a_command_and_a_container_that_runs(lab)
    sees ["conflict", "rejected", "conflict", "not found"]; {
        let id = lab.create(&lab.job("job", Program::Sleeps)).await;
        let nothing: [&str; 0] = [];
        let create = async |command: &[&str]| {
            let request = ExecRequest::new(command.iter().copied());
            done(lab.engine.create_exec(&id, &request).await.map(drop))
        };
        let mut all = vec![create(&["true"]).await];
        lab.engine.start_container(&id).await.unwrap();
        all.push(create(&nothing).await);
        lab.engine.stop_container(&id, GRACE).await.unwrap();
        all.push(create(&["true"]).await);
        lab.engine.remove_container(&id).await.unwrap();
        all.push(create(&["true"]).await);
        all
    }

    a_program_runs_once(lab)
    sees [
        r#""Error: Exec command ID is already running\r\n" "" ended"#,
        r#""Error: Exec command ID has already run\r\n" "" ended"#,
    ]; {
        let id = lab.started("job", Program::Sleeps).await;
        let again = async |exec: &ExecId| {
            let output = read(lab.engine.start_exec(exec).await.unwrap()).await;
            output.replace(exec.as_str(), "ID")
        };
        let script = ["sh", "-c", "echo up; exec sleep 600"];
        let run = ScriptedRun::never_ends().prints_stdout("up\n");
        let sleeping = lab.exec(&id, &script, run).await;
        let mut output = lab.engine.start_exec(&sleeping).await.unwrap();
        // Before it has written, the engine may still be about to run it.
        assert_eq!(output.next().await.unwrap().unwrap().bytes, "up\n");
        let mut all = vec![again(&sleeping).await];
        drop(output);
        let ended = lab.exec(&id, &["true"], ScriptedRun::exits(0)).await;
        read(lab.engine.start_exec(&ended).await.unwrap()).await;
        all.push(again(&ended).await);
        all
    }

    programs_end_with_their_container_and_those_that_never_ran_are_forgotten(lab)
    sees [
        "ExecDetails { running: true, exit_code: None }", r#""" "" ended"#,
        "ExecDetails { running: false, exit_code: Some(137) }", "not found", "not found",
        "engine error 5xx", "not found", "not found",
    ]; {
        let id = lab.started("job", Program::Sleeps).await;
        let script = ["sh", "-c", "echo up; exec sleep 600"];
        let run = ScriptedRun::never_ends().prints_stdout("up\n");
        let sleeping = lab.exec(&id, &script, run).await;
        let mut output = lab.engine.start_exec(&sleeping).await.unwrap();
        // Before it has written, the engine may still be about to run it.
        assert_eq!(output.next().await.unwrap().unwrap().bytes, "up\n");
        let prepared = lab.exec(&id, &["true"], ScriptedRun::never_ends()).await;
        let mut all = vec![lab.look(&sleeping).await];
        lab.engine.stop_container(&id, GRACE).await.unwrap();
        all.push(read(output).await);
        all.push(lab.look(&sleeping).await);
        all.push(lab.look(&prepared).await);
        all.push(done(lab.engine.start_exec(&prepared).await.map(drop)));
        all.push(done(lab.engine.start_exec(&sleeping).await.map(drop)));
        lab.engine.remove_container(&id).await.unwrap();
        all.push(lab.look(&sleeping).await);
        all.push(done(lab.engine.start_exec(&sleeping).await.map(drop)));
        all
    }

    a_signal_to_all_ends_the_container_and_not_its_sender(lab)
    sees [r#""" "" ended"#, "exited 143", "0", r#""" "" ended"#, "exited 137", "0"]; {
        let mut all = Seen::new();
        for (hint, command) in [("asked", TERM_ALL), ("killed", KILL_ALL)] {
            let id = lab.started(hint, Program::Sleeps).await;
            let exit = lab.engine.wait_container(&id, WaitCondition::NextExit).await.unwrap();
            let exec = lab.exec(&id, &command, ScriptedRun::exits(0)).await;
            all.push(read(lab.engine.start_exec(&exec).await.unwrap()).await);
            exit.await.unwrap();
            all.push(lab.status(&id).await);
            let code = lab.engine.inspect_exec(&exec).await.unwrap().exit_code;
            all.push(code.unwrap().to_string());
        }
        all
    }
}
