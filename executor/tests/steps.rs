//! Steps on the fake engine: in which order and container they run, and what their ends mean.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{
    Recorder, assert_clean, assert_succeeded, engine, error, executor, executor_with, failure, fed,
    image, job, outcome, program, ran, run, run_and, run_into, seconds, step, step_when,
    with_after_script, words,
};
use docker_api_trait::{Input, LogSource, Operation};
use executor::{
    Cancel, Command, ExecutorConfig, FailureReason, JobPlan, JobSpec, MemorySink, NullSink,
    StepSpec, Variable,
    error::{PrepareError, RunError, StepError},
    job::{ContainerKind, JobError, StepWhen},
    log::{LogEnd, Truncation},
    outcome::{ExitCause, Phase, StepOutcome},
};
use testkit::{FakeDocker, ScriptedRun};

/// Four stages as CI systems have them: two in the helper, two in the build container.
fn four_stages() -> JobSpec {
    let steps = [step("sources").in_helper(), step("restore").in_helper(), step("build")];
    let mut job = job(steps.into_iter().chain([step("archive").in_helper()]));
    job.helper_image = Some(image("helper").into());
    job.volumes = vec!["/builds".to_owned(), "/cache".to_owned()];
    job
}

#[tokio::test(start_paused = true)]
async fn a_warm_job_of_four_stages_sends_eighteen_requests() {
    let engine = engine().with_image("helper");
    assert_clean(&engine, &run(&engine, &four_stages()).await);
    let before = engine.calls().len();
    let result = run(&engine, &four_stages()).await;
    assert_succeeded(&result);
    assert_clean(&engine, &result);
    let two = |operation| [operation, operation];
    let calls = &engine.calls()[before..];
    let expected = [Operation::Version, Operation::Info]
        .into_iter()
        .chain(two(Operation::CreateVolume))
        .chain(two(Operation::CreateContainer))
        .chain([Operation::AttachContainer, Operation::WaitContainer])
        .chain([Operation::AttachContainer, Operation::WaitContainer])
        .chain(two(Operation::InspectVolume))
        .chain(two(Operation::InspectPath))
        .chain(two(Operation::StartContainer))
        .chain(two(Operation::RemoveContainer));
    assert_eq!(calls, expected.collect::<Vec<_>>());
    assert_eq!(result.api_requests, 18);
}

#[tokio::test(start_paused = true)]
async fn each_step_runs_in_its_turn_in_its_own_container() {
    let engine = engine().with_image("helper");
    let result = run(&engine, &four_stages()).await;
    assert_eq!(fed(&engine), ["sources", "restore", "build", "archive"]);
    let kinds: Vec<_> = result.steps.iter().map(|step| step.container).collect();
    let (build, helper) = (ContainerKind::Build, ContainerKind::Helper);
    assert_eq!(kinds, [helper, helper, build, helper]);
    let requests = engine.container_requests();
    let images: Vec<_> = requests.iter().map(|request| request.image.as_str()).collect();
    assert_eq!(images, ["busybox", "helper"]);
    assert!(requests.iter().all(|request| request.input == Input::Once && request.init));
    assert!(requests.iter().all(|request| request.mounts.len() == 2));
}

#[tokio::test(start_paused = true)]
async fn a_step_runs_after_the_outcomes_that_it_asks_for() {
    for (code, expected) in [
        (0, ["succeeded", "succeeded", "skipped", "succeeded", "succeeded"]),
        (1, ["failed", "skipped", "succeeded", "succeeded", "succeeded"]),
    ] {
        let engine = engine();
        engine.script_next(ScriptedRun::exits(code));
        let steps = [
            step("first"),
            step("then"),
            step_when("else", StepWhen::Failure),
            step_when("ever", StepWhen::Always),
        ];
        let result = run(&engine, &with_after_script(job(steps))).await;
        let words: Vec<_> = words(&result).into_iter().map(|(_, word)| word).collect();
        assert_eq!(words, expected, "after {code}");
        assert_eq!(matches!(failure_code(&result), Some(1)), code == 1);
        assert_clean(&engine, &result);
    }
}

fn failure_code(result: &executor::JobResult) -> Option<i64> {
    match &result.outcome {
        executor::JobOutcome::Failed(FailureReason::Script { exit_code, .. }) => Some(*exit_code),
        _ => None,
    }
}

#[tokio::test(start_paused = true)]
async fn of_several_failures_the_first_is_the_jobs() {
    let engine = engine();
    for code in [3, 4, 5] {
        engine.script_next(ScriptedRun::exits(code));
    }
    let steps = [step("first"), step_when("ever", StepWhen::Always)];
    let result = run(&engine, &with_after_script(job(steps))).await;
    assert_eq!(failure_code(&result), Some(3));
    assert_eq!(outcome(&result, "after_script").exit_code(), Some(5));
}

#[tokio::test(start_paused = true)]
async fn a_step_that_may_fail_leaves_the_outcome_as_it_is() {
    let engine = engine();
    engine.script_next(ScriptedRun::exits(1));
    let mut first = step("lint");
    first.allow_failure = true;
    let result = run(&engine, &job([first, step("build")])).await;
    assert_succeeded(&result);
    assert_eq!(words(&result), [("lint", "failed"), ("build", "succeeded")]);
    // It is no licence to hide that nobody knows what happened.
    let engine = common::engine();
    engine.script_next(ScriptedRun::exits(0).kills_shell());
    let mut first = step("lint");
    first.allow_failure = true;
    let result = run(&engine, &job([first, step("build")])).await;
    assert!(
        matches!(
            error(&result, Phase::Script, true),
            RunError::Step(StepError::ContainerLost { .. })
        ),
        "{result:?}"
    );
    assert_eq!(ran(&result), ["lint"]);
    assert_clean(&engine, &result);
}

#[tokio::test(start_paused = true)]
async fn a_step_with_nothing_to_run_costs_nothing() {
    let engine = engine();
    let with_nothing = |name| StepSpec::new(name, Command::script(" \n").unwrap()).in_helper();
    let mut job = job([with_nothing("sources"), step("build"), with_nothing("archive")]);
    job.after_script = Some(Command::script("").unwrap());
    let result = run(&engine, &job).await;
    assert_eq!(words(&result), [("build", "succeeded")]);
    assert_eq!(engine.container_requests().len(), 1);
    job.steps.remove(1);
    let refused = executor(&engine).job(&job).run().await;
    assert!(matches!(refused, Err(JobError::NothingToRun)), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn an_exit_code_tells_its_cause() {
    for code in 0..=255 {
        let engine = engine();
        engine.script_next(ScriptedRun::exits(code));
        let result = run(&engine, &job([step("a")])).await;
        assert_clean(&engine, &result);
        let expected = match code {
            0 => {
                assert_succeeded(&result);
                continue;
            }
            126 => ExitCause::NotExecutable,
            127 => ExitCause::NotFound,
            129..=192 => ExitCause::Signal(u8::try_from(code - 128).unwrap()),
            _ => ExitCause::Exited,
        };
        let FailureReason::Script { exit_code, cause } = failure(&result, Phase::Script, false)
        else {
            panic!("{code}: {:?}", result.outcome)
        };
        assert_eq!((*exit_code, *cause), (code, expected));
    }
}

#[tokio::test(start_paused = true)]
async fn a_lack_of_memory_is_told_from_a_kill() {
    for (run_, expected) in [
        (ScriptedRun::exits(137), ExitCause::Signal(9)),
        (ScriptedRun::exits(0).oom_killed(), ExitCause::OutOfMemory),
        (ScriptedRun::exits(137).kills_shell(), ExitCause::Signal(9)),
        (ScriptedRun::exits(0).oom_killed().kills_shell(), ExitCause::OutOfMemory),
    ] {
        let engine = engine();
        engine.script_next(run_.clone());
        let result = run(&engine, &job([step("a")])).await;
        let FailureReason::Script { exit_code: 137, cause } =
            failure(&result, Phase::Script, false)
        else {
            panic!("{run_:?}: {:?}", result.outcome)
        };
        assert_eq!(*cause, expected, "{run_:?}");
        assert_clean(&engine, &result);
    }
}

#[tokio::test(start_paused = true)]
async fn a_shell_that_its_step_killed_is_started_again_for_the_next() {
    let engine = engine();
    engine.script_next(ScriptedRun::exits(137).kills_shell());
    let sink = MemorySink::new();
    engine.script(ScriptedRun::exits(0).prints_stdout("again\n"));
    let steps = [step("suicide"), step_when("ever", StepWhen::Always)];
    let result = run_into(&engine, &with_after_script(job(steps)), sink.clone()).await;
    assert_eq!(failure_code(&result), Some(137));
    assert_eq!(
        words(&result),
        [("suicide", "failed"), ("ever", "succeeded"), ("after_script", "succeeded")]
    );
    assert_eq!(sink.text(LogSource::Stdout), "again\nagain\n");
    assert_eq!(engine.container_requests().len(), 1);
    assert_clean(&engine, &result);
}

#[tokio::test(start_paused = true)]
async fn a_shell_that_ends_with_0_before_its_step_is_no_success() {
    let engine = engine();
    engine.script_next(ScriptedRun::exits(0).kills_shell());
    let result = run(&engine, &with_after_script(job([step("exec"), step("next")]))).await;
    assert!(
        matches!(
            error(&result, Phase::Script, true),
            RunError::Step(StepError::ContainerLost { .. })
        ),
        "{result:?}"
    );
    assert_eq!(ran(&result), ["exec"]);
    assert_clean(&engine, &result);
}

#[tokio::test(start_paused = true)]
async fn a_container_that_vanishes_before_or_while_a_step_runs_is_named() {
    // The helper's step lasts 5 s; what vanishes after one is the helper, or the build container.
    for (victim, expected) in [(1, vec!["sources"]), (0, vec!["sources", "build"])] {
        let engine = engine();
        engine.script_next(ScriptedRun::exits(0).lasting(seconds(5)));
        let job = with_after_script(job([step("sources").in_helper(), step("build")]));
        let thief = |_: &Cancel| engine.vanish_container(&engine.containers()[victim].id);
        let result = run_and(&executor(&engine), &job, NullSink, seconds(1), thief).await;
        let (RunError::Prepare(PrepareError::ContainerVanished { container })
        | RunError::Step(StepError::ContainerVanished { container })) =
            error(&result, Phase::Script, true)
        else {
            panic!("{:?}", result.outcome)
        };
        let letter = if victim == 1 { "berth-h1-" } else { "berth-b1-" };
        assert!(container.starts_with(letter), "{container}");
        assert_eq!(ran(&result), expected);
        assert_clean(&engine, &result);
    }
}

#[tokio::test(start_paused = true)]
async fn an_image_without_a_shell_is_named_with_the_inits_words() {
    let engine = engine().with_image_without_shell("bare");
    let mut job = with_after_script(job([step("build")]));
    job.image = image("bare").into();
    let result = run(&engine, &job).await;
    let RunError::Step(StepError::NoShell { image, detail }) = error(&result, Phase::Script, false)
    else {
        panic!("{:?}", result.outcome)
    };
    assert_eq!(image.as_str(), "bare");
    assert!(detail.contains("exec sh failed"), "{detail}");
    assert_eq!(ran(&result), ["build"]);
    assert_clean(&engine, &result);
}

#[tokio::test(start_paused = true)]
async fn programs_have_a_container_each_and_need_no_shell() {
    let engine = engine().with_image_without_shell("bare");
    let mut job = job([program("one"), program("two"), program("three")]);
    job.image = image("bare").into();
    let sink = MemorySink::new();
    engine.script_next(ScriptedRun::exits(0).prints_stdout("1"));
    engine.script_next(ScriptedRun::exits(0).prints_stdout("2").pausing(seconds(1)));
    engine.script_next(ScriptedRun::exits(0).prints_stdout("3"));
    let result = run_into(&engine, &job, sink.clone()).await;
    assert_succeeded(&result);
    assert_eq!(sink.text(LogSource::Stdout), "123");
    let requests = engine.container_requests();
    let programs: Vec<_> = requests.iter().map(|request| request.entrypoint.concat()).collect();
    assert_eq!(programs, ["one", "two", "three"]);
    assert!(requests.iter().all(|one| one.arguments == ["-x"] && one.input == Input::None));
    assert!(engine.scripts().is_empty());
    assert_clean(&engine, &result);
}

#[tokio::test(start_paused = true)]
async fn after_a_program_that_fails_no_container_is_made_for_the_next() {
    let engine = engine();
    engine.script_next(ScriptedRun::exits(2));
    let result = run(&engine, &job([program("one"), program("two")])).await;
    assert_eq!(failure_code(&result), Some(2));
    assert_eq!(words(&result), [("one", "failed"), ("two", "skipped")]);
    assert_eq!(engine.container_requests().len(), 1);
    assert_clean(&engine, &result);
}

#[tokio::test(start_paused = true)]
async fn a_program_beside_scripts_is_a_line_of_the_shell() {
    let engine = engine();
    let result = run(&engine, &job([step("a"), program("make")])).await;
    assert_succeeded(&result);
    assert_eq!(fed(&engine), ["a", "'make' '-x'"]);
    assert_eq!(engine.container_requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn secrets_reach_the_shell_alone_and_not_the_log() {
    const SECRET: &str = "s3cret-of-the-job";
    let engine = engine();
    let mut job = job([step("a")]);
    job.variables.push(Variable::new("TOKEN", SECRET).unwrap().masked());
    job.variables.push(Variable::new("PLAIN", "seen").unwrap());
    let output = ScriptedRun::exits(0).prints_stdout("<s3cr").prints_stderr("<s3cret-of-");
    engine.script_next(output.prints_stdout("et-of-the-job>").prints_stderr("the-job>"));
    let sink = MemorySink::new();
    let result = run_into(&engine, &job, sink.clone()).await;
    assert_eq!(result.log, LogEnd::Complete);
    for source in [LogSource::Stdout, LogSource::Stderr] {
        let text = sink.text(source);
        assert!(text.starts_with('<') && text.ends_with('>') && text.len() > 2, "{text}");
        assert!(!text.contains("cret") && !text.contains("job"), "{text}");
    }
    assert!(engine.scripts()[0].contains(&format!("command export TOKEN='{SECRET}'\n")));
    for request in engine.container_requests() {
        assert!(request.environment.contains(&"PLAIN=seen".to_owned()));
        let all = [request.environment.clone(), request.arguments.clone()].concat().join(" ");
        assert!(!all.contains(SECRET) && !all.contains("TOKEN"), "{all}");
        assert!(!format!("{request:?} {:?}", request.labels).contains(SECRET));
    }
    let plan =
        executor::plan(&job, &ExecutorConfig::new("ci"), &executor::RunContext::draw()).unwrap();
    assert!(!format!("{plan:?} {result:?}").contains(SECRET));
}

#[tokio::test(start_paused = true)]
async fn variables_that_are_files_are_in_every_container_before_it_starts() {
    let engine = engine();
    let mut job = job([step("a").in_helper(), step("b")]);
    job.variables.push(Variable::new("KEY", "-----BEGIN").unwrap().masked().file());
    assert_succeeded(&run(&engine, &job).await);
    let calls = engine.calls();
    let started = calls.iter().position(|call| *call == Operation::StartContainer).unwrap();
    let uploads = calls[..started].iter().filter(|call| **call == Operation::UploadArchive);
    assert_eq!(uploads.count(), 2);
    let text = format!("{:?}", engine.uploaded());
    assert_eq!(text.matches(".berth/KEY").count(), 2, "{text}");
    for request in engine.container_requests() {
        assert!(request.environment.contains(&format!("KEY={}/KEY", JobPlan::FILES)));
    }
    assert!(!engine.scripts()[0].contains("BEGIN"));
}

#[tokio::test(start_paused = true)]
async fn a_log_that_is_too_long_is_cut_and_the_job_goes_on() {
    let engine = engine();
    let mut config = ExecutorConfig::new("ci");
    config.log_limit = Some(5);
    // No digits of a mark: what may be the beginning of one comes as a piece of its own.
    engine.script(ScriptedRun::exits(0).prints_stdout("xyz"));
    let sink = Recorder::default();
    let job = job([step("a"), step("b"), step("c")]);
    let executor = executor_with(&engine, config);
    let result = executor.job(&job).sink(sink.clone()).run().await.unwrap();
    assert_succeeded(&result);
    assert_eq!(
        sink.told(),
        ["begin a", "xyz", "end a", "begin b", "xy", "end b", "begin c", "end c"]
    );
    let limit = LogEnd::Truncated(Truncation::Limit);
    let logs: Vec<_> = result.steps.iter().map(|step| step.log.clone()).collect();
    assert_eq!(logs, [LogEnd::Complete, limit.clone(), limit.clone()]);
    assert_eq!(result.log, limit);
}

#[tokio::test(start_paused = true)]
async fn a_sink_is_told_of_each_step_round_its_output() {
    let engine = engine();
    engine.script_next(ScriptedRun::exits(0).prints_stdout("1"));
    engine.script_next(ScriptedRun::exits(1).prints_stderr("2"));
    let sink = Recorder::default();
    let steps = [step("a").in_helper(), step("b"), step("skipped")];
    run_into(&engine, &with_after_script(job(steps)), sink.clone()).await;
    let expected = ["begin a", "1", "end a", "begin b", "2", "end b"];
    assert_eq!(sink.told()[..6], expected);
    assert_eq!(sink.told()[6..], ["begin after_script", "end after_script"]);
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_failed_gets_no_more_in_any_later_step() {
    for fails_at in ["begin a", "1", "end a"] {
        let engine = engine();
        engine.script(ScriptedRun::exits(0).prints_stdout("1"));
        let sink = Recorder { fails_at: Some(fails_at), ..Recorder::default() };
        let job = with_after_script(job([step("a"), step("b")]));
        let result = run_into(&engine, &job, sink.clone()).await;
        assert_succeeded(&result);
        assert_eq!(fed(&engine), ["a", "b", "after"]);
        assert_eq!(sink.told().last().unwrap(), fails_at);
        let failed = LogEnd::Truncated(Truncation::Sink("the disk is full".to_owned()));
        assert!(result.steps.iter().all(|step| step.log == failed), "{:?}", result.steps);
        assert_clean(&engine, &result);
    }
}

#[tokio::test(start_paused = true)]
async fn a_script_of_5_mb_arrives_whole() {
    let engine = engine();
    let script = "echo 0123456789\n".repeat(5 << 16);
    let step = StepSpec::new("a", Command::script(script.clone()).unwrap());
    assert_succeeded(&run(&engine, &job([step])).await);
    assert!(engine.scripts()[0].contains(&script));
}

#[tokio::test(start_paused = true)]
async fn the_last_piece_before_an_end_is_not_lost() {
    let engine = engine();
    let last = ScriptedRun::exits(0).pausing(seconds(3)).prints_stdout("last");
    engine.script_next(last.prints_stderr("words"));
    let sink = MemorySink::new();
    let result = run_into(&engine, &job([step("a")]), sink.clone()).await;
    assert!(matches!(outcome(&result, "a"), StepOutcome::Succeeded));
    assert_eq!(sink.text(LogSource::Stdout), "last");
    assert_eq!(sink.text(LogSource::Stderr), "words");
    assert_eq!(result.steps[0].duration, seconds(3));
}

#[tokio::test(start_paused = true)]
async fn two_jobs_on_one_executor_do_not_meet() {
    let engine: FakeDocker = engine();
    engine.script(ScriptedRun::exits(0).lasting(seconds(1)));
    let executor = executor(&engine);
    let job = with_after_script(four_stages_of_one_image());
    let run = || async { executor.job(&job).run().await.unwrap() };
    let results = tokio::join!(run(), run(), run());
    for result in [&results.0, &results.1, &results.2] {
        assert_succeeded(result);
        assert_eq!(result.steps.len(), 5);
    }
    assert_clean(&engine, &results.0);
}

fn four_stages_of_one_image() -> JobSpec {
    let mut job = four_stages();
    job.helper_image = None;
    job
}

#[tokio::test(start_paused = true)]
async fn an_entrypoint_that_never_starts_a_shell_is_given_up_after_two_minutes() {
    let engine = engine();
    engine.script(ScriptedRun::never_ends());
    let mut job = job([step("build")]);
    job.image.entrypoint = vec!["sleep".to_owned()];
    let begin = tokio::time::Instant::now();
    let result = run(&engine, &job).await;
    assert!(
        matches!(error(&result, Phase::Script, false), RunError::Step(StepError::NoShell { .. })),
        "{:?}",
        result.outcome
    );
    assert!((120..130).contains(&begin.elapsed().as_secs()), "{:?}", begin.elapsed());
    assert_clean(&engine, &result);
}
