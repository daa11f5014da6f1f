//! The script's output goes to ours, and a job's progress to standard error.

use std::io;

use async_trait::async_trait;
use docker_api_trait::{LogChunk, LogSource};
use executor::{JobEvent, LogSink, Observer};
use tokio::io::{AsyncWriteExt as _, Stderr, Stdout};

use crate::failure::say;

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
    fn event(&self, event: &JobEvent<'_>) {
        match event {
            JobEvent::VolumeReady(volume) => {
                let source = &volume.planned.source;
                let state = volume.state.map_or("given", volume_manager::VolumeState::as_str);
                let (kind, name) = (source.kind(), source.name());
                say(&format!("berth: {kind} {} {state} ({name})", volume.planned.destination));
            }
            JobEvent::PullStarted(image) => say(&format!("berth: pulling {image}")),
            JobEvent::Warned(warning) => say(&format!("berth: the engine warns: {warning}")),
            JobEvent::Stopping => say("berth: stopping the job; once more to kill it"),
            _ => {}
        }
    }
}
