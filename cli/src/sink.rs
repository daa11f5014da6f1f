//! The script's output goes to ours, and a job's progress to standard error.

use std::io;

use async_trait::async_trait;
use docker_api_trait::{ApiError, LogChunk, LogSource};
use executor::{
    EngineEvent, EngineObserver, Event, FailureReason, JobEvent, JobPlan, LogSink, Observer,
    describe,
    outcome::{ServiceResult, StepOutcome, StepResult},
    workspace::{ArtifactReport, UploadReport},
};
use tokio::io::{AsyncWriteExt as _, Stderr, Stdout};

use crate::teller::{self, say};

/// Writes standard output to standard output, and standard error to standard error.
#[derive(Debug)]
pub(crate) struct StandardSink {
    stdout: Stdout,
    stderr: Stderr,
}

impl StandardSink {
    pub(crate) fn new() -> Self {
        Self { stdout: tokio::io::stdout(), stderr: tokio::io::stderr() }
    }
}

#[async_trait]
impl LogSink for StandardSink {
    async fn write(&mut self, chunk: &LogChunk) -> io::Result<()> {
        teller::told().await;
        match chunk.source {
            LogSource::Stdout => {
                self.stdout.write_all(&chunk.bytes).await?;
                self.stdout.flush().await
            }
            LogSource::Stderr => {
                self.stderr.write_all(&chunk.bytes).await?;
                self.stderr.flush().await
            }
        }
    }
}

/// Tells a person of a job's progress.
#[derive(Debug)]
pub(crate) struct Narrator;

impl Observer for Narrator {
    fn event(&self, event: &Event<'_>) {
        match event.kind {
            JobEvent::WaitingForVolume { destination } => {
                say(&format!("berth: waiting for the volume of {destination}, which is in use"));
            }
            JobEvent::VolumeReady(volume) => {
                let state = volume.state.map_or("given", volume_manager::VolumeState::as_str);
                let (kind, name) = (volume.kind(), volume.name());
                say(&format!("berth: {kind} {} {state} ({name})", volume.planned.destination));
            }
            JobEvent::CacheVanished(volume) => {
                let (destination, name) = (&volume.planned.destination, volume.name());
                say(&format!("berth: cache {destination} vanished and was made anew ({name})"));
            }
            JobEvent::CacheRebuilt { volume } => {
                say(&format!("berth: the cache {volume} had lost its folder and is made anew"));
            }
            JobEvent::PullStarted(image) => say(&format!("berth: pulling {image}")),
            JobEvent::PullRetried { image, why } => {
                say(&format!("berth: the pull of {image} failed and is tried again: {why}"));
            }
            JobEvent::CredentialsUnusable { image, why } => {
                say(&format!("berth: {image} is pulled without some credentials: {why}"));
            }
            JobEvent::PolicyFailed { image, policy, why } => {
                say(&format!("berth: {image} by the pull policy {policy}: {why}"));
            }
            JobEvent::ServiceReady(service) => {
                let took = service.duration.as_millis();
                let words = service.readiness.words();
                say(&format!("berth: service {} {words} ({took} ms)", service.name));
            }
            JobEvent::ServiceFailed { service, log } => say_service_failed(service, log),
            JobEvent::Uploaded(report) => say_uploaded(report),
            JobEvent::NotCollected(why) => {
                say(&format!("berth: artifacts may be missing: {why}"));
            }
            JobEvent::Collected(report) => say_collected(report),
            JobEvent::StepStarted { step } if *step != "script" => {
                say(&format!("berth: step {step}"));
            }
            JobEvent::StepEnded(result) if result.outcome.is_skipped() => {
                say(&format!("berth: step {} was not run", result.name));
            }
            JobEvent::StepEnded(result)
                if result.allow_failure && !matches!(result.outcome, StepOutcome::Succeeded) =>
            {
                let why = failure(result).map(|why| format!(": {why}")).unwrap_or_default();
                say(&format!("berth: step {} failed, which it may{why}", result.name));
            }
            JobEvent::StepEnded(result) if result.name == JobPlan::AFTER_SCRIPT => {
                if let Some(why) = failure(result) {
                    say(&format!("berth: the after-script failed: {why}; the job's outcome stays"));
                }
            }
            JobEvent::Noted(note) => say(&format!("berth: {note}")),
            JobEvent::Warned(warning) => say(&format!("berth: the engine warns: {warning}")),
            JobEvent::Stopping(FailureReason::Timeout { what, limit }) => {
                let (what, limit) = (what.as_str(), humantime::format_duration(*limit));
                say(&format!("berth: the {what} takes longer than {limit}; stopping it"));
            }
            _ => {}
        }
    }
}

fn say_service_failed(service: &ServiceResult, log: &str) {
    say(&format!("berth: service {} {}", service.name, service.readiness.words()));
    for line in log.lines() {
        say(&format!("berth: [{}] {}", service.name, harmless(line)));
    }
    if let Some(hint) = service.readiness.hint() {
        say(&format!("berth: hint for service {}: {hint}", service.name));
    }
}

fn say_uploaded(report: &UploadReport) {
    let size = bytesize::ByteSize::b(report.bytes);
    let (files, kept) = (report.files, report.kept);
    say(&format!("berth: sent {files} files, {size}; {kept} were there"));
    for skipped in &report.skipped {
        say(&format!("berth: left out {skipped}"));
    }
}

fn say_collected(report: &ArtifactReport) {
    let size = bytesize::ByteSize::b(report.bytes);
    say(&format!("berth: took {} artifacts, {size}", report.files));
    for skipped in &report.skipped {
        say(&format!("berth: left out {}: {}", skipped.path, skipped.reason));
    }
    for pattern in &report.unmatched {
        say(&format!("berth: no artifact matches {pattern:?}"));
    }
}

/// Why a step failed, in a few words.
fn failure(result: &StepResult) -> Option<String> {
    let StepOutcome::Failed(reason) = &result.outcome else { return None };
    Some(match reason {
        FailureReason::Script { exit_code, .. } => format!("exit code {exit_code}"),
        FailureReason::Canceled => "it was stopped".to_owned(),
        reason => reason.message()?,
    })
}

/// A line of a service's without what a terminal would obey.
fn harmless(line: &str) -> String {
    line.chars().map(|one| if one.is_control() && one != '\t' { '\u{fffd}' } else { one }).collect()
}

impl EngineObserver for Narrator {
    fn engine_event(&self, event: &EngineEvent<'_>) {
        match event {
            // An engine that is away is told of by itself.
            EngineEvent::Retried {
                error: ApiError::Unreachable { .. } | ApiError::Lost { .. },
                ..
            } => {}
            EngineEvent::Retried { operation, error, after, .. } => {
                // The engine's own words may repeat a secret; when it comes to nothing, the error
                // that does without is shown.
                let how = match error {
                    ApiError::Engine { status, .. } => format!("status {status}"),
                    ApiError::Protocol { .. } => "an answer that makes no sense".to_owned(),
                    _ => "a failure".to_owned(),
                };
                let pause = after.as_millis();
                say(&format!("berth: could not {operation}: {how}; again in {pause} ms"));
            }
            EngineEvent::Lost { error, patience } => {
                let patience = patience.as_secs();
                let error = describe(*error);
                say(&format!("berth: the engine is away, waiting up to {patience} s: {error}"));
            }
            EngineEvent::Back { after } => {
                say(&format!("berth: the engine is back after {:.1} s", after.as_secs_f64()));
            }
            _ => {}
        }
    }
}
