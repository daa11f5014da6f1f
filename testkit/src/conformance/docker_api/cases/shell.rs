//! Standard inputs, and a shell that is fed its steps through one.

use docker_api_trait::{Attachment, ExecRequest, Input};

use crate::conformance::docker_api::prelude::*;

/// What such a shell does, as short as can be: the executor's own is tested where it is.
const LOOP: &str = r#"
trap '' TERM
while read -r mark size; do
  [ -n "$size" ] || continue
  script=$(dd bs=1 count="$size" 2>/dev/null)
  printf '%s+' "$mark"; printf '%s+' "$mark" >&2
  (trap - TERM; eval "$script") </dev/null
  code=$?
  printf '%s-%s.' "$mark" "$code"; printf '%s-%s.' "$mark" "$code" >&2
done
exit 0
"#;

impl Subject {
    async fn shell(&self, hint: &str, input: Input) -> ContainerId {
        let mut request = self.job(hint, Program::Exits3);
        request.entrypoint = vec!["sh".to_owned()];
        request.arguments = ["-c", r#"eval "$1""#, "berth", LOOP].map(ToOwned::to_owned).to_vec();
        request.input = input;
        self.create(&request).await
    }

    async fn attach(&self, id: &ContainerId) -> Attachment {
        self.engine.attach_container_with_input(id).await.unwrap()
    }

    /// Sends every process but the init a signal.
    async fn signal(&self, id: &ContainerId, signal: &str) {
        self.run_beside(id, &format!("kill -{signal} -1")).await;
    }

    /// Runs a script as a further program.
    async fn run_beside(&self, id: &ContainerId, script: &str) {
        let mut request = ExecRequest::new(["sh", "-c", script]);
        request.user = Some("0".to_owned());
        let exec = self.engine.create_exec(id, &request).await.unwrap();
        read(self.engine.start_exec(&exec).await.unwrap()).await;
    }
}

fn mark(number: u32) -> String {
    format!("{number:032x}")
}

async fn feed(attachment: &mut Attachment, number: u32, script: &str) {
    let mark = mark(number);
    let text = format!("{mark} {}\n{script}\n{mark}\n", script.len());
    attachment.input.write(text.into()).await.unwrap();
}

/// What comes on standard output until `end` does.
async fn until(attachment: &mut Attachment, end: &str) -> String {
    let mut stdout = String::new();
    while !stdout.contains(end) {
        let chunk = timeout(LONG, attachment.output.next()).await.expect("output in time");
        let Some(chunk) = chunk else {
            return format!("{stdout:?} ended");
        };
        let chunk = chunk.unwrap();
        if chunk.source == LogSource::Stdout {
            stdout.push_str(std::str::from_utf8(&chunk.bytes).unwrap());
        }
    }
    format!("{stdout:?}")
}

/// The same with the mark of the step `number` as `MARK`.
async fn step(attachment: &mut Attachment, number: u32) -> String {
    let mark = mark(number);
    until(attachment, &format!("{mark}-")).await.replace(&mark, "MARK")
}

behaviours! {
    steps_are_played_between_marks_on_both_outputs(subject)
    sees [r#""MARK+out\nMARK-3." "MARK+err\nMARK-3." ended"#, "exited 0"]; {
        let id = subject.shell("job", Input::Once).await;
        subject.script(ScriptedRun::exits(3).prints_stdout("out\n").prints_stderr("err\n"));
        let mut attachment = subject.attach(&id).await;
        subject.engine.start_container(&id).await.unwrap();
        feed(&mut attachment, 1, "echo out\necho err >&2; exit 3").await;
        attachment.input.close().await.unwrap();
        let output = read(attachment.output).await;
        let exit = subject.engine.wait_container(&id, WaitCondition::NotRunning).await.unwrap();
        exit.await.unwrap();
        vec![output.replace(&mark(1), "MARK"), subject.status(&id).await]
    }

    steps_that_come_at_once_are_played_one_after_another(subject)
    sees [r#""MARK+onetwoMARK-0.""#, r#""MARK+threeMARK-1.""#]; {
        let id = subject.shell("job", Input::Once).await;
        let pause = Duration::from_millis(300);
        subject.script(ScriptedRun::exits(0).prints_stdout("one").pausing(pause).prints_stdout("two"));
        subject.script(ScriptedRun::exits(1).prints_stdout("three"));
        let mut attachment = subject.attach(&id).await;
        // What is written before the start is read after it.
        feed(&mut attachment, 1, "printf one; sleep 0.3; printf two").await;
        feed(&mut attachment, 2, "printf three; exit 1").await;
        subject.engine.start_container(&id).await.unwrap();
        let both = until(&mut attachment, &format!("{}-1.", mark(2))).await;
        let (first, second) = both.split_at(both.find(&mark(2)).unwrap());
        vec![
            format!("{}\"", first.replace(&mark(1), "MARK")),
            format!("\"{}", second.replace(&mark(2), "MARK")),
        ]
    }

    an_input_that_ends_with_its_attachment_ends_the_shell_after_its_step(subject)
    sees ["running 0", "exit 0", "exited 0"]; {
        let id = subject.shell("job", Input::Once).await;
        subject.script(ScriptedRun::exits(5).lasting(Duration::from_secs(1)));
        let mut attachment = subject.attach(&id).await;
        subject.engine.start_container(&id).await.unwrap();
        feed(&mut attachment, 1, "until [ -e /go ]; do sleep 0.1; done; exit 5").await;
        until(&mut attachment, "+").await;
        let exit = subject.engine.wait_container(&id, WaitCondition::NextExit).await.unwrap();
        drop(attachment);
        let status = subject.status(&id).await;
        subject.run_beside(&id, ": > /go").await;
        let exit = seen(exit.await.map(|status| format!("exit {}", status.code)));
        vec![status, exit, subject.status(&id).await]
    }

    an_input_that_is_kept_goes_on_with_the_next_attachment(subject)
    sees [r#""MARK+MARK-4.""#, "running 0", r#""MARK+MARK-5.""#, "running 0"]; {
        let id = subject.shell("job", Input::Kept).await;
        subject.script(ScriptedRun::exits(4));
        subject.script(ScriptedRun::exits(5));
        let mut attachment = subject.attach(&id).await;
        subject.engine.start_container(&id).await.unwrap();
        feed(&mut attachment, 1, "exit 4").await;
        let mut all = vec![step(&mut attachment, 1).await];
        // Neither ends it.
        attachment.input.close().await.unwrap();
        drop(attachment);
        let mut attachment = subject.attach(&id).await;
        all.push(subject.status(&id).await);
        feed(&mut attachment, 2, "exit 5").await;
        all.push(step(&mut attachment, 2).await);
        drop(attachment);
        all.push(subject.status(&id).await);
        all
    }

    a_signal_to_all_ends_the_step_and_not_the_shell(subject)
    sees [r#""MARK+upMARK-143.""#, "running 0", r#""MARK+MARK-0.""#]; {
        let id = subject.shell("job", Input::Once).await;
        subject.script(ScriptedRun::never_ends().prints_stdout("up"));
        subject.script(ScriptedRun::exits(0));
        let mut attachment = subject.attach(&id).await;
        subject.engine.start_container(&id).await.unwrap();
        feed(&mut attachment, 1, "printf up; sleep 600").await;
        let begin = until(&mut attachment, "up").await;
        subject.signal(&id, "TERM").await;
        let end = step(&mut attachment, 1).await;
        let whole = format!("{begin}{end}").replace("\"\"", "").replace(&mark(1), "MARK");
        let status = subject.status(&id).await;
        feed(&mut attachment, 2, "true").await;
        vec![whole, status, step(&mut attachment, 2).await]
    }

    a_step_that_ignores_the_signal_is_killed_with_the_container(subject)
    sees ["running 0", "exit 137", r#""" ended"#]; {
        let id = subject.shell("job", Input::Once).await;
        subject.script(ScriptedRun::never_ends().ignoring_stop().prints_stdout("up"));
        let mut attachment = subject.attach(&id).await;
        subject.engine.start_container(&id).await.unwrap();
        feed(&mut attachment, 1, "trap '' TERM; printf up; sleep 600").await;
        until(&mut attachment, "up").await;
        subject.signal(&id, "TERM").await;
        let exit = subject.engine.wait_container(&id, WaitCondition::NextExit).await.unwrap();
        let status = subject.status(&id).await;
        subject.engine.kill_container(&id, Signal::Kill).await.unwrap();
        let exit = seen(exit.await.map(|status| format!("exit {}", status.code)));
        vec![status, exit, until(&mut attachment, "never").await]
    }

    a_kill_of_all_ends_the_container(subject)
    sees ["exit 137", r#""" ended"#]; {
        let id = subject.shell("job", Input::Once).await;
        subject.script(ScriptedRun::never_ends().prints_stdout("up"));
        let mut attachment = subject.attach(&id).await;
        subject.engine.start_container(&id).await.unwrap();
        feed(&mut attachment, 1, "printf up; sleep 600").await;
        until(&mut attachment, "up").await;
        let exit = subject.engine.wait_container(&id, WaitCondition::NextExit).await.unwrap();
        subject.signal(&id, "KILL").await;
        let exit = seen(exit.await.map(|status| format!("exit {}", status.code)));
        vec![exit, until(&mut attachment, "never").await]
    }

    a_shell_does_not_stop_and_is_killed_after_the_grace(subject)
    sees ["running 0", "ok", "exited 137", "ok", r#""MARK+MARK-6.""#]; {
        let id = subject.shell("job", Input::Once).await;
        subject.script(ScriptedRun::exits(0));
        subject.script(ScriptedRun::exits(6));
        let mut attachment = subject.attach(&id).await;
        subject.engine.start_container(&id).await.unwrap();
        feed(&mut attachment, 1, "true").await;
        step(&mut attachment, 1).await;
        subject.engine.kill_container(&id, Signal::Term).await.unwrap();
        let mut all = vec![subject.status(&id).await];
        all.push(done(subject.engine.stop_container(&id, Duration::from_secs(1)).await));
        all.push(subject.status(&id).await);
        // The next run has an input of its own.
        let mut attachment = subject.attach(&id).await;
        all.push(done(subject.engine.start_container(&id).await));
        feed(&mut attachment, 2, "exit 6").await;
        all.push(step(&mut attachment, 2).await);
        all
    }

    what_is_written_to_a_container_without_an_input_is_forgotten(subject)
    sees ["ok", r#""out\n" "err\n" ended"#]; {
        let id = subject.create(&subject.job("job", Program::PrintsToBoth)).await;
        let mut attachment = subject.attach(&id).await;
        let written = done(attachment.input.write("hello\n".into()).await);
        subject.engine.start_container(&id).await.unwrap();
        vec![written, read(attachment.output).await]
    }
}
