//! `berth run`.

use std::{
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use executor::{
    Cancel, Executor, FailureReason, JobOutcome, JobResult, LogSink, RunContext,
    image::{AuthConfig, read_user_auth_config},
    log::{LogEnd, SectionSink, TimestampSink, Truncation},
    outcome::TimedPart,
    report::JobReport,
};

use crate::{
    args::{EngineKind, Request, RunArguments},
    engine::Engine,
    failure::{Failure, INTERRUPTED, OUR_FAILURE, TIMED_OUT},
    plan::decide,
    signal,
    sink::StandardSink,
    stage::Stage,
    sweep::Watch,
    teller::say,
};

/// How long a sweep that goes on when the job has ended is waited for.
const SWEEP_REST: Duration = Duration::from_secs(5);

/// Runs a job; returns the exit code.
pub(crate) fn run(arguments: &RunArguments) -> Result<u8, Failure> {
    let request = arguments.request()?;
    let endpoint = &request.engine;
    // In memory nothing is left behind.
    let mut watch = match endpoint.engine {
        EngineKind::Docker => {
            let (state, owner) = (&arguments.state, &*request.config.owner);
            Some(Watch::begin(state, endpoint, owner, arguments.quiet)?)
        }
        EngineKind::Memory => None,
    };
    let mut context = RunContext::draw();
    if let Some(instance) = watch.as_ref().and_then(Watch::instance) {
        context = context.with_instance(instance);
    }
    // All that can be said before the job starts is said before.
    let plan = decide(&request, &context)?;
    let report = arguments.report.as_deref().map(ReportFile::open).transpose()?;
    let engine = Engine::for_run(arguments, endpoint)?;
    let Request { config, transfers, notes, .. } = request;
    if !arguments.quiet {
        for note in &notes {
            let kind = if note.kind.is_warning() { "warning: " } else { "" };
            say(&format!("berth: {kind}{note}"));
        }
    }
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
            Failure::from_error(&error, Some("the system is short of something".into()))
        })?;
    let mut executor = Executor::for_engine(Arc::clone(&engine.docker), config);
    if let Some(credentials) = credentials() {
        executor = executor.with_auth_config(credentials);
    }
    let (cancel, stage) = (Cancel::new(), Stage::default());
    executor = executor.with_observer(stage.observer(arguments.quiet));
    let result = runtime.block_on(async {
        let sink = sink(arguments);
        let sweep = watch.as_mut().map(|watch| {
            watch.set_left(true);
            tokio::spawn(watch.take_sweep())
        });
        let mut obedience = std::pin::pin!(signal::obey(&cancel, &stage, arguments.quiet));
        let result = tokio::select! {
            result = executor.planned_job(&plan).transfers(transfers.clone()).sink(sink).cancel(&cancel).run() => Ok(result),
            Err(error) = &mut obedience => Err(Failure::from_error(&error, None)),
        };
        if let Some(sweep) = sweep
            && result.is_ok()
            && !cancel.is_stopped()
        {
            // What it does not come to is the next one's.
            tokio::select! {
                _ = tokio::time::timeout(SWEEP_REST, sweep) => {}
                () = cancel.stopped() => {}
                _ = &mut obedience => {}
            }
        }
        result
    });
    // A write to a terminal that is stopped would otherwise hold us.
    runtime.shutdown_timeout(Duration::from_millis(100));
    let result = result?;
    engine.keep(&arguments.engine)?;
    if let Some(watch) = &mut watch {
        watch.set_left(!result.cleanup.failed.is_empty());
    }
    conclude(&result, arguments, &cancel, report)
}

/// Reports how a job ended, on standard error and in the report's file; returns the exit code.
fn conclude(
    result: &JobResult,
    arguments: &RunArguments,
    cancel: &Cancel,
    report: Option<ReportFile>,
) -> Result<u8, Failure> {
    for failed in &result.cleanup.failed {
        let left = format!("the {} {} may still be there", failed.kind.as_str(), failed.name);
        say(&format!("berth: {left}: {}", failed.error));
    }
    if !result.cleanup.failed.is_empty() {
        say("hint: the next `berth run` or `berth sweep` removes it");
    }
    // That a job which was stopped or never started has no whole log goes without saying.
    if let LogEnd::Truncated(why) = &result.log
        && !matches!(why, Truncation::Interrupted | Truncation::NotStarted)
    {
        say(&format!("berth: the log is not complete: {}", why.reason()));
    }
    let mut code = exit_code(result, arguments.timeout_words().as_deref());
    // After an interrupt, users expect a message and exit code 130, in every phase.
    if cancel.is_stopped() && code != INTERRUPTED {
        let job = if code == 0 { "; the job itself had succeeded" } else { "" };
        say(&format!("berth: interrupted by a signal{job}"));
        code = INTERRUPTED;
    }
    if let Some(report) = report {
        report.write(&JobReport::from(result))?;
    }
    Ok(code)
}

/// What opens registries: the configuration of the `docker` program. One that cannot be read is
/// reported when an image is pulled.
fn credentials() -> Option<AuthConfig> {
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let read = read_user_auth_config(folder("DOCKER_CONFIG").as_deref(), folder("HOME").as_deref());
    read.unwrap_or_else(|error| Some(AuthConfig::broken(error)))
}

/// Where the log goes, with what was asked for in it.
fn sink(arguments: &RunArguments) -> Box<dyn LogSink> {
    let standard = StandardSink::new();
    match (arguments.log.timestamps, arguments.log.sections) {
        (false, false) => Box::new(standard),
        (true, false) => Box::new(TimestampSink::new(standard, SystemTime::now)),
        (false, true) => Box::new(SectionSink::new(standard, SystemTime::now)),
        (true, true) => {
            let sections = SectionSink::new(standard, SystemTime::now);
            Box::new(TimestampSink::new(sections, SystemTime::now))
        }
    }
}

fn exit_code(result: &JobResult, limit: Option<&str>) -> u8 {
    let JobOutcome::Failed(reason) = &result.outcome else { return 0 };
    match reason {
        FailureReason::Script { exit_code, cause } => {
            let name = failed_step(result).unwrap_or("script");
            let what =
                if name == "script" { "the script".to_owned() } else { format!("the step {name}") };
            let words = cause.words().map(|words| format!(": {words}")).unwrap_or_default();
            say(&format!("berth: {what} failed with exit code {exit_code}{words}"));
            say("hint: the output above says why; berth did its part");
            u8::try_from(*exit_code).unwrap_or(OUR_FAILURE)
        }
        FailureReason::Timeout { what: TimedPart::Job, .. } => {
            let limit = limit.unwrap_or("its limit");
            Failure::new(
                format!("the job took longer than {limit}"),
                "give it more time with --timeout, or none to let it run",
            )
            .show();
            TIMED_OUT
        }
        FailureReason::Timeout { .. } => {
            // The report names the step.
            show(JobReport::from(result));
            TIMED_OUT
        }
        FailureReason::Canceled => {
            say("berth: the job was stopped");
            INTERRUPTED
        }
        _ => {
            show(JobReport::from(result));
            OUR_FAILURE
        }
    }
}

/// Shows what went wrong, as the report has it.
fn show(report: JobReport) {
    if let Some(message) = report.error {
        match report.hint {
            Some(hint) => Failure::new(message, hint).show(),
            None => say(&format!("berth: error: {message}")),
        }
    }
}

fn failed_step(result: &JobResult) -> Option<&str> {
    let failed = |step: &&executor::outcome::StepResult| {
        matches!(step.outcome, executor::outcome::StepOutcome::Failed(_)) && !step.allow_failure
    };
    result.steps.iter().find(failed).map(|step| step.name.as_str())
}

/// The report's file, opened before the job starts: whether it can be written is known in time.
/// It appears whole or not at all.
struct ReportFile {
    path: std::path::PathBuf,
    temporary: tempfile::NamedTempFile,
}

impl ReportFile {
    fn open(path: &Path) -> Result<Self, Failure> {
        let failed = |error: &dyn std::fmt::Display| {
            Failure::new(
                format!("the report {} cannot be written: {error}", path.display()),
                "give --report a file in a folder that exists and that you may write to",
            )
        };
        // A link stays; what it leads to is replaced.
        let resolved = path.canonicalize();
        let path = resolved.as_deref().unwrap_or(path);
        if let Ok(metadata) = std::fs::symlink_metadata(path) {
            // It would be replaced by a file: never a device, a pipe, or a link that leads nowhere.
            if !metadata.is_file() {
                let what = if metadata.is_dir() { "it is a folder" } else { "it is no plain file" };
                return Err(failed(&what));
            }
            // To a file that is there we need the right to write, not only to its folder.
            File::options().append(true).open(path).map_err(|error| failed(&error))?;
        }
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let temporary = tempfile::Builder::new()
            .prefix(".berth-report-")
            // As any file that a program makes; the user's mask applies.
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666))
            .tempfile_in(folder)
            .map_err(|error| failed(&error))?;
        Ok(Self { path: path.to_owned(), temporary })
    }

    fn write(mut self, report: &JobReport) -> Result<(), Failure> {
        let failed = |path: &Path, error: &dyn std::fmt::Display| {
            Failure::new(
                format!("the report {} could not be written: {error}", path.display()),
                "the job has ended as said above; only its report is missing",
            )
        };
        let mut text = serde_json::to_vec_pretty(report).unwrap_or_default();
        text.push(b'\n');
        self.temporary.write_all(&text).map_err(|error| failed(&self.path, &error))?;
        let path = self.path.clone();
        self.temporary.persist(&self.path).map_err(|error| failed(&path, &error.error))?;
        Ok(())
    }
}
